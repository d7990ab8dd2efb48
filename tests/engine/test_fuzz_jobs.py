# SPDX-License-Identifier: GPL-2.0-only
# A few of the job files that fuzz_jobs.py makes by chance; more by hand:
# tests/fuzz/fuzz_jobs.py --count 100000
import os
import shutil

import pytest

import fuzz_jobs

pytestmark = pytest.mark.fio
FILES = int(os.environ.get("KAIO_FUZZ_JOBS", "300"))


def test_same_number_same_file():
    """And another number another one, none of which leads out of its folder
    or starts a command."""
    texts = [fuzz_jobs.make(1, number, "/engine", 0.1).text
             for number in range(2000)]
    assert texts == [fuzz_jobs.make(1, number, "/engine", 0.1).text
                     for number in range(2000)]
    assert len(set(texts)) > 1900
    for text in texts:
        assert "$" not in text and "`" not in text
        assert "exec" not in text and "write_" not in text
        for line in text.splitlines():
            if "/" in line:
                assert line.startswith((
                    "ioengine=external:/engine", "stats_file=/dev/null",
                    "stats_file=/dev/full", "stats_file=gone/s",
                    "stats_file=./s", "bssplit=", "cmdprio_bssplit="))


def test_job_files():
    assert shutil.which(os.environ.get("FIO") or "fio")
    args = fuzz_jobs.options(["--count", str(FILES), "--seed", "1"])
    assert fuzz_jobs.Fuzz(args).all() == []

# SPDX-License-Identifier: GPL-2.0-only
# How many bytes a size in a job file is: as many as fio makes a file of.
import subprocess

import pytest

from fiolab.ab import matrix
from fiolab.base.problem import Problem
from fiolab.fio import fairness, jobfile
from fiolab.fio.jobs import amounts, jobgroups

UNITS = [("64KiB", 64000), ("64KB", 65536), ("64k", 65536), ("64K", 65536),
         ("65536b", 65536)]


@pytest.mark.fio
@pytest.mark.parametrize("size, usual", UNITS)
@pytest.mark.parametrize("base", ["", "1024", "1000"])
def test_k_is_as_many_bytes_as_fio_takes_it_for(size, usual, base, tmp_path,
                                                fio_binary):
    """fio has kib and kb the wrong way round, but with kb_base=1000."""
    text = "".join([f"[global]\nkb_base={base}\n" if base else "",
                    f"[a]\nrw=write\nbs={size}\nsize={size}\n"])
    (tmp_path / "x.fio").write_text(f"{text}filename={tmp_path}/file\n")
    subprocess.run([fio_binary, tmp_path / "x.fio"], check=True, timeout=60,
                   capture_output=True)
    length = (tmp_path / "file").stat().st_size
    other = 65536 if usual == 64000 else 64000
    assert length == (other if base == "1000" and "b" != size[-1:] else usual)
    job = jobfile.Job("x.fio", text)
    assert fairness.largest_block(job) == length
    assert amounts.block(job._where()[0]) == length
    assert f"size {size} ->" not in job.changes([f"size={length}"])


@pytest.mark.parametrize("text", [
    "[a]\nkb_base=1000\n[b]\n", "[a]\n[b]\nkb_base=1000\n",
    "[global]\nbs=4k\n[a]\nkb_base=1000\n",
    "[global]\nbs=4k\n[global]\nkb_base=1000\n[a]\n"])
def test_a_unit_that_changes_within_a_file_is_refused(text, tmp_path):
    (tmp_path / "x.fio").write_text(text)
    with pytest.raises(Problem, match="4k is not the same everywhere in it"):
        jobgroups.load(str(tmp_path / "x.fio"))
    (tmp_path / "x.fio").write_text(f"[global]\nkb_base=1000\n{text}")
    assert jobgroups.load(str(tmp_path / "x.fio"))


def test_a_matrix_counts_as_the_job_does():
    job, = matrix.expand([jobfile.Job(
        "x.fio", "[global]\nkb_base=1000\n[a]\nbs=8k\n")], ["bs=4k"])
    lines = job.text.split("\n")
    assert lines.index("kb_base=1000") < lines.index("bs=4k")
    assert fairness.largest_block(job) == 4000

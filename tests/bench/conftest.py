# SPDX-License-Identifier: GPL-2.0-only
# jobs/bench for the tests that run it as a user would.
import pytest

from benchrun import Bench


@pytest.fixture
def bench(build_dir, san, fio_binary, tmp_path):
    if san:
        pytest.skip("a sanitized engine needs the sanitizer preloaded")
    (tmp_path / "tmp").mkdir()
    return Bench("bench", build_dir, tmp_path / "tmp", fio_binary)

# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures: the library under test, and the distribution's to compare with.
"""
import os
from pathlib import Path
import shutil
import tempfile

import pytest

from abi_tools import BUILD, SHARED, STATIC


@pytest.fixture(scope="session", autouse=True)
def library_is_built():
    for path in (SHARED, STATIC):
        assert path.exists(), f"{path} is missing: run make lib first"


@pytest.fixture(scope="session")
def library_paths(distribution_library, tmp_path_factory):
    """LD_LIBRARY_PATH for each library; both have there the name that programs
    of Debian 13 want, too."""
    theirs = tmp_path_factory.mktemp("distribution")
    for name in ("libaio.so.1", "libaio.so.1t64"):
        (theirs / name).symlink_to(distribution_library.resolve())
    return {"ours": BUILD, "theirs": theirs}


@pytest.fixture
def open_directory():
    """A directory that any user can reach, unlike pytest's."""
    path = tempfile.mkdtemp(prefix="kaio-setuid-")
    os.chmod(path, 0o755)
    try:
        if os.statvfs(path).f_flag & os.ST_NOSUID:
            pytest.skip(f"{path} is mounted nosuid")
        yield Path(path)
    finally:
        shutil.rmtree(path)

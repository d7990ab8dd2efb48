# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures: the library under test, and the distribution's to compare with.
"""
import pytest

from abi_tools import BUILD, SHARED, STATIC


@pytest.fixture(scope="session", autouse=True)
def library_is_built():
    for path in (SHARED, STATIC):
        assert path.exists(), f"{path} is missing: run make lib first"


@pytest.fixture(scope="session")
def library_paths(distribution_library, tmp_path_factory):
    """LD_LIBRARY_PATH for each library; both are called libaio.so.1 there."""
    theirs = tmp_path_factory.mktemp("distribution")
    (theirs / "libaio.so.1").symlink_to(distribution_library.resolve())
    return {"ours": BUILD, "theirs": theirs}

# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures: the library under test, and the distribution's to compare with.

The distribution's shared object serves as the reference for symbols and
behaviour, its source package for the header and libaio's own harness.
"""
import re
from pathlib import Path

import pytest

from abi_tools import BUILD, ROOT, SHARED, STATIC, need, output_of, run


@pytest.fixture(scope="session", autouse=True)
def library_is_built():
    for path in (SHARED, STATIC):
        assert path.exists(), f"{path} is missing: run make lib first"


@pytest.fixture(scope="session")
def distribution_library():
    """The path of the distribution's libaio.so.1."""
    ldconfig = need("ldconfig", "it finds the distribution's libaio")
    found = re.search(
        r"^\s*libaio\.so\.1(?:t64)? .*=> (\S+)", output_of(ldconfig, "-p"), re.M
    )
    if not found:
        pytest.skip("the distribution's libaio (libaio1) is not installed")
    return Path(found[1])


@pytest.fixture(scope="session")
def distribution_source(distribution_library):
    """The unpacked source package of the distribution's libaio."""
    need("dpkg-query", "it names the package of the distribution's libaio")
    # dpkg may know the file under /lib or under /usr/lib.
    owner = run("dpkg-query", "-S", f"*/{distribution_library.name}")
    if owner.returncode:
        pytest.skip(f"{distribution_library} belongs to no package")
    fetched = run(
        ROOT / ".setup/source-package", owner.stdout.split(":")[0], timeout=120
    )
    if fetched.returncode:
        pytest.skip(f"libaio's source is not to be had: {fetched.stderr}")
    return Path(fetched.stdout.strip())


@pytest.fixture(scope="session")
def library_paths(distribution_library, tmp_path_factory):
    """LD_LIBRARY_PATH for each library; both are called libaio.so.1 there."""
    theirs = tmp_path_factory.mktemp("distribution")
    (theirs / "libaio.so.1").symlink_to(distribution_library.resolve())
    return {"ours": BUILD, "theirs": theirs}

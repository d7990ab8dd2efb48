# SPDX-License-Identifier: GPL-2.0-only
"""The device lab on a machine without QEMU, where nothing may be installed."""
import os
from pathlib import Path
import re
import subprocess

import pytest

from setuprun import BASE_ENV, ROOT, private_path


@pytest.mark.long
def test_without_qemu_all_is_skipped_and_counted(tmp_path):
    """In continuous integration as well: one sentence for all, and no
    failure."""
    path = private_path(tmp_path / "bin", "apt-get", *(
        one.name for one in Path("/usr/bin").glob("qemu-system-*")))
    env = {name: value for name, value in BASE_ENV.items()
           if not name.startswith(("PYTEST_", "KAIO_", "MAKE"))}
    done = subprocess.run(
        ["make", "-C", ROOT, "--no-print-directory", "-o", "build-tests",
         "test-vm-quick", "T=vm"], timeout=300, text=True,
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
        env={**env, "PATH": os.fspath(path), "NO_INSTALL": "1", "CI": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search("NO_INSTALL is set.* qemu-system-x86 .*for test-vm",
                     done.stderr)
    *before, last = done.stdout.splitlines()
    said, = [line for line in before if line.startswith("SKIPPED")]
    assert "a virtual machine needs qemu-system-x86_64" in said
    assert "run make test-vm as root, which installs" in said
    count = re.search(r"\[(\d+)\]", said)[1]
    assert f"{count} skipped, for the reasons above" == before[-1]
    assert re.fullmatch(r"[1-9]\d* passed, 0 failed", last)

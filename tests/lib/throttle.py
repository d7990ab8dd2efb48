# SPDX-License-Identifier: GPL-2.0-only
# A device made slow for real: the kernel's block throttling, for the processes
# that are started in a group of their own.
import contextlib
import os
from pathlib import Path

import pytest

BLKIO = Path("/sys/fs/cgroup/blkio")            # version 1
UNIFIED = Path("/sys/fs/cgroup")                # version 2
NAME = "kaio-test-%d" % os.getpid()


def _number(device):
    info = os.stat(device).st_rdev
    return "%d:%d" % (os.major(info), os.minor(info))


def _limit(group, device, iops):
    if (group / "blkio.throttle.write_iops_device").exists():
        for way in ("read", "write"):
            (group / f"blkio.throttle.{way}_iops_device").write_text(
                f"{_number(device)} {iops}\n")
    else:
        (group / "io.max").write_text(
            f"{_number(device)} riops={iops} wiops={iops}\n")


def _place():
    if (BLKIO / "cgroup.procs").exists():
        return BLKIO
    control = UNIFIED / "cgroup.subtree_control"
    if control.exists() and "io" in control.read_text().split():
        return UNIFIED
    return pytest.skip("no cgroup controller for block I/O here")


@contextlib.contextmanager
def to(device, iops):
    """What a child does before it becomes its command (preexec_fn), so that it
    and its children get so many reads and writes a second of the device."""
    group = _place() / NAME
    try:
        group.mkdir()
        _limit(group, device, iops)
    except OSError as error:
        pytest.skip(f"block I/O cannot be throttled here ({error})")
    try:
        yield lambda: (group / "cgroup.procs").write_text(str(os.getpid()))
    finally:
        group.rmdir()

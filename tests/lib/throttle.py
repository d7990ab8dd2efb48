# SPDX-License-Identifier: GPL-2.0-only
# A device made slow for real: the kernel's block throttling, for the processes
# that are started in a group of their own.
import contextlib
import os
from pathlib import Path
import time

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


def _own_group(place):
    """Where this process is, below place."""
    own = Path("/proc/self/cgroup").read_text(encoding="ascii")
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        if "blkio" in controllers.split(",") if place == BLKIO \
                else not controllers:
            return place / path.lstrip("/")
    return place


def _hold(group, device, held):
    """Let direct I/O of the device hang, a byte a second, or let it go."""
    number = _number(device)
    if (group / "blkio.throttle.write_bps_device").exists():
        for way in ("read", "write"):
            (group / f"blkio.throttle.{way}_bps_device").write_text(
                f"{number} {int(held)}\n")
    else:
        rate = 1 if held else "max"
        (group / "io.max").write_text(f"{number} rbps={rate} wbps={rate}\n")


@contextlib.contextmanager
def hang(device):
    """I/O on the device by programs that are started in here hangs, until the
    function that is given is called, at the latest at the end; with another
    argument than False it hangs again."""
    with _inside(NAME + "-hang") as group:
        _hold(group, device, True)
        try:
            yield lambda held=False: _hold(group, device, held)
        finally:
            _hold(group, device, False)


@contextlib.contextmanager
def _inside(name):
    """This process in a group of that name, and then where it was."""
    place = _place()
    group, home, me = place / name, _own_group(place), str(os.getpid())
    try:
        group.mkdir()
        (group / "cgroup.procs").write_text(me)
    except OSError as error:
        pytest.skip(f"block I/O cannot be throttled here ({error})")
    try:
        yield group
    finally:
        (home / "cgroup.procs").write_text(me)
        _remove(group)


def _slow(group, device, iops):
    """So many reads and writes a second; 0: as many as there are."""
    number = _number(device)
    if (group / "blkio.throttle.write_iops_device").exists():
        for way in ("read", "write"):
            (group / f"blkio.throttle.{way}_iops_device").write_text(
                f"{number} {iops}\n")
    else:
        rate = iops or "max"
        (group / "io.max").write_text(f"{number} riops={rate} wiops={rate}\n")


@contextlib.contextmanager
def slowed(device):
    """A function of I/Os per second that programs get of the device which are
    started in here; 0, as at first: as many as it does."""
    with _inside(NAME + "-slow") as group:
        _slow(group, device, 0)
        yield lambda iops: _slow(group, device, iops)


def _remove(group):
    """When the last process of it has ended."""
    end = time.monotonic() + 60
    while (group / "cgroup.procs").read_text():
        assert time.monotonic() < end, "who hangs in %s?" % group
        time.sleep(0.02)
    group.rmdir()

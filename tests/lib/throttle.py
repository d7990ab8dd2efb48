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


def _limit(group, device, what, rate):
    """So many reads and writes ("iops"), or bytes of each ("bps"), a second;
    0: as many as there are."""
    info = os.stat(device).st_rdev
    number = "%d:%d" % (os.major(info), os.minor(info))
    if (group / f"blkio.throttle.write_{what}_device").exists():
        for way in ("read", "write"):
            (group / f"blkio.throttle.{way}_{what}_device").write_text(
                f"{number} {rate}\n")
    else:
        rate = rate or "max"
        (group / "io.max").write_text(
            f"{number} r{what}={rate} w{what}={rate}\n")


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
        _limit(group, device, "iops", iops)
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


@contextlib.contextmanager
def hang(device):
    """I/O on the device by programs that are started in here hangs (a byte a
    second), until the function that is given is called, at the latest at the
    end; with another argument than False it hangs again."""
    with _inside(NAME + "-hang") as group:
        def hold(held=False):
            _limit(group, device, "bps", int(held))
        hold(True)
        try:
            yield hold
        finally:
            hold(False)


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


@contextlib.contextmanager
def slowed(device):
    """A function of I/Os per second that programs get of the device which are
    started in here; 0, as at first: as many as it does."""
    with _inside(NAME + "-slow") as group:
        _limit(group, device, "iops", 0)
        yield lambda iops: _limit(group, device, "iops", iops)


def _remove(group):
    """When the last process of it has ended."""
    end = time.monotonic() + 60
    while (group / "cgroup.procs").read_text():
        assert time.monotonic() < end, "who hangs in %s?" % group
        time.sleep(0.02)
    group.rmdir()

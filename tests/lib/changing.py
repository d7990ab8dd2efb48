# SPDX-License-Identifier: GPL-2.0-only
"""Jobs whose device or file changes under them, in each of the engine's ways to
submit and to wait, beside fio's built-in engine."""
import contextlib
import os
import time

import fiorun

MIB = 1 << 20
# Each value of reap=, submit= and spin=, once.
MODES = [
    {"reap": "ring", "submit": "adaptive", "spin": "auto"},
    {"reap": "syscall", "submit": "immediate", "spin": "50us"},
    {"reap": "eventfd", "submit": "adaptive", "spin": "0"},
]


def outcome(result):
    """What fio says of its only job, without times."""
    job = result.job
    ways = {way: [job[way][key] for key in (
        "io_bytes", "total_ios", "short_ios", "drop_ios")]
        for way in ("read", "write")}
    return result.rc, job["error"], job.get("total_err"), \
        job.get("first_error"), ways


def both(fio, target, mode, before, **options):
    """Ours, which must be as libaio's; before() prepares each of the two."""
    found = []
    for own in (mode, {"engine": "libaio"}):
        before()
        found.append(fio(target, randseed=4, **options, **own))
    assert outcome(found[0]) == outcome(found[1])
    return found[0]


def has_open(process, path):
    """Does a fio, or one of its jobs?"""
    for pid in [process.pid, *fiorun.descendants(process.pid)]:
        try:
            for link in os.scandir("/proc/%d/fd" % pid):
                if os.readlink(link) == path:
                    return True
        except OSError:         # one that has ended, or is closing a file
            continue
    return False


@contextlib.contextmanager
def running(fio, target, iodepth=(16, 16, 16), **options):
    """A fio for each mode, side by side on the target, which each has open."""
    started = []
    try:
        for mode, depth in zip(MODES, iodepth):
            job = {"filename": target, "bs": "16k", "size": 16 * MIB,
                   "direct": 1, "iodepth": depth, "time_based": None, **options,
                   **mode}
            started.append(fio.start(
                ["--output-format=json", *fio.job_args(job)]))
        for one in started:
            while not has_open(one.process, target):
                assert one.process.poll() is None
                time.sleep(0.02)
        assert [one.process.poll() for one in started] == [None] * 3
        yield started
    finally:
        for one in started:
            one.kill()


def ended(running):
    """Its result: it has done some I/O, and was ended by no signal."""
    result = running.wait()
    assert result.rc in (0, 1) and "got signal" not in result.stderr
    ways = [result.job[way]["total_ios"] for way in ("read", "write")]
    assert any(ways)
    return result

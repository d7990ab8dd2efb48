# SPDX-License-Identifier: GPL-2.0-only
# io_setup fails: fs.aio-max-nr is really exhausted, or the kernel says
# something else.  One sentence each, which says what to do.
import contextlib
import ctypes
import os
import re

import pytest

from aiolimits import DEEPEST, MAX, NR, read
from enginestats import sentence


# The last: with an eventfd to come, and with something to print at the end.
@pytest.fixture(params=[
    {"thread": 0}, {"thread": 1},
    {"thread": 1, "reap": "eventfd", "submit": "adaptive", "spin": "auto",
     "engine_stats": 1}], ids=["process", "thread", "eventfd"])
def way(request):
    return request.param


def test_exhausted(fio, shm_file, too_deep, way):
    result = fio(shm_file, rw="randread", bs=512, size=1 << 20,
                 iodepth=too_deep, **way).failed()
    text = sentence(result)
    assert "%d more requested" % too_deep in text
    number = re.search(r"aio-nr (\d+), aio-max-nr (\d+)", text)
    assert int(number.group(2)) == read(MAX)
    advice = re.search(r"sysctl -w fs\.aio-max-nr=(\d+)", text)
    # What it advises would have been enough.
    assert int(advice.group(1)) >= int(number.group(1)) + too_deep
    assert result.job["error"] == 11
    assert result.job["read"]["total_ios"] == 0


@contextlib.contextmanager
def half_taken():
    """A process, this one, has a context for half of what is left: a depth
    that would else fit, and does not now.  (Half, as other programs want
    some.)"""
    setup, destroy = 206, 207  # of x86-64
    libc, context = ctypes.CDLL(None, use_errno=True), ctypes.c_ulong(0)
    left = read(MAX) - read(NR)
    if left > DEEPEST:
        pytest.skip("fs.aio-max-nr is huge: a depth beside it needs too much "
                    "memory")
    if left < 1000 or libc.syscall(setup, ctypes.c_long(left // 2),
                                   ctypes.byref(context)):
        pytest.skip("other programs have all of fs.aio-max-nr")
    try:
        yield left * 3 // 4
    finally:
        libc.syscall(destroy, context)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="call numbers")
def test_exhausted_by_others(fio, shm_file, as_thread):
    """(Again, if yet others have given something back meanwhile.)"""
    job = {"rw": "randread", "size": 1 << 20, "thread": as_thread}
    for _ in range(8):
        with half_taken() as depth:
            result = fio(shm_file, iodepth=depth, bs=512, **job)
        if result.rc:
            break
    result.failed()
    assert "%d more requested" % depth in sentence(result)
    assert (result.job["error"], result.job["read"]["total_ios"]) == (11, 0)
    job = fio(shm_file, iodepth=64, **job).ok().job
    assert job["read"]["total_ios"] == 256


SAID = {"EAGAIN": (11, "sysctl -w fs.aio-max-nr="),
        "ENOMEM": (12, "no memory"),
        "ENOSYS": (38, "CONFIG_AIO"),
        "EPERM": (1, "container"),
        "EINVAL": (22, "less depth")}


def refused_setup(fio, target, call, error, **options):
    """A sentence, and no I/O."""
    result = fio(target, rw="write", size=1 << 20, iodepth=4, strace=(
        "-o", os.devnull, "-e", "trace=" + call,
        "-e", "inject=%s:error=%s:when=1+" % (call, error)),
        **options).failed()
    assert result.job["write"]["total_ios"] == 0
    return sentence(result), result.job["error"]


@pytest.mark.parametrize("error", SAID)
def test_setup_fails(fio, shm_file, need_strace, error, way):
    text, number = refused_setup(fio, shm_file, "io_setup", error, **way)
    assert (number, SAID[error][1] in text) == (SAID[error][0], True), text


@pytest.mark.parametrize("call", ["eventfd2", "epoll_create1", "epoll_ctl"])
def test_eventfd_setup(fio, shm_file, need_strace, call):
    text, _ = refused_setup(fio, shm_file, call, "EMFILE", thread=1,
                            reap="eventfd")
    assert "Too many open files" in text and "reap=eventfd" in text


def test_setup_fails_in_the_second_job(fio, shm_file):
    """The first one runs to its end."""
    depth = read(MAX) + 1
    if depth > DEEPEST:
        pytest.skip("fs.aio-max-nr is huge: a depth above it needs too much "
                    "memory")
    args = ["--output-format=json", "--thread=1"]
    for name, iodepth in (("good", 4), ("bad", depth)):
        args += fio.job_args({"name": name, "filename": shm_file, "bs": 512,
                              "rw": "read", "size": 1 << 20, "stonewall": None,
                              "iodepth": iodepth})
    result = fio.raw(*args)
    assert result.rc == 1
    assert [job["error"] for job in result.jobs] == [0, 11]
    assert result.jobs[0]["read"]["io_bytes"] == 1 << 20

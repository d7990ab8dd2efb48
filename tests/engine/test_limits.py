# SPDX-License-Identifier: GPL-2.0-only
# io_setup fails: fs.aio-max-nr is really exhausted, or the kernel says
# something else.  One sentence each, which says what to do.
import contextlib
import copy
import ctypes
import os
import re
import shlex
import threading

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
    number = re.search(r"aio-nr (\d+).*, aio-max-nr (\d+)", text)
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


# --- before the start: do all jobs fit?  In a mount namespace of its own fio
# reads other numbers; those of the kernel are far higher. ---

@pytest.fixture
def limited(fio, need_root, tmp_path):
    """limited(most, taken): a fio that reads these limits."""
    def make(most, taken=0):
        lines = ["#!/bin/sh"]
        for path, number in ((MAX, most), (NR, taken)):
            file = tmp_path / os.path.basename(path)
            file.write_text("%08d\n" % number, encoding="ascii")
            lines.append("mount --bind %s %s || exit 99" % (file, path))
        env = ["%s=%s" % item for item in fio.san_env.items()]
        lines.append('exec env %s "$@"\n' % shlex.join([*env, fio.binary]))
        script = tmp_path / "limited"
        script.write_text("\n".join(lines), encoding="utf-8")
        script.chmod(0o755)
        other = copy.copy(fio)
        other.argv = lambda args, strace=(): (
            ["unshare", "--mount", str(script), *map(str, args)], {})
        return other
    return make


def start_all(fio, target, *jobs, **options):
    """Jobs a, b, ... of one fio, each with options of its own."""
    args = ["--output-format=json"]
    for name, job in zip("abcdef", jobs):
        args += fio.job_args({"name": name, "filename": target, "bs": 512,
                              "rw": "read", "size": "64k", **options, **job})
    return fio.raw(*args)


def errors(result):
    """(fio's exit code is how many have failed.)"""
    found = [job["error"] for job in result.jobs]
    assert result.rc == len(found) - found.count(0), result.text
    return found


def reads(result):
    return [job["read"]["total_ios"] for job in result.jobs]


def test_files_are_laid_out(limited, shm_file):
    """Where no I/O follows, depth is no reason not to."""
    result = start_all(limited(1000), shm_file, {
        "iodepth": 200, "numjobs": 6, "create_only": 1})
    assert errors(result) == reads(result) == [0] * 6, result.text
    assert os.path.getsize(shm_file) == 65536


@pytest.mark.parametrize("thread", [0, 1])
def test_clones_that_do_not_fit(limited, shm_file, thread):
    """None of them starts, and one sentence says why."""
    result = start_all(limited(1000), shm_file, {
        "iodepth": 200, "numjobs": 6, "thread": thread})
    text = sentence(result)
    assert "job a and 5 that start with it would need 1200 AIO requests " \
        "(numjobs x iodepth), so" in text
    advice = re.search(r"sysctl -w fs\.aio-max-nr=(\d+)", text)
    assert int(advice.group(1)) >= 1200
    assert errors(result) == [11] * 6
    assert reads(result) == [0] * 6
    assert not os.path.exists(shm_file)


@pytest.mark.parametrize("taken, fit", [(0, True), (1, False)])
def test_the_last_request_counts(limited, shm_file, taken, fit):
    result = start_all(limited(1000, taken), shm_file,
                       {"iodepth": 200, "numjobs": 5})
    assert reads(result) == [128 if fit else 0] * 5
    assert fit or "aio-nr 1 (" in sentence(result) or \
        "aio-nr 1," in sentence(result)


def test_jobs_of_other_names(limited, shm_file):
    result = start_all(limited(1000), shm_file, {"iodepth": 600},
                       {"iodepth": 1}, {"iodepth": 600})
    assert "job a and 2 that start with it would need 1201" in sentence(result)
    assert errors(result) == [11] * 3


@pytest.mark.parametrize("wait", [
    {"stonewall": None}, {"wait_for": "a"}, {"startdelay": 1}],
    ids=lambda wait: "".join(wait))
def test_jobs_that_need_not_overlap(limited, shm_file, wait):
    """They are no sum."""
    result = start_all(limited(1000), shm_file, {"iodepth": 600},
                       {"iodepth": 600, **wait})
    result.ok()
    assert reads(result) == [128, 128]


@pytest.fixture
def replay(shm_file, tmp_path):
    """The options of one of a single read."""
    log = tmp_path / "iolog"
    log.write_text("fio version 2 iolog\n%s add\n%s open\n%s read 0 512\n"
                   "%s close\n" % ((shm_file,) * 4), encoding="ascii")
    with open(shm_file, "wb") as file:
        file.write(bytes(65536))
    return {"read_iolog": log, "thread": 0}


@pytest.fixture(params=["replay", "process", "thread"])
def late(request):
    """Of a job of which fio asks late, or not at all.  (Replays that are
    threads make fio 3.33 crash, with libaio, too.)"""
    return request.getfixturevalue("replay") if request.param == "replay" \
        else {"create_serialize": 0, "thread": request.param == "thread"}


@pytest.mark.parametrize("place", [0, 1])
def test_one_that_is_asked_late_counts(limited, shm_file, late, place):
    jobs = [{"iodepth": 600}, {"iodepth": 600}]
    jobs[place].update(late)
    result = start_all(limited(1000), shm_file, *jobs)
    assert "job a and 1 that start with it would need 1200" in \
        sentence(result)
    assert (errors(result), reads(result)) == ([11, 11], [0, 0])


@pytest.mark.parametrize("depth, fit", [(200, True), (201, False)])
def test_all_are_asked_late(limited, shm_file, late, depth, fit):
    """None starts, and one sentence says why; what is held does not count,
    as it may be another's of these."""
    result = start_all(limited(1000, 300), shm_file, {
        "iodepth": depth, "numjobs": 5, **late})
    ios = 128 if "create_serialize" in late else 1
    assert errors(result) == [0 if fit else 11] * 5
    assert reads(result) == [ios if fit else 0] * 5
    assert fit or "job a and 4 that start with it would need 1005" in \
        sentence(result)


def test_another_engine(limited, shm_file):
    fio = limited(1000)
    args = ["--output-format=json"]
    for engine in (None, "psync"):
        args += fio.job_args({"filename": shm_file, "bs": 512, "size": "64k",
                              "iodepth": 600}, engine)
    assert reads(fio.raw(*args).ok()) == [128, 128]


def test_what_others_hold_now(limited, shm_file):
    """Counts for what starts now, and not for what starts later."""
    fio = limited(1000, 700)
    result = start_all(fio, shm_file, {"iodepth": 500}).failed()
    assert "would need 500" in sentence(result)
    result = start_all(fio, shm_file, {"iodepth": 100},
                       {"iodepth": 500, "stonewall": None})
    assert reads(result.ok()) == [128, 128]


def test_the_next_group_runs(limited, shm_file):
    result = start_all(limited(1000), shm_file, {"iodepth": 600},
                       {"iodepth": 600}, {"iodepth": 600, "stonewall": None})
    assert "job a and 1 that start with it" in sentence(result)
    assert errors(result) == [11, 11, 0]
    assert reads(result) == [0, 0, 128]


def test_offload_workers_count(limited, shm_file):
    """Each has a context of its own, for one request."""
    result = start_all(limited(1000), shm_file, {
        "iodepth": 600, "io_submit_mode": "offload", "thread": 1}).failed()
    assert "need 1200 AIO requests (numjobs x iodepth, twice with " \
        "offload)" in sentence(result)


def test_all_or_none(limited, shm_file, tmp_path):
    """Though what others hold changes between the jobs' questions."""
    fio, over = limited(1000), threading.Event()

    def others():
        with open(tmp_path / "aio-nr", "r+b", buffering=0) as file:
            while not over.is_set():
                for taken in (b"00000000", b"00000700"):
                    os.pwrite(file.fileno(), taken, 0)

    changing = threading.Thread(target=others)
    changing.start()
    try:
        for _ in range(15):
            done = reads(start_all(fio, shm_file,
                                   {"iodepth": 50, "numjobs": 8}))
            assert done in ([0] * 8, [128] * 8)
    finally:
        over.set()
        changing.join()

# SPDX-License-Identifier: GPL-2.0-only
# The kernel refuses calls, injected by strace: io_submit says EAGAIN, ENOMEM,
# EINTR or takes nothing, at any position and for any length; io_getevents is
# interrupted; real errors.  A job never hangs, and no byte is lost.
import os
import signal
import subprocess
import time

import pytest

import fiorun
import straceout
from injection import BLOCK, SENTENCE, gave_up, inject, job_options

pytestmark = pytest.mark.usefixtures("need_strace")
DEPTHS = (1, 4, 64)
# strace's when=: which io_submit calls of the job's thread fail.
PATTERNS = ("1", "1..5", "2", "3", "1+2", "5+7")


def survives(fio, target, how, when, call="io_submit", ios=64, **options):
    """All is written and read back, whatever was refused; gives the calls."""
    trace = os.path.join(fio.cwd, "trace")
    result = fio(target,
                 strace=("-o", trace, *inject(call, how, when)),
                 **job_options(ios, **options)).ok()
    assert result.job["write"]["total_ios"] == ios
    assert result.job["read"]["total_ios"] == ios
    assert SENTENCE not in result.text
    return straceout.calls(trace)


def injected(calls):
    return sum(call.injected for call in calls)


@pytest.mark.parametrize("error", ["EAGAIN", "ENOMEM"])
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("when", PATTERNS)
def test_refused(fio, loop_device, error, depth, when):
    calls = survives(fio, loop_device, "error=" + error, when, iodepth=depth)
    assert injected(calls) >= (5 if ".." in when else 1)


@pytest.mark.slow
@pytest.mark.parametrize("depth,error", [(1, "ENOMEM"), (4, "EAGAIN")])
def test_refused_at_every_position(fio, loop_device, depth, error):
    """8 writes and 8 reads: from the first submission to the last."""
    for position in range(1, 17):
        calls = survives(fio, loop_device, "error=" + error, position, ios=8,
                         iodepth=depth)
        assert injected(calls) == 1, position


@pytest.mark.parametrize("batch", [
    {"iodepth_batch": 16},
    {"iodepth_batch": 16, "iodepth_batch_complete_min": 8},
    {"iodepth_batch": 8, "iodepth_batch_complete_min": 0},
    {"iodepth_batch": 64, "iodepth_low": 1},
], ids=str)
@pytest.mark.parametrize("when", ["1..5", "2", "1+2"])
def test_refused_batches(fio, loop_device, batch, when):
    calls = survives(fio, loop_device, "error=EAGAIN", when, iodepth=64,
                     **batch)
    assert injected(calls)


@pytest.fixture(scope="module")
def partial_submit(root, tmp_path_factory):
    """The preload library with which io_submit takes only a part."""
    path = tmp_path_factory.mktemp("preload") / "partial_submit.so"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", path,
         root / "tests" / "lib" / "partial_submit.c", "-ldl"], check=True)
    return str(path)


@pytest.mark.parametrize("batch", [
    {"iodepth_batch": 16},
    {"iodepth_batch": 64, "iodepth_batch_complete_min": 16},
    {"iodepth_batch": 7, "iodepth_batch_complete_min": 0},
], ids=str)
def test_taken_in_part(fio, loop_device, partial_submit, batch, as_thread):
    """What is left over comes next, in order, and once."""
    preload = ":".join(filter(None, [fio.san_env.get("LD_PRELOAD"),
                                     partial_submit]))
    job = fio(loop_device, env={"LD_PRELOAD": preload},
              **job_options(1024, iodepth=64, **batch,
                            thread=as_thread)).ok().job
    assert job["write"]["total_ios"] == job["read"]["total_ios"] == 1024
    # fio's own count: few submissions were of 16 and more.
    assert job["iodepth_submit"]["16"] < 50


@pytest.mark.parametrize("how", ["error=EINTR", "retval=0"])
@pytest.mark.parametrize("depth", [1, 4])
@pytest.mark.parametrize("when", ["1..5", "1+2"])
def test_interrupted_or_nothing_taken(fio, loop_device, how, depth, when):
    calls = survives(fio, loop_device, how, when, iodepth=depth)
    assert injected(calls) >= 5


@pytest.mark.parametrize("when", ["1", "1..5", "5+7"])
def test_refused_in_a_forked_job(fio, loop_device, when):
    survives(fio, loop_device, "error=EAGAIN", when, iodepth=4, thread=0)


@pytest.mark.parametrize("when", ["1", "1..5", "3+4"])
def test_refused_syncs(fio, ext4_file, when):
    survives(fio, ext4_file, "error=EAGAIN", when, iodepth=4, fsync=4)


@pytest.mark.parametrize("error", ["EINTR", "EAGAIN"])
@pytest.mark.parametrize("options", [
    {"userspace_reap": 0},
    {"userspace_reap": 0, "iodepth_batch": 8, "iodepth_batch_complete_min": 8},
    {},
], ids=str)
def test_interrupted_waits(fio, loop_device, error, options):
    """io_getevents ends early, with nothing: the job waits again."""
    survives(fio, loop_device, "error=" + error, "1+2", iodepth=16,
             call="io_getevents", **options)


def fails(fio, target, call, how, when, **options):
    result = fio(target, strace=("-o", os.devnull, *inject(call, how, when)),
                 **job_options(64, **options))
    return result.failed()


@pytest.mark.parametrize("error,number", [("EINVAL", 22), ("EBADF", 9)])
@pytest.mark.parametrize("when", [1, 2, 30])
@pytest.mark.parametrize("depth", [1, 16])
def test_refused_for_good(fio, loop_device, error, number, when, depth):
    """It is the error of that one request."""
    result = fails(fio, loop_device, "io_submit", "error=" + error, when,
                   iodepth=depth)
    assert result.job["error"] == number
    assert "io_u error on file" in result.stderr


def test_refused_for_good_and_go_on(fio, loop_device):
    """Submissions 5, 25, 45 of the writes fail; the others are done."""
    job = fio(loop_device, strace=(
        "-o", os.devnull, *inject("io_submit", "error=EIO", "5+20")),
        rw="randwrite", bs=BLOCK, size=64 * BLOCK, direct=1, thread=1,
        iodepth=8, continue_on_error="write").job
    assert (job["total_err"], job["first_error"]) == (3, 5)
    assert job["write"]["total_ios"] + job["total_err"] in (64, 67)


def test_failing_reap_ends_the_job(fio, loop_device):
    """fio 3.33 reports an error of getevents with its sign."""
    result = fails(fio, loop_device, "io_getevents", "error=EINVAL", "3+",
                   iodepth=4, userspace_reap=0)
    assert result.job["error"] in (22, 2**32 - 22)


def start_stalled(fio, target, **options):
    options = {"filename": target, **job_options(64, iodepth=4, **options)}
    return fio.start(["--output-format=json", *fio.job_args(options)],
                     strace=("-o", os.devnull, *inject(
                         "io_submit", "error=EAGAIN", "1+")))


@pytest.fixture(scope="module")
def stalled(fio_binary, engine, san, tmp_path_factory, need_root,
            need_strace):
    """A job that stalls until it gives up, in parallel with other tests."""
    path = tmp_path_factory.mktemp("stalled")
    fio = fiorun.Fio(fio_binary, str(engine), path, fiorun.sanitizer_env(san))
    running = start_stalled(fio, str(path / "file"))
    yield running
    running.kill()


def fio_of(running):
    """The fio below strace."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for pid in fiorun.descendants(running.process.pid):
            with open("/proc/%d/comm" % pid, encoding="latin-1") as comm:
                if comm.read().strip() == "fio":
                    return pid
        time.sleep(0.05)
    raise AssertionError("no fio below strace")


def test_interrupt_ends_a_stall(stalled, fio, loop_device):
    """Long before it gives up."""
    running = start_stalled(fio, loop_device)
    pid = fio_of(running)
    time.sleep(2)
    assert running.process.poll() is None, "it did not stall"
    os.kill(pid, signal.SIGINT)
    assert not gave_up(running.wait().text)


def test_runtime_ends_a_stall(stalled, fio, loop_device):
    """Long before it gives up."""
    running = start_stalled(fio, loop_device, time_based=1, runtime=2)
    assert not gave_up(running.wait().text)


@pytest.mark.slow
def test_stall_without_end_gives_up(stalled):
    """After 30 s: one sentence, an error, and exit."""
    result = stalled.wait().failed()
    assert result.seconds > 25
    assert result.text.count(SENTENCE) == 1
    assert result.job["error"] == 11

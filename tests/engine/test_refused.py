# SPDX-License-Identifier: GPL-2.0-only
# The kernel refuses io_submit, injected by strace: EAGAIN, ENOMEM, EINTR or
# nothing taken, at any position and for any length, under each way of the engine
# to submit and to wait; or errors of one request.  All is written and verified,
# once, the engine counts what strace saw, and a job never hangs.
import os
import signal
import time

import pytest

import enginestats
import fiorun
import procfile
import pairwise
import straceout
from injection import (BATCHES, BLOCK, IOS, MODES, SENTENCE, Traced, cells,
                       gave_up, ids, inject, job_options, mode, whole)

pytestmark = pytest.mark.usefixtures("need_strace")


REFUSALS = {"how": ["error=EAGAIN", "error=ENOMEM", "error=EINTR",
                    "retval=0"], "when": ["1", "1..8", "2", "1+2", "5+7"],
            "batch": list(BATCHES), **MODES}
# So few calls make them that there may be no fifth.
FEW = [{"when": "5+7", "batch": "low"}, {"when": "5+7", "submit": "adaptive"}]


@pytest.mark.parametrize("cell", pairwise.all_pairs(REFUSALS, FEW), ids=ids)
def test_refused(fio, loop_device, cell):
    run = Traced(fio, loop_device,
                 inject("io_submit", cell["how"], cell["when"]),
                 **job_options(IOS, **BATCHES[cell["batch"]], **mode(cell)))
    whole(run)
    assert run.stats["submits_refused"] == run.injected() > 0
    assert run.stats["io_submit_calls"] == run.count("io_submit")


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


@pytest.mark.slow
@pytest.mark.parametrize("depth,error", [(1, "ENOMEM"), (4, "EAGAIN")])
def test_refused_at_every_position(fio, loop_device, depth, error):
    """8 writes and 8 reads: from the first submission to the last."""
    for position in range(1, 17):
        calls = survives(fio, loop_device, "error=" + error, position, ios=8,
                         iodepth=depth)
        assert injected(calls) == 1, position


@pytest.mark.parametrize("when", ["1", "1..5", "5+7"])
def test_refused_in_a_forked_job(fio, loop_device, when):
    survives(fio, loop_device, "error=EAGAIN", when, iodepth=4, thread=0)


@pytest.mark.parametrize("when", ["1", "1..5", "3+4"])
def test_refused_syncs(fio, ext4_file, when):
    survives(fio, ext4_file, "error=EAGAIN", when, iodepth=4, fsync=4)


# --- errors of one request ---

FATAL = {"error": ["EINVAL", "EBADF", "EIO"], "when": ["1", "1+4", "1+"],
         "batch": ["d1", "d32", "b16"], **MODES}


@pytest.mark.parametrize("cell", cells(FATAL), ids=ids)
def test_failed_requests_are_counted(fio, loop_device, cell):
    """Each is done or counted as an error, also when all of them fail."""
    run = Traced(fio, loop_device,
                 inject("io_submit", "error=" + cell["error"], cell["when"]),
                 rw="randwrite", bs=4096, size=IOS * 4096, direct=1, thread=1,
                 ignore_error="," + cell["error"], **BATCHES[cell["batch"]],
                 **mode(cell))
    job, stats = run.result.job, run.stats
    failed = run.injected()
    assert (stats["ios_failed_at_submit"], stats["submits_refused"]) == (
        failed, 0)
    assert stats["ios_submitted"] + failed == IOS
    assert (job["total_err"], job["first_error"]) == (
        failed, {"EINVAL": 22, "EBADF": 9, "EIO": 5}[cell["error"]])
    assert job["write"]["io_bytes"] == stats["ios_submitted"] * 4096
    assert failed == (IOS if cell["when"] == "1+" else failed) > 0


STALLS = [{"how": how, **cell} for how, cell in zip(
    ["error=EAGAIN", "error=ENOMEM", "error=EINTR", "retval=0"],
    [dict(zip(MODES, values)) for values in (
        ("ring", "adaptive", "auto"), ("syscall", "immediate", "0"),
        ("eventfd", "adaptive", "50us"), ("ring", "immediate", "0"))])]


def test_refused_at_every_call(fio, shm):
    """Nothing is ever taken: the end of the runtime ends each of them."""
    running = []
    for number, cell in enumerate(STALLS):
        args = fio.job_args({
            "filename": os.path.join(shm, "f%d" % number),
            **job_options(IOS, iodepth=4, runtime=1, time_based=1),
            **mode(cell)})
        running.append(fio.start(["--output-format=json", *args], strace=(
            "-o", os.devnull, *inject("io_submit", cell["how"], "1+"))))
    try:
        results = [one.wait() for one in running]
    finally:
        for one in running:
            one.kill()
    for result in results:
        assert result.rc in (0, 1) and not gave_up(result.text)
        assert result.job["write"]["io_bytes"] == 0
        stats = enginestats.objects(result.stderr)[0]
        assert stats["ios_submitted"] == 0
        assert stats["submits_refused"] == stats["io_submit_calls"] > 1


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


# --- a stall ---

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
            if procfile.of_process(pid, "comm").strip() == "fio":
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

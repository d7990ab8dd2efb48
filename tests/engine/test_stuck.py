# SPDX-License-Identifier: GPL-2.0-only
# stuck=: a device that really hangs (block throttling, which lets it go later).
# I/Os are named, runtime and signals are honoured, the process ends, and what
# comes back late harms nobody.
import os
import re
import signal
import time

import pytest

import enginestats
import fiorun
import procfile
from abi_tools import run
from enginestats import ours

IN_FLIGHT = re.compile(
    r"^kaio: job (\S+): in flight for ([\d.]+) s: (read|write|sync) of (\S+), "
    r"offset=(\d+), length=(\d+)$")
GAVE_UP = "should have ended, but I/Os never came back"
JOB = {"rw": "randread", "bs": "4k", "iodepth": 4, "direct": 1,
       "time_based": 1, "engine_stats": 1}
WAYS = [{"reap": "ring"}, {"reap": "syscall"}, {"reap": "eventfd"},
        {"reap": "ring", "submit": "adaptive", "spin": "auto"},
        {"reap": "ring", "iodepth_batch_complete_min": 0},
        {"due_stats": 1, "rate_iops": 1000}]


def named(result, more=""):
    """(kind, offset, seconds) of each I/O that was named."""
    found = [IN_FLIGHT.match(line) for line in ours(result)]
    return [(m[3], int(m[5]), float(m[2])) for m in found if m]


def is_in(pid, folder):
    """Of a process that ends this is what is left; no command line."""
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", folder)
    except (FileNotFoundError, ProcessLookupError):
        return False


def keepers(fio):
    """Processes that wait in the kernel for a device of this fio."""
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and
            procfile.of_process(pid, "comm").strip() == "kaio-stuck" and
            is_in(pid, fio.cwd)]


@pytest.mark.parametrize("way", WAYS, ids=lambda w: "-".join(
    map(str, w.values())))
def test_runtime_is_honoured(fio, hanging, as_thread, way):
    """The job fails and its process ends, while nothing has come back."""
    device, let_go = hanging
    result = fio(device, stuck="300ms", runtime=1, thread=as_thread, **JOB,
                 **way)
    assert result.rc == 1 and GAVE_UP in result.text, result.text
    assert result.job["error"] == 110 and "got signal" not in result.text
    seen = named(result)
    depth = len({offset for _, offset, _ in seen})
    old = [age for kind, _, age in seen if kind == "read" and age >= 0.3]
    stats, = enginestats.objects(result.stderr)
    assert stats["ios_submitted"] == depth
    if "rate_iops" in way:  # more than one, some later, where the job is late
        assert 1 <= depth <= 4 and len(old) >= 2, result.text
    else:       # One that polls waits for the first before the second.
        assert depth == (1 if way.get("iodepth_batch_complete_min") == 0
                         else 4), result.text
        # As stuck, and as given up.
        assert len(seen) == len(old) == 2 * depth, result.text
        assert stats["ios_stuck"] == depth
    assert stats["stuck_max_ns"] > 300_000_000
    assert len(keepers(fio)) == 1, "somebody else has to wait"
    let_go()
    while keepers(fio):     # or the test's own time limit
        time.sleep(0.02)


def test_runtime_begins_behind_ramp_time(fio, hanging):
    """As fio's epoch does then: ramp_time is not waited for once more."""
    device, hold = hanging
    hold()
    running = fio.start(["--output-format=json", *fio.job_args(
        {"filename": device, "stuck": "200ms", "runtime": 3, "ramp_time": 6,
         **JOB})])
    time.sleep(7.5)
    hold(True)
    result = running.wait()
    assert result.job["error"] == 110 and GAVE_UP in result.text
    assert result.job["job_runtime"] < 8000, result.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(fio, hanging, as_thread, number):
    """As runtime does; without stuck=, nothing would."""
    device, _ = hanging
    running = fio.start(["--output-format=json", *fio.job_args(
        {"filename": device, "stuck": "200ms", "thread": as_thread,
         "verify_state_save": 0, "runtime": 3600, **JOB})])
    running.until_it_says("in flight for")
    while running.process.poll() is None:
        os.kill(running.process.pid, number)
        time.sleep(0.5)
    result = running.wait()
    assert GAVE_UP in result.text and result.job["error"] == 110, result.text


def test_what_comes_back_in_time_is_whole(fio, hanging):
    """Named, and then done as if nothing had been: to the last block."""
    device, let_go = hanging
    running = fio.start(["--output-format=json", *fio.job_args(
        {"filename": device, "stuck": "100ms", "verify_state_save": 0,
         **JOB, "time_based": 0, "rw": "write", "size": "1m",
         "verify": "crc32c"})])
    running.until_it_says("in flight for", 4)
    let_go()
    result = running.wait().ok()
    assert {kind for kind, _, _ in named(result)} == {"write"}
    assert result.job["write"]["total_ios"] == 256
    assert result.job["read"]["total_ios"] == 256
    stats, = enginestats.objects(result.stderr)
    assert stats["ios_stuck"] >= 4 and stats["ios_submitted"] == 512
    assert "given up" not in result.text


BUFFERS = """#include <malloc.h>
#include <unistd.h>
void __libc_free(void *p);
void free(void *p)
{
	if (p && malloc_usable_size(p) >> 20 == 5)
		(void)!write(2, "a buffer was freed\\n", 19);
	__libc_free(p);
}
"""


def preload(fio, library, *sources):
    """What lets a fio run with these sources in a library before all others."""
    assert run("cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library,
               *sources, "-ldl").returncode == 0
    return {"LD_PRELOAD": ":".join(filter(None, [
        fio.san_env.get("LD_PRELOAD"), str(library)]))}


@pytest.fixture
def late_threads(root):
    """The source of what keeps a fio before 3.42 from hanging as it starts its
    offload workers."""
    return root / "tests" / "lib" / "late_threads.c"


@pytest.mark.parametrize("job", [{}, {"io_submit_mode": "offload"}],
                         ids=lambda job: "-".join(job.values()))
@pytest.mark.parametrize("given_up", [True, False])
def test_buffers_stay(fio, hanging, tmp_path, late_threads, job, given_up):
    """What comes back late overwrites nothing of a fio that goes on: what was
    given up is not freed, and all else is."""
    if fio.san_env:
        pytest.skip("a sanitizer has a free() of its own")
    device, let_go = hanging
    if not given_up:
        let_go()
    source = tmp_path / "free.c"
    source.write_text(BUFFERS, encoding="utf-8")
    env = preload(fio, tmp_path / "free.so", source, late_threads)
    result = fio(device, stuck="200ms", runtime=1, thread=1, env=env,
                 **{**JOB, "iodepth": 1, "bs": "5m", **job})
    assert (GAVE_UP in result.text) == given_up, result.text
    assert result.text.count("a buffer was freed") == (not given_up)


def test_offload_workers(fio, hanging, tmp_path, late_threads, as_thread):
    """Each gives up its own, and their job fails and ends."""
    device, let_go = hanging
    env = preload(fio, tmp_path / "late.so", late_threads)
    result = fio(device, stuck="300ms", runtime=1, thread=as_thread, env=env,
                 io_submit_mode="offload", **JOB)
    assert result.rc == 1 and result.job["error"] == 110, result.text
    assert result.text.count(GAVE_UP) == 4 and len(named(result)) == 8
    stats, = enginestats.objects(result.stderr)
    assert stats["ios_submitted"] == stats["ios_stuck"] == 4
    assert keepers(fio), "somebody else has to wait"
    let_go()
    while keepers(fio):     # or the test's own time limit
        time.sleep(0.02)


def test_errors_that_are_ignored_do_not_hide_it(fio, hanging):
    device, _ = hanging
    result = fio(device, stuck="200ms", runtime=1, continue_on_error="all",
                 **JOB)
    assert result.rc == 1 and result.job["error"] == 110, result.text


@pytest.mark.parametrize("pace", [{"rate_iops": 100}, {"thinktime": 1000}],
                         ids=lambda pace: "-".join(pace))
def test_a_paced_job(fio, hanging, pace):
    """fio waits for all that is in flight before it sleeps."""
    device, _ = hanging
    result = fio(device, stuck="200ms", runtime=1, **JOB, **pace)
    assert result.rc == 1 and "never came back" in result.text, result.text


def test_jobs_that_do_not_hang_end_well(fio, hanging, shm_file):
    """Each job for itself, with its results."""
    device, _ = hanging
    result = fio.raw(
        "--output-format=json", *fio.job_args(
            {"name": "bad", "filename": device, "stuck": "200ms",
             "runtime": 1, **JOB}),
        *fio.job_args({"name": "good", "filename": shm_file, "size": "1m",
                       "rw": "write", "bs": "4k", "stuck": "200ms"}))
    bad, good = result.jobs
    assert (bad["error"], good["error"]) == (110, 0)
    assert good["write"]["total_ios"] == 256


def test_many_are_counted(fio, hanging):
    """16 at a time are named, and of the rest the number."""
    device, _ = hanging
    result = fio(device, stuck="500ms", runtime=1, **{**JOB, "iodepth": 64,
                                                      "iodepth_batch": 64})
    assert "and 48 more" in result.text, result.text
    stats, = enginestats.objects(result.stderr)
    assert stats["ios_stuck"] == 64


def test_without_it_nothing_is_said_or_counted(fio, hanging):
    device, let_go = hanging
    running = fio.start(["--output-format=json", *fio.job_args(
        {"filename": device, **JOB, "time_based": 0, "size": "64k"})])
    time.sleep(2)
    assert running.process.poll() is None
    let_go()
    result = running.wait().ok()
    stats, = enginestats.objects(result.stderr)
    assert stats["ios_stuck"] == stats["stuck_max_ns"] == 0
    assert not named(result)


def test_waits_have_no_limit_without_it(fio, need_strace, loop_device):
    """No time-out is passed to a wait that stuck= does not ask for."""
    trace = os.path.join(fio.cwd, "trace")
    for stuck, timeouts in (("0", False), ("10s", True)):
        waits = []
        while not waits:    # as the device may be quick; or the time limit
            fio(loop_device, **{**JOB, "time_based": 0, "size": "1m"},
                thread=1, stuck=stuck,
                strace=("-o", trace, "-e", "trace=io_getevents")).ok()
            with open(trace, encoding="utf-8") as file:
                waits = [line for line in file if "io_getevents(" in line]
        assert any("tv_nsec=500000000" in line for line in waits) == timeouts


@pytest.mark.parametrize("value", ["1us", "25h", "soon", "-1s"])
def test_what_is_no_time_is_refused(fio, value):
    result = fio("nowhere", more=["--parse-only"], stuck=value)
    assert f"stuck={value} is not a time" in result.text
    assert "give 1ms to 24h" in result.text


def test_a_frozen_file_system(fio, ext4_dir, ext4_file):
    """io_submit itself blocks, in the kernel: named by another thread, and fio
    ends with its results and an error, but for the process that is held."""
    fio(ext4_file, rw="write", bs="4k", size="64k").ok()
    run("fsfreeze", "-f", ext4_dir)
    try:
        running = fio.start(["--output-format=json", *fio.job_args({
            "filename": ext4_file, "size": "64k", "stuck": "300ms",
            "runtime": 1, "verify_state_save": 0, "overwrite": 1, **JOB,
            "rw": "randwrite", "thread": 0})], timeout=60)
        running.until_it_says("inside io_submit for")
        held = fiorun.descendants(running.process.pid)
        running.until_it_says("so fio goes on without it")
        running.process.wait(60)
    finally:
        run("fsfreeze", "-u", ext4_dir)
    result = running.wait()
    assert result.text.count("inside io_submit for") == 1
    assert result.rc == 1 and result.job["error"] == 110, result.text
    assert len(held) == 1
    while procfile.of_process(held[0], "stat").split()[2:3] not in ([], ["Z"]):
        time.sleep(0.02)


def test_blocking_in_io_submit_that_passes(fio, ext4_dir, ext4_file):
    """Named, and then done as if nothing had been."""
    fio(ext4_file, rw="write", bs="4k", size="64k").ok()
    run("fsfreeze", "-f", ext4_dir)
    try:
        running = fio.start(["--output-format=json", *fio.job_args({
            "filename": ext4_file, "size": "64k", "stuck": "100ms",
            "verify_state_save": 0, "overwrite": 1, **JOB, "rw": "write",
            "time_based": 0})], timeout=60)
        running.until_it_says("inside io_submit for")
    finally:
        run("fsfreeze", "-u", ext4_dir)
    result = running.wait().ok()
    assert result.job["write"]["total_ios"] == 16
    assert "should have ended" not in result.text


def test_a_stall_is_no_hang(fio, need_strace, loop_device):
    """What the kernel refuses for want of resources is not inside io_submit,
    and in flight only once it has been taken."""
    result = fio(loop_device, stuck="300ms", thread=1, **{
        **JOB, "time_based": 0, "size": "64k", "iodepth": 16,
        "iodepth_batch": 16},
        strace=("-o", os.devnull, "-e", "trace=io_submit", "-e",
                "inject=io_submit:error=EAGAIN:when=1..99")).ok()
    stats, = enginestats.objects(result.stderr)
    assert stats["submits_refused"] == 99
    assert stats["ios_stuck"] == 0
    assert "in flight for" not in result.text
    assert "inside io_submit for" not in result.text

# SPDX-License-Identifier: GPL-2.0-only
# The engine's statistics: strace's counts, in every mode, wherever they are
# written; and what is said of a job that blocks inside io_submit.
import json
import os
import platform
from pathlib import Path
import subprocess
import time

import pytest

import enginestats
import straceout
import targets
from enginestats import MODES, ours
from fiorun import job_file

MIB = 1 << 20
INSIDE = "of its run inside io_submit"
QUICK = 20_000      # ns of io_submit for each I/O: what is longer blocks


# --- statistics ---

def test_on_stderr_only(fio, shm_file):
    result = fio(shm_file, rw="read", size=MIB, engine_stats=1, iodepth=4).ok()
    assert "kaio:" not in result.stdout
    json.loads(result.stdout)
    stats, = enginestats.objects(result.stderr)
    assert stats["job"] == "job" and stats["ios_submitted"] == 256


def test_off_by_default(fio, shm_file):
    assert ours(fio(shm_file, rw="read", size=MIB, iodepth=4).ok()) == []


@pytest.mark.parametrize("mode", MODES, ids=lambda m: "-".join(m.values())
                         if all(isinstance(v, str) for v in m.values())
                         else "batches")
@pytest.mark.parametrize("where", ["loop_device", "shm_file"])
def test_numbers_are_straces(fio, request, need_strace, mode, where):
    trace = os.path.join(fio.cwd, "trace")
    result = fio(request.getfixturevalue(where), rw="randrw", bs="16k",
                 size=4 * MIB, direct=1, iodepth=32, thread=1, engine_stats=1,
                 fsync=8, strace=("-y", "-o", trace, "-e", "trace=io_submit,"
                                  "io_getevents,epoll_wait,read"),
                 **mode).ok()
    calls = straceout.calls(trace)
    stats, = enginestats.objects(result.stderr)

    def count(name, of=""):
        return sum(call.name == name and of in call.args for call in calls)

    assert stats["io_submit_calls"] == count("io_submit")
    assert stats["io_getevents_calls"] == count("io_getevents")
    assert stats["epoll_and_read_calls"] == count("epoll_wait") + \
        count("read", "[eventfd]")
    sizes = [call.ret for call in calls if call.name == "io_submit"]
    assert stats["ios_submitted"] == sum(sizes)
    for name, seen in stats["ios_per_submit"].items():
        low, high = enginestats.bounds(name)
        assert seen == sum(low <= size <= high for size in sizes)
    if mode["reap"] == "syscall":
        assert stats["ring_events"] == stats["spin_events"] == 0
    assert stats["io_getevents_events"] == sum(
        max(0, call.ret) for call in calls if call.name == "io_getevents")
    assert sum(stats[key] for key in enginestats.FOUND) == \
        stats["ios_submitted"]


def test_file_of_64_jobs(fio, shm_file, tmp_path, as_thread):
    """A line each, none torn; and again, behind them."""
    path = tmp_path / "numbers"
    for runs in (1, 2):
        fio(shm_file, rw="randread", size="64k", numjobs=64, iodepth=4,
            thread=as_thread, stats_file=path).ok()
        stats = enginestats.in_file(path)
        assert len(stats) == 64 * runs
        assert {one["ios_submitted"] for one in stats} == {16}
        assert {one["job_number"] for one in stats} == set(range(1, 65))
    if not as_thread:
        assert len({one["pid"] for one in stats}) == 128


def test_object_says_what_was_in_force(fio, loop_device, tmp_path):
    """Not what was asked for: rate leaves submit=adaptive nothing to hold."""
    path, before = tmp_path / "numbers", time.time()
    common = {"rw": "randread", "size": "64k", "direct": 1, "iodepth": 32,
              "stats_file": path, "submit": "adaptive"}
    fio(loop_device, name="caf\u00e9", reap="eventfd", spin="7us",
        **common).ok()
    fio(loop_device, rate_iops=1000, spin="auto", **common).ok()
    one, other = enginestats.in_file(path)
    assert before - 1 <= one["time"] <= time.time()
    assert one["job"] == "caf\u00e9" and one["fio"].startswith("fio-")
    assert [one[key] for key in ("iodepth", "reap", "spin_ns",
                                 "held_at_most")] == [32, "eventfd", 7000, 16]
    assert [other[key] for key in ("reap", "spin_ns", "held_at_most")] == [
        "ring", "auto", 0]


@pytest.mark.skipif(platform.machine() != "x86_64",
                    reason="calls are refilled on x86-64 alone")
@pytest.mark.parametrize("said", ["0", "1", ""])
def test_object_says_whether_calls_are_refilled(fio, shm_file, said):
    """Measured, unless the environment decides (kaio-libaio(7))."""
    result = fio(shm_file, rw="randread", size="64k", engine_stats=1,
                 env={"LIBAIO_REFILL": said}).ok()
    stats, = enginestats.objects(result.stderr)
    times = stats["plain_call_ns"], stats["refilled_call_ns"]
    assert stats["refill_forced"] == (said != "")
    if said:
        assert stats["refill"] == int(said) and times == (0, 0)
    elif stats["refill"]:
        assert 0 < times[1] < times[0]


def test_offload_workers_are_one_job(fio, shm_file, tmp_path, as_thread):
    """fio frees a worker's options before the engine's cleanup."""
    path = tmp_path / "numbers"
    result = fio.offloaded(shm_file, rw="randread", size="256k",
                           thread=as_thread, stats_file=path, engine_stats=1)
    assert result.ok().job["read"]["total_ios"] == 64
    one, = enginestats.in_file(path)
    assert one["job"] == "job" and one["ios_submitted"] == 64
    assert enginestats.objects(result.stderr) == [one]


def test_worker_that_cannot_start(fio, root, shm_file, as_thread, tmp_path):
    """It has no eventfd, and has done nothing: the statistics are the job's
    alone."""
    library, path = tmp_path / "one_eventfd.so", tmp_path / "numbers"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library,
                    root / "tests" / "lib" / "one_eventfd.c"], check=True)
    preload = ":".join(filter(None, [fio.san_env.get("LD_PRELOAD"),
                                     str(library)]))
    result = fio(shm_file, rw="randread", size="256k", thread=as_thread,
                 io_submit_mode="offload", reap="eventfd", stats_file=path,
                 env={"LD_PRELOAD": preload})
    assert "reap=eventfd: no eventfd" in result.stderr, result.text
    assert result.rc != 0 and len(enginestats.in_file(path)) == 1


def test_job_without_a_submission(fio, loop_device, tmp_path):
    path = tmp_path / "numbers"
    fio(loop_device, rw="trim", bs="64k", size=MIB, direct=1,
        stats_file=path).ok()
    one, = enginestats.in_file(path)
    assert one["io_submit_calls"] == one["run_ns"] == one["submit_share"] == 0


@pytest.mark.parametrize("values, calls", [
    ((0, 1), False), ((1, 0), True), ((0,), True), ((1,), False)])
def test_last_userspace_reap_counts(fio, engine, shm_file, tmp_path, values,
                                    calls):
    job = job_file(tmp_path / "job.fio", engine, shm_file, rw="read",
                   size=MIB, engine_stats=1)
    with open(job, "a", encoding="utf-8") as file:
        file.writelines("userspace_reap=%d\n" % value for value in values)
    one, = enginestats.objects(fio.raw("--output-format=json",
                                       job).ok().stderr)
    assert (one["io_getevents_calls"] > 0) == calls


def bad_place(kind, tmp_path):
    path = str(tmp_path / kind)
    if kind == "symlink":
        (tmp_path / "target").write_text("mine", encoding="utf-8")
        os.symlink(tmp_path / "target", path)
    elif kind == "dangling":
        os.symlink(tmp_path / "new", path)
    elif kind == "linked":
        (tmp_path / "real").mkdir()
        os.symlink("real", path)
        path += "/new"
    elif kind == "folder":
        os.mkdir(path)
    elif kind == "missing":
        path += "/file"
    return path


LINK = "a part of the path is a symbolic link"
BAD = {"symlink": LINK, "dangling": LINK, "linked": LINK,
       "folder": "Is a directory", "missing": "No such file"}


@pytest.mark.parametrize("kind", BAD)
def test_file_that_cannot_be_written(fio, loop_device, tmp_path, kind,
                                     as_thread):
    """Said before the first I/O, and not after the last."""
    path = bad_place(kind, tmp_path)
    result = fio(loop_device, rw="randread", size=MIB, direct=1,
                 thread=as_thread, stats_file=path).failed()
    assert result.job["read"]["total_ios"] == 0
    line, = ours(result)
    assert f"cannot be appended to {path}, so it does not start" in line
    assert BAD[kind] in line
    if kind == "symlink":
        assert os.path.islink(path)
        assert (tmp_path / "target").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "real" / "new").exists()


def test_file_that_becomes_unwritable(fio, loop_device):
    """What only the write tells: one sentence, and what the file lacks; the
    job and its exit status stay as they were."""
    result = fio(loop_device, rw="randread", size=MIB, direct=1,
                 stats_file="/dev/full").ok()
    assert result.job["read"]["total_ios"] == 256
    one, = enginestats.objects(result.stderr)
    assert one["ios_submitted"] == 256
    line, = [line for line in ours(result)
             if INSIDE not in line and not line.startswith("kaio: {")]
    assert "cannot be appended to /dev/full: No space left" in line


def test_file_is_found_once(fio, loop_device, tmp_path):
    """What was opened before the start is what is written, wherever its name
    leads by then."""
    path = tmp_path / "numbers"
    running = fio.start(["--output-format=json", *fio.job_args(
        {"filename": loop_device, "rw": "randread", "direct": 1, "runtime": 4,
         "time_based": 1, "stats_file": path, "verify_state_save": 0})])
    while not path.exists():    # or the test's own time limit
        time.sleep(0.02)
    os.rename(path, tmp_path / "moved")
    os.symlink(tmp_path / "elsewhere", path)
    running.wait().ok()
    assert len(enginestats.in_file(tmp_path / "moved")) == 1
    assert not (tmp_path / "elsewhere").exists()


def test_file_is_a_block_device(fio, shm_file, loop_device):
    """A slip of the finger does not cost a disk."""
    result = fio(shm_file, rw="read", size=MIB,
                 stats_file=loop_device).failed()
    assert [line for line in ours(result) if "it is a block device" in line]
    with open(loop_device, "rb") as device:
        assert device.read(MIB) == bytes(MIB)


def test_file_on_a_full_file_system(fio, need_root, shm_file, tmp_path):
    with targets.small_tmpfs(str(tmp_path), 64 << 10) as small:
        path = os.path.join(small, "numbers")
        Path(path).touch()
        with pytest.raises(OSError), \
                open(os.path.join(small, "fill"), "wb", 0) as file:
            while file.write(bytes(4096)) == 4096:
                pass
            raise OSError
        result = fio(shm_file, rw="read", size=MIB, stats_file=path).ok()
        assert [line for line in ours(result) if "No space left" in line]
        assert os.path.getsize(path) == 0


# --- the time inside io_submit ---


def test_warns_of_buffered_io(fio, ext4_file):
    result = fio(ext4_file, rw="write", size=8 * MIB, iodepth=32,
                 engine_stats=1).ok()
    line, = [line for line in ours(result) if INSIDE in line]
    assert "set direct=1" in line and "job job spent" in line


def test_warns_of_a_ram_disk(fio, shm_file):
    result = fio(shm_file, rw="randread", size=8 * MIB, iodepth=32, direct=1,
                 engine_stats=1).ok()
    assert [line for line in ours(result) if INSIDE in line and "RAM" in line]


def is_slow(result):
    """Submission, which another program may have stopped for a while."""
    stats, = enginestats.objects(result.stderr)
    return stats["submit_share"] > 0.1 and (
        stats["ios_done_in_submit"] * 2 > stats["ios_submitted"] or
        stats["submit_ns"] >= QUICK * stats["ios_submitted"])


def test_no_warning_when_submission_is_quick(fio, loop_device):
    """Asynchronous, and with pauses: submission is next to nothing."""
    result = fio(loop_device, rw="randread", size="64k", direct=1, iodepth=8,
                 bs="4k", rate_iops=20, engine_stats=1).ok()
    assert (INSIDE in result.text) == is_slow(result)


@pytest.mark.parametrize("options", [
    {"iodepth": 1}, {"iodepth": 128, "iodepth_batch": 64,
                     "iodepth_batch_complete_min": 64}])
def test_no_warning_without_reason(fio, loop_device, options):
    """No depth to lose; or many at once, each of which is quick."""
    result = fio(loop_device, rw="randread", size=8 * MIB, direct=1,
                 engine_stats=1, **options).ok()
    assert (INSIDE in result.text) == (
        options["iodepth"] > 1 and is_slow(result))


def test_share_of_a_job_of_one(fio, loop_device):
    """The run goes on until its completion is read."""
    result = fio(loop_device, rw="read", bs="4k", size="4k", direct=1,
                 engine_stats=1).ok()
    assert enginestats.objects(result.stderr)[0]["submit_share"] < 1

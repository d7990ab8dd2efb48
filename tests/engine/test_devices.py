# SPDX-License-Identifier: GPL-2.0-only
# Devices and files that change under a running job: full, shrunk, detached,
# cut; and a job that is killed.  In each of the engine's ways to submit and to
# wait, fio ends, and with the same outcome as with its built-in engine.
# (test_ioerrors.py has the sentences, and the default ways.)
import contextlib
import os
import signal
import subprocess
import time

import pytest

import fiorun
import targets

MIB = 1 << 20
BLOCK = 64 << 10
# Each value of reap=, submit= and spin=, once.
MODES = [
    {"reap": "ring", "submit": "adaptive", "spin": "auto"},
    {"reap": "syscall", "submit": "immediate", "spin": "50us"},
    {"reap": "eventfd", "submit": "adaptive", "spin": "0"},
]
modes = pytest.mark.parametrize("mode", MODES, ids=lambda m: m["reap"])


class Disk:
    """16 MB on a loop device, and the file behind it."""

    def __init__(self, path, device):
        self.path, self.device = path, device

    def shrink(self, size):
        """The command that takes the end away, and tells the kernel."""
        return "truncate -s %d %s && losetup --set-capacity %s" % (
            size, self.path, self.device)


@pytest.fixture
def disk(need_root, shm):
    path = os.path.join(shm, "backing")
    with targets.sized_file(path, 16 * MIB), targets.loop(path) as device:
        yield Disk(path, device)


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


def fill(path, size):
    with open(path, "wb") as file:
        file.write(bytes(size))


# --- devices ---

@modes
def test_device_fills_up(fio, need_root, tmp_path, mode):
    """16 MB on paper, 4 in truth: half of the blocks are counted as failed."""
    with targets.small_tmpfs(str(tmp_path), 4 * MIB) as full, \
            targets.loop_of(full, 16 * MIB) as device:
        job = fio(device, rw="write", bs="64k", size=8 * MIB, iodepth=8,
                  direct=1, ignore_error=",ENOSPC", **mode).job
    assert job["first_error"] == 28
    assert job["write"]["io_bytes"] + job["total_err"] * BLOCK == 8 * MIB
    # Which of the blocks in flight get the last pages is the kernel's choice.
    assert job["total_err"] == pytest.approx(64, abs=8)


@modes
@pytest.mark.parametrize("rw", ["read", "randwrite"])
def test_device_shrinks(fio, disk, mode, rw):
    """To half, after fio has looked at its size: what lies behind the new end
    is short or an error, as it is with libaio."""
    def grow():
        os.truncate(disk.path, 16 * MIB)
        targets.run("losetup", "--set-capacity", disk.device)

    result = both(fio, disk.device, mode, grow, rw=rw, bs="64k",
                  size=16 * MIB, direct=1, iodepth=1,
                  exec_prerun=disk.shrink(8 * MIB))
    assert result.job["read"]["io_bytes"] + \
        result.job["write"]["io_bytes"] <= 8 * MIB


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
def running(fio, target, **options):
    """A fio for each mode, side by side on the target, which each has open."""
    started = []
    try:
        for mode in MODES:
            job = {"filename": target, "bs": "16k", "size": 16 * MIB,
                   "direct": 1, "iodepth": 16, "time_based": None, **options,
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


def test_device_shrinks_while_it_runs(fio, disk):
    with running(fio, disk.device, rw="randread", runtime=5,
                 continue_on_error="all") as started:
        subprocess.run(disk.shrink(8 * MIB), shell=True, check=True)
        for one in started:
            result = one.wait()
            assert result.rc in (0, 1) and "got signal" not in result.stderr
            assert result.job["read"]["total_ios"] > 0


def test_device_detached_while_it_runs(fio, need_root, shm):
    """The kernel keeps it until the jobs let go of it."""
    path = os.path.join(shm, "gone")
    with targets.sized_file(path, 16 * MIB), contextlib.ExitStack() as stack:
        with targets.loop(path) as device:
            started = stack.enter_context(running(
                fio, device, rw="randrw", runtime=5))
        assert path in attached()
        for one in started:
            job = one.wait().ok().job
            assert job["read"]["total_ios"] > 0 < job["write"]["total_ios"]
        assert path not in attached()


def attached():
    return targets.run("losetup", "--list", "--noheadings", "--output",
                       "BACK-FILE")


# --- files ---

CUTS = {
    "read": {"rw": "read"},
    "randread": {"rw": "randread"},
    "direct": {"rw": "read", "direct": 1, "iodepth": 1},
    "randrw": {"rw": "randrw"},
    "write": {"rw": "write"},
}


@pytest.mark.parametrize("kind", CUTS)
@pytest.mark.parametrize("size", [0, MIB + 1000])
def test_file_cut(fio, ext4_file, kind, size):
    """After fio has looked at its size."""
    mode = MODES[(len(kind) + size) % len(MODES)]
    result = both(fio, ext4_file, mode, lambda: fill(ext4_file, 4 * MIB),
                  bs="64k", size=4 * MIB,
                  exec_prerun="truncate -s %d %s" % (size, ext4_file),
                  **{"iodepth": 16, **CUTS[kind]})
    if "read" in CUTS[kind]["rw"]:
        assert result.job["read"]["io_bytes"] <= size
    if kind == "write":
        assert result.ok().job["write"]["io_bytes"] == 4 * MIB


def test_file_cut_again_and_again(fio, ext4_file):
    """While direct reads and writes are in flight: no hang."""
    fill(ext4_file, 4 * MIB)
    with running(fio, ext4_file, rw="randrw", size=4 * MIB,
                 runtime=5) as started:
        while started[0].process.poll() is None:
            os.truncate(ext4_file, 1000)
            os.truncate(ext4_file, 4 * MIB)
            time.sleep(0.01)
        for one in started:
            result = one.wait()
            assert result.rc in (0, 1) and "got signal" not in result.stderr
            assert result.job["write"]["total_ios"] > 0


# --- jobs ---

def test_one_of_many_jobs_is_killed(fio, loop_device, san):
    """The others go on to their end, and fio reports all of them."""
    if "address" in san:
        pytest.skip("fio itself then frees a job's options twice, with libaio "
                    "as well, which ends it under ASan")
    with running(fio, loop_device, rw="randread", runtime=5, numjobs=4,
                 bs="4k") as started:
        for one in started:
            pids = []
            while len(pids) < 4:
                assert one.process.poll() is None
                pids = fiorun.descendants(one.process.pid)
            os.kill(pids[2], signal.SIGKILL)
        for one in started:
            result = one.wait()
            assert result.rc != 0 and "signal=9" in result.text
            whole = [job for job in result.jobs if not job["error"]
                     and job["read"]["total_ios"]
                     and job["job_runtime"] >= 4900]
            assert len(whole) == 3

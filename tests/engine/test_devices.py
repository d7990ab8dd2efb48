# SPDX-License-Identifier: GPL-2.0-only
# Devices that are full, end before they should, shrink or go under a running
# job, and jobs that are killed.  In each of the engine's ways to submit and to
# wait fio ends, with the engine's words, and with the same outcome as with its
# built-in engine.
import contextlib
import os
import signal
import subprocess

import pytest

import fiorun
import targets
from changing import MIB, MODES, both, ended, running

BLOCK = 64 << 10
FULL = "the file system or the thin device is full"
FAILED = "the device failed the I/O, or it ends before it"
ENDS = "the device ends before it"
modes = pytest.mark.parametrize("mode", MODES, ids=lambda m: m["reap"])


class Disk:
    """16 MB on a loop device by its size, and the file behind it."""

    def __init__(self, path, device):
        self.path, self.device = path, device

    def cut(self):
        """Its second half is gone, which the kernel does not know."""
        os.truncate(self.path, 8 * MIB)

    def shrink(self, size):
        """The command that takes the end away, and tells the kernel."""
        return "truncate -s %d %s && losetup --set-capacity %s" % (
            size, self.path, self.device)


@pytest.fixture
def disk(need_root, shm):
    path = os.path.join(shm, "backing")
    with targets.sized_file(path, 16 * MIB), targets.loop(path) as device:
        yield Disk(path, device)


@pytest.fixture
def full_dir(need_root, tmp_path):
    """A tmpfs that takes 4 MB."""
    with targets.small_tmpfs(str(tmp_path), 4 * MIB) as path:
        yield path


@pytest.fixture
def thin_device(full_dir):
    """16 MB on paper: a loop device on a sparse file there."""
    with targets.loop_of(full_dir, 16 * MIB) as device:
        yield device


def write(fio, target, **options):
    return fio(target, rw="write", bs="64k", size=8 * MIB, direct=1, **options)


@pytest.mark.parametrize("depth", [1, 16])
def test_full_device(fio, thin_device, depth, as_thread):
    result = write(fio, thin_device, iodepth=depth, thread=as_thread).failed()
    assert result.job["error"] == 28
    assert FULL in result.stderr


@pytest.mark.parametrize("mode, slack", [({}, 0), *((m, 8) for m in MODES)])
def test_full_device_and_go_on(fio, thin_device, mode, slack):
    """Half of the blocks are counted as failed."""
    result = write(fio, thin_device, iodepth=8 if mode else 1,
                   ignore_error=",ENOSPC", **mode)
    job = result.job
    assert (result.rc, job["first_error"]) == (0, 28)
    assert job["write"]["io_bytes"] + job["total_err"] * BLOCK == 8 * MIB
    # Which of the blocks in flight get the last pages is the kernel's choice.
    assert job["total_err"] == pytest.approx(64, abs=slack)


@pytest.mark.parametrize("depth", [1, 16])
def test_cut_device(fio, disk, depth, as_thread):
    disk.cut()
    result = fio(disk.device, rw="read", bs="64k", size=16 * MIB, direct=1,
                 iodepth=depth, thread=as_thread).failed()
    assert result.job["error"] == 5
    assert FAILED in result.stderr
    assert result.job["read"]["io_bytes"] >= 7 * MIB


def test_cut_device_and_go_on(fio, disk):
    disk.cut()
    job = fio(disk.device, rw="read", bs="64k", size=16 * MIB, direct=1,
              iodepth=16, continue_on_error="read").job
    assert job["total_err"] == 128
    assert job["first_error"] == 5
    assert job["read"]["io_bytes"] == 8 * MIB


@modes
def test_device_shrinks(fio, disk, mode):
    """To half, after fio has looked at its size: what would be written behind
    the new end is an error, as it is with libaio."""
    def grow():
        os.truncate(disk.path, 16 * MIB)
        targets.run("losetup", "--set-capacity", disk.device)

    result = both(fio, disk.device, mode, grow, rw="randwrite", bs="64k",
                  size=16 * MIB, direct=1, iodepth=1,
                  exec_prerun=disk.shrink(8 * MIB))
    assert result.job["write"]["io_bytes"] <= 8 * MIB
    assert ENDS in result.stderr


@modes
@pytest.mark.parametrize("direct", [0, 1])
def test_reads_end_where_the_device_does(fio, disk, mode, direct):
    """With libaio fio takes a read of nothing for done, and goes on."""
    result = fio(disk.device, rw="read", bs="64k", size=16 * MIB,
                 direct=direct, iodepth=16, exec_prerun=disk.shrink(8 * MIB),
                 **mode).failed()
    assert result.job["error"] == 5 and FAILED in result.stderr
    assert 7 * MIB <= result.job["read"]["io_bytes"] <= 8 * MIB
    assert result.job["read"]["total_ios"] <= 128 + 16


def test_reads_behind_the_end_are_counted(fio, disk):
    job = fio(disk.device, rw="read", bs="64k", size=16 * MIB, direct=1,
              iodepth=16, exec_prerun=disk.shrink(8 * MIB),
              continue_on_error="read").job
    assert (job["total_err"], job["first_error"]) == (128, 5)
    assert job["read"]["io_bytes"] == 8 * MIB


def test_device_cut_while_it_runs(fio, disk):
    with running(fio, disk.device, rw="randread", runtime=60) as started:
        targets.await_reads(disk.device)
        disk.cut()
        assert [ended(one).job["error"] for one in started] == [5] * 3


def test_device_shrinks_while_it_runs(fio, disk):
    with running(fio, disk.device, rw="randread", runtime=2,
                 continue_on_error="all") as started:
        targets.await_reads(disk.device)
        subprocess.run(disk.shrink(8 * MIB), shell=True, check=True)
        for one in started:
            ended(one)


def test_device_detached_while_it_runs(fio, need_root, shm):
    """The kernel keeps it until the jobs let go of it."""
    path = os.path.join(shm, "gone")
    with targets.sized_file(path, 16 * MIB), contextlib.ExitStack() as stack:
        with targets.loop(path) as device:
            started = stack.enter_context(running(
                fio, device, rw="randrw", runtime=2))
        assert path in attached()
        for one in started:
            job = one.wait().ok().job
            assert job["read"]["total_ios"] > 0 < job["write"]["total_ios"]
        assert path not in attached()


def attached():
    return targets.run("losetup", "--list", "--noheadings", "--output",
                       "BACK-FILE")


# --- jobs ---

def test_one_of_many_jobs_is_killed(fio, loop_device, san):
    """The others go on to their end, and fio reports all of them."""
    if "address" in san:
        pytest.skip("fio itself then frees a job's options twice, with libaio "
                    "as well, which ends it under ASan")
    with running(fio, loop_device, rw="randread", runtime=3, numjobs=4,
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
                     and job["job_runtime"] >= 2900]
            assert len(whole) == 3

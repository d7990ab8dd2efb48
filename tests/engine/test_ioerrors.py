# SPDX-License-Identifier: GPL-2.0-only
# Real failures: a full file system, a full thin device, a device that ends
# before it should, files that shrink while they are read.  fio reports them
# with the engine's words, and nothing hangs.
import os
import time

import pytest

import targets

MIB = 1 << 20
FULL = "the file system or the thin device is full"
FAILED = "the device failed the I/O, or it ends before it"


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


@pytest.fixture
def cut_device(need_root, shm):
    """16 MB by its size, and a backing file that can be cut."""
    path = os.path.join(shm, "cut")
    with targets.sized_file(path, 16 * MIB), targets.loop(path) as device:
        yield device, path


def write(fio, target, **options):
    job = {"rw": "write", "bs": "64k", "size": 8 * MIB, "iodepth": 8,
           "fallocate": "none", **options}
    return fio(target, **job)


def test_full_file_system(fio, full_dir, as_thread):
    result = write(fio, os.path.join(full_dir, "file"),
                   thread=as_thread).failed()
    assert result.job["error"] == 28
    assert FULL in result.stderr
    assert 0 < result.job["write"]["io_bytes"] <= 4 * MIB


@pytest.mark.parametrize("depth", [1, 16])
def test_full_device(fio, thin_device, depth, as_thread):
    result = write(fio, thin_device, direct=1, iodepth=depth,
                   thread=as_thread).failed()
    assert result.job["error"] == 28
    assert FULL in result.stderr


def test_full_device_and_go_on(fio, thin_device):
    """128 blocks, and room for 64 of them: each other one is counted."""
    result = write(fio, thin_device, direct=1, ignore_error=",ENOSPC")
    assert result.rc == 0
    job = result.job
    assert (job["total_err"], job["first_error"]) == (64, 28)
    assert job["write"]["io_bytes"] == 64 * 65536


@pytest.mark.parametrize("depth", [1, 16])
def test_cut_device(fio, cut_device, depth, as_thread):
    """Its second half is gone."""
    device, path = cut_device
    os.truncate(path, 8 * MIB)
    result = fio(device, rw="read", bs="64k", size=16 * MIB, direct=1,
                 iodepth=depth, thread=as_thread).failed()
    assert result.job["error"] == 5
    assert FAILED in result.stderr
    assert result.job["read"]["io_bytes"] >= 7 * MIB


def test_device_cut_while_it_runs(fio, cut_device):
    device, path = cut_device
    args = fio.job_args({"filename": device, "rw": "randread", "bs": "64k",
                         "size": 16 * MIB, "direct": 1, "iodepth": 16,
                         "time_based": None, "runtime": 60})
    running = fio.start(["--output-format=json", *args])
    targets.await_reads(device)
    assert running.process.poll() is None
    os.truncate(path, 8 * MIB)
    result = running.wait().failed()
    assert result.job["error"] == 5
    assert result.job["read"]["total_ios"] > 0


def test_cut_device_and_go_on(fio, cut_device):
    device, path = cut_device
    os.truncate(path, 8 * MIB)
    job = fio(device, rw="read", bs="64k", size=16 * MIB, direct=1,
              iodepth=16, continue_on_error="read").job
    assert job["total_err"] == 128
    assert job["first_error"] == 5
    assert job["read"]["io_bytes"] == 8 * MIB


def test_unaligned(fio, ext4_file):
    """direct=1 with 1000 bytes: EINVAL, with its likely cause."""
    result = fio(ext4_file, rw="write", bs=1000, size=100_000, direct=1,
                 iodepth=4).failed()
    assert result.job["error"] == 22
    assert "multiples of" in result.stderr


# --- short results ---

def test_device_without_asynchronous_io(fio):
    """/dev/full can be written to, but not through AIO."""
    result = fio("/dev/full", rw="write", size=MIB).failed()
    assert result.job["error"] == 22
    assert "whose driver has no asynchronous I/O" in result.stderr


def test_realtime_priority_as_a_user(fio, need_root, shm_file):
    """cmdprio's class is RT unless the job says otherwise."""
    os.chmod(os.path.dirname(shm_file), 0o755)
    make_file(shm_file, MIB)
    job = {"rw": "randread", "size": MIB, "cmdprio_percentage": 100,
           "uid": 65534, "gid": 65534}
    result = fio(shm_file, **job).failed()
    assert result.job["error"] == 1
    assert "cmdprio_class=2 or 3" in result.stderr
    fio(shm_file, **job, cmdprio_class=2).ok()


def make_file(path, size):
    with open(path, "wb") as file:
        file.write(os.urandom(size))
    return path


@pytest.mark.parametrize("depth", [1, 16])
@pytest.mark.parametrize("rw", ["read", "randread"])
def test_odd_size(fio, target, rw, depth):
    """The end of the file is no multiple of the block."""
    make_file(target, MIB + 1000)
    job = fio(target, rw=rw, bs="4k", iodepth=depth).ok().job
    assert job["read"]["io_bytes"] == MIB
    assert job["read"]["total_ios"] == 256


@pytest.mark.parametrize("depth", [1, 16])
def test_file_shrinks(fio, target, depth):
    """Short and empty reads: no hang, and only real bytes are counted."""
    make_file(target, 4 * MIB)
    args = fio.job_args({"filename": target, "rw": "randread", "bs": "64k",
                         "size": 4 * MIB, "iodepth": depth, "runtime": 2,
                         "time_based": None, "thread": 1})
    running = fio.start(["--output-format=json", *args])
    time.sleep(1)
    assert running.process.poll() is None
    os.truncate(target, MIB + 1000)
    result = running.wait()
    assert result.rc in (0, 1)
    assert result.job["read"]["total_ios"] > 0


def short_read(fio, path, engine, depth):
    """The file loses its end after fio has looked at its size."""
    make_file(path, 2 * MIB)
    job = fio(path, engine=engine, rw="read", bs="64k", iodepth=depth,
              size=2 * MIB, exec_prerun="truncate -s %d %s" % (MIB + 1000,
                                                               path)).ok().job
    return {key: job["read"][key]
            for key in ("io_bytes", "total_ios", "short_ios")}


@pytest.mark.parametrize("depth", [1, 16])
def test_short_read_at_the_end(fio, target, depth):
    """One read gives 1000 bytes of 64 KiB, and those after it none: fio sees
    the same of it as from its own engine.  (3.28 counts the empty, too.)"""
    ours = short_read(fio, target, None, depth)
    assert ours == short_read(fio, target, "libaio", depth)
    assert ours["short_ios"] >= 1

# SPDX-License-Identifier: GPL-2.0-only
# Files that are cut while a job uses them, and ends that are no multiple of the
# block: in each of the engine's ways to submit and to wait nothing hangs, only
# real bytes are counted, and fio sees the same as with its built-in engine.
import os
import time

import pytest

import targets
from changing import MIB, MODES, both, ended, running


def fill(path, size):
    with open(path, "wb") as file:
        file.write(os.urandom(size))


def test_full_file_system(fio, need_root, tmp_path, as_thread):
    with targets.small_tmpfs(str(tmp_path), 4 * MIB) as full:
        result = fio(os.path.join(full, "file"), rw="write", bs="64k",
                     size=8 * MIB, iodepth=8, fallocate="none",
                     thread=as_thread).failed()
    assert result.job["error"] == 28
    assert "the file system or the thin device is full" in result.stderr
    assert 0 < result.job["write"]["io_bytes"] <= 4 * MIB


@pytest.mark.parametrize("rw, depth", [("read", 1), ("randread", 16)])
def test_odd_size(fio, target, rw, depth):
    """The end of the file is no multiple of the block."""
    fill(target, MIB + 1000)
    job = fio(target, rw=rw, bs="4k", iodepth=depth).ok().job
    assert job["read"]["io_bytes"] == MIB
    assert job["read"]["total_ios"] == 256


CUTS = {
    "read": {"rw": "read"},
    "one-by-one": {"rw": "read", "iodepth": 1},
    "randread": {"rw": "randread"},
    "direct": {"rw": "read", "direct": 1, "iodepth": 1},
    "randrw": {"rw": "randrw"},
    "write": {"rw": "write"},
}
TO = {"nothing": 0, "odd": MIB + 1000}


def cut(fio, path, kind, size):
    """After fio has looked at its size."""
    mode = MODES[(len(kind) + size) % len(MODES)]
    result = both(fio, path, mode, lambda: fill(path, 4 * MIB),
                  bs="64k", size=4 * MIB,
                  exec_prerun="truncate -s %d %s" % (size, path),
                  **{"iodepth": 16, **CUTS[kind]})
    way = result.job["read"]
    if "read" in CUTS[kind]["rw"]:
        assert way["io_bytes"] <= size
    # One read gives 1000 bytes of 64 KiB.  (fio 3.28 counts the empty, too.)
    if CUTS[kind]["rw"] == "read" and size:
        assert way["short_ios"] >= 1
    if kind == "write":
        assert result.ok().job["write"]["io_bytes"] == 4 * MIB


@pytest.mark.parametrize("kind", CUTS)
@pytest.mark.parametrize("size", TO.values(), ids=TO)
def test_file_cut(fio, ext4_file, kind, size):
    cut(fio, ext4_file, kind, size)


@pytest.mark.parametrize("kind", ["read", "one-by-one"])
def test_file_cut_where_all_completes_at_once(fio, shm_file, kind):
    cut(fio, shm_file, kind, TO["odd"])


def test_file_shrinks(fio, target):
    """Short and empty reads of a job that goes on."""
    fill(target, 4 * MIB)
    with running(fio, target, rw="randread", bs="64k", size=4 * MIB, direct=0,
                 runtime=1, iodepth=[1, 16, 16]) as started:
        os.truncate(target, MIB + 1000)
        for one in started:
            assert ended(one).job["read"]["total_ios"] > 0


def test_file_cut_again_and_again(fio, ext4_file):
    """While direct reads and writes are in flight."""
    fill(ext4_file, 4 * MIB)
    with running(fio, ext4_file, rw="randrw", size=4 * MIB,
                 runtime=3) as started:
        while started[0].process.poll() is None:
            os.truncate(ext4_file, 1000)
            os.truncate(ext4_file, 4 * MIB)
            time.sleep(0.01)
        for one in started:
            assert ended(one).job["write"]["total_ios"] > 0

# SPDX-License-Identifier: GPL-2.0-only
# Syncs and trims: that they happen, as what they are (an fdatasync is no
# fsync), as often as asked, with a latency that is one; and that submission
# and completion latency add up.
import subprocess

import pytest

import fiorun
import straceout

SIZE = 1 << 20
TRACE = ("-v", "-e", "trace=io_submit,fsync,fdatasync,sync_file_range")
# By the names of fio's options: the system call, and the AIO operation.
NAMES = {"fsync": "FSYNC", "fdatasync": "FDSYNC", "sync_file_range": None}
SYNCS = {
    "fsync": {"fsync": 1},
    "fdatasync": {"fdatasync": 4},
    "sync_file_range": {"sync_file_range": "write:8"},
    "end_fsync": {"end_fsync": 1},
}


def traced(fio, target, trace, **options):
    """How often each kind of sync reached the kernel, either way."""
    job = {"rw": "write", "size": SIZE, "bs": "4k", "thread": 1, **options}
    result = fio(target, strace=("-o", trace, *TRACE), **job).ok()
    calls = straceout.calls(trace)
    opcodes = [op for call in calls for op in call.opcodes]
    counts = {name: sum(call.name == name for call in calls) +
              opcodes.count(op) for name, op in NAMES.items()}
    return result.job, counts


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("kind", ["fsync", "fdatasync", "sync_file_range"])
def test_kind_and_count(fio, shm_file, need_strace, tmp_path, kind, depth):
    """Of this kind only, and as many as through fio's own engine, whatever
    that makes of them: about one for each 1, 4 or 8 of the 256 writes."""
    job, counts = traced(fio, shm_file, tmp_path / "ours", iodepth=depth,
                         **SYNCS[kind])
    _, theirs = traced(fio, shm_file, tmp_path / "theirs", engine="libaio",
                       iodepth=depth, **SYNCS[kind])
    assert job["write"]["total_ios"] == 256
    every = {"fsync": 1, "fdatasync": 4, "sync_file_range": 8}[kind]
    assert 256 // every - 8 <= sum(theirs.values()) <= 256 // every
    assert counts == {**dict.fromkeys(NAMES, 0), kind: sum(theirs.values())}


def test_end_fsync(fio, ext4_file, need_strace, tmp_path):
    _, counts = traced(fio, ext4_file, tmp_path / "trace", iodepth=8,
                       end_fsync=1)
    assert counts == {"fsync": 1, "fdatasync": 0, "sync_file_range": 0}


def test_end_syncfs(fio, ext4_file, need_strace, tmp_path, fio_has):
    """Once, and after all else; AIO has no such operation."""
    if not fio_has("thread_options.h", "end_syncfs"):
        pytest.skip("this fio has no end_syncfs; 3.42 has")
    trace = tmp_path / "trace"
    fio(ext4_file, rw="write", size=SIZE, bs="4k", iodepth=8, thread=1,
        end_syncfs=1,
        strace=("-o", trace, "-e", "trace=io_submit,syncfs,fsync")).ok()
    assert [call.name for call in straceout.calls(trace)] == \
        ["io_submit"] * 256 + ["syncfs"]


@pytest.mark.parametrize("kind", SYNCS)
@pytest.mark.parametrize("depth", [1, 16])
def test_syncs_verify(fio, target, kind, depth):
    job = fio(target, rw="randwrite", size=SIZE, bs="4k", iodepth=depth,
              verify="crc32c", verify_fatal=1, **SYNCS[kind]).ok().job
    assert job["read"]["io_bytes"] == job["write"]["io_bytes"] == SIZE


PAUSE = 60_000_000  # ns, between the I/Os below


def sync_latency(fio, target, engine=None, **options):
    """Of fsyncs on tmpfs, which take microseconds, in a job that pauses
    after each write.  fio counts no latency for the other kinds of sync."""
    result = fio(target, engine=engine, rw="write", size=16 * 4096, bs="4k",
                 fsync=1, thinktime=PAUSE // 1000, **options).ok()
    assert result.job["sync"]["total_ios"] >= 8
    return result.job["sync"]["lat_ns"]


@pytest.mark.parametrize("depth", [1, 8])
def test_sync_latency(fio, shm_file, depth, as_thread):
    """The time of the sync alone: without the pause before it."""
    lat = sync_latency(fio, shm_file, iodepth=depth, thread=as_thread)
    assert 0 < lat["min"] <= lat["mean"] <= lat["max"]
    assert lat["mean"] < PAUSE / 2


def test_sync_latency_of_the_builtin(fio, shm_file):
    """fio 3.33's own engine counts from some earlier use of the request:
    the reason why the two differ.  A fio that mends it may drop this."""
    version = fio.raw("--version").stdout.strip()
    if version != "fio-3.33":
        pytest.skip("known of fio-3.33, not of " + version)
    lat = sync_latency(fio, shm_file, "libaio", iodepth=8)
    assert lat["mean"] > PAUSE


@pytest.mark.parametrize("depth", [1, 8])
def test_sync_latency_is_within_the_run(fio, ext4_file, depth):
    result = fio(ext4_file, rw="write", size=SIZE, bs="4k", iodepth=depth,
                 fsync=1).ok()
    lat = result.job["sync"]["lat_ns"]
    assert 0 < lat["min"] <= lat["mean"] <= lat["max"]
    assert lat["max"] < result.seconds * 1e9


@pytest.mark.parametrize("depth", [1, 32])
@pytest.mark.parametrize("batch", [{}, {"iodepth_batch": 8}])
def test_latencies_add_up(fio, loop_device, depth, batch, fio_has):
    """fio before 3.30 stamps each I/O again, later than its engines do, so
    that a little is missing there, with the built-in engine, too."""
    exactly = fio_has("ioengines.h", "FIO_ASYNCIO_SETS_ISSUE_TIME")
    job = fio(loop_device, rw="randrw", size=SIZE, bs="4k", direct=1,
              iodepth=depth, **batch).ok().job
    fiorun.latency_adds_up(job["read"], exactly)
    fiorun.latency_adds_up(job["write"], exactly)


@pytest.mark.parametrize("rw", ["randtrim", "trimwrite", "trim"])
@pytest.mark.parametrize("depth", [1, 16])
def test_trim(fio, loop_device, rw, depth):
    job = fio(loop_device, rw=rw, size=SIZE, bs="4k", direct=1,
              iodepth=depth).ok().job
    assert job["trim"]["io_bytes"] >= SIZE // 2
    assert 0 < job["trim"]["clat_ns"]["max"] < 10e9
    if rw == "trimwrite":
        assert job["write"]["io_bytes"] >= SIZE // 2


def used_kb(device):
    """Blocks that a loop device's backing file holds."""
    backing = subprocess.check_output(
        ["losetup", "--noheadings", "--output", "BACK-FILE", device],
        text=True).strip()
    return int(subprocess.check_output(["du", "-k", backing]).split()[0])


def test_trim_reaches_the_device(fio, loop_device):
    fio(loop_device, rw="write", size=SIZE, bs="64k", direct=1, iodepth=4).ok()
    before = used_kb(loop_device)
    fio(loop_device, rw="randtrim", size=SIZE, bs="64k", iodepth=4).ok()
    assert before - used_kb(loop_device) >= SIZE // 1024


@pytest.mark.parametrize("rw", ["randread", "randwrite", "randtrim"])
def test_depths_are_counted(fio, loop_device, rw):
    """Submissions and completions: fio's distribution has each I/O once."""
    job = fio(loop_device, rw=rw, size=SIZE, bs="4k", iodepth=4,
              direct=1).ok().job
    assert sum(job["iodepth_submit"].values()) == pytest.approx(100, abs=1)
    assert sum(job["iodepth_complete"].values()) == pytest.approx(100, abs=1)
    assert job["iodepth_submit"]["0"] == 0


def test_batches_are_counted(fio, loop_device):
    job = fio(loop_device, rw="randread", size=SIZE, bs="4k", iodepth=32,
              iodepth_batch=16, iodepth_batch_complete_min=16,
              direct=1).ok().job
    assert job["iodepth_submit"]["16"] > 50


def test_trim_overtakes_no_queued_write(fio, loop_device, need_strace,
                                        tmp_path):
    """trimwrite trims each block before it writes it: with batches of 8, each
    write must still be submitted before the next trim runs."""
    trace = tmp_path / "trace"
    fio(loop_device, rw="trimwrite", size=64 * 4096, bs="4k", iodepth=16,
        iodepth_batch=8, direct=1, thread=1,
        strace=("-o", trace, "-v", "-e", "trace=io_submit,ioctl")).ok()
    submitted = [len(call.opcodes) for call in straceout.calls(trace)
                 if call.name == "io_submit"]
    assert submitted == [1] * 64

# SPDX-License-Identifier: GPL-2.0-only
# Every byte arrives: crc32c verification over depths, batch options and the
# engine's own options, forked and as a thread, on completions that come at
# once (tmpfs) and later (a loop device with direct I/O).
import pytest

import straceout

SIZE = 4 << 20
DEPTHS = (1, 2, 64, 1024)
BATCHES = {
    "default": {},
    "batch16": {"iodepth_batch": 16},
    "min0": {"iodepth_batch": 8, "iodepth_batch_complete_min": 0},
    "min8max32": {"iodepth_batch": 16, "iodepth_batch_complete_min": 8,
                  "iodepth_batch_complete_max": 32},
    "low": {"iodepth_batch": 16, "iodepth_low": 1},
}
OPTIONS = {
    "vectored": {"libaio_vectored": 1},
    "reap": {"userspace_reap": None},
    "syscall-reap": {"userspace_reap": 0},
    "percentage": {"cmdprio_percentage": 50},
    "class": {"cmdprio_percentage": 30, "cmdprio_class": 2, "cmdprio": 3},
    "bssplit": {"cmdprio_bssplit": "4k/50", "cmdprio_class": 2},
    "vectored-syscall": {"libaio_vectored": 1, "userspace_reap": 0},
}


def checked(fio, target, **options):
    """Write all of SIZE at random, read it back and compare."""
    job = {"size": SIZE, "rw": "randwrite", "bs": "4k", "direct": 1,
           "verify": "crc32c", "verify_fatal": 1, **options}
    result = fio(target, **job).ok()
    assert result.job["write"]["io_bytes"] == SIZE
    assert result.job["read"]["io_bytes"] == SIZE
    assert result.job["write"]["short_ios"] == 0
    return result.job


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("batch", BATCHES)
def test_depth_and_batch(fio, loop_device, depth, batch):
    """Threads and processes in turn: each depth and each batch sees both."""
    turn = DEPTHS.index(depth) + list(BATCHES).index(batch)
    checked(fio, loop_device, iodepth=depth, thread=turn % 2,
            **BATCHES[batch])


@pytest.mark.parametrize("batch", BATCHES)
def test_batch_when_all_completes_at_once(fio, shm_file, batch, as_thread):
    checked(fio, shm_file, iodepth=64, thread=as_thread, **BATCHES[batch])


@pytest.mark.parametrize("options", OPTIONS)
def test_engine_option(fio, loop_device, options, as_thread):
    checked(fio, loop_device, iodepth=32, thread=as_thread,
            **OPTIONS[options])


@pytest.mark.parametrize("batch", BATCHES)
def test_syscall_reaping(fio, loop_device, batch):
    checked(fio, loop_device, iodepth=64, userspace_reap=0, **BATCHES[batch])


def test_nowait_reads(fio, ext4_file):
    """Cached pages never block, so that nowait=1 reads all of them."""
    job = {"size": SIZE, "verify": "crc32c", "invalidate": 0}
    fio(ext4_file, rw="write", do_verify=0, **job).ok()
    result = fio(ext4_file, rw="randread", iodepth=8, nowait=1,
                 verify_fatal=1, **job).ok()
    assert result.job["read"]["io_bytes"] == SIZE


def test_nowait_reaches_the_iocb(fio, ext4_file, need_strace, tmp_path):
    """Reads and writes carry RWF_NOWAIT, and syncs do not; but for those
    without a cookie, with which the engine tries what the file takes."""
    trace = tmp_path / "trace"
    fio(ext4_file, rw="randrw", size=1 << 20, direct=1, iodepth=4, nowait=1,
        fsync=8, ignore_error="EAGAIN,EAGAIN", thread=1,
        strace=("-v", "-o", trace, "-e", "trace=io_submit")).ok()
    found = [call for call in straceout.calls(trace)
             if call.opcodes and "aio_data=0," not in call.args]
    assert found
    for call in found:
        wanted = any(op.startswith("P") for op in call.opcodes)
        assert ("RWF_NOWAIT" in call.args) == wanted, call.args


def test_nowait_with_fsync(fio, ext4_file):
    """The flag is for reads and writes: an fsync with it is refused."""
    fio(ext4_file, rw="write", size=SIZE, end_fsync=1).ok()
    fio(ext4_file, rw="randwrite", direct=1, size=SIZE, iodepth=4, nowait=1,
        fsync=4, ignore_error="EAGAIN,EAGAIN").ok()


def test_cmdprio_reaches_the_iocb(fio, shm_file, need_strace, tmp_path):
    """Half of the reads carry class 2, level 5; the others have none."""
    trace = tmp_path / "trace"
    fio(shm_file, rw="randread", size=1 << 20, bs="4k", iodepth=4, thread=1,
        cmdprio_percentage=50, cmdprio_class=2, cmdprio=5,
        strace=("-o", trace, "-e", "trace=io_submit")).ok()
    text = trace.read_text(encoding="latin-1")
    marked = text.count("IOCB_FLAG_IOPRIO")
    assert 60 < marked < 200
    assert text.count("aio_reqprio=") >= marked
    assert text.count("IOCB_CMD_PREAD") == 256


@pytest.mark.parametrize("bs", [{"bsrange": "512-64k"}, {"bs": "256k"},
                                {"bssplit": "4k/50:8k/30:1m/20"}], ids=str)
def test_block_sizes(fio, loop_device, bs):
    """fio leaves out a rest that no size fits, and reads what it wrote."""
    job = fio(loop_device, rw="randwrite", size=SIZE, direct=1, iodepth=16,
              verify="crc32c", verify_fatal=1, **bs).ok().job
    assert job["write"]["io_bytes"] == job["read"]["io_bytes"] > SIZE // 2


@pytest.mark.parametrize("extra", [
    {"verify_async": 2},
    {"verify_backlog": 64, "verify_backlog_batch": 16},
    {"rw": "rw"},
    {"rw": "randrw", "rwmixread": 30},
    {"loops": 3},
    {"norandommap": 1, "serialize_overlap": 1},
], ids=lambda extra: "-".join(extra))
def test_ways_to_verify(fio, loop_device, extra):
    job = {"rw": "randwrite", "size": SIZE, "bs": "4k", "direct": 1,
           "iodepth": 32, "verify": "crc32c", "verify_fatal": 1, **extra}
    fio(loop_device, **job).ok()


@pytest.mark.smoke
def test_damage_is_found(fio, shm_file):
    """The other tests mean something: one wrong byte fails a job."""
    fio(shm_file, rw="write", size=SIZE, bs="4k", verify="crc32c",
        do_verify=0).ok()
    with open(shm_file, "r+b") as file:
        file.seek(SIZE // 2 + 2000)
        byte = file.read(1)[0]
        file.seek(SIZE // 2 + 2000)
        file.write(bytes([byte ^ 1]))
    result = fio(shm_file, rw="read", size=SIZE, bs="4k", iodepth=8,
                 verify="crc32c", verify_fatal=1).failed()
    assert result.job["error"] == 84  # EILSEQ

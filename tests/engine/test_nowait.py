# SPDX-License-Identifier: GPL-2.0-only
# nowait=fallback on ext4, which really refuses to wait for what is not in the
# page cache, and for blocks that are not allocated yet.
import os
import re
import subprocess

import pytest

import straceout
from enginestats import MODES, objects, ours, sentence
from fiorun import latency_adds_up

MIB = 1 << 20
IOS = MIB // 4096
# Random, and without readahead, so that no read brings the next one's pages.
COLD = {"rw": "randread", "bs": "4k", "size": MIB, "fadvise_hint": "random",
        "thread": 1}
WAYS = [{"iodepth": 1}, {"iodepth": 16, **MODES[0]},
        {"iodepth": 64, **MODES[1]}, {"iodepth": 16, **MODES[2]},
        {"iodepth": 16, **MODES[3]}, {"iodepth": 8, "libaio_vectored": 1},
        {"iodepth": 16, "iodepth_batch": 8, "iodepth_batch_complete_min": 0},
        {"iodepth": 16, "cmdprio_percentage": 50, "cmdprio_class": 2},
        {"iodepth": 8, "stuck": "10s"}]
NAP = 4_000_000  # ns, that each io_submit takes longer


@pytest.fixture
def cold_file(ext4_file):
    """On the device; fio throws it out of the page cache when it opens it."""
    with open(ext4_file, "wb") as file:
        file.write(os.urandom(MIB))
        os.fsync(file.fileno())
    return ext4_file


def stats_of(result):
    one, = objects(result.stderr)
    return one


def whole(result, way="read", ios=IOS):
    """fio sees each I/O once, whole, with one time of issue."""
    job = result.ok().job
    assert job[way]["total_ios"] == ios
    assert job[way]["io_bytes"] == MIB
    assert job[way]["short_ios"] == 0
    assert job[way]["slat_ns"]["N"] == job[way]["clat_ns"]["N"] == ios
    latency_adds_up(job[way], True)
    stats = stats_of(result)
    assert stats["ios_submitted"] == ios + stats["ios_sent_again"]
    assert ours(result) == [line for line in ours(result) if "{" in line
                            or "of its run inside" in line]
    return stats


def test_what_it_is_for(fio, cold_file):
    """A plain nowait ends the job."""
    result = fio(cold_file, nowait=1, **COLD).failed()
    assert result.job["error"] == 11


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(
    map(str, way.values())))
def test_cold_reads(fio, cold_file, way):
    result = fio(cold_file, nowait="fallback", engine_stats=1, **COLD, **way)
    assert whole(result)["ios_sent_again"] > IOS // 2


@pytest.mark.parametrize("stamp", ["after", "before"])
def test_the_time_of_issue_is_the_first(fio, fio_has, cold_file, need_strace,
                                        stamp):
    """So a second submission is completion latency, whatever the first is."""
    if not fio_has("ioengines.h", "FIO_ASYNCIO_SETS_ISSUE_TIME"):
        pytest.skip("this fio (before 3.30) takes the time of issue itself")
    result = fio(cold_file, nowait="fallback", stamp=stamp, iodepth=1,
                 strace=("-o", os.devnull, "-e", "trace=io_submit", "-e",
                         "inject=io_submit:delay_enter=%d" % (NAP // 1000)),
                 engine_stats=1, **COLD)
    whole(result)
    least = {"after": 1, "before": 2}[stamp] * NAP
    assert result.job["read"]["clat_ns"]["max"] >= least


def test_in_offload_workers(fio, cold_file):
    result = fio.offloaded(cold_file, nowait="fallback", iodepth=1,
                           engine_stats=1, **COLD)
    stats = stats_of(result.ok())
    assert stats["ios_sent_again"] > IOS // 2
    assert stats["ios_submitted"] == IOS + stats["ios_sent_again"]


def test_in_the_file(fio, cold_file, tmp_path):
    path = tmp_path / "stats"
    fio(cold_file, nowait="fallback", stats_file=path, **COLD).ok()
    assert '"ios_sent_again": ' in path.read_text(encoding="utf-8")


def test_without_the_flag(fio, cold_file, need_strace):
    """The second try of a request, and the first of none."""
    trace = os.path.join(fio.cwd, "trace")
    fio(cold_file, nowait="fallback", strace=(
        "-o", trace, "-v", "-e", "trace=io_submit"), **COLD).ok()
    tries = {}
    for call in straceout.calls(trace):
        for one in call.args.split("aio_data")[1:]:
            if "aio_nbytes=0," not in one:
                offset = re.search(r"aio_offset=(\d+)", one).group(1)
                tries.setdefault(offset, []).append("RWF_NOWAIT" in one)
    assert len(tries) == IOS
    assert set(map(tuple, tries.values())) <= {(True,), (True, False)}
    assert (True, False) in map(tuple, tries.values())


def make_half_cold(path):
    """The first page of each 64 KiB is in the page cache, and no other."""
    with open(path, "rb") as file:
        fd = file.fileno()
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        for offset in range(0, MIB, 65536):
            os.pread(fd, 4096, offset)
    pages = subprocess.check_output(
        ["fincore", "--bytes", "--noheadings", "--output", "PAGES", path],
        text=True)
    assert int(pages) == 16


@pytest.mark.parametrize("vectored", [0, 1])
def test_only_the_rest(fio, ext4_file, need_strace, vectored):
    """What was there is not read again, what was not goes where it belongs, and
    fio sees no short read."""
    trace = os.path.join(fio.cwd, "trace")
    job = {**COLD, "bs": "64k", "verify": "crc32c", "verify_fatal": 1}
    fio(ext4_file, **{**job, "rw": "write", "do_verify": 0,
                      "end_fsync": 1}).ok()
    make_half_cold(ext4_file)
    result = fio(ext4_file, nowait="fallback", engine_stats=1, invalidate=0,
                 libaio_vectored=vectored, iodepth=4, strace=(
                     "-o", trace, "-v", "-e", "trace=io_submit"),
                 **{**job, "rw": "read"})
    assert whole(result, ios=16)["ios_sent_again"] == 16
    rest = [one for call in straceout.calls(trace)
            for one in call.args.split("aio_data")[1:]
            if "RWF_NOWAIT" not in one]
    sizes = {re.search(r"(?:aio_nbytes|iov_len)=(\d+)", one).group(1)
             for one in rest}
    assert len(rest) == 16 and sizes == {"61440"}
    assert sorted(int(re.search(r"aio_offset=(\d+)", one).group(1))
                  for one in rest) == list(range(4096, MIB, 65536))


def test_a_rest_that_is_refused(fio, cold_file, need_strace):
    """Then the I/O is as short as the first try was, and fio asks for the rest
    by itself."""
    make_half_cold(cold_file)
    job = fio(cold_file, nowait="fallback", invalidate=0, iodepth=1, strace=(
        "-o", os.devnull, "-e", "trace=io_submit", "-e",
        "inject=io_submit:error=EIO:when=3"),
        **{**COLD, "rw": "read", "bs": "64k"}).ok().job
    assert (job["read"]["clat_ns"]["N"], job["read"]["short_ios"]) == (16, 1)


def test_that_the_data_is_right(fio, ext4_file):
    """Written and read so: new blocks, which a direct write may not allocate
    without waiting, syncs between, and the verifying reads."""
    job = {"bs": "4k", "size": MIB, "thread": 1, "iodepth": 16, "direct": 1,
           "fallocate": "none", "verify": "crc32c", "verify_fatal": 1,
           "rw": "randwrite"}
    assert fio(ext4_file, nowait=1, **job).failed().job["error"] == 11
    os.unlink(ext4_file)
    result = fio(ext4_file, nowait="fallback", fsync=16, engine_stats=1, **job)
    report = result.ok().job
    assert report["write"]["total_ios"] == report["read"]["total_ios"] == IOS
    assert stats_of(result)["ios_sent_again"] > 0
    with open(ext4_file, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    result = fio(ext4_file, nowait="fallback", engine_stats=1,
                 **{**job, "rw": "randread", "direct": 0,
                    "fadvise_hint": "random"})
    assert result.ok().job["read"]["total_ios"] == IOS
    assert stats_of(result)["ios_sent_again"] > 0


def test_the_end_of_the_runtime(fio, cold_file):
    """None is lost that is on its second way then."""
    read = fio(cold_file, nowait="fallback", runtime="500ms", time_based=1,
               iodepth=32, **COLD).ok().job["read"]
    assert read["total_ios"] == read["clat_ns"]["N"] > 0


def test_a_pause_after_a_second_try(fio, ext4_file, need_strace):
    """stuck= watches io_submit for as long as it lasts: not what fio does between
    a second try and the next commit, here a slow sync.  Of two writes one is
    sent again, and both are reaped at once, as each io_submit is slow, too."""
    with open(ext4_file, "wb") as file:
        for offset in (0, 8192):
            os.pwrite(file.fileno(), bytes(4096), offset)
        os.truncate(file.fileno(), 16384)
        os.fsync(file.fileno())
    result = fio(ext4_file, nowait="fallback", stuck="200ms", engine_stats=1,
                 strace=("-o", os.devnull, "-e",
                         "trace=sync_file_range,io_submit",
                         "-e", "inject=sync_file_range:delay_enter=600000",
                         "-e", "inject=io_submit:delay_exit=20000"),
                 sync_file_range="write:2", iodepth=2, iodepth_batch=2,
                 iodepth_batch_complete_max=2, thread=1, direct=1,
                 fallocate="none", rw="write", bs="4k", size=16384)
    assert stats_of(result.ok())["ios_sent_again"] == 2
    assert "inside io_submit for" not in result.text


@pytest.mark.parametrize("error", ["EIO", "EAGAIN"])
def test_a_second_try_that_is_refused(fio, cold_file, need_strace, error):
    """EIO is that I/O's result; EAGAIN of io_submit itself passes."""
    result = fio(cold_file, nowait="fallback", iodepth=1, engine_stats=1,
                 strace=("-o", os.devnull, "-e", "trace=io_submit", "-e",
                         "inject=io_submit:error=%s:when=3" % error), **COLD)
    if error == "EAGAIN":
        assert whole(result)["submits_eagain"] == 1
    else:
        assert result.failed().job["error"] == 5
        assert result.job["read"]["total_ios"] == 1


def test_where_the_flag_is_not_known(fio, shm_file):
    """No request could be tried so."""
    line = sentence(fio(shm_file, rw="read", size=MIB,
                        nowait="fallback").failed())
    assert "does not take nowait=fallback for reads" in line


def test_spelling(fio, engine, shm_file, tmp_path):
    """As a bool of fio's, which takes no bare name either."""
    job = tmp_path / "bare.fio"
    for name in ("external:%s" % engine, "libaio"):
        job.write_text("[a]\nioengine=%s\nfilename=nowhere\nnowait\n" % name,
                       encoding="utf-8")
        result = fio.raw("--parse-only", job)
        assert result.rc == 1 and "nowait" in result.text
    fio(shm_file, rw="read", size=MIB, nowait=0).ok()
    assert fio("nowhere", more=["--parse-only"], nowait="fallback").rc == 0

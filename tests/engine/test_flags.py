# SPDX-License-Identifier: GPL-2.0-only
# The flags that the engine sets on each I/O: that they reach the kernel, and
# the sentence, before any I/O, where a file does not take one in a direction
# that the job uses.
import os
import re
import subprocess

import pytest

import straceout
import targets
from enginestats import ours

MIB = 1 << 20


def flags(fio, target, **options):
    """{opcode: {aio_rw_flags}} of a run, without the trials, which are of no
    bytes."""
    trace = os.path.join(fio.cwd, "trace")
    fio(target, strace=("-o", trace, "-v", "-e", "trace=io_submit"),
        size=MIB, iodepth=8, thread=1, **options).ok()
    found = {}
    for call in straceout.calls(trace):
        for one in call.args.split("aio_data")[1:]:
            if "aio_nbytes=0," in one:
                continue
            opcode = re.search(r"IOCB_CMD_(\w+)", one).group(1)
            flag = re.search(r"aio_rw_flags=([^,}]*)", one)
            found.setdefault(opcode, set()).add(flag and flag.group(1))
    return found


def cached(path):
    """Pages of the file in the page cache."""
    return int(subprocess.check_output(
        ["fincore", "--bytes", "--noheadings", "--output", "PAGES", path],
        text=True))


def test_dsync(fio, ext4_file, need_strace):
    assert flags(fio, ext4_file, rw="randrw", dsync=1) == {
        "PREAD": {None}, "PWRITE": {"RWF_DSYNC"}}
    assert flags(fio, ext4_file, rw="randrw", dsync=0) == {
        "PREAD": {None}, "PWRITE": {None}}


def calls_of(fio, names, **options):
    """{name: calls} of a run."""
    trace = os.path.join(fio.cwd, "trace")
    fio(None, strace=("-c", "-o", trace, "-e", "trace=" + ",".join(names)),
        thread=1, **options).ok()
    found = straceout.totals(trace)
    return [found.get(name, 0) for name in names]


@pytest.mark.parametrize("rw", ["randread", "randwrite"])
def test_files_are_not_slow_to_open(fio, ext4_dir, need_strace, rw):
    """50 of them, one open at a time: no context for a trial, and a trial
    for the first file only."""
    where = os.path.join(ext4_dir, "fifty")
    os.makedirs(where, exist_ok=True)
    option = "nowait" if rw == "randread" else "dsync"
    job = {"directory": where, "nrfiles": 50, "openfiles": 1, "rw": rw,
           "filesize": "16k", "bs": "4k", "file_service_type": "sequential",
           "filename_format": "f.$filenum", "invalidate": 0}
    fio(None, **{**job, "rw": "write"}).ok()  # into the page cache
    names = ("io_setup", "io_destroy", "io_submit")
    plain = calls_of(fio, names, **job)
    assert plain == [1, 1, 200]
    assert calls_of(fio, names, **job, **{option: 1}) == [1, 1, 201]


@pytest.mark.parametrize("mode", [{}, {"reap": "eventfd",
                                       "submit": "adaptive"}], ids=str)
def test_asks_another_file_system_within_the_run(fio, ext4_file, loop_device,
                                                 mode):
    """With I/O in flight on the first, none of which is lost."""
    job = fio("%s:%s" % (loop_device, ext4_file), rw="randwrite", dsync=1,
              direct=1, iodepth=32, bs="4k", filesize=MIB, size=2 * MIB,
              openfiles=1, file_service_type="sequential", verify="crc32c",
              verify_fatal=1, **mode).ok().job
    for way in ("read", "write"):
        assert job[way]["total_ios"] == 512
        assert job[way]["lat_ns"]["N"] == 512


def test_refuses_another_file_system_within_the_run(fio, shm_file,
                                                    loop_device):
    """What was in flight on the first ends well; nothing hangs."""
    result = fio("%s:%s" % (loop_device, shm_file), rw="randread", nowait=1,
                 iodepth=32, bs="4k", direct=1, filesize=MIB, size=2 * MIB,
                 openfiles=1, file_service_type="sequential",
                 ignore_error="EAGAIN").failed()
    line, = ours(result)
    assert "%s does not take nowait=1 for reads" % shm_file in line


def uncached_works(fio, path):
    """Where it does not, the engine says so."""
    result = fio(path, rw="write", size=MIB, uncached=1)
    if result.rc:
        assert "does not take uncached=1" in ours(result)[0]
    return not result.rc


def test_uncached(fio, ext4_file, need_strace):
    if not uncached_works(fio, ext4_file):
        pytest.skip("this kernel has no RWF_DONTCACHE for ext4")
    for rw in ("write", "read"):
        found, = flags(fio, ext4_file, rw=rw, uncached=1).values()
        assert len(found) == 1
        assert re.search(r"0x80\b|RWF_DONTCACHE", found.pop())
    # Of reads, nothing stays; of writes, the kernel sees to it when it can.
    assert cached(ext4_file) == 0
    fio(ext4_file, rw="read", size=MIB).ok()
    assert cached(ext4_file) == MIB // 4096


def refusal(fio, target, **options):
    """The one sentence, and no I/O."""
    result = fio(target, size=MIB, iodepth=4, **options).failed()
    job = result.job
    assert job["read"]["total_ios"] == job["write"]["total_ios"] == 0
    line, = ours(result)
    assert os.path.basename(target) in line
    return line


@pytest.mark.parametrize("option", ["uncached", "nowait"])
@pytest.mark.parametrize("rw", ["read", "write"])
def test_tmpfs_lacks_it(fio, shm_file, option, rw):
    line = refusal(fio, shm_file, rw=rw, **{option: 1})
    assert "does not take %s=1 for %ss" % (option, rw) in line


def test_a_loop_device_lacks_uncached(fio, loop_device):
    for rw in ("read", "write"):
        assert "does not take uncached=1 for %ss" % rw in refusal(
            fio, loop_device, rw=rw, uncached=1)


# --- nowait: ext4 takes buffered reads and direct writes, no others ---

@pytest.fixture
def old_file(ext4_file):
    """Its blocks are allocated, in the page cache, and on the device."""
    with open(ext4_file, "wb") as file:
        file.write(bytes(MIB))
        os.fsync(file.fileno())
    return ext4_file


@pytest.mark.parametrize("rw", ["write", "randwrite", "randrw"])
def test_buffered_writes_that_may_not_wait(fio, old_file, rw):
    before = os.stat(old_file)
    line = refusal(fio, old_file, rw=rw, nowait=1, ignore_error="EAGAIN:95,"
                   "EAGAIN:95", fallocate="none", overwrite=1)
    assert "does not take nowait=1 for writes" in line
    assert ", try direct=1, or" in line
    after = os.stat(old_file)
    assert (after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_mtime_ns, before.st_ctime_ns)


@pytest.mark.parametrize("job", [
    {"rw": "read"},
    {"rw": "write", "direct": 1},
    {"rw": "randrw", "direct": 1},
    {"rw": "write", "verify": "crc32c", "verify_only": 1},
], ids=lambda job: "-".join(job))
def test_what_may_not_wait_otherwise(fio, old_file, job):
    """Only what the job does is asked for: a file open for reading takes no
    flags for writing; and verify_only writes nothing."""
    if "verify_only" in job:
        fio(old_file, size=MIB, **{**job, "verify_only": 0}).ok()
    result = fio(old_file, size=MIB, iodepth=4, nowait=1, overwrite=1,
                 ignore_error="EAGAIN,EAGAIN", invalidate=0, **job)
    assert ours(result) == [], result.text
    assert result.rc == 0
    done = result.job["read"]["total_ios"] + result.job["write"]["total_ios"]
    assert done == (512 if "verify_only" in job else 256)  # fio counts both


def test_a_loop_device_takes_nowait(fio, loop_device):
    result = fio(loop_device, rw="randrw", size=MIB, nowait=1, direct=1,
                 ignore_error="EAGAIN,EAGAIN")
    assert ours(result) == [] and result.rc == 0, result.text


def test_a_write_protected_file(fio, ext4_dir, old_file):
    """On a file system that is mounted read-only."""
    targets.run("mount", "-o", "remount,ro", ext4_dir)
    try:
        job = fio(old_file, rw="read", size=MIB, nowait=1, invalidate=0,
                  ignore_error="EAGAIN,EAGAIN", more=["--readonly"]).ok().job
        assert job["read"]["total_ios"] == 256
    finally:
        targets.run("mount", "-o", "remount,rw", ext4_dir)


# --- atomic: statx() knows, but few devices have it ---

@pytest.fixture
def need_atomic(fio_has):
    if not fio_has("ioengines.h", "FIO_ATOMICWRITES"):
        pytest.skip("this fio has no atomic=1 (3.38 and later do)")


def test_atomic(fio, shm_file, need_atomic):
    assert "does not take atomic=1" in refusal(
        fio, shm_file, rw="write", direct=1, atomic=1)


def test_atomic_is_of_writes(fio, ext4_file, need_atomic):
    """A job that only reads needs none, and is not refused."""
    fio(ext4_file, rw="write", size=MIB).ok()
    fio(ext4_file, rw="read", size=MIB, direct=1, atomic=1).ok()


# stx_mask and, far behind it, stx_atomic_write_unit_max of 64 KiB.
ATOMIC_STATX = "poke_exit=@arg5=%s" % bytes(
    [0xff, 0x37, 1, 0] + [0] * 164 + [0, 2, 0, 0, 0, 0, 1, 0]).hex()


def test_atomic_reaches_the_iocb(fio, ext4_file, need_strace, need_atomic):
    """With a statx() that says the file can: writes have the flag, reads have
    not, and no write of no bytes has asked (ext4 refuses such).  The loop
    device cannot really: the first write says so."""
    fio(ext4_file, rw="write", size=MIB, end_fsync=1).ok()
    trace = os.path.join(fio.cwd, "trace")
    result = fio(ext4_file, rw="randrw", size=MIB, direct=1, atomic=1,
                 bs="4k", thread=1, strace=(
                     "-v", "-o", trace, "-e", "trace=io_submit,statx",
                     "-e", "inject=statx:" + ATOMIC_STATX))
    assert "does not take atomic=1" not in result.text
    assert result.failed().job["error"] == 95  # EOPNOTSUPP, of the write
    seen = {"PREAD": set(), "PWRITE": set()}
    for call in straceout.calls(trace):
        if call.name == "io_submit":
            assert "aio_nbytes=0," not in call.args
            flag = re.search(r"aio_rw_flags=([^,}]*)", call.args)
            seen[call.opcodes[0]].add(flag and flag.group(1))
    assert len(seen["PWRITE"]) == 1 and seen["PREAD"] <= {None}
    assert re.search(r"0x40\b|RWF_ATOMIC", seen["PWRITE"].pop())

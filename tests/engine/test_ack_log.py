# SPDX-License-Identifier: GPL-2.0-only
# ack_log=: what fio was told of each block is in the log, also when it is
# killed, and what was written says so itself; and which jobs have none.
import os
import signal
import time

import numpy as np
import pytest

import enginestats
from enginestats import ours
from fiolab.qualify.suite import acklog

MIB = 1 << 20
JOB = {"rw": "randwrite", "bs": "4k", "size": MIB, "iodepth": 8,
       "serialize_overlap": 1}


@pytest.fixture
def log(shm):
    return os.path.join(shm, "log")


def held(path, log, start=0):
    """(oldest, youngest) generation in each sector of the log's range."""
    with open(path, "rb") as file:
        file.seek(start)
        data = file.read(log.size)
    return acklog._chunk(data, np.uint64(start), np.uint64(log.count("key")))


def all_there(path, log, start=0):
    """Each unit of a job that has ended is what was tried last, throughout."""
    units = log.units
    assert (units["tried"] == units["acked"]).all()
    for generations in held(path, log, start):
        found = generations.reshape(len(units), -1)
        assert (found == units["tried"][:, None]).all()


@pytest.mark.parametrize("way", [
    {}, {"reap": "syscall"}, {"reap": "eventfd", "submit": "adaptive"},
    {"libaio_vectored": 1}, {"nowait": "fallback"}, {"iodepth": 1},
    {"bsrange": "4k-64k", "norandommap": 1, "io_size": 4 * MIB},
    {"rw": "randrw"}], ids=lambda way: "-".join(way) or "plain")
def test_every_write_is_in_it(fio, ext4_file, log, as_thread, way):
    result = fio(ext4_file, ack_log=log, thread=as_thread, direct=1,
                 **{**JOB, **way}).ok()
    found = acklog.AckLog(log)
    assert found.count("writes") == found.count("acks") == \
        result.job["write"]["total_ios"] > 0
    assert (found.unit, found.size) == (4096, MIB)
    written = found.units["tried"] > 0
    assert written.all() or "rw" in way or "norandommap" in way
    oldest, youngest = (one.reshape(256, -1)[written]
                        for one in held(ext4_file, found))
    assert (oldest == youngest).all()
    assert (oldest == found.units["acked"][written][:, None]).all()
    assert not found.floor().any()      # nothing was synced


@pytest.mark.parametrize("sync", [
    {"end_fsync": 1}, {"sync": "dsync"}, {"sync": "sync"}, {"dsync": 1}],
    ids=lambda sync: "-".join(map(str, *sync.items())))
def test_what_is_synced(fio, ext4_file, log, sync):
    fio(ext4_file, ack_log=log, **JOB, **sync).ok()
    found = acklog.AckLog(log)
    assert (found.floor() == found.units["tried"]).all()
    all_there(ext4_file, found)


@pytest.mark.parametrize("kind", ["fsync", "fdatasync"])
def test_a_sync_covers_what_came_back_before_it(fio, ext4_file, log, kind):
    """Of 256 writes the last sync is behind 240; 8 may be in flight."""
    fio(ext4_file, ack_log=log, **JOB, **{kind: 48}).ok()
    found = acklog.AckLog(log)
    assert 240 - 8 <= found.count("synced") <= 240 + 8
    assert np.count_nonzero(found.floor()) == found.count("synced")


def test_what_promises_nothing_is_no_sync(fio, ext4_file, log):
    fio(ext4_file, ack_log=log, **JOB, sync_file_range="wait_after:16").ok()
    assert acklog.AckLog(log).count("synced") == 0


def test_it_outlives_a_killed_fio(fio, loop_device, log):
    """What it says must be there is; what it does not know of is not."""
    running = fio.start(["--output-format=json", *fio.job_args({
        "filename": loop_device, "direct": 1, "ack_log": log, "fsync": 16,
        "time_based": 1, "runtime": 600, "norandommap": 1, "thread": 1,
        "verify_state_save": 0, **JOB})])
    end = time.monotonic() + 60
    while not os.path.exists(log) or os.path.getsize(log) < 64 or \
            acklog.AckLog(log).count("synced") < 2000:
        assert time.monotonic() < end
        time.sleep(0.01)
    running.process.send_signal(signal.SIGKILL)
    running.wait()
    found = acklog.AckLog(log)
    judged = acklog.judge(found, acklog.look(loop_device, found),
                          {"writes": 0}, 512, 0)
    assert found.floor().all()
    assert judged["lost"] == judged["broken"] == judged["torn_block"] == 0
    assert 0 <= found.count("writes") - found.count("acks") <= 8
    assert judged["in_flight"] <= 8


def test_it_goes_on_with_one_that_is_there(fio, ext4_file, log):
    fio(ext4_file, ack_log=log, **JOB).ok()
    first = acklog.AckLog(log).units["tried"].copy()
    fio(ext4_file, ack_log=log, **JOB, randrepeat=0).ok()
    found = acklog.AckLog(log)
    assert (found.units["tried"] > first.max()).all()
    assert found.count("writes") == 512
    all_there(ext4_file, found)


def test_a_part_of_a_file(fio, ext4_file, log):
    with open(ext4_file, "wb") as file:
        file.truncate(2 * MIB)
    fio(ext4_file, ack_log=log, **JOB, offset=MIB).ok()
    found = acklog.AckLog(log)
    assert (found.count("start"), found.size) == (MIB, MIB)
    all_there(ext4_file, found, MIB)
    result = fio(ext4_file, ack_log=log, **JOB).failed()
    assert result.job["error"] == 34
    assert "has no place for a write of 4096 bytes" in ours(result)[0]


def test_reads_are_no_matter(fio, ext4_file, log):
    """Nor need they be kept apart."""
    fio(ext4_file, rw="write", size=MIB).ok()
    fio(ext4_file, rw="randread", size=MIB, iodepth=8, ack_log=log).ok()
    assert acklog.AckLog(log).count("writes") == 0


@pytest.mark.parametrize("options, why", [
    ({"verify": "crc32c"}, "which verify would blame"),
    ({"rw": "randtrim"}, "trimmed block"),
    ({"zonemode": "zbd", "zonesize": "256k"}, "resets zones"),
    ({"io_submit_mode": "offload"}, "offload"),
    ({"serialize_overlap": 0}, "give serialize_overlap=1"),
    ({"nrfiles": 2, "filename": None}, "one file"),
    ({"ack_log": "/dev/shm"}, "Is a directory"),
    ({"ack_log": "/dev/shm/none/such"}, "No such file"),
    ({"ack_log": "/etc/passwd"}, "holds something else")],
    ids=lambda one: "-".join(one) if isinstance(one, dict) else "")
def test_a_job_that_cannot_have_one(fio, loop_device, log, options, why):
    job = {"filename": loop_device, "ack_log": log, **JOB, **options}
    if job["filename"] is None:
        job.pop("filename")
        job["directory"] = fio.cwd
    result = fio(**job).failed()
    line, = ours(result)
    assert "so the job does not start" in line and why in line
    assert result.job["write"]["total_ios"] == 0


def test_a_log_of_i_o_may_trim(fio, loop_device, log, tmp_path):
    """So that a job that replays one has none.  (Of some fios it is known
    before it runs that it does.)"""
    replay = tmp_path / "replay"
    replay.write_text("\n".join([
        "fio version 2 iolog", *(f"{loop_device} {what}" for what in (
            "add", "open", "write 0 4096", "trim 0 4096", "close")), ""]))
    result = fio(loop_device, ack_log=log, read_iolog=str(replay),
                 **{**JOB, "rw": "write"}).failed()
    line, = ours(result)
    assert "so the job does not start" in line
    assert line.endswith("what a trimmed block holds is not known")


def test_each_job_has_its_own(fio, loop_device, log):
    """The second of two with one log does not start."""
    result = fio(loop_device, ack_log=log, numjobs=2, group_reporting=1,
                 time_based=1, runtime=1, **JOB)
    assert result.rc == 1
    line, = ours(result)
    assert "another job keeps its own there" in line
    found = acklog.AckLog(log)
    assert found.count("writes") == found.count("acks") > 0


def test_a_write_of_other_units_fails(fio, ext4_file, log):
    fio(ext4_file, ack_log=log, **JOB).ok()
    result = fio(ext4_file, ack_log=log, **{**JOB, "bs": 512}).failed()
    assert result.job["error"] == 22
    assert "it is of other units" in ours(result)[0]


def test_the_engine_s_statistics_go_with_it(fio, ext4_file, log):
    result = fio(ext4_file, ack_log=log, engine_stats=1, **JOB).ok()
    one, = enginestats.objects(result.stderr)
    assert one["ios_submitted"] >= 256

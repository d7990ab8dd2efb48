# SPDX-License-Identifier: GPL-2.0-only
# due_stats=1: latencies from when fio's schedule wanted an I/O.  Delays are put
# in that are large against what a busy machine adds.
import time

import pytest

import enginestats

MS = 1_000_000
SCHEDULES = ["linear", "poisson"]
PACED = {"bs": "4k", "iodepth": 16, "direct": 1, "due_stats": 1}


def stats_of(result):
    stats, = enginestats.objects(result.stderr)
    if "from_due_ns" in stats:
        due, queued = stats["from_due_ns"], stats["from_queue_ns"]
        assert due["ios"] == queued["ios"] <= stats["ios_submitted"]
        for times in (due, queued):
            assert 0 <= times["p50"] <= times["p99"] <= times["p99.9"] \
                <= times["max"]
        assert all(queued[key] <= due[key] for key in queued), stats
    return stats


@pytest.mark.parametrize("process", SCHEDULES)
def test_what_had_to_wait_is_late(fio, hanging, process, as_thread):
    """The device stops for 2 s, in which 200 I/Os are due.  fio sends them when
    the first has come back, and counts from there: one is slow, and those in
    flight beside it on a machine that was busy, 16 at most.  Of the 400 each
    that was due in the 2 s is late."""
    device, let_go = hanging
    running = fio.start(["--output-format=json", *fio.job_args({
        "filename": device, "rw": "randread", "rate_iops": 100,
        "rate_process": process, "number_ios": 400, "thread": as_thread,
        "stuck": "2s", "verify_state_save": 0, **PACED})])
    running.until_it_says("in flight for")
    let_go()
    result = running.wait().ok()
    read, due = result.job["read"], stats_of(result)["from_due_ns"]
    assert due["ios"] == read["total_ios"] == 400
    stopped = read["clat_ns"]["max"]
    assert stopped >= 2000 * MS
    assert due["max"] >= stopped * .9 and due["p99"] >= stopped * .75
    # 200 of them wait for 1 s on average; a fourth is left to chance.
    assert due["mean"] >= 375 * MS
    assert read["clat_ns"]["percentile"]["95.000000"] < stopped / 4


@pytest.mark.parametrize("process", SCHEDULES)
def test_what_was_due_and_never_sent_is_told(fio, hanging, process, as_thread):
    """The device stops before the first of 300 comes back, until the runtime
    is over: no latency tells of the others, which fio never sends."""
    device, let_go = hanging
    running = fio.start(["--output-format=json", *fio.job_args({
        "filename": device, "rw": "randread", "rate_iops": 100,
        "rate_process": process, "runtime": 3, "time_based": 1,
        "thread": as_thread, "stuck": "2s", "verify_state_save": 0,
        **PACED})])
    running.until_it_says("in flight for")
    time.sleep(1.5)
    let_go()
    stats = stats_of(running.wait().ok())
    assert stats["from_due_ns"]["ios"] < 20
    assert stats["behind_ns"] > 2500 * MS
    assert stats["unsent_ios"] == pytest.approx(
        100 * stats["behind_ns"] / 1e9, abs=1)


def test_what_keeps_its_schedule_leaves_nothing_unsent(fio, shm_file):
    for more in ({"runtime": 1, "time_based": 1}, {"number_ios": 50},
                 {"number_ios": 50, "runtime": 1, "time_based": 1}):
        stats = stats_of(fio(shm_file, rw="randread", size="1m",
                             rate_iops=100, **more, **PACED).ok())
        assert stats["unsent_ios"] <= 100 * stats["behind_ns"] / 1e9, more


def test_arrival_is_not_when_fio_looks(fio, shm_file, need_strace):
    """Behind its schedule fio sends 8 before it looks at one, and each
    io_submit takes 50 ms to return: what is complete waits to be read."""
    result = fio(shm_file, rw="write", size="32k", rate_iops=100000,
                 **{**PACED, "iodepth": 8}, strace=(
                     "-o", "/dev/null", "-e", "trace=io_submit",
                     "-e", "inject=io_submit:delay_exit=50000")).ok()
    clat = result.job["write"]["clat_ns"]
    stats = stats_of(result)
    # From the end of its io_submit: 350, 300 ... 0 ms.
    assert clat["mean"] > 150 * MS and clat["max"] > 330 * MS
    assert stats["from_queue_ns"]["mean"] < clat["mean"] / 2
    # The last is sent when seven have taken 50 ms each.
    assert stats["from_due_ns"]["max"] > 340 * MS
    assert stats["behind_ns"] > 340 * MS
    assert stats["arrival_events"] == 8 and stats["reap"] == "arrival"


@pytest.mark.parametrize("process", SCHEDULES)
def test_what_fio_sleeps_is_no_latency(fio, shm_file, process):
    """It waits for all that is in flight before it sleeps: 20 I/Os, 100 ms
    apart, on a fast device."""
    result = fio(shm_file, rw="write", size="80k", rate_iops=10,
                 rate_process=process, **PACED).ok()
    stats = stats_of(result)
    assert stats["from_due_ns"]["ios"] == 20
    assert stats["run_ns"] > 1000 * MS
    assert stats["from_due_ns"]["p50"] < 50 * MS
    assert result.job["write"]["clat_ns"]["mean"] < 50 * MS


def test_ramp_time_is_left_out(fio, shm_file):
    result = fio(shm_file, rw="write", size="1m", time_based=1, runtime=1,
                 ramp_time=1, rate_iops=50, **PACED).ok()
    stats = stats_of(result)
    assert abs(stats["from_due_ns"]["ios"] -
               result.job["write"]["total_ios"]) <= 2
    assert stats["ios_submitted"] > stats["from_due_ns"]["ios"] + 20


def test_verifying_reads_are_left_out(fio, shm_file):
    stats = stats_of(fio(shm_file, rw="write", size="256k", verify="crc32c",
                         rate_iops=10000, **PACED).ok())
    assert stats["ios_submitted"] == 128
    assert stats["from_due_ns"]["ios"] == 64


def test_a_direction_without_a_rate_is_left_out(fio, shm_file):
    result = fio(shm_file, rw="randrw", size="512k", rate_iops="5000,0",
                 **PACED).ok()
    assert stats_of(result)["from_due_ns"]["ios"] == \
        result.job["read"]["total_ios"] > 0


@pytest.mark.parametrize("process", SCHEDULES)
def test_thinktime_is_late_unless_the_rate_ignores_it(fio, shm_file, process):
    """After each 5 of 40 a pause of 300 ms: 2.1 s in all before the last."""
    for ignores in (0, 1):
        due = stats_of(fio(shm_file, rw="write", size="160k", rate_iops=1000,
                           rate_process=process, rate_ignore_thinktime=ignores,
                           thinktime=300000, thinktime_blocks=5,
                           **{**PACED, "iodepth": 1}).ok())["from_due_ns"]
        if ignores:
            assert due["p99"] < 300 * MS, due
        else:
            assert due["max"] > 1900 * MS, due


def test_many_jobs_each_for_itself(fio, shm_file, as_thread, tmp_path):
    path = tmp_path / "numbers"
    fio(shm_file, rw="randread", size="64k", numjobs=16, thread=as_thread,
        rate_iops=1000, stats_file=path, **PACED).ok()
    stats = enginestats.in_file(path)
    assert [one["from_due_ns"]["ios"] for one in stats] == 16 * [16]
    assert {one["arrival_events"] for one in stats} == {16}


def test_it_prints_unless_there_is_a_file(fio, shm_file, tmp_path):
    options = {"rw": "write", "size": "64k", "rate_iops": 1000, **PACED}
    assert "from_due_ns" in stats_of(fio(shm_file, **options).ok())
    result = fio(shm_file, stats_file=tmp_path / "numbers", **options).ok()
    assert enginestats.objects(result.stderr) == []


@pytest.mark.parametrize("job", [
    {}, {"rate_min": "1k"},
    {"rate_iops": 1000, "experimental_verify": 1, "verify": "crc32c"}],
    ids=["no-rate", "least-rate", "experimental_verify"])
def test_a_job_without_a_schedule_is_told(fio, shm_file, job):
    result = fio(shm_file, rw="write", size="64k", **job, **PACED).ok()
    assert "has no schedule that due_stats=1 could follow" in result.text
    stats = stats_of(result)
    assert "from_due_ns" not in stats and stats["arrival_events"] == 0


def test_a_signal_ends_a_paced_job(fio, shm_file, as_thread):
    result = fio.interrupted(fio.job_args({
        "filename": shm_file, "rw": "randread", "size": "1m", "runtime": 60,
        "time_based": 1, "rate_iops": 100, "thread": as_thread, **PACED}))
    stats = stats_of(result)
    assert stats["from_due_ns"]["ios"] > 0 and stats["unsent_ios"] == 0

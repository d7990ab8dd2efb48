# SPDX-License-Identifier: GPL-2.0-only
# What fio itself can do with a job, through the engine: paced jobs, zones,
# many files, partial verification, many jobs, and the ways to end early.  Most
# as usual, and with completions awaited on an eventfd, a spin and I/Os held
# back: nothing may be left lying, lost or counted twice.  (Clients and servers:
# test_remote.py, offloading: test_offload.py.)
import os

import pytest

import enginestats
from iolog import ios, stream

SIZE = 4 << 20
HELD = {"submit": "adaptive", "spin": "auto", "reap": "eventfd"}
VERIFY = {"rw": "randwrite", "size": SIZE, "bs": "4k", "direct": 1,
          "verify": "crc32c", "verify_fatal": 1}


# Processes with the default options, and threads with these.
@pytest.fixture(params=[{"thread": 0}, {"thread": 1, **HELD}],
                ids=["default", "held"])
def extra(request):
    return request.param


# --- paced jobs: fio sleeps between I/Os, so that none may be held back ---

PAUSE = 200_000  # us, more than what a busy machine adds to most I/Os


@pytest.mark.parametrize("pace", [
    {"rate_iops": 1000000 // PAUSE},
    {"rate": 4096 * 1000000 // PAUSE, "rate_process": "poisson"},
    {"thinktime": PAUSE}, {"thinkcycles": 10000000}], ids="-".join)
def test_paced(fio, fio_has, shm_file, pace):
    """Held are none, and so none has waited for the next one: most are done
    within a part of the pause between two.  (Not all: the machine may be
    busy.)"""
    if "thinkcycles" in pace and not fio_has("options.c", "thinkcycles"):
        pytest.skip("this fio has no thinkcycles")
    result = fio(shm_file, rw="randread", size=SIZE, iodepth=8, number_ios=8,
                 engine_stats=1, **pace, **HELD).ok()
    way = result.job["read"]
    assert way["total_ios"] == way["lat_ns"]["N"] == 8
    assert enginestats.objects(result.stderr)[0]["held_at_most"] == 0
    assert way["slat_ns"]["mean"] < PAUSE * 1000 / 4
    if "thinkcycles" not in pace:       # fio reaps after it, on any engine
        assert way["clat_ns"]["percentile"]["50.000000"] < PAUSE * 1000 / 4


def test_paced_replay(fio, shm_file, extra):
    """A log with its times is a paced job, too, which fio reaps only when the
    depth is reached, and whose last I/Os it does not wait for: what is held
    would be late, or never submitted."""
    log = os.path.join(fio.cwd, "paced.log")
    fio(shm_file, rw="write", size=SIZE, write_iolog=log).ok()
    with open(log, encoding="utf-8") as first:
        if "version 3" not in first.readline():
            pytest.skip("the iologs of this fio have no time stamps")
    reads = ["%d {0} read %d 4096" % (n * 25000, 4096 * n)
             for n in range(1, 21)]
    with open(log, "w", encoding="utf-8") as file:
        file.write("\n".join(
            ["fio version 3 iolog", "0 {0} add", "0 {0} open", *reads,
             "550000 {0} close", ""]).format(shm_file))
    job = fio(None, iodepth=16, read_iolog=log, **extra).ok().job
    assert job["read"]["total_ios"] == job["read"]["slat_ns"]["N"] == 20
    assert job["job_runtime"] >= 400


def test_flow(fio, shm, extra):
    """Two jobs wait for each other to keep 1:4, and drain before."""
    args = ["--output-format=json"]
    for name, flow in (("few", 1), ("many", 4)):
        args += fio.job_args({
            "name": name, "filename": os.path.join(shm, name), "size": SIZE,
            "rw": "randread", "iodepth": 16, "flow": flow, "flow_id": 1,
            "flow_sleep": 1000, "runtime": 1, "time_based": None, **extra})
    few, many = (job["read"] for job in fio.raw(*args).ok().jobs)
    assert 2 < many["total_ios"] / few["total_ios"] < 8
    assert all(way["lat_ns"]["N"] == way["total_ios"] for way in (few, many))


def test_rate_iops(fio, shm_file):
    """Never more than that; fewer where fio does not get to run."""
    way = fio(shm_file, rw="randread", size=SIZE, iodepth=8, rate_iops=500,
              runtime=1, time_based=None).ok().job["read"]
    assert 0 < way["total_ios"] <= 500 * way["runtime"] / 1000 + 60


def test_thinktime(fio, shm_file):
    job = fio(shm_file, rw="randread", size=SIZE, iodepth=4, number_ios=40,
              thinktime=10000, thinktime_blocks=4).ok().job
    assert job["read"]["total_ios"] == 40
    assert job["read"]["runtime"] >= 80


# --- what fio makes of a job, compared with its built-in engine ---

FILES = {"nrfiles": 4, "openfiles": 2, "filename_format": "f.$filenum",
         "rw": "randrw"}
SAME = {
    "iodepth_low": {"rw": "randrw", "iodepth_low": 8},
    "iodepth_low-batch": {"rw": "randread", "iodepth_low": 8,
                          "iodepth_batch": 8},
    "strided": {"rw": "read", "zonemode": "strided", "zonesize": "64k",
                "zonerange": "256k", "zoneskip": "192k"},
    "zbd": {"rw": "randwrite", "zonemode": "zbd", "zonesize": "256k",
            "direct": 1, "verify": "crc32c", "norandommap": 0},
    "bssplit": {"rw": "randrw", "bssplit": "4k/50:8k/30:64k/20"},
    "backlog": {"rw": "randwrite", "verify": "crc32c", "verify_backlog": 64,
                "verify_backlog_batch": 16},
    "async": {"rw": "randwrite", "verify": "crc32c", "verify_async": 2},
    "fsync": {"rw": "randwrite", "fsync": 3, "verify": "crc32c"},
    "fdatasync-batch": {"rw": "randrw", "fdatasync": 4, "iodepth_batch": 16,
                        "iodepth": 64},
    "sync_file_range-batches": {
        "rw": "write", "sync_file_range": "write:8", "iodepth": 64,
        "iodepth_batch": 3, "iodepth_batch_complete_max": 5},
    "fsync-batch-poll": {"rw": "randrw", "fsync": 3, "iodepth_batch": 16,
                         "iodepth_batch_complete_min": 0},
    **{kind: {**FILES, "file_service_type": kind}
       for kind in ("roundrobin", "random", "sequential")},
}


@pytest.mark.parametrize("feature", SAME)
def test_same_as_libaio(fio, shm, tmp_path, feature, fio_queues_ranges):
    """The same stream of I/O, depths and totals, in each way; but of libaio
    without the syncs of ranges that it has in flight, which fio then asks for
    less often."""
    seen = []
    for number, (engine, extra) in enumerate(
            [("libaio", {}), (None, {}), (None, HELD)]):
        log = tmp_path / str(number)
        where = {"directory": shm} if "nrfiles" in SAME[feature] else \
            {"filename": os.path.join(shm, "file")}
        if "zonemode" in SAME[feature]:
            with open(where["filename"], "ab") as file:
                file.truncate(SIZE)  # fio asks for its size first
        job = fio(None, engine=engine, size=SIZE, bs="4k", write_iolog=log,
                  **{"iodepth": 32, **where, **SAME[feature], **extra}
                  ).ok().job
        seen.append((stream(log), ios(job), job["iodepth_level"]))
    assert sum(seen[0][1].values()) > 100
    if "sync_file_range" in SAME[feature] and fio_queues_ranges:
        assert seen[1] == seen[2]
        seen = [([io for io in log if "sync" not in io[1]], total)
                for log, total, _ in seen]
    assert seen[0] == seen[1]
    assert seen[0] == seen[2]


@pytest.mark.parametrize("rw", ["trimwrite", "randtrim"])
def test_trim_with_held(fio, loop_device, rw):
    """None overtakes or loses the writes that are held."""
    job = fio(loop_device, rw=rw, size=SIZE, bs="4k", direct=1, iodepth=32,
              **HELD).ok().job
    assert job["trim"]["io_bytes"] == SIZE
    assert job["write"]["io_bytes"] == (SIZE if rw == "trimwrite" else 0)


def test_trim_percentage(fio, loop_device, fio_has):
    """Trims of a quarter of the written blocks, beside those of the job; fio
    has no other jobs for it: it stops in those that do not trim."""
    if not fio_has("options.c", "randtrimwrite"):
        pytest.skip("this fio has no rw=randtrimwrite")
    seen = [ios(fio(loop_device, engine=engine, iodepth=32,
                    trim_percentage=25, trim_backlog=64,
                    trim_backlog_batch=16, trim_verify_zero=1,
                    **{**VERIFY, "rw": "randtrimwrite"}, **extra).ok().job)
            for engine, extra in (("libaio", {}), (None, {}), (None, HELD))]
    assert seen[0]["trim"] > SIZE // 4096 == seen[0]["write"]
    assert seen[0] == seen[1] == seen[2]


@pytest.mark.parametrize("way", [
    {"verify_async": 2}, {"verify_backlog": 64, "verify_backlog_batch": 16},
    {"fsync": 3}, {"iodepth_low": 4}, {"bssplit": "4k/70:16k/30"},
    {"io_submit_mode": "offload", "iodepth": 1, "size": 64 << 10}], ids=str)
def test_verified_with_held(fio, loop_device, way):
    """On a device that completes later."""
    run = fio.offloaded if "io_submit_mode" in way else fio
    job = run(loop_device, **{"iodepth": 32, **VERIFY, **HELD, **way}
              ).ok().job
    assert job["read"]["io_bytes"] == job["write"]["io_bytes"] > 60000


# --- many jobs, files, engines ---

@pytest.mark.parametrize("kind, jobs", [("shm_file", 64), ("loop_device", 8)])
def test_many_jobs(fio, request, kind, jobs, extra):
    """Each has a context of its own, and its own part of the target."""
    part = SIZE // jobs
    result = fio(request.getfixturevalue(kind), numjobs=jobs, iodepth=16,
                 offset_increment=part, **{**VERIFY, "size": part},
                 **extra).ok()
    assert [job["write"]["io_bytes"] for job in result.jobs] == [part] * jobs
    assert [job["read"]["io_bytes"] for job in result.jobs] == [part] * jobs


def test_group_report(fio, loop_device):
    job = fio(loop_device, numjobs=8, group_reporting=None, iodepth=16,
              **{**VERIFY, "size": SIZE // 8,
                 "offset_increment": SIZE // 8}).ok().job
    assert job["write"]["io_bytes"] == SIZE


def test_two_engines_in_one_run(fio, shm, engine):
    """kaio beside libaio, in one process: each keeps its own."""
    args = ["--output-format=json", "--thread"]
    for name, path in (("ours", None), ("theirs", "libaio")):
        args += fio.job_args({"name": name, "size": SIZE, "rw": "randwrite",
                              "filename": os.path.join(shm, name),
                              "iodepth": 8, "verify": "crc32c",
                              "verify_state_save": 0}, path)
    result = fio.raw(*args).ok()
    assert [job["write"]["io_bytes"] for job in result.jobs] == [SIZE, SIZE]


@pytest.mark.parametrize("files", [4])
def test_many_files(fio, ext4_dir, files):
    where = os.path.join(ext4_dir, "many")
    os.makedirs(where, exist_ok=True)
    job = fio(None, directory=where, nrfiles=files, openfiles=2,
              filename_format="f.$filenum", iodepth=8, unlink=1,
              file_service_type="random", **VERIFY).ok().job
    assert job["write"]["io_bytes"] == SIZE


def test_latency_target(fio, loop_device):
    """fio then changes the depth while the job runs."""
    fio(loop_device, rw="randread", bs="4k", direct=1, iodepth=32,
        size=SIZE, latency_target=1000000, latency_window=100000,
        latency_percentile=99, runtime=1, time_based=None).ok()


def test_ramp_time(fio, loop_device):
    job = fio(loop_device, rw="randread", direct=1, iodepth=16, size=SIZE,
              ramp_time=1, runtime=1, time_based=None).ok().job
    assert job["read"]["total_ios"] > 0


def test_stdout_is_all_fio(fio, shm_file):
    """With the report in a file, stdout has nothing from the engine."""
    out = os.path.join(fio.cwd, "report")
    result = fio(shm_file, more=["--output=" + out], iodepth=4, rw="randrw",
                 size=SIZE, fsync=8)
    assert (result.rc, result.stdout, result.stderr) == (0, "", "")


# --- ending early ---

ENDLESS = {"rw": "randrw", "bs": "4k", "size": SIZE, "iodepth": 32,
           "direct": 1, "runtime": 60, "time_based": None}


def complete(job, submitted):
    """Every I/O that fio has issued was submitted, completed and counted."""
    for way in ("read", "write"):
        count = job[way]["total_ios"]
        assert count > 0
        assert job[way]["io_bytes"] == count * 4096
        assert job[way]["lat_ns"]["N"] == job[way]["slat_ns"]["N"] == count
    assert submitted == sum(job[way]["total_ios"] for way in ("read", "write"))


@pytest.mark.parametrize("kind", ["shm_file", "loop_device"])
def test_interrupted(fio, request, kind, extra, tmp_path):
    stats = tmp_path / "stats"
    result = fio.interrupted(fio.job_args({
        "filename": request.getfixturevalue(kind), "stats_file": stats,
        **ENDLESS, **extra}))
    assert result.job["error"] == 0 and "got signal" not in result.stderr
    assert result.job["job_runtime"] < 60000
    complete(result.job, enginestats.in_file(stats)[-1]["ios_submitted"])


def test_exitall_on_error(fio, shm_file, loop_device, extra):
    """A job that fails ends the other, whose numbers stay whole."""
    args = ["--output-format=json", *fio.job_args({
        "name": "good", "filename": shm_file, **ENDLESS, **extra})]
    args += fio.job_args({
        "name": "bad", "filename": loop_device, "rw": "read", "size": SIZE,
        "bs": 1000, "direct": 1, "startdelay": 1, "exitall_on_error": None,
        **extra})
    result = fio.raw(*args)
    assert result.rc == 1
    good, bad = result.jobs
    assert good["job_runtime"] < 60000
    assert (good["error"], bad["error"]) == (0, 22)
    assert good["read"]["lat_ns"]["N"] == good["read"]["total_ios"] > 0

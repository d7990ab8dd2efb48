# SPDX-License-Identifier: GPL-2.0-only
# The ways to run a job: offloaded submission, client and server, many jobs,
# paced jobs, an interrupt, and what fio prints about the engine.
import os
import re

import pytest

import fiorun
from fiorun import job_file

SIZE = 4 << 20
VERIFY = {"rw": "randwrite", "size": SIZE, "bs": "4k", "direct": 1,
          "verify": "crc32c", "verify_fatal": 1}


# Few I/Os: each is another chance to hang.
OFFLOADED = 32 * 4096


def offload(fio, target, **options):
    """One that never ends is a failure, unless libaio's does not, too."""
    options = {**VERIFY, "size": OFFLOADED, **options}
    try:
        return fio.offloaded(target, **options).ok().job
    except fiorun.Hung:
        pass
    with pytest.raises(fiorun.Hung):
        for timeout in fiorun.OFFLOADED:
            fio(target, engine="libaio", timeout=timeout,
                io_submit_mode="offload", **{
                    **VERIFY, "size": OFFLOADED,
                    "iodepth": options["iodepth"]}).ok()
    pytest.skip("this fio's own offloading hangs, with libaio as well")


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 16])
def test_offload(fio, loop_device, depth, as_thread):
    """Workers have a td of their own, which only post_init prepares, and
    requests that the parent's prep has seen."""
    job = offload(fio, loop_device, iodepth=depth, thread=as_thread)
    assert job["write"]["io_bytes"] == job["read"]["io_bytes"] == OFFLOADED


@pytest.mark.parametrize("options", [{"libaio_vectored": 1},
                                     {"userspace_reap": 0},
                                     {"iodepth_batch_complete_min": 0}],
                         ids=str)
def test_offload_with_options(fio, loop_device, options):
    offload(fio, loop_device, iodepth=1, **options)


def test_client_and_server(fio, server, engine, loop_device, tmp_path):
    """Engine options pass through; the wire, the server's stdout, stays
    whole."""
    job = job_file(tmp_path / "job.fio", engine, loop_device, iodepth=8,
                   libaio_vectored=1, userspace_reap=0,
                   verify_state_save=0, **VERIFY)
    result = fio.raw("--client=" + server, "--output-format=json", job)
    result.ok()
    got = result.json["client_stats"][0]
    assert got["write"]["io_bytes"] == got["read"]["io_bytes"] == SIZE
    assert got["job options"]["libaio_vectored"] == "1"


def test_client_sees_a_failure(fio, server, engine, tmp_path, loop_device):
    job = job_file(tmp_path / "job.fio", engine, loop_device, rw="write",
                   bs=1000, size=100000, direct=1)
    result = fio.raw("--client=" + server, "--output-format=json", job)
    assert result.json["client_stats"][0]["error"] == 22


def test_stdout_is_all_fio(fio, shm_file):
    """With the report in a file, stdout has nothing from the engine."""
    out = os.path.join(fio.cwd, "report")
    result = fio(shm_file, more=["--output=" + out], iodepth=4, rw="randrw",
                 size=SIZE, fsync=8)
    assert (result.rc, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("size", [SIZE])
def test_eight_jobs(fio, loop_device, as_thread, size):
    """Each has a context of its own, and its own part of the device."""
    result = fio(loop_device, numjobs=8, thread=as_thread, iodepth=16,
                 **{**VERIFY, "size": size // 8,
                    "offset_increment": size // 8}).ok()
    assert len(result.jobs) == 8
    assert {job["write"]["io_bytes"] for job in result.jobs} == {size // 8}


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


def test_latency_target(fio, loop_device):
    """fio then changes the depth while the job runs."""
    fio(loop_device, rw="randread", bs="4k", direct=1, iodepth=32,
        size=SIZE, latency_target=1000000, latency_window=100000,
        latency_percentile=99, runtime=1, time_based=None).ok()


def test_ramp_time(fio, loop_device):
    job = fio(loop_device, rw="randread", direct=1, iodepth=16, size=SIZE,
              ramp_time=1, runtime=1, time_based=None).ok().job
    assert job["read"]["total_ios"] > 0


def test_interrupt(fio, loop_device, as_thread):
    """fio ends at once, with a report of what was done."""
    result = fio.interrupted(fio.job_args({
        "filename": loop_device, "rw": "randread", "direct": 1, "size": SIZE,
        "iodepth": 32, "runtime": 60, "time_based": None,
        "thread": as_thread}))
    assert result.job["job_runtime"] < 60000
    assert "got signal" not in result.stderr
    assert result.job["error"] == 0
    assert result.job["read"]["total_ios"] > 0


def test_enghelp(fio, engine):
    """Every option of the built-in engine; test_readme.py has the rest."""
    result = fio.raw("--enghelp=%s" % engine)
    assert result.rc == 0
    names = {line.split(":")[0].strip()
             for line in result.stdout.splitlines() if ":" in line}
    theirs = {line.split(":")[0].strip()
              for line in fio.raw("--enghelp=libaio").stdout.splitlines()
              if re.match(r"\w+\s*:", line)}
    assert "cmdprio_percentage" in theirs
    assert theirs <= names


def test_one_option_of_the_help(fio, engine):
    result = fio.raw("--enghelp=%s,nowait" % engine)
    assert "RWF_NOWAIT" in result.stdout


def test_unknown_option_is_refused(fio, shm_file):
    result = fio(shm_file, rw="read", size=SIZE, libaio_vectorred=1)
    assert result.rc != 0 and "libaio_vectorred" in result.text


def test_name_in_the_report(fio, shm_file, engine):
    job = fio(shm_file, rw="read", size=SIZE).ok().job
    assert job["job options"]["ioengine"] == "external:%s" % engine


def test_relative_path(fio, engine, shm_file):
    """fio takes a path that begins with "aio" or "linuxaio" for its libaio:
    no path to the engine does, neither the file nor its directory."""
    assert not engine.name.startswith(("aio", "linuxaio", "libaio"))
    fio.cwd = str(engine.parent.parent)
    path = "%s/%s" % (engine.parent.name, engine.name)
    fio(shm_file, engine="external:" + path, rw="read", size=SIZE).ok()

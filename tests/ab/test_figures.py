# SPDX-License-Identifier: GPL-2.0-only
# The figures that jobs/ab, jobs/bench and jobs/qualify make of a run, against
# what fio counted in it and for how long: in each shape of job in which the
# directions, or the jobs, do not run all the time together.
import json
import os
import re
import subprocess

import pytest

from abrun import FAST
import fiorun
import targets

from fiolab.fio import metrics
from fiolab.qualify import values
from fiolab.qualify.suite import mixedload

MIB = 1 << 20
WAYS = ("read", "write", "trim")
VERIFY = "verify=crc32c\nverify_state_save=0\n"
FRONT = """[global]
ioengine=external:{}
iodepth=16
filename={}
size=4m
bs=4k
time_based=1
runtime={}ms
lat_percentiles=1
"""
RAMP = "ramp_time=100ms\n"
# name -> (milliseconds, the sections, the kinds of I/O)
SHAPES = {
    "a mix": (300, "[a]\nrw=randrw\n", "read write"),
    "an uneven mix": (300, RAMP + "[a]\nrw=randrw\nrwmixread=99\n",
                      "read write"),
    "written, then read back": (400, f"[a]\nrw=randwrite\n{VERIFY}",
                                "verify write"),
    "the same after a ramp": (400, RAMP + f"[a]\nrw=write\n{VERIFY}",
                              "verify write"),
    "read back as it is written": (
        400, f"[a]\nrw=randwrite\n{VERIFY}verify_backlog=64\n",
        "verify write"),
    "the same, one at a time": (
        300, f"[a]\nrw=randwrite\niodepth=1\n{VERIFY}verify_backlog=64\n",
        "verify write"),
    "a mix that is read back": (400, VERIFY + "rw=write\n[a]\nrw=randrw\n",
                                "read-and-verify write"),
    "reads that are no verify's": (300, VERIFY + "[a]\nreadwrite=randread:2\n"
                                   "verify=0\n", "read"),
    "a few milliseconds": (3, "[a]\nrw=randrw\n", "read write"),
    "two times": (400, "[a]\nrw=randread\n[b]\nrw=randwrite\nruntime=50ms\n",
                  "read write"),
    "two verifies": (300, f"{VERIFY}[a]\nrw=randwrite\n[b]\nrw=randread\n"
                     "verify=0\noffset=8m\n", "read verify write"),
    "syncs": (300, "[a]\nrw=randwrite\nfsync=4\nend_fsync=1\n", "write"),
    "threads": (300, RAMP + "[a]\nrw=randrw\nnumjobs=3\n", "read write")}


@pytest.fixture
def fio_jobs(fio_binary, engine, san, shm, tmp_path):
    """The entries of a run of real fio; the file is there and written."""
    path = f"{shm}/t"

    def run(text, runtime, target=path):
        job = tmp_path / "x.fio"
        job.write_text(FRONT.format(engine, target, runtime) + text)
        done = subprocess.run(
            [fio_binary, "--output-format=json+", job], cwd=tmp_path,
            capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, **fiorun.sanitizer_env(san)})
        assert done.returncode == 0, done.stdout + done.stderr
        start = re.search(r"^\{$", done.stdout, re.M).start()
        return metrics.entries(json.loads(done.stdout[start:]))
    with open(path, "wb") as file:
        file.write(b"x" * (16 * MIB))
    return run


def total(jobs, key, ways=WAYS):
    return sum(job[way][key] for job in jobs for way in ways)


def check_rates(found, jobs):
    """What was counted, over the time that the jobs took; fio rounds both
    of its times, down and up."""
    longest = max(job["job_runtime"] for job in jobs) / 1000
    for rate, count in ((found["iops"], total(jobs, "total_ios")),
                        (found["bw_mib"], total(jobs, "io_bytes") / MIB)):
        assert rate * longest <= count * 1.001 and count > 0
        assert rate * (longest + 0.002) >= count * 0.999


@pytest.mark.parametrize("name", SHAPES)
def test_figures_are_counts_over_time(name, fio_jobs):
    runtime, text, kinds = SHAPES[name]
    jobs = fio_jobs(text, runtime)
    found = metrics.figures(jobs)
    check_rates(found, jobs)
    ios = total(jobs, "total_ios")
    cpu_us = sum((job["usr_cpu"] + job["sys_cpu"]) * job["job_runtime"] * 10
                 for job in jobs)
    assert found["fio_cpu_us"] * ios == pytest.approx(cpu_us)
    assert " ".join(sorted(kind.replace(" ", "-") for kind in
                           found["latency"])) == kinds
    # Once each, whatever direction it is of: no mean of means.
    times = [job[way]["lat_ns"] for job in jobs for way in WAYS]
    count = sum(one["N"] for one in times)
    assert sum(one["n"] for one in found["latency"].values()) == count
    # fio measures none of a verify in which the ramp ends.
    assert count <= ios + 16 * len(jobs)
    assert RAMP in text or count >= ios - 16 * len(jobs)
    assert found["lat_mean_us"] == pytest.approx(
        sum(one["mean"] * one["N"] for one in times) / count / 1000)
    below = sum(n for one in times for ns, n in one.get("bins", {}).items()
                if int(ns) <= found["lat_p50_us"] * 1000)
    assert below >= count / 2


@pytest.mark.root
@pytest.mark.parametrize("rw", ["trimwrite", "randtrim"])
def test_trims_are_counted_as_they_are_done(rw, fio_jobs, shm):
    with targets.loop_of(shm, 4 * MIB) as device:
        jobs = fio_jobs(f"{RAMP}[a]\nrw={rw}\n", 300, device)
    found = metrics.figures(jobs)
    check_rates(found, jobs)
    assert found["latency"]["trim"]["n"] > 0


def test_one_entry_of_several_threads(fio_jobs):
    """As jobs/qualify has them: fio then adds the times of its jobs."""
    jobs = fio_jobs(f"group_reporting=1\n{RAMP}[a]\nrw=randrw\nnumjobs=3\n",
                    300)
    job, = jobs
    found, _ = values.of(jobs, [], 3)
    longest = max(job[way]["runtime"] for way in WAYS) / 1000
    assert found["iops"] == pytest.approx(
        total(jobs, "total_ios") / longest, rel=0.01)
    assert found["read_iops"] + found["write_iops"] == \
        pytest.approx(found["iops"])
    assert found["mbps"] * 1e6 == pytest.approx(found["iops"] * 4096, rel=0.01)


def test_reads_beside_writes_are_counts_over_time(fio_jobs):
    jobs = fio_jobs("[a]\nrw=randrw\nrwmixread=70\n", 50)
    found, _ = mixedload.reads(jobs)
    assert found["iops"] * max(job["job_runtime"] for job in jobs) / 1000 <= \
        total(jobs, "total_ios", ["read"]) * 1.001


# As the commands have them

JOB = """[a]
rw=randwrite
bs=4k
iodepth=16
direct=1
verify=crc32c
verify_state_save=0
"""


@pytest.mark.slow
@pytest.mark.parametrize("more, kinds", [
    ("", {"verify", "write"}), ("verify_backlog=64\n", {"verify", "write"})])
def test_a_verify_is_no_faster_in_jobs_ab(more, kinds, ab, shm, tmp_path):
    (tmp_path / "job.fio").write_text(JOB + more)
    done = ab("--b", "libaio", "--job", str(tmp_path / "job.fio"), "--target",
              f"{shm}/s", "--pairs", "1", *FAST, "--size", "4M")
    assert done.returncode == 0, done.stderr
    seconds = float(FAST[FAST.index("--runtime") + 1])
    for run in ab.runs():
        found = run["values"]
        # The timed part lasts as long as it was to, or longer.
        assert found["iops"] * seconds <= found["ios"] * 1.03
        assert found["bw_mib"] * 256 == pytest.approx(found["iops"], rel=0.02)
        assert set(run["latency"]) == kinds
    said = [text for text in ab.report()["warnings"] if "its verify" in text]
    assert len(said) == 1 and "of the I/Os of job job are" in said[0]
    assert "Verify latency" in (ab.out / "report.html").read_text()

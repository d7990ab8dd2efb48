# SPDX-License-Identifier: GPL-2.0-only
# The latency of what only some jobs do: syncs, trims beside other I/O, and
# I/Os of several priority classes.
import csv
import re

import pytest

import abrun
from abrun import FAST

from fiolab.fio import asking, fiorun, runfigures
from fiolab.fio.jobs import syncing
from fiolab.fio.metrics import COMMON, SPECIAL
from fiolab.fio.sidespec import Side

WAYS = ("read", "write", "trim")


def lat(*bins):
    """fio's object of a latency, of [(ns, count)]."""
    count = sum(n for _, n in bins)
    return {"N": count, "mean": count and sum(ns * n for ns, n in bins) / count,
            "bins": {str(ns): n for ns, n in bins}}


def entry(options=None, sync=(), **ways):
    """fio's entry of a job that did this, {direction: its lat_ns}."""
    found = {way: ways.get(way, lat()) for way in WAYS}
    return {"jobname": "x", "job options": options or {}, "ctx": 1,
            "usr_cpu": 1, "sys_cpu": 1, "job_runtime": 1000,
            "sync": {"total_ios": sum(n for _, n in sync),
                     "lat_ns": lat(*sync)},
            **{way: {"total_ios": one["N"], "io_bytes": 4096 * one["N"],
                     "runtime": 1000, "lat_ns": one, **one.get("more", {})}
               for way, one in found.items()}}


def special(found):
    return {name: value for name, value in found.items() if name in SPECIAL}


def test_syncs_of_all_jobs_are_one_latency_and_no_part_of_that_of_io():
    jobs = [entry({"fsync": "1"}, [(1000, 60), (3000, 40)],
                  write=lat((10000, 100))),
            entry({"fdatasync": "4"}, [(5000, 1)], write=lat((10000, 4)))]
    found = runfigures.of_run(jobs)
    assert special(found) == {
        "sync_mean_us": pytest.approx(185000 / 101 / 1000),
        "sync_p50_us": 1, "sync_p99_us": 3}
    assert found["lat_mean_us"] == 10
    assert {kind: one["n"] for kind, one in found["latency"].items()} == {
        "fsync": 100, "fdatasync": 1, "write": 104}
    assert found["latency"]["fsync"]["bins"] == [[1000, 60], [3000, 40]]


@pytest.mark.parametrize("options, kind", [
    ({"fsync": "0", "fdatasync": "8"}, "fdatasync"),
    ({"sync_file_range": "write:2", "fsync": "32"},
     "fsync and sync_file_range"), ({}, "sync")])
def test_the_call_is_what_the_options_say(options, kind):
    found = runfigures.of_run([entry(options, [(7000, 3)],
                                     write=lat((9000, 3)))])
    assert kind in found["latency"]


def test_a_percentile_takes_as_many_syncs_as_it_says():
    found = runfigures.of_run([entry({"fsync": "1"}, [(7000, 99)],
                                     write=lat((9000, 99)))])
    assert found["sync_mean_us"] == found["sync_p50_us"] == 7
    assert "sync_p99_us" not in found


def test_what_a_job_does_not_do_is_no_figure_of_it():
    assert special(runfigures.of_run([entry(read=lat((9000, 9)))])) == {}
    unknown = entry(read=lat((9000, 9)))
    del unknown["sync"]
    assert special(runfigures.of_run([unknown])) == {}


def test_syncs_that_fio_miscounts_are_not_measured():
    found = runfigures.of_run([entry({"fsync": "1"}, [(7000, 200)],
                                     write=lat((9000, 200)))], syncs=False)
    assert special(found) == {} and set(found["latency"]) == {"write"}


def test_trims_beside_other_io_have_their_own_latency():
    mixed = runfigures.of_run([entry(write=lat((9000, 100)),
                                     trim=lat((50000, 100)))])
    assert special(mixed) == {"trim_mean_us": 50, "trim_p99_us": 50}
    assert set(mixed["latency"]) == {"write", "trim"}
    alone = runfigures.of_run([entry(trim=lat((50000, 100)))])
    assert special(alone) == {} and alone["lat_mean_us"] == 50


def test_priority_classes_are_told_apart_and_levels_are_not():
    reads = {**lat((2000, 300), (8000, 600)), "more": {"prios": [
        {"prioclass": 1, "prio": 0, "lat_ns": lat((2000, 100))},
        {"prioclass": 1, "prio": 4, "lat_ns": lat((2000, 200))},
        {"prioclass": 0, "prio": 0, "lat_ns": lat((8000, 600))}]}}
    found = runfigures.of_run([entry(read=reads)])
    assert special(found) == {
        "prio_rt_mean_us": 2, "prio_rt_p99_us": 2,
        "prio_none_mean_us": 8, "prio_none_p99_us": 8}
    assert {kind: one["n"] for kind, one in found["latency"].items()} == {
        "prio RT": 300, "prio none": 600, "read": 900}


@pytest.mark.parametrize("text, synced, each", [
    ("[a]\nrw=write\nfsync=1\n", True, True),
    ("[global]\nfdatasync=1\nrw=randwrite\n[a]\n[b]\n", True, True),
    ("[a]\nrw=write\nfsync=1\n[b]\nrw=randread\n", True, True),
    ("[a]\nrw=write\nfsync=1\n[b]\nrw=write\n", True, False),
    ("[a]\nrw=write\nfsync=32\n", True, False),
    ("[a]\nrw=write\nsync_file_range=write:1\n", True, False),
    ("[a]\nrw=write\nfsync=0\n", False, False),
    ("[a]\nfsync=1\n", True, False), ("[a]\nrw=write\n", False, False)])
def test_jobs_that_are_about_syncs(text, synced, each):
    assert syncing.ever(text) == synced
    assert syncing.each_write(text) == each


ETCD = """[etcd]
rw=write
bs=2300
fdatasync=1
direct=0
"""


@pytest.fixture
def etcd(tmp_path):
    """etcd's log, as people measure a disk for it."""
    job = tmp_path / "etcd.fio"
    job.write_text(ETCD)
    return ["--job", str(job), "--buffered"]


@pytest.mark.fio
def test_a_planted_delay_of_fdatasync_is_found_and_is_in_every_report(
        ab, etcd, tmp_path, shm):
    done = ab.measured(*abrun.handicap(tmp_path, "slow_sync.c", "psync"),
                       *etcd, "--target", f"{shm}/new", *FAST, "--pairs", "9")
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    effects = {one["metric"]: one for one in cell["effects"]}
    found = effects["sync_mean_us"]
    assert found["role"] == "primary" and found["verdict"] == "longer"
    assert found["median"]["A"] < 3000 < found["median"]["B"]
    assert effects["sync_p50_us"]["role"] == "secondary"
    # fio's 0.2 s have some 60 of the slow ones: no p99 of them is known.
    assert set(effects) <= {*COMMON, *SPECIAL} and "trim_mean_us" not in effects
    both = cell["latency"]["fdatasync"]
    # (fio has the middle of a bin, whose width is 1/64 of it.)
    assert both["B"]["bins"][0][0] >= 3e6 * 63 / 64
    assert both["A"]["percentiles"]["50"] < 3e6
    assert re.search(r"verdict on B, Sync latency: LONGER", done.stdout)
    page = (ab.out / "report.html").read_text()
    assert "Sync latency" in page and "Fdatasync latency" in page
    with open(ab.out / "report.csv", newline="", encoding="utf-8") as file:
        rows = {row["metric"]: row for row in csv.DictReader(file)}
    assert rows["sync_mean_us"]["role"] == "primary"


@pytest.fixture
def real_fio(fio_binary, tmp_path):
    return fiorun.Fio(fio_binary, None, str(tmp_path))


def counts_libaio(fio):
    """fio's libaio makes AIO of a sync from 3.41 on; before, it calls fsync
    and keeps the time of what the request was before."""
    return tuple(map(int, re.findall(r"\d+", fio.version)[:2])) >= (3, 41)


@pytest.mark.fio
def test_from_where_fio_counts_a_sync_is_asked(real_fio, engine):
    assert asking.counts_syncs(real_fio, Side("psync", "psync"))
    assert asking.counts_syncs(real_fio, Side("kaio", f"external:{engine}"))
    assert asking.counts_syncs(real_fio, Side("libaio", "libaio")) == \
        counts_libaio(real_fio)


@pytest.mark.fio
def test_what_fio_miscounts_is_left_out_and_said(ab, real_fio, shm, build_dir):
    """Also by who goes on with a campaign."""
    running = ab.start("--job", "fsync", "--a", "libaio", "--b", "kaio", *FAST,
                       "--pairs", "2", "--target", f"{shm}/new", "--build",
                       str(build_dir))
    ab.await_runs(3, running)
    running.terminate()
    running.communicate(timeout=60)
    done = ab("--resume", str(ab.out))
    assert done.returncode == 0, done.stderr
    data = ab.report()
    cell, = data["cells"]
    counted = counts_libaio(real_fio)
    assert len(cell["pairs"]) == 2
    for pair in cell["pairs"]:
        assert pair["values"]["B"]["sync_mean_us"] > 0
        assert ("sync_mean_us" in pair["values"]["A"]) == counted
    assert ("sync_mean_us" in [one["metric"] for one in cell["effects"]]
            ) == ("fsync" in cell["latency"]) == counted
    assert any("counts the syncs of libaio" in text
               for text in data["warnings"]) != counted


@pytest.mark.fio
@pytest.mark.root
def test_priority_classes_of_a_real_run(ab, tmp_path, shm):
    job = tmp_path / "prio.fio"
    job.write_text("[p]\nrw=randread\nbs=4k\niodepth=8\n"
                   "cmdprio_percentage=30\n")
    done = ab.measured("--a", "libaio", "--b", "libaio", "--job", str(job),
                       *FAST, "--pairs", "1", "--target", f"{shm}/new")
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    for metric in ("prio_rt_mean_us", "prio_none_p99_us"):
        assert cell["pairs"][0]["values"]["B"][metric] > 0
    shares = {kind: both["A"]["n"] for kind, both in cell["latency"].items()}
    assert shares["prio RT"] + shares["prio none"] == shares["read"]
    assert shares["prio RT"] / shares["read"] == pytest.approx(0.3, abs=0.05)

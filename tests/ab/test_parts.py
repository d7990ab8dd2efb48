# SPDX-License-Identifier: GPL-2.0-only
# The parts of jobs/ab without its runs: fairness checks, the matrix, hosts, the
# figures of a run, the campaign folder, restoring a target.
from contextlib import ExitStack
import copy
from dataclasses import replace
import errno
import json
import os
from pathlib import Path
import subprocess
import time

import pytest

from fiolab.ab import matrix, restore, results
from fiolab.ab.campaign import Campaign, Request
from fiolab.ab.campaignfolder import CampaignFolder
from fiolab.base import files
from fiolab.base.problem import Problem
from fiolab.fio import (clientrun, clienttarget, fairness, fiorun, metrics,
                        sidespec as side, timedrun)
from fiolab.fio.jobfile import Job
from fiolab.stats import pairing, sequential
from fiolab.target import claim
from fiolab.target.target import Target

MIB = 1 << 20


# Fairness

def result(**options):
    return {"global options": {"size": "16M"},
            "jobs": [{"jobname": "a", "job options": options}]}


def test_different_options_of_fio_are_unfair():
    sides = (side.parse("libaio", ""),
             side.parse("kaio_x,nowait=1", ""))
    job = Job("x.fio", "[a]\n")
    same = fairness.same_options
    same(sides, job, result(ioengine="libaio", bs="4k"),
         result(ioengine="kaio_x", bs="4k", nowait="1"))
    for other, word in [(result(bs="8k"), "bs=4k .* bs=8k"),
                        (result(bs="4k", direct="1"), "direct=None"),
                        ({"jobs": []}, "bs=4k .* bs=None")]:
        with pytest.raises(Problem, match=word):
            same(sides, job, result(bs="4k"), other)


def test_a_side_that_keeps_one_in_flight_is_named():
    sides = side.parse("libaio", ""), side.parse("psync", "")

    def of(share):
        return {"jobs": [{"iodepth_level": {"1": share, ">=64": 0}}]}
    note = fairness.depth_note
    assert note(sides, of(0.2), of(100.0)).startswith("; psync keeps only one")
    assert note(sides, of(100.0), of(100.0)) == ""
    assert note(sides, of(3), of(40)) == note(sides, {"jobs": [{}]}, of(9))


@pytest.mark.parametrize("text, need", [
    ("bs=4k\niodepth=64\n", 1), ("bs=1m\niodepth=16\n", 64),
    ("bsrange=4k-64k\niodepth=16\nnumjobs=4\n", 16), ("bs=128KiB,1m\n", 4),
    ("blocksize=2m\n", 8), ("bs=,1m\niodepth=2\n", 8),
    ("BSRANGE=4k-1m,8k-8k\n", 4), ("bssplit=4k/60:1m/40,2m/:4k/50\n", 8),
    ("bssplit=64k/:4k/\niodepth=4\n", 1), ("bssplit=,4k/54:1m/46\n", 4),
    ("bssplit=1m/54:8k/46,\n", 4), ("bssplit=,,2m\n", 8),
    ("bssplit=4k/50:1m/50:\n", 4), ("bs = 1m ; most\n", 4)])
def test_a_target_must_hold_four_times_what_is_in_flight(text, need):
    job = Job("x.fio", "[a]\n" + text)
    fairness.large_enough(job, need * MIB)
    if need > 1:
        with pytest.raises(Problem, match=f"at least --size {need}M"):
            fairness.large_enough(job, need * MIB - 1)


@pytest.mark.parametrize("text, inside", [
    ("rw=write\nbs=64k\n", True), ("rw=write\n", True),
    ("rw=write\nbs=48k\n", False), ("rw=randwrite\nbs=48k\n", True),
    ("rw=randwrite:8\nbs=48k\n", False), ("rw=read\nbs=48k\n", True),
    ("rw=rw\nbs=4k,48k\n", False), ("rw=write\nbsrange=4k-48k\n", True),
    ("rw=trim\nbsrange=48k-48k\n", False),
    ("rw=write\nbs=48k\nbsrange=4k-64k\n", True),
    ("rw=write\nbs=,48k\n[b]\nrw=write\nbs=4k,\n", False),
    ("rw=write\nbssplit=48k/100\n", False),
    ("rw=write\nbssplit=4k/50:48k/50\n", True),
    ("rw=write:64k\nbs=64k\n", True), ("rw=write:92k\nbs=64k\n", False),
    ("rw=randwrite\nbs=48k\npercentage_random=50\n", False)])
def test_the_last_write_must_not_end_behind_what_was_given(text, inside):
    job = Job("x.fio", "[a]\n" + text)
    fairness.ends_inside(job, 39 * 13 * MIB)     # a multiple of each
    if not inside:
        with pytest.raises(Problem, match="give a --size that is a multiple"):
            fairness.ends_inside(job, 32 * MIB)
    else:
        fairness.ends_inside(job, 32 * MIB)


@pytest.mark.parametrize("text, inside", [
    ("rw=randwrite:8\nbs=64k\nblockalign=512\n", False),
    ("rw=randwrite\nbs=64k\nba=4k\npercentage_random=100,50\n", False),
    ("rw=randwrite\nbs=64k\nblockalign=512\n", True),
    ("rw=randwrite:1\nbs=64k\nblockalign=512\n", True),
    ("rw=randwrite:8\nbs=64k\nblockalign=64k\n", True),
    ("rw=randread:8\nbs=64k\nblockalign=512\n", True),
    ("rw=randwrite:8\nbs=4k\nblockalign=6k\n", False),
    ("rw=randwrite:8\nbs=4k\nblockalign=8k\n", True),
    ("rw=randwrite:8\nbsrange=4k-64k\nblockalign=4k\n", True),
    ("rw=write:-1k\nbs=4k\n", False), ("rw=write:-8k\nbs=4k\n", True),
    ("rw=write:-1k\nbsrange=4k-8k\n", True),
    ("blockalign=512\nblockalign=64k,\nrw=randwrite:8\nbs=64k\n", False),
    ("bs=64k\nbs=4k,\nbs_is_seq_rand=1\nrw=randwrite:8\n", False),
    ("rw=randwrite\nbs=64k,4k\npercentage_random=50\nbs_is_seq_rand=1\n",
     False),
    ("rw=randtrim\nbs=4k,64k,4k\nbs_is_seq_rand\n", False),
    ("rw=randwrite:8\nbs=64k\nbs_is_seq_rand=1\n", True)])
def test_blocks_must_not_begin_between_their_multiples(text, inside):
    """In a part of a target: fio then ends them behind it.  All of it ends
    where the target does."""
    job = Job("x.fio", f"[a]\n{text}")
    if inside:
        fairness.ends_inside(job, 32 * MIB)
    else:
        with pytest.raises(Problem, match="or give it all of the target"):
            fairness.ends_inside(job, 32 * MIB)
        whole = Target("x", 32 * MIB, whole=32 * MIB)
        fairness.fits(job, whole)
        with pytest.raises(Problem, match="reach beyond"):
            fairness.fits(job, replace(whole, whole=33 * MIB))


@pytest.mark.parametrize("line", [
    "iodepth=1k", "iodepth=4q", "iodepth=0x40", "iodepth=", "iodepth=0",
    "numjobs=2x", "numjobs=$cpus", "iodepth=${KAIO_NOT_SET}", "bs=4x",
    "bs=2*2k", "bs=4 k", "bs=4.5k", "bs=0x1000", "bs=", "bs=,",
    "bsrange=4x-8k", "bssplit=4x/50:8k/50", "bssplit=half",
    "bssplit=,", "bssplit=4k,4k,4k,4k", "bssplit=:4k/50", "bssplit=4k::8k",
    "bs=\x1b[2J"])
def test_a_size_or_count_that_fio_may_misread_is_refused(line):
    job = Job("x.fio", f"[a]\n{line}\n")
    with pytest.raises(Problem, match=line.split("=")[0] + ".* plainly") as e:
        fairness.large_enough(job, 1 << 40)
    assert "\x1b" not in str(e.value)


def test_a_count_in_a_variable_is_taken_at_its_value(monkeypatch):
    monkeypatch.setenv("DEPTH", "1024")
    job = Job("x.fio", "[a]\nbs=4k\niodepth=${DEPTH}\n")
    assert fairness.in_flight(job) == 4 * MIB


@pytest.mark.parametrize("text, jobs", [
    ("numjobs=3", 3), ("numjobs=2*$ncpus", 2 * os.sysconf(
        "SC_NPROCESSORS_CONF")), ("numjobs=${JOBS}", 5), ("bs=4k", 1)])
def test_who_waits_at_the_gate_is_counted_as_fio_does(text, jobs,
                                                      monkeypatch):
    monkeypatch.setenv("JOBS", "5")
    assert len(Job("x.fio", f"[a]\n{text}\n").ranges(0, MIB)) == jobs


@pytest.mark.parametrize("number", ["1k", "2*2", "two", "-1", "\u0663"])
def test_a_number_of_jobs_that_is_none_is_not_1(number):
    with pytest.raises(Problem, match="numjobs=.* no number"):
        Job("x.fio", f"[a]\nnumjobs={number}\n").ranges(0, MIB)


@pytest.mark.parametrize("change, cpu, word", [
    ({"governor": "powersave"}, 0, "governor is 'powersave'"),
    ({"load_1m": 1.5}, 0, "the load is 1.5 on 2 CPUs"),
    ({}, None, "not pinned"), ({"governor": "performance"}, 0, "")])
def test_what_this_machine_does_to_figures(change, cpu, word):
    quiet = {"governor": None, "load_1m": 0.9, "cpus": 2}
    said = " ".join(fairness.machine(cpu, {**quiet, **change}))
    assert word in said and bool(said) == bool(word)


def test_a_job_or_a_target_without_o_direct_is_said():
    job = Job("x.fio", "[a]\n")
    disk = Target("/f", MIB, False, "disk")
    ram = Target("/f", MIB, True, "RAM", direct=False)
    assert "does not set direct=1" in fairness.buffered(job, "none", disk)[0]
    assert "a part of its I/O" in fairness.buffered(job, "some", disk)[0]
    assert "does not support" in fairness.buffered(job, "all", ram)[0]
    assert fairness.buffered(job, "all", disk) == []


# The matrix

def test_a_matrix_sets_its_options_once_and_everywhere():
    job = Job("/j/x.fio", "[global]\nrw=read\n[a]\nreadwrite=write\n"
              "BLOCKSIZE=1m\n[b]\nbs=2m\nnumjobs=2\n")
    made = matrix.expand([job], ["rw=randread,randwrite", "bs=4k"])
    assert [one.name for one in made] == ["x rw=randread bs=4k",
                                          "x rw=randwrite bs=4k"]
    assert made[0].values("rw", "readwrite") == ["randread"]
    assert made[0].values("bs", "blocksize") == ["4k"]
    assert made[0].values("numjobs") == ["2"]
    assert (made[0].writes(), made[1].writes()) == (False, True)
    assert matrix.expand([job], None) == [job]


def test_a_matrix_that_is_too_large():
    with pytest.raises(Problem, match="1024 cells"):
        matrix.expand([Job("x", "[a]\n")], [
            f"{name}=" + ",".join(map(str, range(32)))
            for name in ("iodepth", "numjobs")])


# Hosts

@pytest.mark.parametrize("text, addresses", [
    (None, []), ("h", ["ip:h,8765"]), ("a.b:1,c-d", ["ip:a.b,1", "ip:c-d,8765"]),
    ("[::1]:99", ["ip6:::1,99"])])
def test_hosts(text, addresses):
    assert [one["address"] for one in clientrun.parse(text)] == addresses


# The figures of a run

def fio_job(**changes):
    io = {"total_ios": 100, "io_bytes": 409600, "runtime": 100,
          "lat_ns": {"N": 100, "mean": 5000.0, "bins": {"4000": 60,
                                                       "6000": 40}}}
    none = {"total_ios": 0, "io_bytes": 0, "runtime": 0,
            "lat_ns": {"N": 0, "mean": 0.0}}
    return {"usr_cpu": 5.0, "sys_cpu": 5.0, "job_runtime": 100, "ctx": 7,
            "read": {**io, **changes}, "write": copy.deepcopy(none),
            "trim": none}


def test_figures_are_summed_and_percentiles_come_from_the_bins():
    one, two = fio_job(), fio_job()
    two["write"] = {"total_ios": 100, "io_bytes": 0, "runtime": 1, "lat_ns": {
        "N": 100, "mean": 9000.0, "bins": {"9000": 100}}}
    found = metrics.figures([one, two])
    assert (found["ios"], found["iops"]) == (300, 3000)
    assert found["bw_mib"] == pytest.approx(2 * 4096000 / MIB)
    assert found["fio_cpu_us"] == pytest.approx(2 * 10000 / 300)
    assert found["ctx_per_io"] == pytest.approx(14 / 300)
    assert found["lat_mean_us"] == pytest.approx((2 * 5 + 9) / 3)
    assert (found["lat_p50_us"], found["lat_p99_us"]) == (6, 9)
    assert found["latency"]["read"]["bins"] == [[4000, 120], [6000, 80]]


def test_what_was_not_measured_is_none_and_no_switch_is_half_a_one():
    job = fio_job(lat_ns={"N": 0, "mean": 0.0})
    job["ctx"] = 0
    found = metrics.figures([job])
    assert found["lat_p50_us"] is None and found["lat_mean_us"] is None
    assert found["ctx_per_io"] == 0.5 / 100 and found["latency"] == {}


@pytest.mark.parametrize("bad", [
    {"runtime": "x"}, {"io_bytes": None}, {"lat_ns": 5}, {"total_ios": [1]},
    {"total_ios": float("nan")}, {"total_ios": float("inf")},
    {"io_bytes": -1},
    {"lat_ns": {"N": 3, "mean": 1.0, "bins": {"x": 1}}}])
def test_figures_that_are_none_of_fios(bad):
    with pytest.raises(Problem):
        metrics.figures([fio_job(**bad)])


# The campaign folder

def campaign(pairs=2, cells=1):
    return Campaign(Request(seed=7, pairs=pairs), (), [], id="me", cells=[
        results.Cell(number, None, pairing.planned_orders(7, number, pairs))
        for number in range(cells)])


def run_of(found, cell, pair, position):
    role = pairing.SEQUENCES[found.cells[cell].orders[pair]][position]
    return {"campaign": "me", "cell": cell, "pair": pair, "role": role,
            "seed": pairing.pair_seed(7, cell, pair), "start": 1.0, "end": 2.5,
            "steal": 0, "repeats": 0, "latency": {},
            "values": {"iops": 100.0, "cpu_us": 1.0}}


@pytest.fixture
def folder(tmp_path):
    with ExitStack() as stack:
        made = CampaignFolder(str(tmp_path / "c"))
        made.create(stack)
        yield made


def test_a_pair_counts_when_all_of_its_runs_are_there(folder):
    found = campaign(2, 2)
    numbers = set()
    for pair in range(2):
        for cell in range(2):
            for position in range(3):
                number = found.number(cell, pair, position)
                numbers.add(number)
                if (cell, pair, position) != (1, 1, 2):
                    folder.save_run(number, run_of(found, cell, pair,
                                                   position))
    assert numbers == set(range(12))
    again = campaign(2, 2)
    again.load(folder)
    assert [len(cell.pairs) for cell in again.cells] == [2, 1]
    assert not again.cells[1].done(1) and folder.strange == []


@pytest.mark.parametrize("change", [
    {"campaign": "you"}, {"seed": 1}, {"role": "C"}, {"pair": 1},
    {"cell": 9}, {"values": {"iops": "x"}}, {"values": {"iops": -1.0}},
    {"values": {"iops": float("inf")}}, {"values": None}, {"latency": 3},
    {"values": {"iops": True}}, {"options": 5}, {"options": [5]},
    {"latency": {"read": {"n": 1, "mean_ns": 1.0, "bins": [[1, -5]]}}},
    {"latency": {"read": {"n": -1, "mean_ns": 1.0, "bins": []}}},
    {"latency": {"read": {"n": 1, "mean_ns": 1.0, "bins": [[1]]}}},
    {"failed": {}}, {"failed": {"host": "a"}}, {"failed": 3}])
def test_a_run_that_is_not_this_campaigns_is_left_out(change, folder):
    found = campaign(1)
    for position in range(3):
        made = {**run_of(found, 0, 0, position), **change}
        files.write(folder.file("runs", f"00000{position}.json"),
                    json.dumps(made))
    found.load(folder)
    assert found.whole_pairs() == 0 and folder.strange
    assert not found.cells[0].discarded and not found.cells[0].pools


def test_a_file_is_whole_or_absent_on_a_full_disk(folder, monkeypatch):
    folder.save_plan({"a": 1})

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Problem, match="no space left.*--resume"):
        folder.save_plan({"a": 2})
    assert json.loads(Path(folder.file("campaign.json")).read_text()) == {
        "a": 1}
    assert sorted(os.listdir(folder.path)) == ["campaign.json", "runs"]


def test_orders_without_a_fixed_number_are_balanced_after_every_second():
    seen = set()
    for seed in range(20):
        found = pairing.planned_orders(seed, 3, 0)
        assert len(found) == sequential.LAST
        for n in range(2, 100, 2):
            assert found[:n].count("AB") == n / 2
        seen.add(tuple(found[:60]))
    assert len(seen) == 20


def test_seeds_differ_between_pairs_and_cells():
    seeds = {pairing.pair_seed(1, cell, pair) for cell in range(10)
             for pair in range(10)}
    assert len(seeds) == 100 and all(0 < seed < 2**31 for seed in seeds)


# Restoring a target

@pytest.mark.parametrize("how", ["fill", "trim"])
def test_a_restored_target_is_as_it_was_at_first(how, tmp_path, stack):
    path = tmp_path / "t"
    path.write_bytes(b"\0" * (2 * MIB))
    one = claim.prepare(str(path), 0, True, stack)
    restore.HOW[how](one)
    first = path.read_bytes()
    assert first != b"\0" * (2 * MIB) and len(first) == 2 * MIB
    path.write_bytes(b"x" * (2 * MIB))
    restore.HOW[how](one)
    assert path.read_bytes() == first


def test_on_hosts_only_the_first_fill_may_make_a_file(monkeypatch):
    """The effective job's last word: later a file that has gone stays so."""
    given, one = [], Target("/t", 2 * MIB, False, "", writable=True)
    monkeypatch.setattr(clientrun, "run", lambda fio, side, job, target,
                        options, seconds: given.append(job.effective(options)))
    for made in (clientrun.fill(None, make=True), clientrun.restore(
            None, Job("w.fio", "[w]\nrw=write\n"), None)):
        made(one)
    assert [[line for line in text.splitlines() if "file_create" in line][-1]
            for text in given] == ["allow_file_create=1",
                                   "allow_file_create=0"]
    assert all("create_on_open=1" in text for text in given)


@pytest.mark.parametrize("path, may", [
    ("/data/file", True), ("/dev/shm/file", True), ("/dev/nvme9n1", False),
    ("//dev/nvme9n1", False), ("/data/../dev/./nvme9n1", False)])
def test_no_file_is_made_among_the_devices_of_a_host(path, may):
    one = Target(path, MIB, False, "", writable=True)
    assert clienttarget._may_make(one, errno.ENOENT) == may
    assert not clienttarget._may_make(one, errno.EIO)


def test_a_job_file_cannot_let_fio_make_files():
    job = Job("x.fio", "[a]\nallow_file_create=1\n[b]\ncreate_on_open=0\n")
    one = Target("/t", 2 * MIB, False, "")
    lines = job.effective(fiorun.base_options(side.parse("psync", ""), one,
                                           1)).splitlines()
    assert [line for line in lines if "create" in line] == list(fiorun.KEEP_FILES)


def test_only_jobs_that_write_are_restored():
    reads, writes = Job("r.fio", "[a]\nrw=read\n"), Job("w.fio",
                                                       "[a]\nrw=write\n")
    assert restore.chosen(None, reads, None) is None
    assert restore.chosen(None, writes, None) is restore.fill
    assert restore.chosen(None, writes, "none") is None
    assert restore.warnings([reads, writes], "none")
    assert not restore.warnings([reads, writes], None)
    assert not restore.warnings([reads], "none")


# A fio that has gone

@pytest.mark.parametrize("path, cpu", [("/nonexistent/fio", None),
                                       ("/bin/true", 4095)])
def test_a_fio_or_a_cpu_that_has_gone_is_one_sentence(path, cpu, tmp_path):
    gone = fiorun.Fio.__new__(fiorun.Fio)
    gone.path, gone.cpu, gone.folder = path, cpu, str(tmp_path)
    with pytest.raises(Problem, match="cannot start"):
        fiorun.Run(gone, side.parse("libaio", ""), Job("j.fio", "[a]\n"),
                Target(str(tmp_path / "t"), 1 << 20, True, ""), [])
    assert os.listdir(tmp_path) == []


def test_a_nice_value_that_may_not_be_is_no_fault_of_the_cpu(tmp_path,
                                                             monkeypatch):
    """As without root, in the child, before it becomes fio."""
    def denied(*_):
        raise PermissionError
    monkeypatch.setattr(os, "setpriority", denied)
    gone = fiorun.Fio.__new__(fiorun.Fio)
    gone.path, gone.cpu, gone.folder = "/bin/true", None, str(tmp_path)
    with pytest.raises(Problem, match="may its nice value be -5 .* takes root"
                       ) as problem:
        fiorun.Run(gone, side.parse("libaio@nice=-5", ""),
                   Job("j.fio", "[a]\n"),
                   Target(str(tmp_path / "t"), 1 << 20, True, ""), [])
    assert "CPU" not in str(problem.value)


# A fio that is over between two looks at it

class Over:
    """A run of fio that begins and ends while this process has no CPU."""

    def __init__(self, folder, begins):
        self.child, self.mark, self.begins = self, folder / "started", begins
        with subprocess.Popen(["true"]) as ended:
            self.pid = ended.pid

    def file(self, _):
        return str(self.mark)

    def wait(self, _):
        if self.begins:
            self.mark.touch()
        return True

    def finish(self, _):
        pass

    def problem(self, text):
        return Problem(text)


def test_a_run_that_was_missed_did_begin(tmp_path):
    assert timedrun.await_start(Over(tmp_path, True)) > 0
    os.utime(tmp_path / "started", times=(1, 1))
    with pytest.raises(timedrun.Disturbed):
        timedrun._cpu_rate(Over(tmp_path, True), 0.1, 0.01, None)


def test_a_run_that_was_over_before_its_time(tmp_path):
    with pytest.raises(Problem, match="was over before its time"):
        timedrun._cpu_rate(Over(tmp_path, True), 60, 0.01, None)


def test_a_shell_that_ends_late_is_no_end_of_the_run(tmp_path):
    """That of exec_prerun, on a busy machine: fio runs to its end."""
    class Whole(Over):
        def finish(self, _):
            time.sleep(1)
    with pytest.raises(timedrun.Disturbed):
        timedrun._cpu_rate(Whole(tmp_path, True), 0.9, 0.01, None)


def test_a_run_that_never_began(tmp_path):
    with pytest.raises(Problem, match="ended before any I/O"):
        timedrun.await_start(Over(tmp_path, False))

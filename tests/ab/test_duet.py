# SPDX-License-Identifier: GPL-2.0-only
# Duet pairs, with real fio: all runs of a block at once on one CPU, what such
# a block is worth, and what happens where it is none.
import math
import os
from pathlib import Path
import subprocess

import pytest

from fiolab.ab import duets, results
from fiolab.ab.campaign import Request
from fiolab.ab.report import duetdata
from fiolab.fio import cpushare, sidespec
from fiolab.fio.jobfile import Job
from fiolab.stats import paired, pairing
from fiolab.target.target import Target
import abreport
from abrun import QUICK, effect

CELLS = {"duet": ["cpu_us"], "alternate": [
    "iops", "bw_mib", "lat_mean_us", "lat_p50_us", "lat_p99_us", "ctx_per_io"]}


def metrics(cell):
    return [e["metric"] for e in cell["effects"]]


def test_memory_gets_a_duet_a_disk_both(ab, shm, tmp_path):
    done = ab.measured("--a", "libaio", "--b", "libaio", "--pairs", "1",
                       "--target", f"{shm}/s", "--target",
                       str(tmp_path / "s"), *QUICK)
    assert done.returncode == 0, done.stderr
    report, cells = ab.report(), ab.report()["cells"]
    assert [cell["pairing"] for cell in cells] == ["duet", "duet", "alternate"]
    for cell in cells:
        assert metrics(cell) == CELLS[cell["pairing"]]
    assert cells[2]["duet"] is None and cells[2]["latency"]["read"]
    for cell in cells[:2]:
        check_duet(cell, report["runtime_s"])
    assert "three at once on one CPU" in done.stdout


def check_duet(cell, runtime):
    found, (pair,) = cell["duet"], cell["pairs"]
    assert cell["latency"] == {}
    assert sorted(pair["duet"]["parts"].values()) == [0, 1, 2]
    assert 0 <= found["skew_s"]["max"] <= max(0.05, 0.1 * runtime)
    sides = found["sides"]
    assert set(sides) == {"A", "B", "A'"}
    assert 0 < sum(one["cpu"] for one in sides.values()) < 1.1
    assert all(one["elsewhere"] == 0 for one in sides.values())
    ratio = effect(cell, "cpu_us")["ratio"]
    assert 0.5 < ratio < 2      # libaio against itself


def test_each_run_of_a_block_has_the_same_seed_and_cpu(ab, shm):
    cpu = max(os.sched_getaffinity(0))
    done = ab.measured("--a", "libaio", "--b", "psync", "--pairs", "2",
                       "--pairing", "duet", "--target", f"{shm}/s", "--cpu",
                       str(cpu), *QUICK)
    assert done.returncode == 0, done.stderr
    runs = ab.runs()
    assert [run["pair"] for run in runs] == [0, 0, 0, 1, 1, 1]
    for block in (runs[:3], runs[3:]):
        assert {run["role"] for run in block} == {"A", "A'", "B"}
        assert len({run["seed"] for run in block}) == 1
        assert sum("duet" in run for run in block) == 1
    assert runs[0]["seed"] != runs[3]["seed"]
    assert Path(ab.out, "report.html").exists() and os.listdir(shm) == []


@pytest.mark.parametrize("words, why", [
    (["--cpu", "all"], "--cpu all pins to none"),
    (["--own", "B:nice=3"], "different nice values"),
    (["--job", "randwrite", "--size", "2M"], "a third of the target")])
def test_what_cannot_be_a_duet_is_said(words, why, ab, shm, tmp_path):
    job = tmp_path / "randwrite.fio"
    job.write_text("[a]\nrw=randwrite\nbs=4k\niodepth=64\n")
    words = [str(job) if word == "randwrite" else word for word in words]
    sides = ["--a", "libaio", "--b", "psync", "--pairs", "1", "--target",
             f"{shm}/s", *QUICK, *words]
    done = ab(*sides)
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    assert cell["pairing"] == "alternate" and why in cell["no_duet"]
    assert "no duet" in done.stdout
    done = ab(*sides, "--pairing", "duet")
    assert done.returncode == 1 and why in done.stderr.splitlines()[-1]
    assert "cannot be a duet" in done.stderr


def test_iops_of_a_paced_job_do_not_follow_from_its_cpu_time(ab, shm,
                                                             tmp_path):
    """fio spins while it waits for a rate's next I/O: bound by the CPU, it
    seems, and yet no faster with more of it."""
    job = tmp_path / "job.fio"
    job.write_text("[a]\nrw=randread\nrate_iops=400\n")
    done = ab.measured("--a", "libaio", "--b", "psync", "--pairs", "1",
                       "--job", str(job), "--target", f"{shm}/s", *QUICK)
    assert done.returncode == 0, done.stderr
    cells = ab.report()["cells"]
    assert [cell["pairing"] for cell in cells] == ["duet", "alternate"]
    assert cells[0]["duet"]["paced"] is True
    assert "a CPU is all" not in " ".join(done.stdout.split())


def test_what_a_report_says_of_a_pace():
    cell = abreport.as_duet(abreport.typical()["cells"][0])
    assert "a CPU is all that limits" in str(duetdata.sentences(cell))
    cell["duet"]["paced"] = True
    said = str(duetdata.sentences(cell))
    assert "IOPS do not follow" in said and "is all" not in said


@pytest.mark.parametrize("change", [
    {"duet": None}, {"duet": {}}, {"duet": []}, {"skew_s": "x"},
    {"kernel": float("inf")}, {"others": None}, {"sides": {}},
    {"repeats": "x"}, {"repeats": [1]}, {"parts": {"A": 0}},
    {"parts": {"A": 3, "B": 0, "A'": 1}}])
def test_a_damaged_duet_is_no_run(change):
    pair = abreport.as_duet(abreport.typical()["cells"][0])["pairs"][0]
    run = {"latency": {}, "duet": pair["duet"]}
    results.sound(run)
    run["duet"] = (change["duet"] if "duet" in change
                   else {**pair["duet"], **change})
    with pytest.raises((ValueError, TypeError, KeyError)):
        results.sound(run)


@pytest.mark.parametrize("text, found", [
    ("rate=1m", True), ("rate_iops=9", True), ("thinktime=5", True),
    ("rate_iops=0", False), ("rate_process=poisson", False),
    ("iodepth=4", False)])
def test_what_has_a_pace(text, found):
    assert duets.paced(f"[a]\n{text}\n") is found


def test_a_group_of_memory_gives_no_share_of_a_cpu():
    """And one of the cpu controller, or of version 2, does."""
    def of(memory, cpu, two="/"):
        return cpushare.cgroup_of_cpu(
            f"4:memory:{memory}\n3:cpuset:/\n2:cpu,cpuacct:{cpu}\n"
            f"1:name=systemd:/x\n0::{two}")
    assert of("/a", "/") == of("/b", "/") == \
        "3:cpuset:/ 2:cpu,cpuacct:/ 0::/"
    assert of("/a", "/c") != of("/a", "/") != of("/a", "/", "/d")


def test_no_role_has_a_place_of_its_own():
    """In six blocks each is twice in each place, whatever the orders; and has
    each third of the target twice."""
    for seed in range(20):
        found = pairing.planned_orders(seed, 0, 0)[:6]
        made = [duets.parts(order, i) for i, order in enumerate(found)]
        for role in pairing.ROLES:
            assert sorted(list(one).index(role) for one in made) == [
                0, 0, 1, 1, 2, 2]
            assert sorted(one[role] for one in made) == [0, 0, 1, 1, 2, 2]


def of_thirds(numbers, thirds, effect=0.0):
    """Pairs of so many blocks in which only the thirds and the sides differ."""
    made = [duets.parts("AB", i) for i in range(numbers)]
    return [{"duet": {"parts": parts}, "values": {
        role: {"cpu_us": math.exp(thirds[third] + effect * (role == "B"))}
        for role, third in parts.items()}} for parts in made]


@pytest.mark.parametrize("thirds", [(0, 0.01, 0.02), (0.03, 0, 0.01)])
def test_thirds_that_differ_do_not_make_sides_differ(thirds):
    """However quiet the machine is, which makes it worse."""
    pairs = of_thirds(6, thirds)
    for role in ("B", "A'"):
        d = [math.log(one["values"][role]["cpu_us"] /
                      one["values"]["A"]["cpu_us"]) for one in pairs]
        assert paired.hodges_lehmann(d) == pytest.approx(0, abs=1e-12)
        assert sorted(d) == pytest.approx(sorted(-x for x in d))


def test_what_only_verifies_has_all_of_the_target():
    for text, whole in (("rw=randread", False), ("rw=read\nverify=md5", True)):
        cell = results.Cell(0, Job("x.fio", f"[a]\n{text}\n"), ["AB"])
        assert [duets.third(cell, role, 0) is None
                for role in pairing.ROLES] == [whole] * 3
    assert duets.third(cell, "A", 0, shared=True) is None


def test_what_is_written_for_one_job_is_not_overwritten_for_another():
    asked, sides = Request(cpu=1), (sidespec.parse("libaio", ""),) * 2
    one, other = (Target(path, 64 << 20, True) for path in "xy")
    plain, verified = (Job("x.fio", f"[a]\ndirect=1\n{more}\n") for more in (
        "rw=randread", "rw=read\nverify=md5"))
    for a, b in ((plain, verified), (verified, plain)):
        kinds, why = duets.pairings(asked, sides, (a, one), (b, one))
        assert list(kinds) == ["alternate"] and "would be overwritten" in why
        assert "duet" in duets.pairings(asked, sides, (a, one), (b, other))[0]
    for job in (plain, verified):
        assert "duet" in duets.pairings(asked, sides, (job, one),
                                        (job, one))[0]


def test_no_thirds_are_told_of_where_there_were_none():
    cell = results.Cell(0, Job("x.fio", "[a]\n"), ["AB"])

    def placed(*offsets):
        return duets._placed(cell, 0, {role: {"options": [f"offset={at}"]}
                                       for role, at in zip(pairing.ROLES,
                                                           offsets)})
    assert placed(0, 10, 20) == {"A'": 0, "A": 1, "B": 2}
    assert placed(0, 0, 0) is None
    assert duets._placed(cell, 0, {role: {} for role in pairing.ROLES}) is None


@pytest.mark.parametrize("numbers", [3, 4, 6, 11])
def test_the_effect_of_the_thirds_is_as_large_as_it_is(numbers):
    for of_b in (0.0, -0.2):
        pairs = of_thirds(numbers, (0, 0.01, 0.03), of_b)
        assert duetdata._place_effect(pairs, "cpu_us") == pytest.approx(0.03)
    assert duetdata._place_effect(pairs[:2], "cpu_us") is None


def test_who_has_ended_has_the_group_of_nobody():
    """A zombie is in the root's; it is no reason to call sides unlike."""
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ProcessLookupError):
            cpushare.standing(ended.pid)
        cpushare.check_alike({"A": [os.getpid(), ended.pid],
                              "B": [os.getpid()]})


def test_who_looks_too_late_finds_no_difference():
    """One tree has ended: no matter for the user, but for another attempt."""
    with pytest.raises(ProcessLookupError):
        cpushare.check_alike({"A": [os.getpid()], "B": []})

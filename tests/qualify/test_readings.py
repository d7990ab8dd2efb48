# SPDX-License-Identifier: GPL-2.0-only
# Where implementations of the specification differ: the defaults as most quote
# it, each other reading an option, and all of them named in the report.
from dataclasses import replace
import tempfile

import pytest

import qualifybench
import qualifydata
from fiolab.base.problem import Problem
from fiolab.qualify import jobtext, readings, result
from fiolab.qualify.report import htmlreport, steadywords, textreport
from fiolab.qualify.suite import pts
from fiolab.qualify.suite.kinds import Table
from fiolab.qualify.suite.model import Phase, Stimulus, Tracked
from fiolab.qualify.suite.profiles import CLIENT, ENTERPRISE, QUICK

MIB, GIB = 1 << 20, 1 << 30
USER = 400 * GIB            # a device; PTS-C uses 300 of them


def chosen(profile, what=None, rounds=None):
    return readings.chosen(profile, what, rounds)


def phase(profile, test, number=0):
    return {one.name: one for one in pts.tests(profile)}[test].phases[number]


def written(profile, one, active):
    """Bytes of a phase's first stimulus, as its job file has them."""
    load, *_ = jobtext.loads(one.stimuli, profile)
    line, = (line for line in jobtext.section(load, profile, active, 1)
             if line.startswith("io_size="))
    return int(line.partition("=")[2]) * load.threads


@pytest.mark.parametrize("what, amount", [
    (None, 2 * USER), ("capacity=user", 2 * USER),
    ("capacity=active", 2 * 300 * GIB)])
def test_wipc_writes_twice_the_user_capacity_into_the_active_range(what,
                                                                   amount):
    profile, active = chosen(CLIENT, what), 300 * GIB
    for test, block in (("iops", 128), ("latency", 128), ("throughput", 128)):
        found = written(profile, phase(profile, test), active)
        assert amount <= found <= amount + block * 1024
    assert written(profile, phase(profile, "throughput", 2), active) <= \
        amount + MIB
    # All of an enterprise device is active.
    profile = chosen(ENTERPRISE, what)
    assert written(profile, phase(profile, "iops"), USER) == 2 * USER


def test_the_plan_knows_how_much_that_is():
    tests = {one.name: one for one in pts.tests(CLIENT)}
    active = 300 * GIB
    assert tests["iops"].estimate(CLIENT, active).amount == \
        pytest.approx(2 * USER)
    assert "2 x the user capacity" in phase(CLIENT, "iops").title


@pytest.mark.parametrize("what, times", [(None, 4 * 400 / 300),
                                         ("capacity=active", 4)])
def test_wsat_writes_four_times_as_much(what, times):
    found = phase(chosen(CLIENT, what), "wsat")
    assert found.capacity == pytest.approx(times)


@pytest.mark.parametrize("what, rounds", [
    (None, 24 * 60 // 31), ("wsat-hours=6", 6 * 60 // 31),
    ("wsat-hours=0.6", 1)])
def test_wsat_ends_after_a_time(what, rounds):
    assert phase(chosen(ENTERPRISE, what), "wsat").rounds == rounds


def test_wsat_tracks_the_31st_sample():
    one, = phase(ENTERPRISE, "wsat").tracked
    assert one.last and "sample 31 of each round" in one.label
    one, = phase(chosen(ENTERPRISE, "wsat-sample=mean"), "wsat").tracked
    assert not one.last and "sample" not in one.label


def test_dirth_is_preconditioned_as_wsat_is():
    wsat, = phase(ENTERPRISE, "wsat").stimuli
    one, = phase(ENTERPRISE, "dirth").stimuli
    assert (one.rw, one.bs, one.options) == (wsat.rw, wsat.bs, wsat.options)
    assert (one.threads, one.depth, one.seconds) == (32, 32, 1800)
    assert phase(ENTERPRISE, "dirth").tracked[0].stimulus == one.name
    one, = phase(chosen(ENTERPRISE, "dirth-fill=composite"), "dirth").stimuli
    assert "/" in one.bs and one.options


def test_the_operator_may_go_on_after_the_last_round():
    for test, number in (("iops", 1), ("hir", 0), ("dirth", 0)):
        found = phase(chosen(ENTERPRISE, None, 40), test, number)
        assert (found.rounds, found.by) == (40, 25)
        assert (phase(ENTERPRISE, test, number).rounds) == 25


@pytest.mark.parametrize("what, rounds, words_", [
    ("capacity=half", None, "none of its readings: choose capacity=user or"),
    ("wsat=6", None, "--reading has no 'wsat': choose from capacity"),
    ("wsat-hours=x", None, "is no time"), ("wsat-hours=0.1", None, "no time"),
    ("wsat-hours=nan", None, "no time"), ("capacity", None, "none of its"),
    (None, 24, "--rounds 24 is less than the 25 rounds of pts-e")])
def test_what_is_no_reading(what, rounds, words_):
    with pytest.raises(Problem) as problem:
        chosen(ENTERPRISE, what, rounds)
    assert words_ in str(problem.value) and str(problem.value).endswith(".")


@pytest.mark.long
def test_the_report_names_each_reading():
    profile = chosen(CLIENT, "wsat-hours=6, dirth-fill=composite", 30)
    told = " ".join(readings.said(profile))
    for part in ("2 x the user capacity", "after 6 h", "(the 31st)",
                 "own composite writes", "to round 30"):
        assert part in told
    data = qualifydata.passed()
    data["profile"]["readings"] = result._profile(profile)["readings"]
    for made in ("\n".join(textreport.lines(data)), htmlreport.render(data)):
        assert "2 x the user capacity" in " ".join(made.split())


def test_steady_after_the_25th_round_is_said_to_be_late():
    test = {"state": "done", "phases": []}
    found = {"by": 25, "steady": {"reached": True, "first": 27, "last": 31,
                                  "rounds": 31}}
    assert steadywords.steady(test, found) == (
        "NOT REACHED by round 25; reached in round 31, window 27 to 31")
    assert steadywords.late(found)
    assert not steadywords.late({**found, "by": None})
    assert not steadywords.late({**found, "by": 31})


# With a real fio

TABLE = Table("t", "A test", None, (Phase(
    "p", "P", (Stimulus("w", "randwrite", "4k", 0, 1, 1, repeat=3,
                        seconds=60),), 2,
    (Tracked("w", "iops", "W", "IOPS", last=True),), by=2),))


@pytest.mark.long
def test_the_last_sample_is_tracked(tmp_path):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shm, \
            qualifybench.Lab(tmp_path, shm) as lab:
        found = qualifybench.test_of(lab, TABLE, profile=replace(
            QUICK, minute=0.2))
        one, = found["phases"]
        assert one["steady"]["tracked"][0]["series"] == [
            r["results"][-1]["values"]["iops"] for r in one["rounds"]]
        assert one["by"] == 2 and len(one["rounds"]) == 2


@pytest.mark.slow
def test_going_on_makes_only_more_rounds(tmp_path):
    """And what comes after the phase is made anew."""
    after = Phase("q", "Q", (Stimulus("r", "randread", "4k", 100, 1, 1),))
    few, more = (replace(TABLE, phases=(replace(
        TABLE.phases[0], rounds=rounds), after)) for rounds in (2, 4))
    profile = replace(QUICK, minute=0.2)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shm, \
            qualifybench.Lab(tmp_path, shm) as lab:
        first = qualifybench.test_of(lab, few, profile=profile)
        bench, found = lab.bench(profile=profile), more.entry()
        bench.folder.part = 1
        more.run(bench, found)
    before, now = (one["phases"][0]["rounds"] for one in (first, found))
    assert now[:2] == before and len(now) == 7      # and a whole window
    assert found["phases"][0]["breaks"] == [3]
    assert first["phases"][1]["rounds"] != found["phases"][1]["rounds"]

# SPDX-License-Identifier: GPL-2.0-only
# Latency at set rates: the search for the highest rate that keeps a bound, on
# invented devices whose answer is known; latencies from when I/Os were due; and
# a device that does so many I/Os a second and no more, whose knee is there.
import dataclasses
import math
import random
from types import SimpleNamespace

import pytest

import qualifycontext
import qualifydata
import targets
import throttle
from fiolab.fio import metrics
from fiolab.qualify import values
from fiolab.qualify.limits import judging, specfile, tailfigures
from fiolab.qualify.report import pacecurve
from fiolab.qualify.suite import queuetests
from fiolab.qualify.suite.profiles import ENTERPRISE, QUICK
from fiolab.qualify.tails import pace
from fiolab.report import svg
from fiolab.stats import ratesearch

MIB = 1 << 20


# The search

def queue(capacity, noise=0.1, service_us=100.0, seed=1):
    """p99 of a server with random arrivals: service / (1 - load), which goes
    to where it never ends as the load does to 1."""
    rng = random.Random(seed)

    def p99(rate, _number):
        load = min(rate / capacity, 0.9999)
        return 4.6 * service_us / (1 - load) * math.exp(rng.gauss(0, noise))
    return p99


def tried(measure, capacity, shares=(5, 10, 25, 50, 65, 75, 85, 90, 95, 100)):
    return {capacity * share / 100: [measure(capacity * share / 100, i)
                                     for i in range(3)] for share in shares}


@pytest.mark.parametrize("load", [0.2, 0.3, 0.55, 0.8, 0.93])
@pytest.mark.parametrize("noise", [0, 0.05])
def test_it_finds_where_p99_reaches_the_bound(load, noise):
    """From 2.5 rates a decade on to 5%, never beyond the truth by more than
    what the noise of a mean hides."""
    measure = queue(10_000, noise)
    bound = 4.6 * 100 / (1 - load)
    found, every = ratesearch.search(tried(measure, 10_000), measure, bound,
                                     0.95, 6)
    assert found.rate <= load * 10_000 * (1 + 4 * noise)
    assert found.missed / found.rate <= 1.06 if not noise else True
    assert all(len(one) <= ratesearch.LOOKS[-1] for one in every.values())
    assert noise or found.rate >= 0.94 * load * 10_000


def test_a_rate_that_does_not_keep_it_seldom_passes():
    """p99 a hair beyond the bound at every rate: at most 5% of searches say
    of the lowest that it keeps it, whichever look decides."""
    rng, wrong = random.Random(7), 0
    for _ in range(400):
        def measure(_rate, _number):
            return rng.gauss(100.01, 10)
        found, _ = ratesearch.search(
            {1000.0: [measure(0, 0) for _ in range(3)]}, measure, 100, 0.95, 0)
        wrong += found.rate is not None
    assert wrong <= 0.05 * 400 + 3 * math.sqrt(0.05 * 0.95 * 400)


def test_all_keep_it_or_none_does():
    fast, slow = queue(10 ** 9, 0), queue(10, 0)
    shares = tried(fast, 1000)
    assert ratesearch.search(shares, fast, 10 ** 6, 0.95, 6)[0] == (1000, None)
    found, every = ratesearch.search(tried(slow, 1000), slow, 500, 0.95, 6)
    assert found == (None, 50) and len(every) == 10


def test_what_has_too_few_ios_keeps_nothing():
    found, _ = ratesearch.search({10.0: [None] * 3, 20.0: [1.0] * 3},
                                 lambda rate, number: None, 500, 0.95, 6)
    assert found.rate is None and found.missed == 10


def mix(late):
    """A Mix of which the curve has measured this p99 at each rate."""
    made = pace.Mix(SimpleNamespace(profile=QUICK, bench=SimpleNamespace(
        profile=QUICK)), 100)
    made.results = {rate: [{"values": {"due_p99_us": us, "behind_us": 0},
                            "source": "x"}] * 3 for rate, us in late.items()}
    made.asked = {rate: rate for rate in late}
    return made


def test_too_few_ios_for_a_p99_are_no_failure():
    """On a slow device the lowest rates send few: they tell nothing."""
    found = mix({10.0: None, 100.0: 50.0, 200.0: 51.0}).search(90, 0.95)
    assert (found["iops"], found["missed_iops"]) == (200.0, None)
    one = mix({10.0: None, 20.0: None})
    highest = one.highest([one.search(90, 0.95)])
    limit = specfile.Limit(1, "pace", highest["name"], "k", "iops_at_p99",
                           "min", 1, "IOPS", 0, 90)
    row, = judging.judge(specfile.Spec("s", "s", 0.95, (limit,)), {
        "name": "x", "identity": {}, "tests": [{
            "name": "pace", "state": "done", "why": None, "phases": [],
            "cells": [highest]}]})
    assert (row["result"], row["why"]) == ("not measured", pace.FEW)


def test_one_bad_run_does_not_end_the_search():
    """What three runs leave open, more decide."""
    def measure(rate, _number):
        return 50.0
    start = {100.0: [50.0] * 3, 200.0: [50.0, 50.1, 200.0]}
    found, every = ratesearch.search(start, measure, 180, 0.95, 2)
    assert found == (200, None) and len(every[200.0]) > 3


# Figures from when I/Os were due

def told(bins, longest, behind):
    return {"job": "x", "from_due_ns": {"max": longest}, "behind_ns": behind,
            "from_due_bins": bins}


def test_threads_are_pooled():
    found = values.due([told([[1000, 99], [9000, 1]], 8500, 7),
                        told([[1000, 100]], 900, 2_000)])
    assert found == {"due_p50_us": 1.0, "due_p99_us": 1.0, "due_p99_9_us": None,
                     "behind_us": 2.0}
    assert values.due([{"job": "x"}]) == {}
    assert set(found) <= set(metrics.TABLE)


def test_no_percentile_is_beyond_the_longest():
    assert values.due([told([[1000, 200]], 900, 0)])["due_p99_us"] == 0.9


def test_a_hang_at_the_end_is_in_the_figures():
    """Of 30 s of 1,000 reads a second that take 0.1 ms, the last 2 s hang: one
    read takes 2 s, and 2,000 are never sent, 6.7% of all, which have waited
    for up to 2 s: p99 is that of the longest seventh of them."""
    hung = told([[100_000, 27_999], [2_000_000_000, 1]], 2_000_000_000,
                2_000_000_000)
    assert values.due([hung])["due_p99_us"] == 100
    found = values.due([{**hung, "unsent_ios": 2000}])
    assert found["due_p99_us"] == pytest.approx(1.7e6, rel=0.02)
    assert found["due_p50_us"] == 100 and found["behind_us"] == 2e6
    for count in (1, 99, 101, 12345):
        bins = values._unsent({"unsent_ios": count, "behind_ns": 10 ** 9})
        assert sum(bins.values()) == count and max(bins) < 10 ** 9


def test_what_was_never_sent_counts_as_late():
    """A run that ends 5 s behind has no p99 of 1 ms."""
    result = {"values": {"due_p99_us": 1000.0, "behind_us": 5e6}}
    assert pace.Mix.late(result) == 5e6
    assert pace.Mix.late({"values": {"due_p99_us": None,
                                     "behind_us": 5}}) is None


@pytest.mark.parametrize("read, asked, text", [
    (100, 1000, "rate_iops=250"), (0, 1000, "rate_iops=250"),
    (70, 1000, "rate_iops=175,75"), (70, 1, "rate_iops=1,1")])
def test_rates_of_threads(read, asked, text):
    found = pace._paced(read, "x", asked, ENTERPRISE)
    assert found.stimulus.options == (text, "rate_process=poisson",
                                      "due_stats=1")
    assert found.asked == {1: 8}.get(asked, asked)


# Limits

def cell(*paces):
    return {"name": "4K 100/0 highest", "latency": None, "steady": None,
            "window": None, "values": {"iops": {
                "mean": 5000.0, "n": 1, "values": [5000.0], "sources": []}},
            "paces": list(paces)}


def found_at(p99_us, iops, missed, tried=()):
    return {"p99_us": p99_us, "iops": iops, "missed_iops": missed,
            "confidence": 0.95, "n": 3, "sources": ["runs/a.json#x"],
            "tried": tried}


@pytest.mark.parametrize("limit, iops, missed, result, value, said", [
    (5000, 5000, 5200, "pass", 5000, "not at 5,200"),
    (5001, 5000, 5200, "fail", 5000, "misses it"),
    (5000, 5000, None, "pass", 5000, "the highest tried"),
    (1, None, 50, "fail", None,
     "not keep it at the lowest rate that was tried, 50 IOPS")])
def test_iops_at_p99(tmp_path, limit, iops, missed, result, value, said):
    path = tmp_path / "spec.toml"
    path.write_text('[pace."4K 100/0 highest"]\n'
                    f'"min_iops_at_p99(200us)" = {limit}\n')
    spec = specfile.load(str(path))
    specfile.check_names(spec, {"pace": set(pace.CELLS)})
    row, = judging.judge(spec, {"name": "x", "identity": {}, "tests": [{
        "name": "pace", "state": "done", "why": None, "phases": [],
        "cells": [cell(found_at(5000.0, 1, 2), found_at(200.0, iops,
                                                        missed))]}]})
    assert (row["result"], row["value"], row["bound"]) == (
        result, value, value)
    assert said in row["why"]


def test_a_device_that_is_slower_at_its_lowest_rate():
    """As one that sleeps between I/Os: that it is faster at more is told."""
    one = cell(found_at(200.0, None, 50, [
        [50, 300.0, False], [100, 90.0, True], [500, 95.0, True],
        [900, 900.0, False]]))
    said = tailfigures.of("iops_at_p99", one, 200.0, 0.95)["method"]
    assert "at the lowest rate that was tried, 50 IOPS, though at 500 it " \
        "does" in said


def test_a_bound_that_was_not_searched_for(tmp_path):
    limit = specfile.Limit(1, "pace", "4K 100/0 highest", "k", "iops_at_p99",
                           "min", 1, "IOPS", 0, 300)
    row, = judging.judge(specfile.Spec("s", "s", 0.95, (limit,)), {
        "name": "x", "identity": {}, "tests": [{
            "name": "pace", "state": "done", "why": None, "phases": [],
            "cells": [cell(found_at(200.0, 5, 6))]}]})
    assert row["result"] == "not measured"
    assert "no rate was searched for" in row["why"]


# On a device that does RATE I/Os a second

RATE = 400
SHORT = dataclasses.replace(QUICK, minute=1.6 / 30 * 60, threads=2, depth=16,
                            thin=True)


def bench_on(device, fio_binary, build_dir, tmp_path, stack, engine="kaio"):
    return qualifycontext.bench(device, fio_binary, build_dir, str(tmp_path),
                                stack, engine, SHORT)


@pytest.mark.fio
def test_a_bound_that_all_rates_keep(engine, fio_binary, build_dir, tmp_path,
                                     stack, monkeypatch):
    """Nothing is searched for: the highest is that of the curve."""
    monkeypatch.setattr(pace, "READS", (70,))
    monkeypatch.setattr(pace, "THIN_SHARES", (10, 40))
    path = tmp_path / "target"
    path.write_bytes(bytes(8 * MIB))
    bench = bench_on(str(path), fio_binary, build_dir, tmp_path, stack)
    bench.spec = specfile.Spec("s", "s", 0.95, (specfile.Limit(
        1, "pace", "*", "k", "iops_at_p99", "min", 1, "IOPS", 0, 6e7),))
    found, _ = qualifycontext.run(bench, next(
        one for one in queuetests.TESTS if one.name == "pace"))
    qualifydata.hold(found)
    assert found["state"] == "done", found["why"]
    known = {one["name"].removeprefix("4K 70/30 "): one
             for one in found["cells"]}
    assert set(known) == {"closed loop", "10%", "40%", "highest"}
    curve, search = found["tables"]
    assert [row[0] for row in curve["rows"]] == ["10%", "40%"]
    one, = known["highest"]["paces"]
    assert one["missed_iops"] is None and len(one["tried"]) == 2
    assert one["iops"] == curve["rows"][1][1] == search["rows"][0][2]
    # Each of its threads does reads and writes at their rates.
    asked, values = one["iops"], known["40%"]["values"]
    assert values["read_iops"]["mean"] > values["write_iops"]["mean"] > 0
    assert values["iops"]["mean"] < 1.2 * asked


@pytest.mark.fio
@pytest.mark.slow
def test_the_knee_is_where_the_device_ends(need_root, shm, engine, fio_binary,
                                           build_dir, tmp_path, stack,
                                           monkeypatch):
    """Throttled to 400 a second.  Above that I/Os are due faster than they
    are done: after 1.6 s at 1.3 times as many the last are 370 ms late; at
    half of it none is, but for what a busy machine adds.  The highest rate with
    p99 within 250 ms is between these."""
    monkeypatch.setattr(pace, "READS", (100,))
    monkeypatch.setattr(pace, "THIN_SHARES", (50, 130))
    test = next(one for one in queuetests.TESTS if one.name == "pace")
    with targets.loop_of(shm, 8 * MIB, written=True) as device, \
            throttle.slowed(device) as slow:
        bench = bench_on(device, fio_binary, build_dir, tmp_path, stack)
        bench.spec = specfile.Spec("s", "s", 0.95, (specfile.Limit(
            1, "pace", "4K 100/0 highest", "k", "iops_at_p99", "min", 100,
            "IOPS", 0, 250_000),))
        filled = pace._fill
        monkeypatch.setattr(pace, "_fill", lambda context: (
            filled(context), slow(RATE)))       # which is not to be slow
        found, _ = qualifycontext.run(bench, test)
    qualifydata.hold(found)
    assert found["state"] == "done", found["why"]
    known = {one["name"]: one for one in found["cells"]}
    assert set(known) == {f"4K 100/0 {name}" for name in (
        "closed loop", "50%", "130%", "highest")}
    most = known["4K 100/0 closed loop"]["values"]["iops"]["mean"]
    assert most == pytest.approx(RATE, rel=0.25)
    late = [known[f"4K 100/0 {share}%"]["values"]["behind_us"]["mean"]
            for share in (50, 130)]
    assert late[1] > 150_000 > late[0]
    one, = known["4K 100/0 highest"]["paces"]
    assert 0.45 * RATE <= one["iops"] < one["missed_iops"] <= 1.35 * most
    assert one["p99_us"] == 250_000 and one["sources"]
    row, = judging.judge(bench.spec, {"name": "x", "identity": {},
                                      "tests": [found]})
    assert row["result"] == "pass" and row["value"] == one["iops"]
    with svg.styled():
        (picture, caption, source), = pacecurve.drawn(found, "p")
    assert "p99 ≤ 250 ms" in picture and "at most" in picture
    assert caption.startswith("4K 100/0") and source


@pytest.mark.fio
def test_other_engines_have_no_due_times(shm, fio_binary, build_dir, tmp_path,
                                         stack):
    path = tmp_path / "target"
    path.write_bytes(bytes(MIB))
    found, _ = qualifycontext.run(
        bench_on(str(path), fio_binary, build_dir, tmp_path, stack, "libaio"),
        next(one for one in queuetests.TESTS if one.name == "pace"))
    assert qualifycontext.results(found) == {"pace": "not measured"}
    assert not found["cells"]


# The picture

def test_a_test_without_paces_has_no_curve():
    cells = [one for target in qualifydata.report()["targets"]
             for test in target["tests"] for one in test["cells"]]
    assert pacecurve.families(cells) == {}

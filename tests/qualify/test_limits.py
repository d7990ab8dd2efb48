# SPDX-License-Identifier: GPL-2.0-only
# Acceptance limits: decided on the bound and not on a lucky mean; what was not
# measured neither passes nor fails; the exact bound of a percentile.
import copy
import math

import numpy as np
import pytest
from scipy.stats import binom

from fiolab.qualify.limits import judging, orderbound, specfile
from fiolab.stats import bounds

NAME = "4K 0/100"


def value(numbers):
    low, high = bounds.mean_bounds(numbers, 0.95)
    return {"mean": sum(numbers) / len(numbers), "n": len(numbers),
            "values": list(numbers), "low": low, "high": high,
            "sources": [f"runs/r{i}.json#{NAME}"
                        for i in range(len(numbers))]}


def cell(steady=True, name=NAME, latency=None, **values):
    rounds = max(map(len, values.values()), default=0)
    return {"name": name, "steady": steady, "latency": latency,
            "window": None if steady is None else [3, 2 + rounds],
            "values": {metric: value(numbers)
                       for metric, numbers in values.items()}}


def phase(reached, rounds=7):
    return {"name": "rounds", "rounds": [], "steady": reached is not None and {
        "reached": reached, "rounds": rounds, "first": rounds - 4,
        "last": rounds, "window": 5, "tracked": []} or None}


def target(*cells, state="done", why=None, phases=(), identity=None):
    return {"name": "/dev/x", "identity": identity or {},
            "tests": [{"name": "iops", "state": state, "why": why,
                       "phases": list(phases), "cells": list(cells)}]}


def make(key, limit, name=NAME, line=7, test="iops"):
    metric, sense, unit = specfile.KEYS[key]
    return specfile.Limit(line, test, name, key, metric, sense, limit, unit)


def judge(where, *wanted, confidence=0.95, device=()):
    return judging.judge(specfile.Spec("s.toml", "s", confidence, wanted, device),
                        where)


def one(where, key, limit, **more):
    found, = judge(where, make(key, limit), **more)
    return found


# Mean 1000, s 10: Student's 95% bounds are 1000 -+ 2.132 x 10/sqrt(5) = 9.534.
ROUNDS = [1000 + 10 * x * math.sqrt(0.4) for x in (-2, -1, 0, 1, 2)]


@pytest.mark.parametrize("key,metric,limit,result,bound", [
    ("min_iops", "iops", 990.4, "pass", 990.466),
    ("min_iops", "iops", 990.5, "fail", 990.466),
    ("min_iops", "iops", 1000.1, "fail", 990.466),
    ("min_mb_per_s", "mbps", 990.4, "pass", 990.466),
    ("max_mean_us", "lat_mean_us", 1009.6, "pass", 1009.534),
    ("max_mean_us", "lat_mean_us", 1009.5, "fail", 1009.534),
    ("max_p99_us", "lat_p99_us", 999.9, "fail", 1009.534),
    ("max_p99_999_us", "lat_p99_999_us", 1010, "pass", 1009.534)])
def test_the_bound_decides(key, metric, limit, result, bound):
    found = one(target(cell(**{metric: ROUNDS})), key, limit)
    assert found["result"] == result
    assert found["value"] == pytest.approx(1000)
    assert found["bound"] == pytest.approx(bound, abs=0.001)
    assert found["why"]
    assert found | {"value": 0, "bound": 0, "result": 0, "why": 0} == {
        "line": 7, "target": "/dev/x", "test": "iops", "cell": NAME,
        "key": key, "metric": metric, "limit": limit, "confidence": 0.95,
        "unit": specfile.KEYS[key][2], "n": 5, "value": 0, "bound": 0,
        "result": 0, "why": 0,
        "source": [f"runs/r{i}.json#{NAME}" for i in range(5)]}


def test_why_tells_a_lucky_mean_from_a_bad_one():
    where = target(cell(iops=ROUNDS))
    assert "the mean meets it, but its 95% bound does not: more rounds " \
        "could tell" in one(where, "min_iops", 995)["why"]
    assert one(where, "min_iops", 1001)["why"].startswith(
        "the mean misses it (Student's bound of the mean of 5 rounds")
    assert "99.5% bound" in one(where, "min_iops", 995,
                                confidence=0.995)["why"]


def test_more_confidence_asks_for_more():
    where = target(cell(iops=ROUNDS))
    assert one(where, "min_iops", 985)["result"] == "pass"
    assert one(where, "min_iops", 985, confidence=0.99)["result"] == "fail"


def test_exactly_at_the_limit():
    where = target(cell(iops=[1000] * 5, lat_mean_us=[250] * 5))
    assert one(where, "min_iops", 1000)["result"] == "pass"
    assert one(where, "max_mean_us", 250)["result"] == "pass"
    assert one(where, "min_iops", 1000.001)["result"] == "fail"
    assert one(where, "max_mean_us", 249.999)["result"] == "fail"


def test_a_device_at_its_promise_passes_seldom():
    """True mean just below the limit: a mean decides 50%, the bound 5%."""
    rng = np.random.default_rng(4)
    rows = 99.99 + rng.standard_normal((2000, 5))
    passed = np.mean([one(target(cell(iops=row)), "min_iops", 100)["result"]
                      == "pass" for row in rows.tolist()])
    assert np.mean(rows.mean(axis=1) >= 100) > 0.45
    assert passed <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_shares_and_excursions_are_percent():
    where = target(cell(iops=[95, 100, 105, 100, 100],
                        submit_share=[0.02, 0.03, 0.025, 0.025, 0.025]))
    found = one(where, "max_submit_share_percent", 3)
    assert found["value"] == pytest.approx(2.5)
    assert found["bound"] == pytest.approx(
        2.5 + 2.132 * 0.35355 / math.sqrt(5), abs=0.001)
    assert (found["unit"], found["result"]) == ("%", "pass")
    assert one(where, "max_submit_share_percent", 2.8)["result"] == "fail"
    assert one(where, "max_excursion_percent", 10)["value"] == 10
    assert one(where, "max_excursion_percent", 10)["result"] == "pass"
    assert one(where, "max_excursion_percent", 9.9)["result"] == "fail"


def test_extremes_are_what_was_observed_and_that_is_said():
    where = target(cell(lat_max_us=[10, 40, 20, 15, 12], mbps=[1] * 5))
    found = one(where, "max_latency_us", 40)
    assert (found["value"], found["bound"], found["confidence"]) == (
        40, None, None)
    assert found["result"] == "pass" and "has no bound" in found["why"]
    found = one(where, "max_latency_us", 39.9)
    assert found["result"] == "fail" and "misses it" in found["why"]
    # Without IOPS, of MB/s.
    assert one(where, "max_excursion_percent", 1)["value"] == 0


# What was not measured

@pytest.mark.parametrize("where,words", [
    ({"name": "/dev/x", "identity": {}, "tests": []}, "not in this run"),
    (target(state="not run", why="left out"), "'not run': left out"),
    (target(state="failed", why="fio: EIO"), "'failed': fio: EIO"),
    (target(), "no such cell"),
    (target(cell(iops=ROUNDS, name="64K 65/35")), "no such cell"),
    (target({**cell(), "why": "the device has no 512 B sectors"}),
     "512 B sectors"),
    (target(cell()), "nothing of this cell was measured"),
    (target(cell(None, iops=[1000])), "it takes two"),
    (target(cell(mbps=[1] * 5)), "no such figure"),
    (target({**cell(iops=ROUNDS[:3]), "window": [3, 7]}),
     "only 3 of the window's rounds"),
    (target({**cell(), "values": {"iops": {
        **value([1000, 1000]), "values": [1000, None, 1000]}}}),
     "only 2 of the window's rounds")])
def test_not_measured(where, words):
    found = one(where, "min_iops", 1)
    assert found["result"] == "not measured"
    assert words in found["why"]
    assert found["value"] is found["bound"] is found["n"] is None
    assert found["source"] == []


@pytest.mark.parametrize("where,words", [
    (target(cell(iops=ROUNDS), state="stopped", why="Ctrl-C"),
     "'stopped': Ctrl-C"),
    (target(cell(False, iops=ROUNDS), phases=[phase(False, 7)]),
     "steady state was not reached in 7 rounds"),
    (target(cell(False, iops=ROUNDS), phases=[phase(False, 3)],
            state="stopped", why="Ctrl-C"), "'stopped': Ctrl-C"),
    (target(cell(None, iops=ROUNDS), phases=[phase(False, 25), phase(None)]),
     "steady state was not reached in 25 rounds")])
def test_what_it_had_is_shown_and_not_judged(where, words):
    """Neither as a pass nor as a failure."""
    for limit in (1, 1e9):
        found = one(where, "min_iops", limit)
        assert found["result"] == "not measured"
        assert found["why"].endswith("; what it had is not judged")
        assert words in found["why"]
        assert found["value"] == pytest.approx(1000) and found["n"] == 5
        assert found["bound"] < found["value"] and len(found["source"]) == 5


def test_a_cell_that_is_steady_or_needs_no_steady_state_is_judged():
    for steady, phases in ((True, [phase(True)]), (None, []),
                           (None, [phase(None)]), (None, [phase(True)]),
                           (True, [phase(True), phase(False)])):
        where = target(cell(steady, iops=ROUNDS), phases=phases)
        assert one(where, "min_iops", 900)["result"] == "pass"


def test_an_engine_that_tells_no_share():
    found = one(target(cell(iops=ROUNDS)), "max_submit_share_percent", 5)
    assert (found["result"], found["why"]) == (
        "not measured", "the engine tells no share of io_submit")


def test_one_round_has_neither_excursion_nor_bound_but_a_maximum():
    where = target(cell(None, iops=[5], lat_max_us=[9]))
    assert one(where, "max_excursion_percent", 5)["result"] == "not measured"
    assert one(where, "max_latency_us", 9)["result"] == "pass"


def test_a_device_that_did_nothing():
    found = one(target(cell(iops=[0] * 5)), "max_excursion_percent", 5)
    assert found["result"] == "not measured"


# The cell "*"

def test_every_cell_without_an_entry_of_its_own():
    where = target(cell(iops=[10] * 5, name="a"), cell(iops=[20] * 5,
                                                       name="b"),
                   cell(iops=[30] * 5, name="c"))
    found = judge(where, make("min_iops", 25, "*"),
                  make("max_excursion_percent", 10, "b"))
    assert [(row["cell"], row["key"], row["result"]) for row in found] == [
        ("a", "min_iops", "fail"), ("c", "min_iops", "pass"),
        ("b", "max_excursion_percent", "pass")]


def test_every_cell_of_what_has_none():
    found, = judge(target(state="failed", why="x"), make("min_iops", 1, "*"))
    assert (found["cell"], found["result"]) == ("*", "not measured")
    # All have entries of their own: nothing is left, and nothing is lacking.
    where = target(cell(iops=[10] * 5, name="a"))
    found = judge(where, make("min_iops", 1, "*"), make("min_iops", 5, "a"))
    assert [row["cell"] for row in found] == ["a"]


# The histogram of one run

def histogram(bins, longest=None):
    count = sum(n for _, n in bins)
    return {"n": count, "mean_ns": sum(ns * n for ns, n in bins) / count,
            "max_ns": longest or bins[-1][0], "percentiles": {},
            "bins": [list(one) for one in bins]}


def ranks(count):
    """The latency of rank r is r ns, of which bins below 128 are exact; so
    every rank can be told."""
    return histogram([(i, 1) for i in range(1, count + 1)])


@pytest.mark.parametrize("count,share,confidence,rank", [
    # Published ranks of one-sided upper limits: 59 are the fewest for a 95%
    # limit of the 95th percentile, 93 with the second largest; 10 for the
    # median: binom(10, 1/2) <= 7 has 0.9453, <= 8 has 0.9893.
    (59, 0.95, 0.95, 59), (58, 0.95, 0.95, None), (93, 0.95, 0.95, 92),
    (92, 0.95, 0.95, 92), (10, 0.5, 0.95, 9), (10, 0.5, 0.94, 8),
    (5, 0.5, 0.95, 5), (4, 0.5, 0.95, None)])
def test_ranks_of_the_bound(count, share, confidence, rank):
    assert orderbound.order_bound(ranks(count), share, confidence) == rank


@pytest.mark.parametrize("share,confidence,count", [
    (0.5, 0.95, 5), (0.95, 0.95, 59), (0.99, 0.95, 299), (0.999, 0.95, 2995),
    (0.99999, 0.95, 299572), (0.99, 0.99, 459), (0.5, 0.5, 1),
    (0.5, 0.75, 2)])
def test_the_fewest_that_bound_a_percentile(share, confidence, count):
    assert orderbound.fewest(share, confidence) == count
    assert binom.cdf(count - 1, count, share) >= confidence - 1e-12
    assert count == 1 or binom.cdf(count - 2, count - 1, share) < confidence


def test_the_end_of_fios_bins():
    """Below 128 each ns has a bin; above, 64 to each power of two, shown by
    their middle: 128..129 as 129, 256..259 as 258."""
    assert [orderbound.bin_end(ns) for ns in (1, 64, 127, 129, 255, 258)] == [
        1, 64, 127, 130, 256, 260]
    width = 1 << (1_000_000).bit_length() - 7
    start = 1_000_000 // width * width
    assert orderbound.bin_end(start + width // 2) == start + width
    latency = histogram([(258, 99), (1000, 1)])
    assert orderbound.order_bound(latency, 0.5, 0.95) == 260
    # No latency is beyond the longest.
    assert orderbound.order_bound(histogram([(258, 100)], 257), 0.5, 0.95) == 257


def in_one_run(latency, **values):
    return target(cell(None, latency=latency, **values))


def test_a_percentile_of_one_run():
    """1,000 I/Os: binom(1000, 0.99) is at most 995 with 97.2% and at most 994
    with 93.4%, so the bound is the 996th latency."""
    assert binom.cdf([994, 995], 1000, 0.99) == pytest.approx(
        [0.934, 0.972], abs=0.001)
    latency = histogram([(100, 990), (110, 5), (120, 5)])
    where = in_one_run(latency, lat_p99_us=[0.1], iops=[5])
    found = one(where, "max_p99_us", 0.12)
    assert (found["result"], found["value"], found["bound"], found["n"]) == (
        "pass", 0.1, 0.12, 1000)
    assert found["source"] == [f"runs/r0.json#{NAME}"]
    assert "binomial" in found["why"] and found["confidence"] == 0.95
    found = one(where, "max_p99_us", 0.115)
    assert found["result"] == "fail"
    assert "the percentile meets it, but its 95% bound does not: more I/Os " \
        "could tell" in found["why"]
    found = one(where, "max_p99_us", 0.09)
    assert found["why"].startswith("the percentile misses it")


def test_too_few_ios_for_a_percentile():
    where = in_one_run(histogram([(100, 1000)]), iops=[5])
    found = one(where, "max_p99_999_us", 5)
    assert found["result"] == "not measured"
    assert "1,000 I/Os cannot bound this percentile with 95%: it takes " \
        "299,572" in found["why"]
    # What a device that keeps the limit has in no run has failed; of a
    # percentile that it has not there is no value.
    found = one(where, "max_p99_999_us", 0.09)
    assert (found["result"], found["value"], found["bound"], found["n"]) == (
        "fail", None, None, 1000)
    assert "1,000 I/Os, too few for this percentile" in found["why"]


@pytest.mark.parametrize("longer,result", [
    # Of 320 I/Os of a p99.9, 0.32 take longer in the mean: one or more in
    # 27.4%, two or more in 4.14% of runs.
    (0, "not measured"), (1, "not measured"), (2, "fail")])
def test_too_few_ios_fail_only_what_they_tell(longer, result):
    assert binom.sf([0, 1], 320, 0.001) == pytest.approx([0.274, 0.0414],
                                                         abs=0.0005)
    bins = [(100, 320 - longer), *([(5000, longer)] if longer else [])]
    found = one(in_one_run(histogram(bins), iops=[5]), "max_p99_9_us", 1)
    assert (found["result"], found["value"]) == (result, None)


def test_several_rounds_come_before_their_pooled_histogram():
    where = target(cell(latency=histogram([(100, 1000)]),
                        lat_p99_us=[0.1] * 5))
    found = one(where, "max_p99_us", 1)
    assert found["n"] == 5 and "Student" in found["why"]


@pytest.mark.slow
def test_how_often_the_bound_of_a_percentile_holds_the_truth():
    """2,000 runs of 3,000 exponential latencies: p99.9 is mean x ln 1000."""
    rng, held = np.random.default_rng(8), 0
    truth = 1e6 * math.log(1000)
    for _ in range(2000):
        ns = np.sort(rng.exponential(1e6, 3000)).astype(int)
        latency = {"bins": [[int(x), 1] for x in ns], "max_ns": int(ns[-1])}
        held += orderbound.order_bound(latency, 0.999, 0.95) >= truth
    exact = binom.cdf(int(binom.ppf(0.95, 3000, 0.999)), 3000, 0.999)
    error = 3 * math.sqrt(exact * (1 - exact) / 2000)
    # The end of a bin is up to 1.6% further: it holds a little more often.
    assert exact - error <= held / 2000 <= exact + error + 0.01


# The device

def pattern(key, text):
    return specfile.Limit(3, "device", "", key, key, "match", text, "")


@pytest.mark.parametrize("text,result", [
    ("EX*", "pass"), ("EX-480", "pass"), ("ex*", "fail"), ("EX-48[1-9]",
                                                           "fail")])
def test_the_device_must_be_the_one(text, result):
    where = target(cell(iops=ROUNDS), identity={"model": "EX-480 "})
    found, rest = judge(where, make("min_iops", 900),
                        device=[pattern("model", text)])
    assert (found["result"], found["key"], found["line"]) == (result, "model",
                                                              3)
    assert (found["limit"], found["pattern"]) == (None, text)
    assert "'EX-480'" in found["why"] and rest["result"] == "pass"


def test_an_unknown_firmware_is_not_measured():
    found, = judge(target(identity={"firmware": None}),
                   device=[pattern("firmware", "A*")])
    assert found["result"] == "not measured"
    assert "is not known" in found["why"]


# All together

@pytest.mark.parametrize("rows,checks,word,status", [
    (["pass", "pass"], ["pass"], "pass", 0), ([], ["pass"], "pass", 0),
    (["pass", "fail", "not measured"], ["pass"], "fail", 1),
    (["pass"], ["fail"], "fail", 1),
    (["pass", "not measured"], [], "not measured", 2),
    (["pass"], ["not measured"], "not measured", 2),
    ([], [], "not measured", 2)])
def test_overall(rows, checks, word, status):
    rows, checks = ([{"result": r} for r in each] for each in (rows, checks))
    assert judging.overall(rows, checks) == word
    assert judging.exit_status(word) == status


def test_the_data_stays_as_it_is():
    where = target(cell(iops=ROUNDS, latency=histogram([(5, 5)])),
                   identity={"model": "x"})
    before = copy.deepcopy(where)
    judge(where, make("min_iops", 1), make("max_p50_us", 1, "*"),
          device=[pattern("model", "*")])
    assert where == before

# SPDX-License-Identifier: GPL-2.0-only
# --against: what is compared with what, the statistics of a few correlated
# rounds, and 2,000 simulated reports whose truth is known: how often they
# claim what is not there and find what is.  Seeded; each bound of a rate is the
# nominal one and three standard errors.
import copy
import json
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from fiolab.base.problem import Problem
from fiolab.qualify.limits import against
from fiolab.stats import paired, twosample

REPORTS, CELLS, ROUNDS = 2000, 24, 5


# The statistics

def correlated(rng, shape, correlation):
    """Standard normal, with that lag-1 correlation on the last axis."""
    found = rng.standard_normal(shape)
    for i in range(1, shape[-1]):
        found[..., i] = (correlation * found[..., i - 1]
                         + math.sqrt(1 - correlation**2) * found[..., i])
    return found


@pytest.mark.parametrize("n", [2, 3, 5, 8, 31])
def test_the_level_is_that_of_generalised_least_squares(n):
    """By the inverse of the correlation matrix, as textbooks have it."""
    x = np.random.default_rng(n).normal(7, 0.1, n)
    inverse = np.linalg.inv(0.5 ** np.abs(np.subtract.outer(
        np.arange(n), np.arange(n))))
    mean = (inverse @ x).sum() / inverse.sum()
    variance = (x - mean) @ inverse @ (x - mean) / (n - 1) / inverse.sum()
    assert against.level(x) == pytest.approx((mean, variance))


def test_equal_rounds_are_no_certainty():
    """fio's latency bins are 0.8% wide: two levels in one bin, 5 times."""
    d, error, degrees = against.shift(np.log([104.0] * 5),
                                      np.log([100.0] * 5))
    assert d == pytest.approx(math.log(1.04)) and error > 0.0015
    assert against.p_beyond(d, error, degrees) > 0.05


def test_the_margins_tests_are_those_of_the_intervals():
    """TOST says equivalent where the 90% interval lies inside the margin; the
    other says changed where the 95% interval lies outside."""
    rng = np.random.default_rng(12)
    for _ in range(500):
        d, error = rng.normal(0, 0.06), rng.uniform(0.001, 0.03)
        degrees = rng.uniform(4, 8)
        reach = [scipy_stats.t.ppf(q, degrees) * error for q in (0.95, 0.975)]
        inside = (d - reach[0] >= against.LOW and d + reach[0] <= against.HIGH)
        outside = (d - reach[1] >= against.HIGH
                   or d + reach[1] <= against.LOW)
        assert (against.p_within(d, error, degrees) <= 0.05) == inside
        assert (against.p_beyond(d, error, degrees) <= 0.05) == outside


# Simulated reports

def rounds(rng, noise, correlation, between=0.0, reports=REPORTS):
    """Logarithms of the rounds of one run: levels that differ from run to run
    by `between`, and noise within."""
    shape = (reports, CELLS, ROUNDS)
    return (noise * correlated(rng, shape, correlation)
            + between * rng.standard_normal((*shape[:-1], 1)))


def reports(change, *how, seed=5):
    """(shares of Holm's p <= 0.05 in each report, of equivalences)."""
    rng = np.random.default_rng(seed)
    found = against.shift(rounds(rng, *how) + change, rounds(rng, *how))
    claims = np.array([paired.holm(row) for row in
                       against.p_beyond(*found).tolist()]) <= 0.05
    return claims, against.p_within(*found) <= 0.05


def bound(rate, count=REPORTS):
    return rate + 3 * math.sqrt(rate * (1 - rate) / count)


def two_sided(d, error, degrees):
    """p of no change at all, as if there were no margin."""
    return 2 * scipy_stats.t.sf(np.abs(d) / error, degrees)


@pytest.mark.slow
@pytest.mark.parametrize("correlation,rate,slack", [
    (0, 0.0023, 0.001), (0.5, 0.044, 0.003), (0.7, 0.143, 0.006)])
def test_how_often_one_comparison_errs_without_the_margin(correlation, rate,
                                                          slack):
    """What the module says of correlations: here 48,000 comparisons."""
    rng = np.random.default_rng(1)
    found = against.shift(rounds(rng, 0.02, correlation),
                          rounds(rng, 0.02, correlation))
    assert np.mean(two_sided(*found) <= 0.05) == pytest.approx(rate,
                                                               abs=slack)


@pytest.mark.slow
def test_it_holds_far_out_where_holm_looks():
    """In 24 comparisons Holm asks for p <= 0.002 first."""
    rng = np.random.default_rng(1)
    found = against.shift(rounds(rng, 0.02, 0.5), rounds(rng, 0.02, 0.5))
    assert np.mean(two_sided(*found) <= 0.05 / CELLS) <= bound(
        0.05 / CELLS, REPORTS * CELLS)


@pytest.mark.slow
def test_what_independent_rounds_would_have_claimed():
    """Why neither Welch's t nor Mann-Whitney's test alone will do."""
    rng = np.random.default_rng(1)
    x, y = (rounds(rng, 0.02, 0.5).reshape(-1, ROUNDS) for _ in range(2))
    p = scipy_stats.ttest_ind(x, y, axis=1, equal_var=False).pvalue
    assert np.mean(p <= 0.05) == pytest.approx(0.22, abs=0.01)
    apart = (x.max(axis=1) < y.min(axis=1)) | (y.max(axis=1) < x.min(axis=1))
    assert np.mean(apart) == pytest.approx(0.08, abs=0.005)
    assert twosample.smallest_p(5, 5) == pytest.approx(0.0079, abs=1e-4)
    assert 7 * twosample.smallest_p(5, 5) > 0.05
    first = np.flatnonzero(apart)[0]
    assert twosample.p_value(x[first], y[first]) == pytest.approx(
        twosample.smallest_p(5, 5))


@pytest.mark.slow
@pytest.mark.parametrize("how", [
    (0.02, 0.5), (0.005, 0.5), (0.06, 0.5), (0.02, 0.5, 0.01),
    (0.01, 0.5, 0.01), (0.005, 0.5, 0.01), (0.02, 0.7, 0.01)])
def test_reports_of_one_device_claim_no_change(how):
    """In all 24 comparisons of a report together: at most 5%."""
    claims, _ = reports(0, *how)
    assert np.mean(claims.any(axis=1)) <= 0.05


@pytest.mark.slow
def test_levels_that_differ_more_are_claimed():
    """The limit of the method, which the module states: 2% from run to run,
    quiet rounds."""
    claims, _ = reports(0, 0.005, 0.5, 0.02)
    assert np.mean(claims.any(axis=1)) == pytest.approx(0.30, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("edge", [against.LOW, against.HIGH])
def test_a_change_at_the_margin_is_the_hardest(edge):
    claims, same = reports(edge, 0.01, 0.5)
    assert np.mean(claims.any(axis=1)) <= bound(0.05)
    assert np.mean(same) <= bound(0.05, REPORTS * CELLS)


@pytest.mark.slow
@pytest.mark.parametrize("change,how", [
    (0.20, (0.01, 0.5, 0.01)), (-0.15, (0.01, 0.5)), (0.30, (0.02, 0.5)),
    (0.12, (0.005, 0.5, 0.005))])
def test_a_planted_change_is_found(change, how):
    claims, same = reports(math.log1p(change), *how)
    assert np.mean(claims) >= 0.9 and not same.any()


@pytest.mark.slow
def test_a_quiet_device_is_equivalent_to_itself():
    _, same = reports(0, 0.005, 0.5, 0.005)
    assert np.mean(same) > 0.99


@pytest.mark.slow
def test_the_smallest_change_is_found_as_often_as_it_says():
    """Of one comparison: in 80% or, as it is worked out from noisy errors, a
    few percent around."""
    rng = np.random.default_rng(9)
    d, error, degrees = against.shift(rounds(rng, 0.01, 0.5),
                                      rounds(rng, 0.01, 0.5))
    typical = np.median([against.detectable(e, n, 1) for e, n in zip(
        error.ravel()[:2000], degrees.ravel()[:2000])])
    p = against.p_beyond(d + math.log1p(typical), error, degrees)
    assert 0.7 <= np.mean(p <= 0.05) <= 0.9


@pytest.mark.parametrize("within,holm,ratio,better,word", [
    (0.05, 0.9, 1.0, "higher", "equivalent"),
    (0.051, 0.9, 1.0, "higher", "inconclusive"),
    (0.051, 0.05, 1.2, "higher", "faster"),
    (0.051, 0.051, 1.2, "higher", "inconclusive"),
    (0.9, 0.01, 1.2, "lower", "slower"), (0.9, 0.01, 0.8, "lower", "faster")])
def test_verdicts(within, holm, ratio, better, word):
    """The bounds of alpha themselves, of one row; Holm's p is then p."""
    row = {"error": 0.01, "degrees": 8, "within": within, "p": holm,
           "ratio": ratio, "better": better}
    assert against.judge([row]) == 1
    assert row["verdict"] == word and row["p_holm"] == holm
    assert not {"error", "degrees", "within"} & row.keys()


# Two runs

def figures(numbers):
    return {"mean": float(np.mean(numbers)), "n": len(numbers),
            "values": list(numbers), "low": None, "high": None, "sources": []}


def cell(name, scale=1.0, steady=True, depth=32, **values):
    if not values:
        shape = [1.0, 1.002, 0.999, 1.001, 0.998]
        values = {"iops": [1e5 * scale * x for x in shape],
                  "mbps": [400 * scale * x for x in shape],
                  "lat_mean_us": [320 / scale * x for x in shape],
                  "lat_p99_us": [900 / scale * x for x in shape],
                  "lat_max_us": [5000] * 5}
    return {"name": name, "steady": steady, "window": [3, 7], "latency": None,
            "stimulus": {"rw": "randwrite", "bs": "4k", "read_percent": 0,
                         "threads": 4, "depth": depth},
            "values": {metric: figures(numbers)
                       for metric, numbers in values.items()}}


def run(*cells, name="/dev/x", **more):
    test = {"name": "iops", "group": "pts", "state": "done", "why": None,
            "phases": [], "cells": list(cells)}
    target = {"name": name, "active_bytes": 1 << 30, "size_bytes": 1 << 30,
              "logical_block": 512, "tests": [test],
              "identity": {"model": "EX", "firmware": "A1"}}
    return {"schema": "kaio-qualify/1", "created": "2026-11-25T00:00:00Z",
            "finished": True, "fio": {"version": "fio-3.33"}, "kaio": "k1",
            "engine": "kaio", "environment": {"kernel": "6", "cpu_model": "c"},
            "profile": {"name": "pts-e", "threads": 4, "depth": 32,
                        "active_percent": 100, "write_cache": False,
                        "minute_s": 60, "scaled": False},
            "targets": [target], **more}


def verdicts(found):
    return [(row["metric"], row["verdict"]) for row in found["rows"]]


METRICS = ("iops", "mbps", "lat_mean_us", "lat_p99_us")


@pytest.mark.parametrize("scale,word", [(1.3, "faster"), (0.7, "slower"),
                                        (1.001, "equivalent")])
def test_faster_is_better_in_every_metric(scale, word):
    """30% more IOPS and a latency that much shorter are both faster."""
    found = against.compare(run(cell("a", scale)), run(cell("a")), "old.json")
    assert verdicts(found) == [(metric, word) for metric in METRICS]
    iops = found["rows"][0]
    assert iops["ratio"] == pytest.approx(scale)
    assert iops["ci95"][0] < scale < iops["ci95"][1]
    assert (iops["this"], iops["other"]) == pytest.approx((1e5 * scale, 1e5))
    assert (iops["test"], iops["cell"], iops["n"]) == ("iops", "a", [5, 5])
    assert found["other"] == {
        "path": "old.json", "created": "2026-11-25T00:00:00Z",
        "identity": {"name": "/dev/x", "model": "EX", "firmware": "A1"}}
    assert "4 comparisons" in found["note"] and found["warnings"] == []
    assert set(iops) == {
        "target", "other_target", "test", "cell", "metric", "label", "unit",
        "better", "this", "other", "ratio", "ci95", "p", "p_holm", "verdict",
        "reason", "detectable", "n"}
    json.dumps(found, allow_nan=False)


def test_noise_is_inconclusive_and_says_what_it_would_find():
    noisy = cell("a", iops=[100, 130, 90, 120, 95])
    found = against.compare(run(noisy), run(cell("a", iops=[100] * 5)))
    row, = found["rows"]
    assert row["verdict"] == "inconclusive"
    assert row["reason"] == ("smallest detectable change about "
                             f"{100 * row['detectable']:.1f}%")
    assert row["detectable"] > 0.2


def test_holm_is_over_all_rows():
    """A change that stands alone, but not among 100 cells."""
    changed = [106.5, 107, 107.5, 106.8, 107.2]
    calm = [100, 100.5, 99.5, 100.2, 99.8]

    def compared(count):
        return against.compare(
            run(cell("0", iops=changed), *(cell(str(i), iops=calm)
                                           for i in range(1, count))),
            run(*(cell(str(i), iops=calm) for i in range(count))))["rows"][0]
    alone, among = compared(1), compared(100)
    assert alone["p"] == among["p"] and alone["p_holm"] == alone["p"]
    assert among["p_holm"] == pytest.approx(min(1, 100 * among["p"]))
    assert (alone["verdict"], among["verdict"]) == ("faster", "inconclusive")
    assert among["detectable"] > alone["detectable"]


@pytest.mark.parametrize("other,reason", [
    (cell("a", steady=False), "the other run: steady state was not reached in "
     "7 rounds"),
    (cell("a", depth=16), "the load is not the same"),
    (cell("a", iops=[1e5]), "the other run: one round has no spread"),
    (cell("a", iops=[1e5, 0, 1e5]), "a round has no figure above 0"),
    (cell("a", mbps=[400] * 5), "the other run: the figure was not measured")])
def test_what_gets_no_verdict(other, reason):
    found = against.compare(run(cell("a")), run(other))
    row = found["rows"][0]
    assert row["metric"] == "iops" and row["verdict"] == "no verdict"
    assert reason in row["reason"]
    assert row["ratio"] is row["ci95"] is row["p"] is row["p_holm"] is None
    json.dumps(found, allow_nan=False)


def test_a_test_that_was_stopped_gets_no_verdict():
    one = run(cell("a"))
    one["targets"][0]["tests"][0].update(state="stopped", why="Ctrl-C")
    row, *_ = against.compare(one, run(cell("a")))["rows"]
    assert row["reason"] == "this run: the test is 'stopped': Ctrl-C"


def test_targets_find_their_partners():
    """The only one whatever its name, or of several the one of that name."""
    two = run(cell("a"))
    two["targets"] += run(cell("a"), name="/dev/y")["targets"]
    alone = run(cell("a"), name="/dev/z")
    rows = against.compare(two, alone)["rows"]
    assert [(row["target"], row["other_target"]) for row in rows[::4]] == [
        ("/dev/x", "/dev/z"), ("/dev/y", "/dev/z")]
    with pytest.raises(Problem, match="no figure of one test and cell"):
        against.compare(alone, two)
    three = copy.deepcopy(two)
    three["targets"] += alone["targets"]
    found = against.compare(three, two)
    assert len(found["rows"]) == 8
    assert any("1 of the targets" in text for text in found["warnings"])


def test_warnings_of_what_else_differs():
    other = run(cell("a"), cell("b"), finished=False, kaio="k2",
                engine="libaio", fio={"version": "fio-3.36"},
                environment={"kernel": "5", "cpu_model": "c"})
    other["targets"][0]["identity"]["scheduler"] = "bfq"
    other["targets"][0]["active_bytes"] = 1 << 31
    this = run(cell("a"), *(cell(f"c{i}") for i in range(9)))
    said = against.compare(this, other)["warnings"]
    for words in ("fio is fio-3.36 in the other run and fio-3.33",
                  "the engine is libaio", "the build of kaio is k2",
                  "the kernel is not the same", "scheduler is None here and "
                  "bfq", "active_bytes", "iops, c0 is in this run only",
                  "and 4 more", "iops, b is in the other run only",
                  "not finished"):
        assert any(words in text for text in said), words
    assert len(said) == 14


@pytest.mark.parametrize("here, there, count", [
    ("0", "1", 1), ("1", "1", 0), (None, "1", 0)])
def test_another_return_stack_is_said(here, there, count):
    said = against.compare(run(cell("a"), refill=here),
                           run(cell("a"), refill=there))["warnings"]
    assert len([text for text in said if "LIBAIO_REFILL" in text]) == count


def test_a_scaled_profile_is_said():
    one, two = run(cell("a")), run(cell("a"))
    for each in (one, two):
        each["profile"]["scaled"] = True
    assert "scaled down" in against.compare(one, two)["warnings"][0]


@pytest.mark.parametrize("change", [
    {"name": "pts-c"}, {"threads": 2}, {"minute_s": 1}, {"scaled": True},
    {"write_cache": None}])
def test_another_profile_is_refused(change):
    other = run(cell("a"))
    other["profile"].update(change)
    (key, value), = change.items()
    with pytest.raises(Problem) as caught:
        against.compare(run(cell("a")), other)
    assert f"its profile has {key} {value!r}" in str(caught.value)


def test_another_schema_and_nothing_in_common_are_refused():
    with pytest.raises(Problem, match="kaio-qualify/2"):
        against.compare(run(cell("a")), run(cell("a"),
                                            schema="kaio-qualify/2"))
    with pytest.raises(Problem, match="no figure of one test and cell"):
        against.compare(run(cell("a")), run(cell("b")))


def test_neither_run_is_changed():
    one, two = run(cell("a")), run(cell("a", 1.2))
    before = copy.deepcopy((one, two))
    against.compare(one, two)
    assert (one, two) == before

# SPDX-License-Identifier: GPL-2.0-only
# 2,000 simulated campaigns whose truth is known, through the code that judges
# real ones (verdict.many and judge_all): how often an interval holds the truth,
# how often a report claims what is not there, how often it finds what is.  The
# noise is what the machine of ab-statistics showed: drift with lag-1
# correlation, heavy tails and outliers.  Seeded; each bound is the nominal rate
# and three standard errors of 2,000 (0.05: 0.015).
import math

import numpy as np
import pytest

from fiolab.fio.metrics import CHANGES, COMMON, METRICS
from fiolab.stats import paired, pairing, sequential, twosample, verdict
import cutcampaigns

CAMPAIGNS = 2000
PAIRS = 20
OPEN = ("inconclusive", "equivalent", "no verdict")


def noise(rng, shape):
    """One value for each run: Student's t with 3 degrees, and outliers."""
    found = 0.03 * rng.standard_t(3, shape)
    return found + (rng.random(shape) < 0.05) * rng.normal(0, 0.3, shape)


def runs(rng, count, pairs):
    """ln(figure) of the three runs of each block, in the order of time."""
    drift = np.cumsum(rng.normal(0, 0.02, (count, 3 * pairs)), axis=1)
    return (drift + noise(rng, (count, 3 * pairs))).reshape(count, pairs, 3)


def differences(rng, count, pairs, effect=0.0):
    """(d of B, d of A') of campaigns, planned as campaign.py plans them."""
    x = runs(rng, count, pairs)
    first = np.array([[order == "AB" for order in pairing.planned_orders(
        int(rng.integers(2**31)), 0, pairs)] for _ in range(count)])
    # A is in the middle: A' A B or B A A'.
    b = np.where(first, x[..., 2], x[..., 0]) + effect
    other = np.where(first, x[..., 0], x[..., 2])
    return b - x[..., 1], other - x[..., 1]


def reports(rng, cells, pairs=PAIRS, effect=0.0):
    """The judged effects of campaigns, a list for each."""
    metrics = list(COMMON) * cells
    d, floor = differences(rng, CAMPAIGNS * len(metrics), pairs, effect)
    return judged(metrics, d, floor)


def judged(metrics, d, floor):
    """The effects of the reports that d holds one after the other."""
    every = verdict.many(metrics * (len(d) // len(metrics)), d, floor)
    found = [every[i:i + len(metrics)]
             for i in range(0, len(every), len(metrics))]
    for effects in found:
        verdict.judge_all(effects, CHANGES)
    return found


def claims(effects):
    return [e for e in effects if e.verdict not in OPEN]


@pytest.mark.slow
@pytest.mark.parametrize("pairs", [6, 10, 20, 30])
def test_the_interval_holds_the_truth_as_often_as_it_says(pairs):
    rng, truth = np.random.default_rng(pairs), math.log(1.1)
    d, _ = differences(rng, CAMPAIGNS, pairs, truth)
    for level, low in ((0.95, 0.935), (0.90, 0.88)):
        lower, upper = paired.bounds(paired.walsh(d), pairs, level)
        assert low <= np.mean((lower <= truth) & (truth <= upper)) <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("cells", [1, 3])
def test_at_most_5_percent_of_reports_claim_what_is_not_there(cells):
    """With one cell and with three, Holm over all their metrics."""
    rng = np.random.default_rng(cells)
    false = sum(bool(claims(effects)) for effects in reports(rng, cells))
    assert false / CAMPAIGNS <= 0.065


@pytest.mark.slow
def test_a_planted_slowdown_is_found():
    """The self-check's: a fifth, on seven metrics, with 20 pairs."""
    rng = np.random.default_rng(5)
    found = [claims(effects)
             for effects in reports(rng, 1, effect=math.log(0.8))]
    assert np.mean([len(one) == 7 for one in found]) >= 0.97
    assert {e.estimate < 0 for one in found for e in one} == {True}


@pytest.mark.slow
def test_equivalent_is_not_said_of_what_lies_at_the_margin():
    """An effect of exactly 2%, on a quiet machine: 5% at most."""
    rng = np.random.default_rng(6)
    d = math.log(1.02) + 0.004 * rng.standard_t(3, (CAMPAIGNS, PAIRS))
    assert np.mean(paired.tost_p(d, 0.02) <= 0.05) <= 0.065
    inside = 0.004 * rng.standard_t(3, (CAMPAIGNS, PAIRS))
    assert np.mean(paired.tost_p(inside, 0.02) <= 0.05) >= 0.99


# Campaigns that stop when they please

@pytest.mark.slow
@pytest.mark.parametrize("cells", [1, 3])
def test_reports_that_end_at_any_pair_claim_no_more(cells):
    """p of all looks only falls, so what is claimed anywhere up to the 60th
    pair is below alpha there; the interval and the floor are not asked."""
    rng, metrics = np.random.default_rng(20 + cells), list(COMMON) * cells
    d, floor = differences(rng, 1000 * len(metrics), 60)
    every = verdict.many(metrics * 1000, d, floor, anytime=True)
    for effect in every:
        effect.secondary = METRICS[effect.metric].role != "primary"
    wrong = 0
    for i in range(0, len(every), len(metrics)):
        verdict.judge_all(every[i:i + len(metrics)], CHANGES)
        wrong += any(e.p_holm <= 0.05 for e in every[i:i + len(metrics)])
    assert wrong / 1000 <= 0.05 + 3 * 0.007


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["drift", "symmetric"])
def test_intervals_hold_the_truth_at_all_looks_at_once(shape):
    """One leaves it out just where the p of that truth is small."""
    rng, truth = np.random.default_rng(31), math.log(1.1)
    d = (differences(rng, CAMPAIGNS, 200, truth)[0] if shape == "drift" else
         truth + rng.standard_cauchy((CAMPAIGNS, 200)))
    for level in (0.95, 0.90):
        out = np.zeros(CAMPAIGNS, dtype=bool)
        for n in sequential.looks(200):
            limit = sequential.nominal((1 - level) / 2, n)
            out |= paired.tails(d[:, :n] - truth).min(axis=0) <= limit
        assert out.mean() <= 1 - level + 0.015
        assert out.mean() >= (1 - level) / 4       # it is no wider than needed


@pytest.mark.slow
def test_looking_after_every_pair_is_what_the_table_is_for():
    rng = np.random.default_rng(9)
    d, _ = differences(rng, CAMPAIGNS, 30)
    p = np.array([paired.p_value(d[:, :n]) for n in range(6, 31)])
    assert np.mean((p <= 0.05).any(axis=0)) > 0.12


@pytest.mark.slow
@pytest.mark.parametrize("spread, effect, pairs, words", [
    (0.03, 0.03, 55, {"more CPU": 0.95}), (0.03, 0.015, 110, {"more CPU": 0.9}),
    (0.015, 0.015, 55, {"more CPU": 0.9}), (0.03, 0, 110, {"equivalent": 0.97}),
    (0.015, 0, 55, {"equivalent": 0.97})])
def test_what_is_planted_is_found_in_time(spread, effect, pairs, words):
    """Pairs of duets as they were recorded at a load of 8 and of 1."""
    rng = np.random.default_rng(round(1000 * (spread + effect)))
    x = spread / math.sqrt(2) * rng.standard_t(5, (150, pairs, 3)) * 0.775
    found = [cutcampaigns.ended(b, a, pairs)[0] for b, a in zip(
        x[..., 2] - x[..., 1] + effect, x[..., 0] - x[..., 1])]
    for word, share in words.items():
        assert found.count(word) / len(found) >= share
    if not effect:
        assert found.count("more CPU") + found.count("less CPU") <= 6


@pytest.mark.slow
def test_two_campaigns_of_the_same_thing_do_not_differ():
    """compare: coverage of the shift, and false positives."""
    rng, hits, false, tests = np.random.default_rng(10), 0, 0, CAMPAIGNS
    old, _ = differences(rng, tests, 12, math.log(1.2))
    new, _ = differences(rng, tests, 15, math.log(1.2))
    for x, y in zip(old, new):
        low, high = twosample.interval(x, y, 0.95)
        hits += low <= 0 <= high
        false += twosample.p_value(x, y) <= 0.05
    assert hits / tests >= 0.935 and false / tests <= 0.065


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.0, 0.015, 0.03])
def test_nor_do_two_that_ended_when_they_were_decided(effect):
    """compare of campaigns whose numbers of pairs differ."""
    rng, found = np.random.default_rng(11), []
    for _ in range(2):
        x = 0.02 / math.sqrt(2) * rng.standard_t(5, (150, 80, 3)) * 0.775
        d = x[..., 2] - x[..., 1] + effect
        found.append([b[:cutcampaigns.ended(b, a, 80)[1]] for b, a in zip(
            d, x[..., 0] - x[..., 1])])
    false = np.mean([twosample.p_value(*both) <= 0.05
                     for both in zip(*found)])
    assert len({len(one) for one in found[0]}) > 3
    assert false <= 0.07 + 3 * 0.021


# The exact null distributions behind them

def test_ties_are_taken_as_the_permutation_test_takes_them():
    from scipy.stats import permutation_test, rankdata

    def signed(d, axis=-1):
        return (np.sign(d) * rankdata(np.abs(d), axis=axis)).sum(axis=axis)
    rng = np.random.default_rng(11)
    for _ in range(20):
        d = rng.integers(-3, 6, 9) / 100
        found = permutation_test((d,), signed, permutation_type="samples",
                                 n_resamples=np.inf, vectorized=True)
        assert paired.p_value(d) == pytest.approx(
            min(1.0, found.pvalue), abs=1e-9)


def test_without_ties_it_is_scipys_exact_wilcoxon():
    from scipy.stats import wilcoxon
    rng = np.random.default_rng(12)
    for n in (1, 2, 6, 13, 20, 40):
        d = rng.normal(0.2, 1, n)
        assert paired.p_value(d) == pytest.approx(
            wilcoxon(d, method="exact").pvalue)
        for side, tail in (("less", 0), ("greater", 1)):
            assert paired.tails(d)[tail] == pytest.approx(wilcoxon(
                d, alternative=side, method="exact").pvalue)


def test_the_90_percent_interval_and_both_one_sided_tests_agree():
    rng, seen = np.random.default_rng(13), set()
    for _ in range(500):
        d = rng.normal(0.004, 0.02, rng.integers(6, 25))
        low, high = (math.expm1(x) for x in paired.interval(d, 0.9))
        inside = -0.02 < low and high < 0.02
        assert (paired.tost_p(d, 0.02) <= 0.05) == inside
        seen.add(inside)
    assert seen == {True, False}


@pytest.mark.parametrize("n", [149, 151])
def test_beyond_the_exact_numbers_the_normal_takes_over_smoothly(n):
    rng = np.random.default_rng(n)
    d = rng.normal(0.1, 1, n)
    from scipy.stats import wilcoxon
    assert paired.p_value(d) == pytest.approx(
        wilcoxon(d, method="exact").pvalue, abs=0.003)
    exact = paired.interval_rank.__wrapped__(150, 0.95)
    assert abs(paired.interval_rank(n, 0.95) - exact) < 100

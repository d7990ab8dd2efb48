# SPDX-License-Identifier: GPL-2.0-only
# The statistics behind jobs/ab against brute force, against scipy, and in
# simulated comparisons (seeded) whose truth is known.
from fractions import Fraction
import itertools
import math

import numpy as np
import pytest
from scipy.stats import rankdata

from fiolab.fio.metrics import CHANGES
from fiolab.stats import paired
from fiolab.stats.verdict import Effect, judge_all


def brute_counts(n):
    counts = [0] * (n * (n + 1) // 2 + 1)
    for signs in itertools.product((0, 1), repeat=n):
        counts[sum(r for r, s in zip(range(1, n + 1), signs) if s)] += 1
    return counts


@pytest.mark.parametrize("n", range(1, 11))
def test_null_distribution_is_that_of_all_sign_patterns(n):
    assert paired.signed_rank_counts(n) == brute_counts(n)


@pytest.mark.parametrize("alpha", [Fraction(1, 10), Fraction(1, 20),
                                   Fraction(1, 100)])
@pytest.mark.parametrize("n", range(1, 11))
def test_interval_rank_against_brute_force(n, alpha):
    counts = brute_counts(n)
    fits = [k for k in range(1, len(counts) + 1)
            if 2 * Fraction(sum(counts[:k]), 2**n) <= alpha]
    assert paired.interval_rank(n, float(1 - alpha)) == max(fits, default=0)


@pytest.mark.parametrize("n, critical", [(6, 0), (7, 2), (10, 8), (15, 25),
                                         (20, 52), (30, 137)])
def test_interval_rank_against_published_critical_values(n, critical):
    assert paired.interval_rank(n, 0.95) == critical + 1


def test_a_tail_that_equals_alpha_counts():
    """P(W+ <= 0) at n = 1 is 1/2, so an interval of level 0 has k = 1."""
    assert paired.interval_rank(1, 0.0) == 1
    assert paired.interval_rank(2, 0.5) == 1


@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_hodges_lehmann_against_naive(n):
    d = np.random.default_rng(n).standard_cauchy(n)
    naive = sorted((d[i] + d[j]) / 2 for i in range(n) for j in range(i, n))
    assert list(paired.walsh(d)) == pytest.approx(naive)
    assert paired.hodges_lehmann(d) == pytest.approx(float(np.median(naive)))


def test_interval_excludes_zero_exactly_when_p_is_below_alpha():
    """The interval and the test are the same thing seen from two sides."""
    rng = np.random.default_rng(3)
    seen = {True: 0, False: 0}
    for _ in range(400):
        d = rng.normal(0.6, 1, rng.integers(6, 25))
        low, high = paired.interval(d, 0.95)
        excluded = low > 0 or high < 0
        assert excluded == (paired.p_value(d) <= 0.05)
        seen[excluded] += 1
    assert min(seen.values()) > 50


def test_too_few_pairs_bound_nothing():
    assert paired.interval([0.1] * 5, 0.95) == (-math.inf, math.inf)
    assert paired.interval([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 0.95) == (
        pytest.approx(0.1), pytest.approx(0.6))


def brute_p(d):
    """All sign patterns of a sample with ties or zeros."""
    ranks = rankdata(np.abs(d)) * (np.abs(d) > 0)
    seen = abs(float((np.sign(d) * ranks).sum()))
    sums = [abs(sum(s * r for s, r in zip(signs, ranks)))
            for signs in itertools.product((-1, 1), repeat=len(d))]
    return sum(s >= seen - 1e-9 for s in sums) / len(sums)


@pytest.mark.parametrize("d", [
    [0.1, 0.1, 0.2, -0.3, 0.4, 0.5, 0.6],
    [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
    [0.2] * 6, [-0.2] * 8, [0.1, -0.1] * 3])
def test_p_with_ties_or_zeros_against_brute_force(d):
    assert paired.p_value(d) == pytest.approx(brute_p(np.array(d)), abs=1e-9)


def test_p_of_no_difference_at_all():
    assert paired.p_value([0.0] * 8) == 1.0


def test_p_is_two_sided_and_its_smallest_is_known():
    d = [0.01 * i for i in range(1, 7)]
    assert paired.p_value(d) == pytest.approx(2 / 64)
    assert paired.p_value([-x for x in d]) == pytest.approx(2 / 64)
    assert paired.smallest_p(5) == 0.0625
    assert paired.smallest_p(6) == 2 / 64


def test_holm_by_hand():
    assert paired.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx(
        [0.03, 0.06, 0.06, 0.02])
    assert paired.holm([0.5, 0.9]) == [1.0, 1.0]
    assert paired.holm([0.02]) == [0.02]


def test_detectable_and_order_effect():
    d = [0.1, 0.3, 0.1, 0.3]
    assert paired.detectable(d) == pytest.approx(2.8 * np.std(d, ddof=1) / 2,
                                                 rel=1e-3)
    assert paired.order_effect(d, [True, False] * 2) == pytest.approx(-0.2)
    assert paired.order_effect(d, [True] * 4) is None


def noisy(rng, shape):
    """Heavy tails and outliers, symmetric about 0."""
    d = 0.04 * rng.standard_t(3, shape)
    return d + (rng.random(shape) < 0.05) * rng.normal(0, 0.4, shape)


@pytest.mark.parametrize("n", [6, 10, 20])
def test_coverage_of_the_interval_with_outliers(n):
    """2000 comparisons of a 10% effect: 95% intervals that miss it are few."""
    rng, effect, hits = np.random.default_rng(n), math.log(1.1), 0
    for d in effect + noisy(rng, (2000, n)):
        low, high = paired.interval(d, 0.95)
        hits += low <= effect <= high
    # Exact, so at least 0.95; 0.935 is three standard errors below.
    assert hits / 2000 >= 0.935


def campaign(rng, n, effect):
    """Four comparisons as campaign.py makes them: A' and B beside one A."""
    effects = []
    for metric in ("iops", "cpu_us") * 2:
        drift = np.cumsum(rng.normal(0, 0.03, 3 * n)).reshape(n, 3)
        x = drift + 0.5 * noisy(rng, (n, 3))
        first = rng.permutation([True, False] * (n // 2))
        b = np.where(first, x[:, 2], x[:, 0]) + effect
        other = np.where(first, x[:, 0], x[:, 2])
        effects.append(Effect(metric, list(b - x[:, 1]),
                              list(other - x[:, 1])))
    judge_all(effects, CHANGES)
    return [e.verdict for e in effects]


def claims(verdicts):
    return [v for v in verdicts if v not in ("inconclusive", "equivalent")]


def test_no_more_false_claims_than_alpha_in_a_against_a():
    rng = np.random.default_rng(7)
    false = sum(bool(claims(campaign(rng, 20, 0.0))) for _ in range(300))
    # At most 5% of reports; 300 reports have a standard error of 1.3%.
    assert false / 300 <= 0.085


def test_a_planted_slowdown_is_found():
    rng = np.random.default_rng(8)
    found = [claims(campaign(rng, 20, math.log(0.8))) for _ in range(30)]
    assert sum(len(f) for f in found) >= 0.9 * 120
    assert {v for f in found for v in f} == {"slower", "less CPU"}

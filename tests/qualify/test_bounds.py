# SPDX-License-Identifier: GPL-2.0-only
# The bounds of a mean: against published tables of Student's t, and how often
# they hold the truth in 2,000 simulated windows of 5 rounds.  Seeded; each
# bound of a rate is three standard errors wide.
import math

import numpy as np
import pytest

from fiolab.stats import bounds

WINDOWS = 2000
# One-sided quantiles of t as tables print them: {n: {confidence: t of n-1}}.
TABLE = {2: {0.90: 3.078, 0.95: 6.314, 0.99: 31.821},
         5: {0.90: 1.533, 0.95: 2.132, 0.99: 3.747},
         10: {0.90: 1.383, 0.95: 1.833, 0.99: 2.821},
         31: {0.90: 1.310, 0.95: 1.697, 0.99: 2.457}}


@pytest.mark.parametrize("n,confidence", [
    (n, confidence) for n in TABLE for confidence in TABLE[n]])
def test_against_published_tables(n, confidence):
    values = [100 + i for i in range(n)]
    mean = 100 + (n - 1) / 2
    deviation = math.sqrt(n * (n + 1) / 12)     # of 1 .. n, by n - 1
    reach = TABLE[n][confidence] * deviation / math.sqrt(n)
    low, high = bounds.mean_bounds(values, confidence)
    assert low == pytest.approx(mean - reach, abs=0.0006 * deviation)
    assert high == pytest.approx(mean + reach, abs=0.0006 * deviation)


def test_a_worked_example():
    """9, 10, 11: s = 1, t(2) = 2.920: 10 +- 2.920/sqrt(3) = 1.686."""
    low, high = bounds.mean_bounds([9, 10, 11], 0.95)
    assert (low, high) == pytest.approx((8.314, 11.686), abs=0.0005)


def test_equal_rounds_have_no_spread():
    assert bounds.mean_bounds([7.5] * 5, 0.99) == (7.5, 7.5)


@pytest.mark.parametrize("values", [[], [1], [1, None, 1], [1, math.nan],
                                    [math.inf, 1]])
def test_too_few_or_unmeasured_rounds_have_no_bounds(values):
    assert bounds.mean_bounds(values, 0.95) == (None, None)


def windows(rng, correlation, n=5):
    """Steady series with that lag-1 correlation, mean 100, deviation 2."""
    found = rng.standard_normal((WINDOWS, n))
    for i in range(1, n):
        found[:, i] = (correlation * found[:, i - 1]
                       + math.sqrt(1 - correlation**2) * found[:, i])
    return 100 + 2 * found


def coverage(correlation, confidence):
    """How often each bound holds the truth."""
    rng = np.random.default_rng(25)
    both = [bounds.mean_bounds(row, confidence)
            for row in windows(rng, correlation).tolist()]
    return (np.mean([low <= 100 for low, _ in both]),
            np.mean([high >= 100 for _, high in both]))


@pytest.mark.parametrize("confidence", [0.90, 0.95, 0.99])
def test_coverage_of_independent_rounds(confidence):
    error = 3 * math.sqrt(confidence * (1 - confidence) / WINDOWS)
    for rate in coverage(0, confidence):
        assert rate == pytest.approx(confidence, abs=error)


def test_coverage_that_remains_with_correlated_rounds():
    """What the module says of lag-1 0.5: about 85% of the 95%."""
    error = 3 * math.sqrt(0.85 * 0.15 / WINDOWS)
    for rate in coverage(0.5, 0.95):
        assert rate == pytest.approx(0.85, abs=error)


def test_no_bound_of_a_rate_is_negative():
    assert bounds.mean_bounds([1.0, 100.0], 0.95)[0] == 0
    assert bounds.mean_bounds([-1.0, 100.0], 0.95)[0] < 0

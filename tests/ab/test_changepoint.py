# SPDX-License-Identifier: GPL-2.0-only
# Change points on series whose truth is known.  No change: a false alarm in 5%
# of the series at most (three standard errors of 600: 0.027 more), whatever
# the noise.  Steps, faults that were mended, drifts and outliers: as often as
# was seen when the rule was chosen, less some room.  Seeded.
import itertools

import numpy as np
import pytest

from fiolab.stats import changepoint

SERIES = 600


def found_in(rng, noise, shape, count=SERIES, series=1):
    """[changes] of so many series of a shape with noise(n) on it."""
    return [changepoint.changes(shape + noise(len(shape)), series)
            for _ in range(count)]


def step(n, at, size, until=None):
    found = np.zeros(n)
    found[at:until] = size
    return found


def with_outliers(rng):
    return lambda n: rng.normal(0, 1, n) + (rng.random(n) < 0.1) * rng.normal(
        0, 15, n)


NOISES = {"normal": lambda rng: lambda n: rng.normal(0, 1, n),
          "heavy": lambda rng: lambda n: rng.standard_t(2, n),
          "outliers": with_outliers}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("n", [6, 10, 20, 40])
def test_without_a_change_5_percent_of_series_show_one_at_most(n, noise):
    rng = np.random.default_rng(n)
    found = found_in(rng, NOISES[noise](rng), np.zeros(n))
    assert np.mean([bool(one) for one in found]) <= 0.077


def test_figures_that_are_equal_are_no_change():
    """Whose null is that of their own ranks; so only 60 of them."""
    rng = np.random.default_rng(5)
    found = found_in(rng, lambda n: rng.integers(0, 2, n), np.zeros(10), 60)
    assert sum(bool(one) for one in found) <= 8


@pytest.mark.slow
def test_a_long_series_without_a_change():
    rng = np.random.default_rng(150)
    found = found_in(rng, NOISES["heavy"](rng), np.zeros(150), 200)
    assert np.mean([bool(one) for one in found]) <= 0.1


def test_of_many_series_together_5_percent_show_one_at_most():
    rng = np.random.default_rng(14)
    found = found_in(rng, NOISES["normal"](rng), np.zeros(20), 14 * 200, 14)
    wrong = [any(map(bool, found[i:i + 14])) for i in range(0, len(found), 14)]
    assert np.mean(wrong) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.parametrize("n, at, size, least", [
    (12, 6, 4, 0.97), (20, 10, 3, 0.97), (40, 30, 2, 0.93)])
def test_a_step_is_found_where_it_is(n, at, size, least):
    rng = np.random.default_rng(n)
    found = found_in(rng, NOISES["normal"](rng), step(n, at, size), 300)
    assert np.mean([bool(one) for one in found]) >= least
    near = [abs(c.at - at) for one in found for c in one[:1]]
    assert np.mean([far <= 1 for far in near]) >= 0.75
    assert np.mean([len(one) > 1 for one in found]) <= 0.08
    sizes = [c.shift for one in found if len(one) == 1 for c in one]
    assert size - 0.3 <= np.median(sizes) <= size + 0.4


def test_a_fault_that_was_mended_is_two_changes():
    rng = np.random.default_rng(3)
    found = found_in(rng, NOISES["normal"](rng), step(20, 7, 3, 14), 300)
    both = [one for one in found if len(one) == 2]
    assert len(both) >= 0.85 * 300
    assert np.mean([abs(one[0].at - 7) <= 1 and abs(one[1].at - 14) <= 1
                    for one in both]) >= 0.8
    assert all(one[0].shift > 0 > one[1].shift for one in both)


def test_one_outlier_is_no_change_however_far_it_is():
    rng = np.random.default_rng(4)
    noise = NOISES["normal"](rng)
    alarms = [bool(changepoint.changes(
        noise(20) + 1000 * (np.arange(20) == rng.integers(20))))
        for _ in range(SERIES)]
    assert np.mean(alarms) <= 0.077


@pytest.mark.parametrize("n, shape, low, high", [
    (20, 0.3 * np.arange(20), 0.7, 1), (40, 0.3 * np.arange(40), 0.9, 1),
    (20, step(20, 10, 3), 0, 0.15), (40, step(40, 20, 3), 0, 0.04)])
def test_a_drift_is_told_from_a_step(n, shape, low, high):
    rng = np.random.default_rng(n)
    drifts = []
    for _ in range(200):
        figures = shape + rng.normal(0, 1, n)
        found = changepoint.changes(figures)
        if found:
            drifts.append(changepoint.is_drift(figures, found))
    assert len(drifts) > 180
    assert low <= np.mean(drifts) <= high


def test_p_is_that_of_all_orders(monkeypatch):
    """7 figures have 5,040 orders."""
    figures = [1, 3, 2, 8, 6, 7, 9]
    parts, _ = changepoint._parts(7)

    def statistic(order):
        return changepoint._deviations(np.array(order, float), parts).max()
    ranks = [1, 3, 2, 6, 4, 5, 7]
    exact = np.mean([statistic(order) >= statistic(ranks)
                     for order in itertools.permutations(ranks)])
    (p, where), _ = changepoint.asked(figures)
    assert where == (3,) and p / 2 == pytest.approx(exact, abs=0.004)


def test_too_few_figures_are_no_change_and_their_number_is_known():
    assert changepoint.changes([1, 2, 9]) == []
    assert changepoint.changes([5.0] * 30) == []
    for series in (1, 2, 14):
        n = changepoint.fewest_figures(series)
        clear = np.arange(n) * 0.01 + step(n, n // 2, 9)
        assert [one.at for one in changepoint.changes(clear, series)] \
            == [n // 2]
        assert changepoint.smallest_p(n - 1) * series > changepoint.ALPHA
    assert changepoint.fewest_figures(10 ** 6) == 0

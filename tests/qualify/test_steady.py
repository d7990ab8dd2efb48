# SPDX-License-Identifier: GPL-2.0-only
# SNIA's steady state: worked examples on, just inside and just outside each
# limit, those that a looser reading of the rule would take, and an independent
# check by numpy on random series.
import json
import math

import numpy as np
import pytest

from fiolab.stats import steady

# The range alone: two equal ends, so that the slope is 0.  The mean is 1000.
RANGE = {"on": [1000, 900, 1000, 1100, 1000],
         "inside": [1000, 901, 999, 1100, 1000],
         "outside": [1000, 899, 1001, 1100, 1000]}


def holds(series, **more):
    return steady.evaluate(series, **more)["holds"]


# max - min: 200, 199 and 201 of 1000; slope (1100 - 900)/10 = 20: 80 <= 100
@pytest.mark.parametrize("where,held", [("on", True), ("inside", True),
                                        ("outside", False)])
def test_the_range_is_at_most_a_fifth_of_the_mean(where, held):
    found = steady.evaluate(RANGE[where])
    assert found["mean"] == 1000
    assert found["allowed_excursion"] == 200
    assert found["measured_excursion"] == {"on": 200, "inside": 199,
                                           "outside": 201}[where]
    assert found["measured_slope"] <= found["allowed_slope"]
    assert found["holds"] is held


# slope = sum((i - 2) y_i) / 10.  950 975 1000 1025 1050: 25, so x 4 = 100.
@pytest.mark.parametrize("series,slope,held", [
    ([950, 975, 1000, 1025, 1050], 25, True),
    ([1050, 1025, 1000, 975, 950], -25, True),
    ([950, 975.5, 1000, 1024.5, 1050], 24.9, True),
    ([950, 974.5, 1000, 1025.5, 1050], 25.1, False),
    ([1050, 1025.5, 1000, 974.5, 950], -25.1, False)])
def test_the_line_changes_by_at_most_a_tenth_of_the_mean(series, slope, held):
    found = steady.evaluate(series)
    assert found["measured_excursion"] < found["allowed_excursion"]
    assert found["mean"] == 1000 and found["allowed_slope"] == 100
    assert found["slope"] == pytest.approx(slope, rel=1e-15)
    assert found["measured_slope"] == pytest.approx(4 * abs(slope), rel=1e-15)
    assert found["holds"] is held


def test_the_slope_is_over_the_window_not_for_each_round():
    """920 .. 1080 is 4% for each round, under 10%, but 16% over the window;
    the range of 16% is allowed, so only the slope tells."""
    found = steady.evaluate([920, 960, 1000, 1040, 1080])
    assert found["slope"] == 40 and found["measured_slope"] == 160
    assert found["measured_excursion"] <= found["allowed_excursion"]
    assert not found["holds"]


def test_the_range_is_not_twenty_percent_on_both_sides():
    """850 and 1150 are within +-20% of the mean, but 30% apart; the slope
    of 0 is allowed, so only the range tells."""
    found = steady.evaluate([850, 1150, 1000, 1150, 850])
    assert found["slope"] == 0 and found["mean"] == 1000
    assert not found["holds"]


def test_a_worked_example():
    """Rounds 2 to 6: mean 102, range 4, line 100.4 + 0.4 x round."""
    found = steady.evaluate([300, 100, 102, 103, 104, 101])
    assert found == {
        "series": [300, 100, 102, 103, 104, 101], "mean": 102,
        "allowed_excursion": 20.4, "measured_excursion": 4,
        "allowed_slope": 10.2, "measured_slope": 1.6, "slope": 0.4,
        "intercept": 100.4, "holds": True}
    # By hand: (-2 x 100 - 102 + 104 + 2 x 101) / 10 = 0.4 for each round, and
    # 102 - 0.4 x 4 = 100.4, as round 4 is the middle one.


@pytest.mark.parametrize("series", [
    [0.9, 1.0, 1.0, 1.0, 1.1], [1.8, 2.0, 2.0, 2.0, 2.2],
    [0.0009, 0.001, 0.001, 0.001, 0.0011],
    [x * 10**15 + 10**16 for x in (-1, 0, 0, 0, 1)]])
def test_the_limit_itself_holds_whatever_the_binary_digits(series):
    """0.9 .. 1.1 is 20% of 1.0, though 1.1 - 0.9 > 0.2 in binary; the slope
    is (1.1 - 0.9) x 2 / 10 x 4 = 16%, so the ends are moved inward."""
    ends = [series[1], series[0], series[2], series[4], series[3]]
    found = steady.evaluate(ends)
    assert found["holds"]
    worse = list(ends)
    worse[3] = math.nextafter(ends[3], math.inf) if isinstance(
        ends[3], float) else ends[3] + 2
    assert not holds(worse)


def test_the_binary_digits_would_have_failed():
    assert 1.1 - 0.9 > 0.2 * (0.9 + 1.0 + 1.0 + 1.0 + 1.1) / 5


def test_whole_numbers_are_exact_beyond_binary_digits():
    """10^17 + 1 is no double: the range is one above 20% of the mean."""
    big = 10**17
    at = [big, big - big // 10, big, big + big // 10, big]
    assert holds(at)
    assert not holds([big, big - big // 10 - 1, big + 1, big + big // 10, big])


def test_a_constant_series_is_steady():
    found = steady.evaluate([7.25] * 5)
    assert found["holds"] and found["slope"] == 0
    assert found["measured_excursion"] == found["measured_slope"] == 0
    assert found["intercept"] == 7.25


@pytest.mark.parametrize("series", [
    [0] * 5, [0.0] * 9, [-1000] * 5, [1, -1, 0, -1, 1],
    [1000, 1000, 1000, 1000, -1]])
def test_nothing_and_less_than_nothing_are_not_steady(series):
    assert not holds(series)


@pytest.mark.parametrize("count", range(5))
def test_fewer_rounds_than_the_window_tell_nothing(count):
    found = steady.evaluate([1000] * count)
    assert not found["holds"]
    assert all(found[name] is None for name in steady.FIGURES)
    assert found["series"] == [1000] * count


@pytest.mark.parametrize("lost", [None, math.nan, math.inf, -math.inf])
def test_a_round_that_was_not_measured_is_never_steady(lost):
    for place in range(5):
        series = [1000] * 5
        series[place] = lost
        found = steady.evaluate(series)
        assert not found["holds"] and found["mean"] is None
        assert found["series"][place] is None
        json.dumps(found, allow_nan=False)
        # It counts as long as it is in the window, and no longer.
        later = series + [1000] * place
        assert not holds(later)
        assert holds(later + [1000])


def test_only_the_last_rounds_count():
    assert holds([1, 5000, 1000, 1000, 1000, 1000, 1000])
    assert not holds([1000, 1000, 1000, 1000, 1000, 1, 5000])


def test_another_window():
    """Of 3 rounds the slope counts twice: 100 of 1000, and 102."""
    assert holds([950, 1000, 1050], window=3)
    assert not holds([949, 1000, 1051], window=3)
    with pytest.raises(ValueError):
        steady.evaluate([1, 1], window=1)


def tracked(*series):
    return [(f"cell {i}", "iops", f"label {i}", "IOPS", one)
            for i, one in enumerate(series)]


def rounds_until_steady(*series):
    """As the runner asks: after each round."""
    for count in range(1, len(series[0]) + 1):
        found = steady.state(tracked(*(one[:count] for one in series)), 5)
        assert found["rounds"] == count
        if found["reached"]:
            return found
    return found


def test_steady_state_is_that_of_all_variables_in_one_window():
    """The first is steady in rounds 1-5 and, after a step, not before 6-10;
    the second from round 3 on: both for the first time in 6-10."""
    one = [100] * 5 + [200] * 5
    two = [500, 10] + [50] * 8
    assert holds(one[:5]) and not holds(two[:5])
    assert holds(two[:7]) and not holds(one[:7])
    found = rounds_until_steady(one, two)
    assert found["reached"] and found["rounds"] == 10
    assert (found["first"], found["last"], found["window"]) == (6, 10, 5)
    assert [row["stimulus"] for row in found["tracked"]] == ["cell 0",
                                                             "cell 1"]
    assert all(row["holds"] for row in found["tracked"])


def test_25_rounds_without_steady_state():
    """5% more in each round: 0.2 of the mean over the window."""
    series = [1000 * 1.05**i for i in range(25)]
    found = rounds_until_steady(series)
    assert not found["reached"]
    assert (found["first"], found["last"], found["rounds"]) == (21, 25, 25)
    assert found["tracked"][0]["measured_slope"] > found["tracked"][0][
        "allowed_slope"]


def test_before_the_window_is_full():
    found = steady.state(tracked([1, 2]), 5)
    assert (found["reached"], found["first"], found["last"]) == (False, 1, 2)
    assert steady.state(tracked([]), 5)["reached"] is False
    assert steady.state([], 5) is None


def test_a_variable_that_lacks_the_last_round_is_not_steady():
    found = steady.state(tracked([10] * 6, [10] * 5), 5)
    assert not found["reached"] and found["tracked"][0]["holds"]
    assert found["tracked"][1]["series"] == [10] * 5 + [None]


def test_random_series_as_numpy_sees_them():
    """1,000 series near the limits; polyfit knows nothing of ours."""
    rng, verdicts = np.random.default_rng(6), []
    for _ in range(1000):
        n = int(rng.integers(5, 26))
        base = 10**rng.uniform(-1, 6)
        series = base * (1 + rng.uniform(0, 0.04) * rng.standard_normal(n)
                         + rng.uniform(-0.03, 0.03) * np.arange(n))
        found = steady.evaluate(series.tolist())
        last, rounds = series[-5:], np.arange(n - 4, n + 1)
        slope, intercept = np.polyfit(rounds, last, 1)
        assert found["slope"] == pytest.approx(slope, rel=1e-7,
                                               abs=1e-9 * base)
        assert found["intercept"] == pytest.approx(intercept, rel=1e-7,
                                                   abs=1e-7 * base)
        assert found["mean"] == pytest.approx(last.mean())
        assert found["measured_excursion"] == pytest.approx(np.ptp(last))
        held = (np.ptp(last) <= 0.2 * last.mean() and
                4 * abs(slope) <= 0.1 * last.mean() and last.min() >= 0)
        assert found["holds"] == held
        verdicts.append(held)
    assert 200 < sum(verdicts) < 800        # both verdicts were tried

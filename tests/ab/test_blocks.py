# SPDX-License-Identifier: GPL-2.0-only
# Blocks (boots) as the unit: campaigns of a known truth in which boots differ
# by 3% at random and runs by 0.5%.  What takes runs for the unit errs in most
# of them; blocks err in alpha at most, and their intervals hold the truth.
# Seeded; bounds are three standard errors beyond the nominal rate.
import math

import numpy as np
import pytest

from fiolab.fio.metrics import CHANGES
from fiolab.stats import blocks, paired, twosample

CAMPAIGNS = 400
ERROR = 3 * math.sqrt(0.05 * 0.95 / CAMPAIGNS)
ORDERS = {4: [0, 1, 1, 0, 1, 0, 0, 1], 5: [0, 1] * 5, 6: [0, 1, 1, 0] * 3}


def boots(rng, is_b, effect=0.0, runs=20, between=0.03, drift=0.0):
    """ln of the runs of each boot."""
    n = len(is_b)
    of_boot = rng.normal(0, between, n) + effect * np.array(is_b)
    of_boot += drift * np.arange(n)
    return of_boot[:, None] + rng.normal(0, 0.005, (n, runs))


def judged(x, is_b):
    return blocks.effects({(0, "iops"): x.mean(axis=1)}, is_b,
                          CHANGES, "boot")[0, "iops"]


def claims(effect):
    return effect.verdict in ("faster", "slower")


@pytest.mark.parametrize("each", ORDERS)
def test_boots_err_as_seldom_as_they_say(each):
    rng, is_b = np.random.default_rng(each), ORDERS[each]
    false = holds = 0
    for _ in range(CAMPAIGNS):
        effect = judged(boots(rng, is_b, 0.1 * (each == 5)), is_b)
        low, high = effect.ci95
        holds += low <= 0.1 * (each == 5) <= high
        false += each != 5 and claims(effect)
    assert false / CAMPAIGNS <= 0.05 + ERROR
    assert holds / CAMPAIGNS >= 0.95 - ERROR


def looked_at(x, is_b, planned):
    """Is there a claim in any report, of 4 of each on?"""
    return any(claims(blocks.effects(
        {(0, "iops"): x[:n]}, is_b[:n], CHANGES, "boot",
        planned=planned)[0, "iops"]) for n in range(8, len(x) + 1))


@pytest.mark.slow
def test_who_looks_after_each_boot_errs_no_more_often():
    """As each report does; without a plan it would be twice as often."""
    rng, is_b = np.random.default_rng(13), [0, 1, 1, 0] * 5
    series = [boots(rng, is_b).mean(axis=1) for _ in range(CAMPAIGNS // 2)]
    once, often = (np.mean([looked_at(x, is_b, planned) for x in series])
                   for planned in (10, 0))
    assert once <= 0.05 + math.sqrt(2) * ERROR and often >= once + 0.04


def test_there_is_no_verdict_before_all_that_were_planned():
    rng, is_b = np.random.default_rng(14), [0, 1] * 5
    x = boots(rng, is_b, 5.0).mean(axis=1)
    for n in (8, 9, 10):
        effect = blocks.effects({(0, "iops"): x[:n]}, is_b[:n], CHANGES,
                                "boot", planned=5)[0, "iops"]
        assert claims(effect) == (n == 10) and effect.p <= 0.05
    assert claims(effect)
    effect = blocks.effects({(0, "iops"): x[:9]}, is_b[:9], CHANGES, "boot",
                            planned=5)[0, "iops"]
    assert effect.reason == ("it takes all boots that were planned, 5 of each, "
                             "and there are 5 of A and 4 of B")


def test_pairs_of_runs_would_be_wrong_in_most_campaigns():
    """Of one boot each, as a campaign that knows no boots would be, and of
    neighbouring boots."""
    rng, is_b = np.random.default_rng(1), np.array(ORDERS[5], bool)
    one = several = 0
    for _ in range(CAMPAIGNS):
        x = boots(rng, is_b)
        one += paired.p_value(x[1] - x[0]) <= 0.05
        several += paired.p_value((x[is_b] - x[~is_b]).ravel()) <= 0.05
    assert one / CAMPAIGNS > 0.8 and several / CAMPAIGNS > 0.5


def test_what_is_there_is_found():
    rng, is_b = np.random.default_rng(2), ORDERS[5]
    found = [judged(boots(rng, is_b, 0.1), is_b).verdict
             for _ in range(CAMPAIGNS)]
    assert np.mean([word == "faster" for word in found]) >= 0.9
    assert "slower" not in found


def test_equivalent_is_said_of_boots_that_are():
    rng, is_b = np.random.default_rng(3), ORDERS[6]
    found = [judged(boots(rng, is_b, between=0.003), is_b).verdict
             for _ in range(100)]
    assert found.count("equivalent") >= 95
    at_margin = [judged(boots(rng, is_b, math.log(1.02), between=0.003),
                        is_b).verdict for _ in range(CAMPAIGNS)]
    assert at_margin.count("equivalent") / CAMPAIGNS <= 0.05 + ERROR


def test_too_few_boots_are_no_verdict_and_their_number_is_said():
    rng = np.random.default_rng(4)
    for each in (1, 2, 3):
        effect = judged(boots(rng, [0, 1] * each, 5.0), [0, 1] * each)
        assert effect.verdict == "no verdict"
        assert "at least 4 of each" in effect.reason
    assert claims(judged(boots(rng, [0, 1] * 4, 5.0), [0, 1] * 4))


def test_all_of_a_before_all_of_b_is_no_verdict():
    rng, is_b = np.random.default_rng(5), [0] * 5 + [1] * 5
    effect = judged(boots(rng, is_b, 0, drift=0.1), is_b)
    assert effect.p <= 0.05 and effect.verdict == "no verdict"
    assert "alternate them" in effect.reason


def test_a_drift_is_no_effect_where_parts_alternate():
    rng, is_b = np.random.default_rng(6), ORDERS[6]
    false, told = 0, 0
    for _ in range(CAMPAIGNS):
        x = boots(rng, is_b, between=0.003, drift=0.02)
        false += claims(judged(x, is_b))
        tau, p = blocks.drift(x.mean(axis=1), is_b)
        told += p < 0.01 and tau > 0
    assert false / CAMPAIGNS <= 0.05 and told / CAMPAIGNS > 0.95


# The joint p

def test_the_p_of_one_series_is_mann_whitneys():
    rng = np.random.default_rng(7)
    for is_b in ORDERS.values():
        x = rng.normal(0, 1, len(is_b))
        b = np.array(is_b, bool)
        assert blocks.joint_p([x], is_b) == [pytest.approx(
            twosample.p_value(x[~b], x[b]))]


def test_series_that_say_the_same_cost_nothing_and_others_do():
    rng, is_b = np.random.default_rng(8), ORDERS[5]
    x = rng.normal(0, 1, 10) + 2 * np.array(is_b)
    alone, = blocks.joint_p([x], is_b)
    assert blocks.joint_p([x, 3 * x, -x], is_b) == [pytest.approx(alone)] * 3
    others = [rng.normal(0, 1, 10) for _ in range(6)]
    assert blocks.joint_p([x, *others], is_b)[0] > alone


def test_of_many_series_together_alpha_is_kept():
    rng, is_b = np.random.default_rng(9), ORDERS[4]
    wrong = [min(blocks.joint_p(rng.normal(0, 1, (7, 8)), is_b)) <= 0.05
             for _ in range(CAMPAIGNS)]
    assert np.mean(wrong) <= 0.05 + ERROR


def test_secondary_series_have_a_share_of_alpha_of_their_own():
    rng, is_b = np.random.default_rng(12), ORDERS[5]
    series = {(0, name): rng.normal(0, 1, 10) + 2.5 * np.array(is_b)
              for name in ("iops", "cpu_us", "bw_mib")}
    first, second, third = series.values()
    found = blocks.effects(series, is_b, CHANGES, "boot", {(0, "bw_mib")})
    both = blocks.joint_p([first, second], is_b)
    alone, = blocks.joint_p([third], is_b)
    assert [one.p for one in found.values()] == [
        pytest.approx(p) for p in (*(p / 0.8 for p in both), alone / 0.2)]
    wrong = 0
    for _ in range(CAMPAIGNS):
        none = {key: rng.normal(0, 1, 10) for key in series}
        wrong += any(map(claims, blocks.effects(
            none, is_b, dict.fromkeys(CHANGES, ("faster", "slower")), "boot",
            {(0, "bw_mib")}).values()))
    assert wrong / CAMPAIGNS <= 0.05 + ERROR


def test_many_parts_are_dealt_out_by_chance():
    rng, is_b = np.random.default_rng(10), [0, 1] * 15
    x = rng.normal(0, 1, 30) + 0.9 * np.array(is_b)
    b = np.array(is_b, bool)
    assert blocks.joint_p([x], is_b)[0] == pytest.approx(
        twosample.p_value(x[~b], x[b]), rel=0.4, abs=0.004)


# What runs would have looked like

def test_the_components_of_variance():
    rng, is_b = np.random.default_rng(11), ORDERS[5]
    found = [blocks.spread(list(boots(rng, is_b, 0.1, runs=16)), is_b)
             for _ in range(200)]
    assert np.mean([one.within for one in found]) == pytest.approx(
        0.005, rel=0.05)
    assert np.sqrt(np.mean([one.between**2 for one in found])) \
        == pytest.approx(0.03, rel=0.05)
    assert 3 < np.median([one.certain for one in found]) < 4.01
    assert blocks.spread([[1, 2], [3, 4]], [0, 1]) is None
    alike = [blocks.spread(list(boots(rng, is_b, between=0)), is_b).certain
             for _ in range(100)]
    assert np.median(alike) < 1.2


def test_the_order_effect():
    is_b = [0, 1, 1, 0, 0, 1, 1, 0]
    later = 0.05 * np.arange(8)     # so what comes second is more
    assert blocks.order_effect(later, is_b) == pytest.approx(0.1)
    assert blocks.order_effect([1, 2], [0, 0]) is None

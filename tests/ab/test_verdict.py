# SPDX-License-Identifier: GPL-2.0-only
# The verdict rules, one by one, and the plan of the pairs.
import math

import numpy as np
import pytest

from fiolab.ab import evaluation, results
from fiolab.fio import streams
from fiolab.fio.jobfile import Job
from fiolab.fio.metrics import CHANGES
from fiolab.stats import paired, pairing
from fiolab.stats.verdict import Effect, fewest_pairs, judge_all


def spread(center, width, n=20):
    """n values about a center, without ties."""
    return [center + width * (i / (n - 1) - 0.5) for i in range(n)]


QUIET = spread(0.0001, 0.004)


def verdict(d, floor=QUIET, metric="iops", others=0):
    effects = [Effect(metric, d, floor)]
    effects += [Effect("iops", spread(0.001, 2), QUIET) for _ in range(others)]
    judge_all(effects, CHANGES)
    return effects[0]


@pytest.mark.parametrize("metric, d, word", [
    ("iops", 0.2, "faster"), ("iops", -0.2, "slower"),
    ("cpu_us", 0.2, "more CPU"), ("cpu_us", -0.2, "less CPU")])
def test_a_clear_effect_is_named_for_its_metric(metric, d, word):
    assert verdict(spread(d, 0.05), metric=metric).verdict == word


def test_a_small_certain_effect_is_found_and_called_small():
    """Significant, though inside the margin: what is there goes first."""
    found = verdict(spread(0.01, 0.005))
    assert found.tost_p <= 0.05
    assert (found.verdict, found.reason) == (
        "faster", f"p {found.p_holm:.2g}, yet within +-2%")


def test_what_is_not_there_is_equivalent():
    found = verdict(spread(0.0001, 0.005), spread(0, 0.005))
    assert found.verdict == "equivalent"


def test_primary_effects_do_not_pay_for_secondary_ones():
    """Five of these cost them a quarter more p, not six times as much."""
    d, floor = spread(0.2, 0.01, 7), spread(0, 0.01, 7)
    effects = [Effect("iops", d, floor) for _ in range(6)]
    for one in effects[1:]:
        one.secondary = True
    judge_all(effects, CHANGES)
    first, *others = effects
    assert first.p_holm == pytest.approx(first.p / 0.8)
    assert first.verdict == "faster"
    assert [one.p_holm for one in others] == pytest.approx([25 * first.p] * 5)
    assert {one.verdict for one in others} == {"inconclusive"}


@pytest.mark.parametrize("center", [0.03, -0.03])
def test_beyond_the_margin_is_not_equivalent(center):
    assert verdict(spread(center, 0.005)).verdict in ("faster", "slower")


def test_uncertain_is_inconclusive_with_the_detectable_effect():
    d = spread(0.01, 0.4)
    found = verdict(d)
    assert found.verdict == "inconclusive"
    expected = paired.percent(2.8 * np.std(d, ddof=1) / math.sqrt(20))
    assert f"{expected:.1f}%" in found.reason


def test_never_faster_inside_the_floor():
    found = verdict(spread(0.05, 0.02), floor=spread(0.04, 0.3))
    assert found.p_holm < 0.001
    assert (found.verdict, found.reason) == (
        "inconclusive", "inside the A/A noise floor")


def test_five_pairs_reach_no_verdict_and_say_why():
    found = verdict(spread(0.2, 0.01, 5), floor=QUIET[:5])
    assert found.verdict == "no verdict"
    assert "0.0625" in found.reason


def test_six_pairs_reach_one_comparison_but_not_four():
    d, floor = spread(0.2, 0.01, 6), spread(0, 0.01, 6)
    assert verdict(d, floor).verdict == "faster"
    found = verdict(d, floor, others=3)
    assert found.verdict == "inconclusive"
    assert "6 pairs cannot reach" in found.reason


@pytest.mark.parametrize("comparisons, pairs", [(1, 6), (2, 7), (4, 8),
                                                (8, 9), (16, 10)])
def test_fewest_pairs_of_a_report(comparisons, pairs):
    """That many can reach a verdict in all comparisons, one less in none."""
    assert fewest_pairs(comparisons) == pairs
    for n, words in ((pairs, {"faster"}), (pairs - 1, {"inconclusive",
                                                       "no verdict"})):
        effects = [Effect("iops", spread(0.2, 0.01, n), spread(0, 0.01, n))
                   for _ in range(comparisons)]
        judge_all(effects, CHANGES)
        assert {e.verdict for e in effects} <= words


def test_one_pair_is_singular():
    assert verdict([0.1], floor=[0.01]).reason.startswith("1 pair cannot")


def test_holm_counts_every_comparison_of_the_report():
    """p = 0.02 alone is significant; among three it is not."""
    d = [-0.01, -0.02, -0.03, -0.04] + [0.05 + i / 100 for i in range(8)]
    floor = spread(0.0001, 0.004, 12)
    alone, among = verdict(d, floor), verdict(d, floor, others=3)
    assert 0.0125 < alone.p < 0.05
    assert alone.verdict == "faster"
    assert among.p_holm == pytest.approx(4 * alone.p)
    assert among.verdict == "inconclusive"


@pytest.mark.parametrize("pairs", [1, 6, 7, 20])
def test_orders_are_balanced_and_random(pairs):
    plans = [pairing.orders(pairs, np.random.default_rng(seed))
             for seed in range(50)]
    for plan in plans:
        assert len(plan) == pairs
        assert abs(plan.count("AB") - plan.count("BA")) == pairs % 2
    assert len({tuple(plan) for plan in plans}) > 1
    if pairs % 2:
        assert len({plan.count("AB") for plan in plans}) == 2


def test_orders_repeat_with_the_seed():
    one, two = (pairing.orders(20, np.random.default_rng(5)) for _ in "ab")
    assert one == two


def test_both_pairs_of_a_block_are_back_to_back():
    ab, ba = pairing.SEQUENCES["AB"], pairing.SEQUENCES["BA"]
    assert ab.index("B") - ab.index("A") == 1
    assert ba.index("A") - ba.index("B") == 1
    assert abs(ab.index("A'") - ab.index("A")) == 1
    assert ba == ab[::-1]


def test_differences_pair_the_runs_of_a_block():
    cell = results.Cell(0, Job("job", ""), ["AB", "BA"])
    for block, (a, other, b) in enumerate([(100, 101, 120), (50, 49, 40)]):
        for role, value in zip(("B", "A", "A'"), (b, a, other)):
            cell.add({"pair": block, "role": role, "values": {"iops": value},
                      "start": 1.0, "end": 2.0, "seed": 1, "steal": 0,
                      "repeats": 0, "latency": {}})
    evaluation.evaluate([cell])
    found, = cell.effects.values()
    assert found.d == [math.log(1.2), math.log(0.8)]
    assert found.floor_d == [math.log(1.01), math.log(0.98)]


def ios(*offsets, kind="read"):
    return [(kind, str(o), "4096") for o in offsets]


def test_streams_that_part_are_found():
    assert streams.compare_streams(ios(1, 2), ios(1, 2)) == (2, "")
    equal, where = streams.compare_streams(ios(1, 2, 3), ios(1, 3, 2))
    assert equal is None and "I/O 2 is read 2 4096 against read 3" in where
    assert streams.compare_streams(ios(1, 2), ios(1))[0] is None
    assert streams.compare_streams([], [])[0] is None
    assert streams.compare_streams(ios(1), ios(1, kind="write"))[0] is None


def test_streams_with_syncs_may_be_cut_differently():
    sync = [("sync", "0", "0")]
    writes = ios(*range(100), kind="write")
    long, short = writes + sync * 98, sync * 99 + writes[:98]
    assert streams.compare_streams(long, short) == (98, "")
    assert streams.compare_streams(long, writes)[0] is None
    assert streams.compare_streams(long, writes + sync * 50)[0] is None


def test_calls_of_strace():
    text = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 99.00    0.100000          50      2000           io_submit
  1.00    0.001000          10       100         7 openat
------ ----------- ----------- --------- --------- ----------------
100.00    0.101000          48      2100         7 total
"""
    assert streams.parse_calls(text) == 2100
    with pytest.raises(ValueError):
        streams.parse_calls("strace: attach: ptrace: Operation not permitted")

# SPDX-License-Identifier: GPL-2.0-only
# Verdicts that hold whenever one stops: the table behind them is that of the
# simulation, which is made anew here; p and intervals follow from it; and a
# campaign closes its cells by them, goes on, and ends.
import math

import numpy as np
import pytest

from fiolab.ab import evaluation, results, runner
from fiolab.ab.campaign import Campaign, Request
from fiolab.fio.jobfile import Job
from fiolab.stats import paired, pairing, sequential, verdict
import runningminimum

EXPONENTS, CHANCES = map(np.array, zip(*sequential.TABLE))


def _agrees(made, errors, known, slack=0.01):
    """Within five standard errors, and what rounding takes."""
    return np.abs(made - known) <= 5 * errors + slack * known


@pytest.mark.long
def test_the_table_is_what_simulation_finds():
    made, errors = runningminimum.chances(EXPONENTS, 8000, 7)
    assert _agrees(made, errors, 10.0**CHANCES).all()
    assert (errors / made < 0.04).all()     # so that a fault of 20% shows


@pytest.mark.long
def test_plain_counting_finds_the_same():
    """Without weights: fair signs, ranks, and scipy's p, up to 60 pairs."""
    rng, count, last = np.random.default_rng(3), 4000, 60
    d = rng.laplace(size=(count, last))
    smallest = np.min([n**sequential.TAPER * paired.tails(d[:, :n])[1]
                       for n in range(sequential.FIRST, last + 1)], axis=0)
    for exponent in (-3, -2, -1.5, -1):
        weighted, error = runningminimum.chances([exponent], 8000, 1, last)
        seen = np.mean(smallest <= 10.0**exponent)
        both = math.hypot(error[0], math.sqrt(seen / count))
        assert abs(seen - weighted[0]) <= 4 * both


@pytest.mark.parametrize("n", [6, 100, 2000])
def test_the_chance_rises_with_p_and_is_never_below_it(n):
    p = np.geomspace(1e-15, 0.6, 400)
    found = sequential.anytime(p, n)
    assert (np.diff(found) >= 0).all() and (found >= p).all()
    assert found[-1] <= 1 and found[0] > 0


@pytest.mark.parametrize("n", [6, 100, 2000])
@pytest.mark.parametrize("chance", [0.05, 0.025, 0.001, 1e-8])
def test_nominal_is_the_inverse(chance, n):
    assert sequential.anytime(sequential.nominal(chance, n), n) == \
        pytest.approx(chance)


def test_looks_are_at_every_pair_and_then_at_every_20th_part():
    found = sequential.looks(sequential.LAST)
    assert found[:15] == tuple(range(6, 21)) and found == tuple(sorted(found))
    assert all(b - a <= max(1, a / 20) for a, b in zip(found, found[1:]))
    assert sequential.looks(57)[-1] <= 57 and sequential.looks(5) == ()


def test_p_is_that_of_the_smallest_look_and_of_now():
    rng = np.random.default_rng(4)
    d = rng.normal(0.3, 1, (5, 47))
    p = [np.minimum.reduce([sequential.anytime(
        paired.tails(d[:, :n]).min(axis=0), n)
        for n in (*sequential.looks(m), m)]) for m in range(6, 48)]
    for m, smallest in zip(range(6, 48), p):
        assert sequential.p_value(d[:, :m]) == pytest.approx(
            np.minimum(1, 2 * smallest))
    assert (sequential.p_value(d[:, :5]) == 1).all()


def test_what_was_decided_stays_decided():
    """p of all looks never rises from one look to the next."""
    d = np.random.default_rng(5).normal(0.4, 1, (200, 300))
    p = np.array([sequential.p_value(d[:, :n])
                  for n in sequential.looks(300)])
    assert (np.diff(p, axis=0) <= 1e-12).all()
    assert (p[-1] < 0.05).mean() > 0.9


@pytest.mark.parametrize("n", [8, 12, 40])
def test_the_interval_excludes_0_just_where_p_says_so(n):
    rng, seen = np.random.default_rng(n), set()
    limit = sequential.nominal(0.025, n)
    for _ in range(300):
        d = rng.normal(0.9, 1, n)
        low, high = paired.interval(d, sequential.level(0.95, n))
        small = paired.tails(d).min() <= limit
        assert small == (low > 0 or high < 0)
        seen.add(bool(small))
    assert seen == ({False} if n == 8 else {True, False})


@pytest.mark.parametrize("comparisons", [1, 2, 5, 17.5])
def test_the_fewest_pairs_reach_a_verdict(comparisons):
    n = verdict.fewest_pairs(comparisons, anytime=True)
    d = [0.2 + i / 1000 for i in range(n)]
    assert sequential.p_value(d) * comparisons <= 0.05
    assert sequential.p_value(d[:-1]) * comparisons > 0.05


# A campaign, run by its runner on invented figures

def campaign(cells=1, metrics=("cpu_us",), **asked):
    found = Campaign(Request(seed=3, **asked), (), [], id="me")
    found.cells = [results.Cell(
        number, Job("job", ""), pairing.planned_orders(3, number,
                                                       found.asked.pairs),
        metrics=metrics) for number in range(cells)]
    return found


def run(found, effects, spread=0.01, seconds=1.0, stop=None):
    """Run it; each run of B of a cell differs by its effect."""
    rng, clock, kept = np.random.default_rng(1), [0.0], []

    def one_run(_campaign, cell, role, seed):
        clock[0] += seconds / 3
        if stop and len(kept) >= stop:
            raise KeyboardInterrupt
        effect = effects[cell.id] if role == "B" else 0.0
        return {"seed": seed, **{metric: math.exp(
            effect + rng.normal(0, spread)) for metric in cell.metrics}}

    def look(pairs):
        if pairs in sequential.looks(pairs):
            evaluation.close(found)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner.time, "time", lambda: clock[0])
        runner.run(found, lambda *what: kept.append(what), lambda text: None,
                   one_run, look)
    return kept


def verdicts(found):
    evaluation.evaluate(found.cells, found.alpha, anytime=True)
    return [{name: one.verdict for name, one in cell.effects.items()}
            for cell in found.cells]


def test_a_clear_cell_ends_and_a_close_one_goes_on():
    found = campaign(3, max_time=120)
    run(found, [0.2, 0.017, 0.0])
    clear, close, same = found.cells
    assert len(clear.pairs) <= 14 and clear.closed
    assert len(same.pairs) < len(close.pairs) and close.closed
    assert verdicts(found) == [{"cpu_us": "more CPU"}, {"cpu_us": "more CPU"},
                               {"cpu_us": "equivalent"}]
    assert found.complete() and found.measured() < 120


def test_a_primary_metric_alone_decides():
    """bw_mib is as far from decided as can be."""
    found = campaign(metrics=("cpu_us", "ctx_per_io"), max_time=60)
    run(found, [0.3])
    assert found.cells[0].closed and len(found.cells[0].pairs) <= 13


def test_time_ends_it_and_more_time_goes_on():
    found = campaign(max_time=20)
    run(found, [0.02], spread=0.5)
    cell, = found.cells
    assert not cell.closed and found.complete()
    assert len(cell.pairs) == 20 and found.measured() <= 20
    assert verdicts(found) == [{"cpu_us": "inconclusive"}]
    found.asked = Request(seed=3, max_time=30)
    assert not found.complete()
    run(found, [0.02], spread=0.5)
    assert len(cell.pairs) == 30


@pytest.mark.parametrize("effect", [0.2, 0.0])
def test_slow_pairs_get_time_until_they_can_decide(effect):
    """At most twice the default, whatever they show; never beyond what was
    asked for."""
    found, slower, asked = campaign(4), campaign(4), campaign(4, max_time=60)
    for one, seconds in ((found, 1.9), (slower, 3.5), (asked, 1.9)):
        run(one, [effect] * 4, spread=0.05, seconds=seconds)
    assert {len(cell.pairs) for cell in found.cells} == {found.fewest} == {11}
    assert all(cell.closed for cell in found.cells) == (effect > 0)
    assert 110 < slower.measured() <= 120
    assert asked.measured() <= 60


def test_precision_goes_on_until_the_interval_is_narrow():
    quick, precise = campaign(max_time=900), campaign(max_time=900,
                                                      precision=0.004)
    for one in (quick, precise):
        run(one, [0.2])
    (first,), (second,) = quick.cells, precise.cells
    assert first.closed and second.closed
    low, high = second.effects["cpu_us"].ci95
    assert high - low <= 2 * math.log1p(0.004)
    assert len(second.pairs) > 2 * len(first.pairs)


def test_a_resumed_campaign_ends_where_it_would_have_ended():
    """Stopped in the middle of a block, and read again from its runs."""
    whole, first = campaign(2, max_time=90), campaign(2, max_time=90)
    run(whole, [0.1, 0.0])
    kept = []
    with pytest.raises(KeyboardInterrupt):
        kept = run(first, [0.1, 0.0], stop=20)
    again = campaign(2, max_time=90)
    for cell, old in zip(again.cells, first.cells):
        for pair in old.pairs.values():
            cell.pairs[pair["pair"]] = pair
        cell.seconds = old.seconds
    evaluation.close(again)
    assert not kept and not again.complete()
    run(again, [0.1, 0.0])
    assert all(cell.closed for cell in again.cells)
    assert [list(one) for one in verdicts(again)] == [["cpu_us"]] * 2
    assert verdicts(again) == verdicts(whole)


def test_a_fixed_number_of_pairs_stays_fixed():
    found = campaign(pairs=8)
    run(found, [0.5])
    assert len(found.cells[0].pairs) == 8 and found.complete()
    assert not found.cells[0].closed and not found.anytime

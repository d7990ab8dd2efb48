# SPDX-License-Identifier: GPL-2.0-only
"""`make bench-gate`: is a ratio of CPU per I/O worse than its recorded bound
(bounds.py)?  Its rows are duets, looked at after each round until an interval
that holds at all looks is within the bound, or beyond it, as a whole; what is
neither when time is up is not told, and passes."""
from collections.abc import Callable, Sequence
import math
from typing import Any

from ..ab import evaluation
from ..ab.campaign import Campaign
from ..base.problem import Problem
from ..stats import paired, sequential
from . import duetrows, goalset, textreport
from .rowset import Row

SECONDS = 150
LEVEL = 0.99
METRIC = "cpu_us"


def _differences(row):
    effects = evaluation.Effects(row.ordered(), (METRIC,))
    return effects.differences(METRIC, "B") if METRIC in effects.pairs else []


def within(row: Row) -> tuple[tuple[float, float], bool | None]:
    """(interval of the logarithm, is the row within its bound? None: that
    cannot be told)"""
    d = _differences(row)
    interval = (paired.interval(d, sequential.level(LEVEL, len(d))) if d
                else (-math.inf, math.inf))
    (_, kind, limit), = row.spec.goals
    return interval, goalset.beyond(interval, kind, limit)


def run(campaign: Campaign, tick: Callable[[str], None]) -> None:
    """All its runs."""
    def look(_):
        for row in campaign.cells:
            row.closed = row.closed or within(row)[1] is not None
    duetrows.run(campaign, tick, look=look)


def _goal(row):
    interval, met = within(row)
    (_, kind, limit), = row.spec.goals
    d = _differences(row)
    found = math.exp(paired.hodges_lehmann(d)) if d else None
    shown = (f"{found:.3f}x, {LEVEL:.0%} interval {textreport.span(interval)}, "
             f"{len(d)} pairs" if d else "not measured")
    return textreport.goal(f"{row.name}: CPU us {kind} {limit:.2f}x", found,
                           shown, met)


def goals(rows: Sequence[Row], skipped: Sequence[str]) -> list[dict[str, Any]]:
    """One for each bound."""
    return [*map(_goal, rows), *[textreport.goal(name, None, "left out", None)
                                 for name in skipped]]


def end(found: Sequence[dict[str, Any]]) -> str:
    """The last line; a Problem if a bound does not hold."""
    worse = [goal["goal"] for goal in found if goal["met"] is False]
    open_ = [goal["goal"] for goal in found if goal["met"] is None]
    if worse:
        raise Problem("worse than its recorded bound: " + "; ".join(worse) +
                      ".  Find out why, or, if it is meant, record another in "
                      "jobs/fiolab/bench/bounds.py.")
    if open_:
        return ("passed, but it cannot be told of " + "; ".join(open_) +
                ": give a longer --max-time, or stop what else runs here.")
    return "passed: all recorded bounds hold."

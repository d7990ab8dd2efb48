# SPDX-License-Identifier: GPL-2.0-only
# The goals of jobs/bench, and whether they are met: what the interval leaves
# open is not judged.
from collections.abc import Sequence
import math

from ..fio.metrics import TABLE
from ..stats.verdict import fewest_pairs
from . import costs, rowset, textreport

LEAST, MOST, HALF, SAME = "at least", "at most", "half", "not worse"
CALLS_GOAL, FLAT_GOAL = 1.02, 1.10


def at_least(limit: float, metric: str = "iops") -> tuple:
    return metric, LEAST, limit


def at_most(limit: float, metric: str = "cpu_us") -> tuple:
    return metric, MOST, limit


def half_of(other: str) -> tuple:
    """Half of the gain (as a ratio) that another B has on the same row."""
    return "iops", HALF, other


def same(metric: str = "iops") -> tuple:
    return metric, SAME, None


def _judged(effect, comparisons):
    return len(effect.d) >= fewest_pairs(comparisons)


def _not_worse(effect, comparisons):
    """By its verdict, as an estimate alone tells nothing; None: it cannot be
    told."""
    changes = TABLE[effect.metric].changes
    worse, better = changes if TABLE[
        effect.metric].better == "lower" else changes[::-1]
    if effect.verdict == worse:
        return False
    known = effect.verdict in (better, "equivalent")
    return known and _judged(effect, comparisons) or None


def beyond(interval: tuple[float, float], kind: str,
           limit: float) -> bool | None:
    """Does an interval (of logarithms) meet a limit as a whole?  False if it
    misses it as a whole, None if it holds it."""
    low, high = (bound - math.log(limit) for bound in interval)
    worst, best = (high, low) if kind == MOST else (-low, -high)
    return True if worst <= 0 else False if best > 0 else None


def _half(rows, row, other):
    """The least ratio; None without a gain to halve."""
    twin = row.spec._replace(b=other, goals=())
    gains = [each.effects["iops"].estimate for each in rows
             if each.spec._replace(goals=()) == twin]
    return math.exp(gains[0] / 2) if gains and gains[0] > 0 else None


def _asked(rows, row, goal, comparisons):
    """(what is asked in words, met)"""
    metric, kind, limit = goal
    effect = row.effects[metric]
    if kind == SAME:
        return SAME, _not_worse(effect, comparisons)
    if kind != HALF:
        return f"{kind} {limit:.2f}x", beyond(effect.ci95, kind, limit)
    least = _half(rows, row, limit)
    text = f"{LEAST} half of the gain of {limit}"
    if least is None:
        return f"{text}, which has none", None
    return f"{text}, {least:.3f}x", beyond(effect.ci95, LEAST, least)


def _row_goal(rows, row, goal, comparisons):
    if goal[0] not in row.effects:      # each of its blocks was dropped
        return textreport.goal(f"{row.name}: {rowset.NAMES[goal[0]]}", None,
                               "not measured", None)
    effect = row.effects[goal[0]]
    text, met = _asked(rows, row, goal, comparisons)
    found = math.exp(effect.estimate)
    return textreport.goal(f"{row.name}: {rowset.NAMES[goal[0]]} {text}",
                           found, f"{found:.3f}x (95% CI "
                           f"{textreport.span(effect.ci95)})", met)


def _calls_goal(row):
    theirs, ours = row.calls["A"], row.calls["B"]
    text = f"{row.spec.on}: system calls per I/O at most {CALLS_GOAL}"
    if ours is None:
        return textreport.goal(text, None, "not counted (needs strace)", None)
    beside = "not counted" if theirs is None else f"{theirs:.4f}"
    return textreport.goal(text, ours, f"{ours:.4f} (libaio {beside})",
                           ours <= CALLS_GOAL)


def _cells_goal(rows, comparisons):
    """One goal for all: no cell needs more CPU time."""
    found = [row for row in rows if "cpu_us" in row.effects]
    more = [row.name for row in found
            if row.effects["cpu_us"].verdict == TABLE["cpu_us"].changes[0]]
    enough = len(found) == len(rows) and all(
        _judged(row.effects["cpu_us"], comparisons) for row in found)
    return textreport.goal(f"none of {len(rows)} cells takes more CPU", more,
                           "; ".join(more) or "none found",
                           not more if enough or more else None)


def _flat_goal(sweep):
    text = (f"CPU per I/O of kaio, depth {sweep.depths[0]} to "
            f"{sweep.depths[-1]}: the largest at most {FLAT_GOAL:.2f}x the "
            "least")
    found = sweep.spread("B")
    return textreport.goal(text, found, f"{found:.3f}x (libaio "
                           f"{sweep.spread('A'):.3f}x, bare loop "
                           f"{sweep.spread(costs.BARE):.3f}x)",
                           found <= FLAT_GOAL)


def goals(rows: Sequence[rowset.Row], sweep: costs.Sweep | None,
          skipped: Sequence[str], comparisons: int) -> list[dict]:
    """All of them; skipped: names of rows that did not run."""
    cells = [row for row in rows if row.spec.part == "cells"]
    found = [_row_goal(rows, row, goal, comparisons) for row in rows
             if row.spec.part != "cells" for goal in row.spec.goals]
    found += [_calls_goal(row) for row in rows if row.calls]
    found += [_cells_goal(cells, comparisons)] if cells else []
    found += [_flat_goal(sweep)] if sweep else []
    return found + [textreport.goal(name, None, "left out", None)
                    for name in skipped]

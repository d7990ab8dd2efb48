# SPDX-License-Identifier: GPL-2.0-only
# Is each limit of a spec kept?  Decided on a confidence bound, not on a lucky
# mean: a minimum passes if the lower bound reaches it, a maximum if the upper
# bound does not exceed it.
#   several rounds  Student's bound of the mean of the window's rounds
#   one long run    percentiles from its histogram: the order statistic that is
#                   not below the quantile with the given confidence, exact by
#                   the binomial distribution, at the upper edge of its bin
#   extremes        the longest latency and the excursion of the window have no
#                   bound: what was observed decides, and that is said
# Whatever was not measured is neither a pass nor a failure.
from dataclasses import dataclass
from fnmatch import fnmatchcase
from statistics import fmean

from ...fio.metrics import (LATENCIES, LIMITS, SHARES, TABLE, enough,
                            percentile)
from ...stats import bounds
from . import specfile, tailfigures
from .orderbound import chance, fewest, order_bound

RATES = [one.name for one in LIMITS.values()
         if one.better == "higher"]         # what an excursion is of


class _Unmeasured(Exception):
    """Why there is nothing to judge: the end of a sentence."""


# What there is to judge

def _rounds(count):
    return "1 round" if count == 1 else f"{count} rounds"


def unsteady(test, cell):
    """Why a cell has no steady state, or None: its own phase did not reach it,
    or it rests on another of the test that did not."""
    if cell["steady"]:
        return None
    missed = [phase["steady"]["last"] for phase in test["phases"]
              if phase["steady"] and not phase["steady"]["reached"]]
    if cell["steady"] is False and cell["window"]:
        missed = [cell["window"][1]]
    if missed:
        return f"steady state was not reached in {_rounds(missed[0])}"
    return None if cell["steady"] is None else "steady state was not reached"


def missing(test, cell):
    """Why a cell of a test (either may be None) cannot be judged, or None."""
    if test is None:
        return "the test is not in this run"
    because = f": {test['why']}" if test["why"] else ""
    if cell is None and test["state"] != "done":
        return f"the test is '{test['state']}'{because}"
    if cell is None:
        return "the test has no such cell in this run"
    if not cell["values"] and not cell["latency"]:
        return cell.get("why") or "nothing of this cell was measured"
    # Of a test that was cut short nobody knows what more rounds had brought.
    return (unsteady(test, cell) if test["state"] == "done" else
            f"the test is '{test['state']}'{because}")


def _values(cell, metric):
    """(a metric's figures in all rounds of the window, their sources)"""
    found = cell["values"].get(metric)
    numbers = [x for x in found["values"] if x is not None] if found else []
    if not numbers:
        raise _Unmeasured("the engine tells no share of io_submit"
                          if metric == "submit_share" else
                          "a round has too few I/Os for this percentile"
                          if metric in LATENCIES else
                          "the run has no such figure")
    first, last = cell["window"] or (1, 0)
    if len(numbers) < max(len(found["values"]), last - first + 1):
        raise _Unmeasured(f"only {len(numbers)} of the window's rounds have "
                          "the figure")
    return numbers, found["sources"]


# Kinds of figures

@dataclass(frozen=True)
class _Figure:
    value: float | None     # None: too few, and yet it misses the limit
    bound: float | None     # None: there is none
    n: int
    sources: list
    method: str
    what: str               # the value is
    more: str = ""          # what would bring the bound nearer


def _observed(numbers, value, sources, what):
    return _Figure(value, None, len(numbers), sources, f"{what} of "
                   f"{_rounds(len(numbers))}, which has no bound",
                   "observed figure")


def _excursion(cell):
    metric = next((m for m in RATES if m in cell["values"]), RATES[0])
    numbers, sources = _values(cell, metric)
    if len(numbers) < bounds.FEWEST:
        raise _Unmeasured("one round has no excursion")
    if not fmean(numbers):
        raise _Unmeasured("nothing was done in any round")
    return _observed(numbers, 100 * (max(numbers) - min(numbers))
                     / fmean(numbers), sources, "observed (max - min)/mean")


def _longest(cell, metric):
    numbers, sources = _values(cell, metric)
    return _observed(numbers, max(numbers), sources, "observed maximum")


def _of_few(cell, limit, confidence):
    """A percentile of which there are too few I/Os has no value; yet a device
    that keeps the limit seldom has so many that take longer."""
    share, latency = SHARES[LATENCIES[limit.metric]], cell["latency"]
    count = sum(n for _, n in latency["bins"])
    seldom = chance(latency, share, 1000 * limit.limit)
    if seldom > 1 - confidence:
        raise _Unmeasured(f"{count:,} I/Os cannot bound this percentile with "
                          f"{100 * confidence:g}%: it takes "
                          f"{fewest(share, confidence):,}")
    return _Figure(None, None, count, [], f"of {count:,} I/Os, too few for "
                   "this percentile, more took longer than in "
                   f"{100 * seldom:.2g}% of runs of a device that keeps it",
                   "share")


def _histogram(cell, limit, confidence):
    """A percentile of one run."""
    name, latency = LATENCIES[limit.metric], cell["latency"]
    share = SHARES[name]
    found = cell["values"].get(limit.metric)
    count = sum(n for _, n in latency["bins"])
    if not enough(count, name):
        return _of_few(cell, limit, confidence)
    value = percentile(latency["bins"], share) / 1000
    end = order_bound(latency, share, confidence)
    if end is None and value <= limit.limit:
        raise _Unmeasured(f"{count:,} I/Os cannot bound this percentile with "
                          f"{100 * confidence:g}%: it takes "
                          f"{fewest(share, confidence):,}")
    return _Figure(value, None if end is None else end / 1000, count,
                   found["sources"] if found else [], "order statistic of "
                   f"{count:,} I/Os in one run, by the binomial distribution, "
                   "which takes them as independent", "percentile", "I/Os")


def _mean(cell, limit, confidence):
    scale = 100 if TABLE[limit.metric].unit == "share" else 1
    numbers, sources = _values(cell, limit.metric)
    if len(numbers) < bounds.FEWEST:
        raise _Unmeasured("one round has no confidence bound: it takes two")
    low, high = bounds.mean_bounds(numbers, confidence)
    return _Figure(scale * fmean(numbers),
                   scale * (low if limit.sense == "min" else high),
                   len(numbers), sources, "Student's bound of the mean of "
                   f"{len(numbers)} rounds", "mean", "rounds")


def _in_one_run(cell, limit):
    found = cell["values"].get(limit.metric)
    return (limit.metric in LATENCIES and cell["latency"]
            and cell["latency"]["bins"]
            and (not found or len(found["values"]) < bounds.FEWEST))


def _of_tail(cell, limit, confidence):
    found = tailfigures.of(limit.metric, cell, limit.at_us, confidence)
    if isinstance(found, str):
        raise _Unmeasured(found)
    return _Figure(**found)


def _figure(cell, limit, confidence):
    if limit.metric in tailfigures.KINDS:
        return _of_tail(cell, limit, confidence)
    if limit.metric == "excursion":
        return _excursion(cell)
    if TABLE[limit.metric].longest:
        return _longest(cell, limit.metric)
    if _in_one_run(cell, limit):
        return _histogram(cell, limit, confidence)
    return _mean(cell, limit, confidence)


# The judgement

def _keeps(limit, value):
    return (value >= limit.limit if limit.sense == "min"
            else value <= limit.limit)


def _decide(limit, figure, confidence):
    """(result, why)"""
    if figure.value is None:
        return "fail", figure.method
    bound = figure.value if figure.bound is None else figure.bound
    if _keeps(limit, bound) and _keeps(limit, figure.value):
        return "pass", figure.method
    if not _keeps(limit, figure.value):
        return "fail", f"the {figure.what} misses it ({figure.method})"
    return "fail", (f"the {figure.what} meets it, but its "
                    f"{100 * confidence:g}% bound does not: more "
                    f"{figure.more} could tell ({figure.method})")


def _row(limit, target, cell, confidence, **more):
    return {"line": limit.line, "target": target["name"], "test": limit.test,
            "cell": cell, "key": limit.key, "metric": limit.metric,
            "limit": limit.limit, "unit": limit.unit, "value": None,
            "bound": None, "confidence": confidence, "n": None,
            "result": "not measured", "why": None, "source": [], **more}


def _judged(limit, target, cell, confidence, missed=None):
    """The row of a limit on a cell; missed: why its figure, which is shown, is
    not judged."""
    try:
        figure = _figure(cell, limit, confidence)
    except _Unmeasured as unmeasured:
        return _row(limit, target, cell["name"], confidence,
                    why=missed or str(unmeasured))
    result, why = (("not measured", f"{missed}; what it had is not judged")
                   if missed else _decide(limit, figure, confidence))
    return _row(limit, target, cell["name"],
                None if figure.bound is None else confidence,
                value=figure.value, bound=figure.bound, n=figure.n,
                result=result, why=why, source=figure.sources)


def _cells(limit, test, own):
    """The cells that a limit is about; [None] if there is none."""
    every = test["cells"] if test else []
    if limit.cell == specfile.EVERY and every:
        return [cell for cell in every if cell["name"] not in own]
    return [cell for cell in every if cell["name"] == limit.cell] or [None]


def _rows(limit, target, own, confidence):
    test = next((one for one in target["tests"]
                 if one["name"] == limit.test), None)
    for cell in _cells(limit, test, own):
        why = missing(test, cell)
        if cell:
            yield _judged(limit, target, cell, confidence, why)
        else:
            yield _row(limit, target, limit.cell, confidence, why=why)


def _identity(limit, target):
    """The row of a pattern, which is no number: it is there as "pattern", and
    what it was compared with as "found"."""
    found = target["identity"].get(limit.key)
    row = {**_row(limit, target, None, None), "limit": None,
           "pattern": limit.limit, "found": found}
    if not found:
        return {**row, "why": f"the {limit.key} of the device is not known"}
    text = str(found).strip()
    kept = fnmatchcase(text, limit.limit)
    return {**row, "result": "pass" if kept else "fail",
            "why": f"the {limit.key} is {text!r}, which "
                   f"{'is' if kept else 'is not'} as {limit.limit!r} asks"}


def observed(limit, target, value, doubt, **more):
    """Of what has no bound; doubt: why there may have been more to see."""
    result = ("fail" if value is not None and not _keeps(limit, value) else
              "not measured" if value is None or doubt else "pass")
    if result == "not measured":
        more["why"] = doubt
    return _row(limit, target, None, None, value=value, result=result, **more)


def judge(spec, target):
    """The "limits" of qualify.json for one of its targets."""
    found = [_identity(limit, target) for limit in spec.device]
    for limit in spec.limits:
        own = {one.cell for one in spec.limits if one.test == limit.test}
        found += _rows(limit, target, own, spec.confidence)
    return found


def overall(limits, checks):
    """One word for all; where nothing was judged, nothing has passed."""
    results = {one["result"] for one in (*limits, *checks)}
    if "fail" in results:
        return "fail"
    return "pass" if results == {"pass"} else "not measured"


def exit_status(word):
    return {"pass": 0, "fail": 1}.get(word, 2)

# SPDX-License-Identifier: GPL-2.0-only
# --against: this run compared with another of the same profile; two devices,
# or two firmware versions.  Nothing pairs them, and there are but a few rounds
# in a window, one after the other on a device that drifts.  So:
# - The rounds are taken to have a lag-1 correlation of 0.5: generalised least
#   squares on their logarithms, then Welch's t.  Of 5 rounds with correlation
#   0.5 it errs in 4.4% instead of 5%, with 0 in 0.2%, with 0.7 in 14%; as if
#   rounds were independent Welch's t errs in 22% at 0.5.  Mann-Whitney's test,
#   as `ab compare` has it, then errs in 8% where it says p = 0.008, which is
#   all that 5 rounds against 5 can give: after Holm's correction over more
#   than 6 comparisons nothing would ever be left.
# - What sets two runs of one device apart (its purge, its warmth, the slope
#   that steady state allows) shows in no round: "faster" and "slower" mean by
#   more than MARGIN, and p is that of no more than MARGIN.  Levels that differ
#   from run to run with a deviation of 1% then give a false claim in none of
#   2,000 reports of 24 comparisons; 2% with quiet rounds (0.5%) in 30%, as the
#   levels do differ by more than MARGIN: only repeated runs tell that.
# tests/qualify/test_against.py simulates all of this.  The verdicts:
#   equivalent     the 90% interval lies inside +-MARGIN
#   faster/slower  else, Holm's p of all comparisons <= 0.05
#   inconclusive   else, with the smallest change that it would find in 80%
import math

import numpy as np
from scipy.special import stdtr, stdtrit

from ...base.problem import Problem
from ...fio import metrics
from ...stats import bounds
from ...stats.paired import holm
from ...stats.verdict import ALPHA
from ..shorter import figuremarks
from . import judging

CORRELATION = 0.5       # of one round with the next
MARGIN = 0.05
LOW, HIGH = math.log1p(-MARGIN), math.log1p(MARGIN)
RESOLUTION = 0.008 / math.sqrt(12)  # fio's latency bins are 0.8% wide, so that
                                    # equal figures are no certainty
POWER = 0.8
MENTIONED = 5           # cells that a warning names, one by one
METRICS = ("iops", "mbps", "lat_mean_us", "lat_p99_us")
NOTE = (f"Means of two unpaired windows. Rounds are taken to be correlated "
        f"(lag-1 {CORRELATION}), as independent ones would claim a change "
        "that is not there four times as often as they say. What sets two runs "
        "of one device apart shows in no round, so a change counts beyond "
        f"{100 * MARGIN:.0f}% only: p is that of no such change, by Holm's "
        "correction over {count} comparisons; equivalent: the 90% interval is "
        f"inside +-{100 * MARGIN:.0f}%. Run both once more before you rest a "
        "decision on it.")


# The statistics, on the last axis

def level(x):
    """(estimate, its variance) of the mean of correlated rounds, by
    generalised least squares."""
    n, r = x.shape[-1], CORRELATION
    weights = np.full(n, 1 - r)
    weights[[0, -1]] = 1
    mean = x @ (weights / weights.sum())
    rest = x - mean[..., None]
    # What is left once each round's part of the one before is taken off.
    new = (rest[..., 1:] - r * rest[..., :-1])**2 / (1 - r * r)
    square = (rest[..., 0]**2 + new.sum(axis=-1)) / (n - 1)
    return mean, np.maximum(square, RESOLUTION**2) * (1 + r) / weights.sum()


def shift(this, other):
    """(ln(this/other), standard error, degrees of freedom), of logarithms of
    rounds; Welch's."""
    (one, v), (two, w) = level(this), level(other)
    m, n = this.shape[-1], other.shape[-1]
    degrees = (v + w)**2 / (v**2 / (m - 1) + w**2 / (n - 1))
    return one - two, np.sqrt(v + w), degrees


def p_beyond(d, error, degrees):
    """p that the true change is not beyond the margin, two-sided."""
    up = stdtr(degrees, (HIGH - d) / error)
    down = stdtr(degrees, (d - LOW) / error)
    return np.minimum(1, 2 * np.minimum(up, down))


def p_within(d, error, degrees):
    """p that it is beyond: TOST."""
    return np.maximum(stdtr(degrees, (LOW - d) / error),
                      stdtr(degrees, (d - HIGH) / error))


def detectable(error, degrees, comparisons):
    """The smallest change, as a share, that is found in 80%, should Holm's
    correction be the hardest."""
    reach = (stdtrit(degrees, POWER)
             - stdtrit(degrees, ALPHA / 2 / comparisons))
    return math.expm1(min(HIGH + reach * error, 700))


# Rows

def _logs(cell, metric):
    """(logarithms of the window's rounds, None), or (None, why not)."""
    found = cell["values"].get(metric)
    if not found:
        return None, "the figure was not measured"
    numbers = found["values"]
    if len(numbers) < bounds.FEWEST:
        return None, "one round has no spread"
    if None in numbers or min(numbers) <= 0:
        return None, "a round has no figure above 0"
    return np.log(numbers), None


def _figures(this, other):
    d, error, degrees = shift(this, other)
    reach = stdtrit(degrees, 0.975) * error
    return {"ratio": math.exp(d), "error": error, "degrees": degrees,
            "ci95": [math.exp(d - reach), math.exp(d + reach)],
            "p": float(p_beyond(d, error, degrees)),
            "within": float(p_within(d, error, degrees))}


def _files(test):
    """The sums of the files of a load of the user's own."""
    job = test.get("job")
    return job and [job["sha256"], *(log["sha256"] for log in job["logs"])]


def _why_not(pairs, metric):
    """(logs of both or None, why there is no verdict)"""
    logs = []
    for name, (test, cell) in pairs.items():
        found, why = _logs(cell, metric)
        why = judging.missing(test, cell) or why
        if why:
            return None, f"{name}: {why}"
        logs.append(found)
    loads = [cell["stimulus"] for _, cell in pairs.values()]
    if loads[0] != loads[1]:
        return None, "the load is not the same (size, mix, threads or depth)"
    files = [_files(test) for test, _ in pairs.values()]
    why = ("the job files are not the same" if files[0] != files[1] else
           figuremarks.unlike(pairs))
    return (None, why) if why else (logs, None)


def _row(names, pairs, metric):
    """A row, not judged yet; None where neither run has the figure."""
    values = [cell["values"].get(metric) for _, cell in pairs.values()]
    if not any(values):
        return None
    logs, why = _why_not(pairs, metric)
    table = metrics.TABLE[metric]
    known = _figures(*logs) if logs else dict.fromkeys(
        ("ratio", "ci95", "p"))
    return {**names, "metric": metric, "label": table.title,
            "unit": table.unit_said, "better": table.better,
            **{which: one and one["mean"]
               for which, one in zip(("this", "other"), values)},
            **known, "p_holm": None, "verdict": "no verdict", "reason": why,
            "detectable": None, "n": [one["n"] if one else 0
                                      for one in values]}


def _judge(row, comparisons):
    """The verdict of a row that has its p of Holm; drops what only served."""
    error, degrees, within = (row.pop(name) for name in (
        "error", "degrees", "within"))
    found = detectable(error, degrees, comparisons)
    row["detectable"] = found
    if within <= ALPHA:
        return "equivalent", f"90% CI inside +-{100 * MARGIN:.0f}%"
    if row["p_holm"] <= ALPHA:
        better = (row["ratio"] > 1) == (row["better"] == "higher")
        return "faster" if better else "slower", f"p {row['p_holm']:.2g}"
    return "inconclusive", ("smallest detectable change about "
                            f"{100 * found:.1f}%")


def judge(rows):
    """Correct p over all rows, then set every verdict."""
    tested = [row for row in rows if row["ratio"] is not None]
    for row, p in zip(tested, holm([row["p"] for row in tested])):
        row["p_holm"] = p
    for row in tested:
        row["verdict"], row["reason"] = _judge(row, len(tested))
    return len(tested)


# What is compared with what

def _partners(this, other):
    """[(a target, its partner)]: the only one, or that of the same name."""
    if len(other["targets"]) == 1:
        return [(target, other["targets"][0]) for target in this["targets"]]
    known = {target["name"]: target for target in other["targets"]}
    return [(target, known[target["name"]]) for target in this["targets"]
            if target["name"] in known]


def _cells(target):
    """{(test's name, cell's name): (test, cell)}"""
    return {(test["name"], cell["name"]): (test, cell)
            for test in target["tests"] for cell in test["cells"]}


def _rows(one, two):
    there = _cells(two)
    for key, found in _cells(one).items():
        if key in there:
            names = {"target": one["name"], "other_target": two["name"],
                     "test": key[0], "cell": key[1]}
            pairs = {"this run": found, "the other run": there[key]}
            yield from (row for row in (_row(names, pairs, metric)
                                        for metric in METRICS) if row)


def _same_kind(this, other):
    """Refuse what cannot be compared."""
    if this["schema"] != other["schema"]:
        raise Problem(f"the other run has the schema {other['schema']!r:.40} "
                      f"and this one {this['schema']!r}: compare runs of one "
                      "version of jobs/qualify.")
    known = [figuremarks.profile(run) for run in (this, other)]
    for key in ("name", "threads", "depth", "active_percent", "write_cache",
                "minute_s", "scaled"):
        here, there = (run[key] for run in known)
        if here != there:
            raise Problem("the other run cannot be compared with this one, as "
                          f"its profile has {key} {there!r:.40} and this one "
                          f"{here!r:.40}: compare runs of one profile.")


def _shortened(said):
    more = len(said) - MENTIONED
    return said[:MENTIONED] + ([f"and {more} more"] if more > 0 else [])


def _unlike(partners):
    """What else differs between two targets than the device itself."""
    for one, two in partners:
        for key in ("active_bytes", "logical_block"):
            if one[key] != two[key]:
                yield f"{key} is {one[key]} here and {two[key]} in the other"
        for key in ("write_cache", "scheduler", "transport"):
            here, there = (t["identity"].get(key) for t in (one, two))
            if here != there:
                yield f"the {key.replace('_', ' ')} is {here} here and " \
                    f"{there} in the other"
        there, here = _cells(two), _cells(one)
        for a, b, where in ((here, there, "this run"), (there, here,
                                                        "the other run")):
            yield from _shortened([f"{test}, {cell} is in {where} only"
                                   for test, cell in a if (test, cell)
                                   not in b])


def _warnings(this, other, partners):
    said = [f"{name} is {there or 'not known'} in the other run and "
            f"{here or 'not known'} in this one" for name, here, there in (
                ("fio", this["fio"]["version"], other["fio"]["version"]),
                ("the engine", this["engine"], other["engine"]),
                ("the build of kaio", this["kaio"], other["kaio"]))
            if here != there]
    said += [f"the {key} is not the same" for key in ("kernel", "cpu_model")
             if this["environment"].get(key) != other["environment"].get(key)]
    if {this.get("refill"), other.get("refill")} == {"0", "1"}:
        said.append("one of the runs refilled the return stack after system "
                    "calls (LIBAIO_REFILL), the other did not")
    said += _unlike(partners)
    left = len(this["targets"]) - len(partners)
    if left:
        said.append(f"{left} of the targets have no partner of their name in "
                    "the other run")
    if not (this["finished"] and other["finished"]):
        said.append("one of the runs is not finished")
    if this["profile"].get("readings") != other["profile"].get("readings"):
        said.append("the two runs read the specification in different ways")
    said += figuremarks.beside(this, other)
    if this["profile"]["scaled"]:
        said.append("the profile is scaled down: a difference of two such "
                    "runs is none of the devices")
    return list(dict.fromkeys(said))


def compare(this, other, path=None):
    """The "against" of qualify.json: this run against the other (the content
    of two qualify.json; path: where the other was read)."""
    _same_kind(this, other)
    partners = _partners(this, other)
    rows = [row for pair in partners for row in _rows(*pair)]
    if not rows:
        raise Problem("the two runs have no figure of one test and cell in "
                      "common: compare runs of the same tests.")
    count = judge(rows)
    return {"other": {"path": path, "created": other["created"],
                      "identity": {"name": partners[0][1]["name"],
                                   **partners[0][1]["identity"]}},
            "rows": rows, "warnings": _warnings(this, other, partners),
            "note": NOTE.format(count=count)}

# SPDX-License-Identifier: GPL-2.0-only
# All devices of a run, or of several, side by side: what became of each, and in
# which figures it differs from its batch.  A batch is what is of one model and
# size.  Of each cell the logarithms of the devices' means are compared
# (stats/batchoutliers.py); a device is marked where it is an outlier and more
# than MARGIN from the batch's median.  The cells share the level, so that with
# devices that are all alike, whose figures are log-normal, a table has a false
# mark in 5% of cases, at most, however many cells it has.
from collections import Counter
import math
from statistics import median

from ...base.problem import Problem
from ...fio.metrics import TABLE
from ...report import wording
from ...stats import batchoutliers
from ...stats.verdict import ALPHA
from ..limits import outcome
from ..limits.against import MARGIN, RESOLUTION
from ..report import phrases
from ..shorter import figuremarks

# Of each cell: the others follow from these, where the depth is the same.
METRICS = ("iops", "lat_p99_us")
SAME = ("name", "threads", "depth", "active_percent", "write_cache", "minute_s",
        "scaled")
NOTE = ("Marked is what the generalised ESD test takes for an outlier among "
        "the logarithms of a batch of {least} or more, and what differs by "
        "more than {margin:.0f}% from the median: of devices that are alike, "
        "and log-normal, one in {level:.0f}% of such tables of {rows}, "
        "at most. Where figures spread otherwise, as in a batch of two kinds, "
        "that does not hold.")
FEW = (f"No device is marked: of fewer than {batchoutliers.FEWEST} of one "
       "model and size nobody can say which is different.")


# The devices

def _device(run, data, target, batches):
    identity = target["identity"]
    key = (phrases.device({**target, "path": identity.get("kind") or ""}),
           target["size_bytes"])
    limits = [one for one in data["limits"]
              if one["target"] == target["name"]]
    checks = [one for _, _, one in phrases.checks({"targets": [target]})]
    return {
        "run": run, "name": target["name"], "sample": target.get("sample"),
        "serial": identity.get("serial"), "firmware": identity.get("firmware"),
        "batch": batches.setdefault(key, len(batches)),
        "result": outcome.result(limits, checks, target["tests"]),
        **{name: dict(Counter(one["result"] for one in found))
           for name, found in (("limits", limits), ("checks", checks))}}


def called(device):
    """What people call it: 'sample 17', else its serial number, with where it
    was."""
    first = (f"sample {device['sample']}" if device["sample"] else
             device["serial"])
    where = " in ".join(filter(None, (device["name"], device["run"])))
    return f"{first}, {where}" if first else where


# Their figures

def _found(target):
    """{(test, cell, metric): (mean, title of the test, what the figure is)}"""
    return {(test["name"], cell["name"], metric):
            (cell["values"][metric]["mean"], test["title"], cell.get("extent"))
            for test in target["tests"] if test["state"] == "done"
            for cell in test["cells"] for metric in METRICS
            if cell["values"].get(metric)
            and (cell["values"][metric]["mean"] or 0) > 0}


def _row(batch, key, known, those):
    """known: {device: mean} of a cell; those: the batch's devices."""
    test, cell, metric = key
    table = TABLE[metric]
    numbers = list(known.values())
    return {"batch": batch, "test": test, "cell": cell, "metric": metric,
            "label": table.said, "unit": table.unit, "better": table.better,
            "median": median(numbers), "low": min(numbers),
            "high": max(numbers),
            "values": [known.get(number) for number in those],
            "outliers": []}


def _mark(row, those, level):
    """Its outliers, the farthest first."""
    there = [number for number, value in zip(those, row["values"])
             if value is not None]
    logs = [math.log(value) for value in row["values"] if value is not None]
    middle = math.log(row["median"])
    for place in batchoutliers.find(logs, level, RESOLUTION):
        ratio = math.exp(logs[place] - middle)
        if abs(ratio - 1) > MARGIN:
            row["outliers"].append({
                "device": there[place], "value": math.exp(logs[place]),
                "ratio": ratio,
                "worse": (ratio < 1) == (row["better"] == "higher")})


def _rows(batch, those, figures):
    """Of the cells that two or more of a batch's devices have."""
    keys = dict.fromkeys(key for number in those for key in figures[number])
    for key in keys:
        known = {number: figures[number][key][0] for number in those
                 if key in figures[number]}
        if len(known) > 1:
            yield {**_row(batch, key, known, those), "title": next(
                figures[number][key][1] for number in known), "extents": [
                    figures[number].get(key, (None,))[-1]
                    for number in those]}


# The whole

def _cuts(data):
    """What --time cut in each test."""
    return {test["name"]: test.get("cuts", []) for target in data["targets"]
            for test in target["tests"]}


def _refuse_others(runs):
    """Figures of two profiles are none of one batch, nor PTS's and others."""
    (_, first), *others = runs
    for path, data in others:
        here, there = map(_cuts, (first, data))
        test = next((name for name in here if name in there
                     and here[name] != there[name]), None)
        if test:
            raise Problem(f"{path} cannot stand beside the first run, as its "
                          f"test {test} was shortened in another way (--time, "
                          "--size): name runs that were cut alike.")
        for key in SAME:
            here, there = (one["profile"][key] for one in (first, data))
            if here != there:
                raise Problem(f"{path} cannot stand beside the first run, as "
                              f"its profile has {key} {there!r:.40}, and that "
                              f"one {here!r:.40}: name runs of one profile.")


def _shortened(runs):
    """What stands over the reports of the runs; None: nothing does."""
    found = [phrases.SCALED if data["profile"]["scaled"] else
             figuremarks.banner(data) for _, data in runs]
    return "; ".join(dict.fromkeys(filter(None, found))) or None


def _members(devices, batches):
    return [[number for number, one in enumerate(devices)
             if one["batch"] == batch] for batch in range(len(batches))]


def summary(runs):
    """The "fleet" of qualify.json; runs: [(path or None, qualify.json)]."""
    _refuse_others(runs)
    batches, pairs = {}, [(path, data, target) for path, data in runs
                          for target in data["targets"]]
    devices = [_device(*pair, batches) for pair in pairs]
    known = [_found(target) for _, _, target in pairs]
    members = _members(devices, batches)
    rows = [row for batch, those in enumerate(members)
            for row in _rows(batch, those, known)]
    tried = [row for row in rows if sum(
        value is not None for value in row["values"]) >= batchoutliers.FEWEST]
    for row in tried:
        _mark(row, members[row["batch"]], ALPHA / len(tried))
    marks = Counter(one["device"] for row in rows for one in row["outliers"])
    figures = Counter(number for row in tried for number, value in zip(
        members[row["batch"]], row["values"]) if value is not None)
    for number, one in enumerate(devices):
        one["figures"], one["marks"] = figures[number], marks[number]
    return {"devices": devices, "shortened": _shortened(runs), "batches": [
        {"model": model, "size_bytes": size, "devices": those}
        for (model, size), those in zip(batches, members)], "rows": rows,
        "note": NOTE.format(least=batchoutliers.FEWEST, margin=100 * MARGIN,
                            level=100 * ALPHA,
                            rows=wording.several(len(tried), "figure"))
        if tried else FEW}

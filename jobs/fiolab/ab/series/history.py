# SPDX-License-Identifier: GPL-2.0-only
"""`ab history DIR...`: B against A over many campaigns of one comparison.

The unit is the campaign: each gives one figure for a metric of a cell, its
Hodges-Lehmann estimate, and changepoint.py says where the series of them
changed its level, corrected for the number of series.  A campaign on another
machine, kernel or fio than most of the others is shown, and takes no part.
Here reports become the data of the history, of which its text, page and JSON
are made.
"""
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import Any

import numpy as np

from ...base import machine
from ...base.problem import Problem
from ...base.schema import Schema, Wrong
from ...base.version import VERSION
from ...fio import returnstack
from ...fio.metrics import CHANGES, METRICS, PRIMARY
from ...stats import changepoint, twosample
from .. import twocampaigns
from ..report import failing


def _refills(data):
    return [side["environment"].get(returnstack.VARIABLE)
            for side in data["sides"]]


# What must be the same for B:A to mean the same: word -> its value, in words.
CONDITIONS = {
    "machine": lambda data: "{machine}, {cpus} x {cpu_model}, {virtual}"
    .format(**data["environment"]),
    "kernel": lambda data: data["environment"]["kernel"],
    "fio": lambda data: data["fio"]["version"],
    "runtime": lambda data: f"{data['runtime_s']:g} s",
    "ramp": lambda data: f"{data['ramp_s']:g} s",
    "cpu": lambda data: str(data["cpu"]),
    "return-stack": lambda data: str(_refills(data))}


def _relations(data):
    for i, one in enumerate(data["series"]):
        for j, point in enumerate(one["points"]):
            if point["campaign"] >= len(data["campaigns"]):
                raise Wrong(f"series[{i}].points[{j}].campaign",
                            "is no campaign of the history")


HISTORY = Schema("history", _relations)


@dataclass
class Given:
    """A campaign as it was named."""
    folder: str
    label: str
    report: dict


def _conditions(given, across):
    return tuple(find(given.report) for name, find in CONDITIONS.items()
                 if name not in across)


def _usual(given, across):
    """The conditions that most campaigns have, of equally many the newest."""
    every = [_conditions(one, across) for one in given]
    counts = Counter(every)
    return max(reversed(every), key=lambda one: counts[one])


def _differences(one, usual, across):
    """Why a campaign is not compared, sentences."""
    names = [name for name in CONDITIONS if name not in across]
    said = [f"{name} is {found}, not {want}" for name, found, want in zip(
        names, _conditions(one, across), usual) if found != want]
    return said + ([] if one.report["finished"] else ["it is not finished"])


def _campaign(one, usual, across):
    report = one.report
    differs = _differences(one, usual, across)
    return {"folder": one.folder, "label": one.label or None,
            "created": report["created"], "title": report["title"],
            "version": report.get("version"),
            "kernel": report["environment"]["kernel"],
            "fio": report["fio"]["version"], "compared": not differs,
            "differs": differs}


def _points(given, campaigns, key, metric):
    """The figures of one metric of a cell, where it was measured."""
    found = []
    for i, one in enumerate(given):
        cell = one.get(key)
        effect = next((e for e in cell["effects"] if e["metric"] == metric),
                      None) if cell else None
        if effect:
            found.append({"campaign": i, "ratio": effect["ratio"],
                          "ci95": effect["ci95"], "n": effect["n"],
                          "compared": campaigns[i]["compared"]})
    return found


def _word(metric, shift):
    up, down = CHANGES[metric]
    return up if shift > 0 else down


def _ratios(interval):
    return None if math.isinf(interval[0]) else [math.exp(x) for x in interval]


def _changes(metric, compared, found):
    """The changes, with the campaigns between which they are."""
    return [{"after": compared[one.at - 1]["campaign"],
             "at": compared[one.at]["campaign"], "p": one.p,
             "ratio": math.exp(one.shift), "ci95": _ratios(one.ci95),
             "verdict": _word(metric, one.shift)} for one in found]


def _newest(metric, compared, ends):
    """How the level of the newest campaigns is worse than an earlier one, by
    more than chance: the worst of them; None where it is not."""
    up = METRICS[metric].better == "higher"
    levels = [np.log([p["ratio"] for p in compared[a:b]])
              for a, b in zip(ends, ends[1:])]
    worst = None
    for level, (first, last) in zip(levels[:-1], zip(ends, ends[1:])):
        shift = float(np.median(twosample.shifts(level, levels[-1])))
        if (shift < 0) == up and twosample.p_value(
                level, levels[-1]) <= changepoint.ALPHA:
            if worst is None or abs(shift) > abs(math.log(worst["ratio"])):
                worst = {"verdict": _word(metric, shift),
                         "ratio": math.exp(shift),
                         "first": compared[first]["campaign"],
                         "last": compared[last - 1]["campaign"]}
    return worst


def _judge(one, count):
    """Fill in what the points of a series show, of so many series."""
    compared = [p for p in one["points"] if p["compared"]]
    figures = [math.log(p["ratio"]) for p in compared]
    found = changepoint.changes(figures, count)
    one["changes"] = _changes(one["metric"], compared, found)
    one["drift"] = changepoint.is_drift(figures, found)
    ends = [0, *(c.at for c in found), len(compared)]
    one["levels"] = [
        {"first": compared[a]["campaign"], "last": compared[b - 1]["campaign"],
         "ratio": math.exp(float(np.median(figures[a:b])))}
        for a, b in zip(ends, ends[1:]) if b > a]
    one["newest"] = _newest(one["metric"], compared, ends) if found else None
    if changepoint.smallest_p(len(figures)) * count > changepoint.ALPHA:
        one["reason"] = _too_few(len(figures), count)


def _too_few(n, count):
    need = changepoint.fewest_figures(count)
    return (f"too few campaigns: {n} cannot show a change in one of {count} "
            "series" + (f", {need} can" if need else ": name fewer --metric"))


def _series(given, campaigns, metrics):
    """One for each metric of each cell that any campaign has."""
    cells = [twocampaigns.cells_of(one.report) for one in given]
    found = []
    for key in dict.fromkeys(key for one in reversed(cells) for key in one):
        for name in metrics:
            points = _points(cells, campaigns, key, name)
            known = METRICS[name]
            if points:
                found.append({
                    "a": key[0], "b": key[1], "job": key[2],
                    "target": key[4], "size": key[5], "pairing": key[6],
                    "metric": name,
                    "name": known.label, "role": known.role,
                    "better": known.better, "points": points, "reason": ""})
    return found


def _warnings(campaigns, series):
    left_out = [i for i, one in enumerate(campaigns) if not one["compared"]]
    said = [f"campaign {i + 1} is not compared: "
            f"{'; '.join(campaigns[i]['differs'])}" for i in left_out]
    few = Counter(one["reason"] for one in series if one["reason"])
    said += [f"{reason} ({n} of {len(series)} series)"
             for reason, n in few.items()]
    newest = len(campaigns) - 1
    said += [f"the newest campaign has no {one['name']} of {title(one)}"
             for one in series if one["points"][-1]["campaign"] != newest]
    return said


def title(one: dict) -> str:
    """A cell in words."""
    duet = ", duet" if one["pairing"] == "duet" else ""
    return (f"{one['job']}: {one['b']} against {one['a']}, {one['target']}"
            f"{duet}")


def make(given: Sequence[Given], metrics: Sequence[str],
         across: Sequence[str], command: list) -> dict:
    """All of the history; the JSON of `ab history`."""
    if len(given) < 2:
        raise Problem("one campaign has no history: give two or more.")
    given = sorted(given, key=lambda one: one.report["created"])
    usual = _usual(given, across)
    campaigns = [_campaign(one, usual, across) for one in given]
    series = _series(given, campaigns, metrics)
    if not series:
        raise Problem("no campaign has a figure of "
                      f"{', '.join(metrics)}: see their reports.")
    for one in series:
        _judge(one, len(series))
    data: dict[str, Any] = {
        "schema": HISTORY.version, "version": VERSION,
        "made": machine.moment(), "command": command,
        "alpha": changepoint.ALPHA, "across": list(across),
        "campaigns": campaigns, "series": series,
        "warnings": _warnings(campaigns, series)}
    HISTORY.check(data)
    return data


# --fail-if, as `ab compare` has it

def _of_series(one, newest, verdicts):
    """What is wrong with a series; "" for nothing."""
    if one["reason"]:
        return one["reason"]
    if one["points"][-1]["campaign"] != newest:
        return "not in the newest campaign"
    if one["newest"] and one["newest"]["verdict"] in verdicts:
        return f"{one['newest']['verdict']} than before"
    return ""


def failures(data: dict, words: Sequence[str]) -> list[str]:
    """Sentences about what --fail-if WORD... looks for; [] without words."""
    newest, said = len(data["campaigns"]) - 1, []
    if words and not data["campaigns"][newest]["compared"]:
        said.append("the newest campaign is not compared: "
                    + "; ".join(data["campaigns"][newest]["differs"]))
    for word in words:
        verdicts, metrics = failing.KINDS[word]
        there = [one for one in data["series"] if one["metric"] in metrics]
        if not there:
            said.append(f"{', '.join(metrics)} was not measured")
        said += [f"{title(one)}: {one['name']} {wrong}" for one in there
                 if (wrong := _of_series(one, newest, verdicts))]
    return list(dict.fromkeys(said))


def chosen(names: Sequence[str]) -> tuple[str, ...]:
    """The metrics of --metric: all of them without it."""
    if "primary" in names:
        return PRIMARY
    return tuple(names) or tuple(METRICS)

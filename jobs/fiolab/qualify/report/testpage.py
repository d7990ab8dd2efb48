# SPDX-License-Identifier: GPL-2.0-only
# One test, as the page shows it: its pictures, its determination of steady
# state, its tables and heat maps, and the evidence behind each.
import re

from markupsafe import Markup

from ...fio.metrics import PERCENTILES
from ...report import wording
from ..endurance import soakwords
from ..shorter import figuremarks
from ..tails import neighbourpicture
from . import (cellpage, distribution, healthpicture, healthwords, heatmap,
               kernelpage, pacecurve, phrases, pictures, steadywords, sweep,
               timeline)

LINES = 8                   # of one picture
DISTRIBUTIONS = 6           # cells of a test whose latency is drawn
CELL = re.compile(r"[\w.]+ \d+/\d+")
TIMED = {"wsat": ("iops", "lat_mean_us", "lat_max_us"),
         "xsr": ("mbps", "lat_mean_us", "lat_max_us")}


def figure(picture, caption, source=""):
    return {"svg": Markup(picture), "caption": caption, "source": source}


def _present(made):
    return [one for one in made if one]


# Steady state

def stimuli(phase):
    return list(dict.fromkeys(r["stimulus"] for one in phase["rounds"]
                              for r in one["results"]))


def _part(mix, names):
    return [(f" {mix}" if mix else "", names[i:i + LINES],
             lambda name: name.removesuffix(f" {mix}"))
            for i in range(0, len(names), LINES)]


def families(names):
    """[(what they share, names, how to shorten one)]: few enough to draw.
    Of PTS's cells, "4K 65/35", each mix has a picture."""
    groups = {}
    if len(names) > LINES and all(map(CELL.fullmatch, names)):
        for name in names:
            groups.setdefault(name.rpartition(" ")[2], []).append(name)
    else:
        groups[""] = names
    return [one for mix, part in groups.items() for one in _part(mix, part)]


def files(phase, rounds=None):
    """The files behind some rounds, or all of them."""
    return phrases.sources(r["source"].partition("#")[0] for one in
                           phase["rounds"] for r in one["results"]
                           if r["source"] and (rounds is None
                                               or one["round"] in rounds))


def _convergence(phase, prefix):
    metrics = dict.fromkeys(t["metric"] for t in phase["steady"]["tracked"])
    made = []
    for metric in metrics:
        for mix, names, short in families(stimuli(phase)):
            picture = pictures.convergence(
                phase, names, metric, f"{prefix}c{len(made)}", short)
            if picture:
                made.append(figure(picture, f"Convergence of {mix.strip()} "
                                   f"{phrases.label(metric)}".replace("  ", " ")
                                   + ", each round; shaded: the measurement "
                                   "window.", files(phase)))
    return made


def _window_figure(phase, one, prefix):
    steady = phase["steady"]
    picture = pictures.window(steady, one, prefix)
    return picture and figure(
        picture, f"Measurement window, {one['label']}: its rounds, their "
        "mean, the band of ±10% and the fitted line.",
        files(phase, range(steady["first"], steady["last"] + 1)))


def _share(part, mean):
    return None if part is None or not mean else 100 * part / mean


def determination(phase):
    """A row for each tracked variable."""
    steady = phase["steady"]
    rounds = range(steady["first"] or 1, (steady["last"] or 0) + 1)
    return [{**one, "formula": phrases.formula(one), "shares": {
                name: _share(one[name], one["mean"]) for name in (
                    "allowed_excursion", "measured_excursion",
                    "allowed_slope", "measured_slope")},
             "source": phrases.sources(
                 r["source"] for each in phase["rounds"]
                 if each["round"] in rounds for r in each["results"]
                 if r["stimulus"] == one["stimulus"] and r["source"])}
            for one in steady["tracked"]]


def _steady(test, phase, prefix):
    windows = [_window_figure(phase, one, f"{prefix}w{i}")
               for i, one in enumerate(phase["steady"]["tracked"])]
    return {"title": phase["title"], "said": steadywords.steady(test, phase),
            "reached": phase["steady"]["reached"],
            "throttled": steadywords.throttled(phase).removeprefix("; "),
            "window": phase["steady"]["window"],
            "rows": determination(phase),
            "figures": _convergence(phase, prefix) + _present(windows)}


# Over time, over depth, distributions

def _timelines(test, prefix):
    phases = timeline.parts(test)
    recovery = timeline.recovery(test, f"{prefix}r")
    if recovery:
        return [figure(recovery, "Median and range of the samples after each "
                       "wait, and of as many without.", phrases.sources(
                           r["source"] for p in phases if not p["steady"]
                           for one in p["rounds"] for r in one["results"]
                           if r["source"]))]
    samples = sum(len(one["results"]) for p in phases for one in p["rounds"])
    rounds = sum(len(p["rounds"]) for p in phases)
    if not phases or (test["name"] not in TIMED and samples == rounds and
                      not test.get("endurance")):
        return []
    written = len(phases) == 1
    made = [(timeline.samples(phases, metric, f"{prefix}s{i}", written),
             metric) for i, metric in enumerate(TIMED.get(
                 test["name"], ("iops", "lat_mean_us")))]
    note = ("Medians of neighbouring samples; the band is their range."
            if samples > 240 else "Each sample.")
    return [figure(picture, f"{wording.label(phrases.label(metric))} "
                   f"{'as it is written to' if written else 'over time'}. "
                   f"{note}", "; ".join(files(p) for p in phases))
            for picture, metric in made if picture]


def _over_time(test, prefix):
    return [figure(*each) for each in (
        *neighbourpicture.drawn(test, prefix), *heatmap.drawn(test, prefix),
        *pacecurve.drawn(test, prefix))]


def _health(test, known, prefix):
    """The temperature under the IOPS."""
    made = test.get("health") and healthpicture.picture(
        test, known, f"{prefix}t")
    if not made:
        return []
    drawn, about = made
    return [figure(drawn, "Each sample of the device's health, the rounds as "
                   f"if they followed at once: {about}.", "; ".join(
                       [*map(files, test["phases"]), "health.csv"]))]


def _sweep(key, cells, prefix):
    at = sweep.knee_of(cells)
    beyond = " Beyond the knee more depth buys latency." if at else ""
    return figure(sweep.picture(cells, at, prefix), f"{sweep.captions(key)}; "
                  f"medians of the rounds.{beyond}",
                  phrases.sources(cellpage.sources(cells)))


def _sweeps(test, prefix):
    if test["group"] != "queue":
        return []
    return [_sweep(key, cells, f"{prefix}d{i}") for i, (key, cells) in
            enumerate(sweep.families(test["cells"]))]


def _spread(items, most):
    """Some of them, evenly, with the first and the last."""
    if len(items) <= most:
        return items
    step = (len(items) - 1) / (most - 1)
    return [items[round(i * step)] for i in range(most)]


def _distribution(cell, prefix, i):
    found, name = cell["latency"], cell["name"]
    source = phrases.sources(cellpage.sources([cell]))
    drawn = ((distribution.histogram(found, name, f"{prefix}h{i}"),
              f"All {found['n']:,} I/Os of {name}."),
             (distribution.percentiles(found, name, f"{prefix}p{i}"),
              "The same, each nine with the same width."))
    return {"name": name, "latency": found, "source": source,
            "nines": [(q, found["percentiles"][q],
                       found.get("bounds", {}).get(q)) for q in PERCENTILES
                      if q in found["percentiles"]],
            "figures": [figure(picture, caption, source)
                        for picture, caption in drawn if picture]}


def _distributions(test, prefix):
    """Of some cells, and how many are left out."""
    cells = [c for c in test["cells"] if c["latency"] and c["latency"]["n"]]
    made = [_distribution(cell, prefix, i) for i, cell in
            enumerate(_spread(cells, DISTRIBUTIONS))]
    return made, len(cells) - len(made)


# Evidence

def evidence(test):
    """[(phase, round, seconds, bytes written, files)]"""
    return [(phase["title"], one["round"], one["start"], one["seconds"],
             sum(r["bytes_written"] or 0 for r in one["results"]),
             list(dict.fromkeys(r["source"].partition("#")[0]
                                for r in one["results"] if r["source"])))
            for phase in test["phases"] for one in phase["rounds"]]


def preparation(test):
    """What was done before the phase that had to become steady."""
    made = []
    for phase in test["phases"]:
        if phase["steady"]:
            return made
        made.append(phase["title"].removeprefix("Preconditioning: "))
    return []


def purges(test):
    return [phase["purged"] for phase in test["phases"] if phase["purged"]]


def _marked(test, ones, key):
    """Pictures and tables of shortened figures say so themselves."""
    if test.get("extent") != figuremarks.CUT:
        return ones
    return [{**one, key: f"{one[key].rstrip('.')} (shortened)"}
            for one in ones]


def made(test, anchor, known):
    """All that the template asks for; known: the target's identity."""
    found, left = _distributions(test, f"{anchor}-")
    return {**test, "phases": None, "anchor": anchor,
            "steady": [_steady(test, phase, f"{anchor}-{i}") for i, phase in
                       enumerate(test["phases"]) if phase["steady"]],
            "timelines": _marked(test, _timelines(test, f"{anchor}-")
                                 + _over_time(test, f"{anchor}-"), "caption")
            + _health(test, known, f"{anchor}-"),
            "extent_said": figuremarks.figures(test),
            "health_said": healthwords.said(test),
            "soak_said": soakwords.said(test),
            "sweeps": _marked(test, _sweeps(test, f"{anchor}-"), "caption"),
            "distributions": found, "left": left,
            "heat": _marked(test, [cellpage.heat(grid)
                                   for grid in test["grids"]], "title"),
            "tables": _marked(test, cellpage.tables(test), "title"),
            "cells": cellpage.cells(test),
            "evidence": evidence(test), "preparation": preparation(test),
            "kernel_said": kernelpage.said(test),
            "kernel_lines": kernelpage.lines(test),
            "purges": purges(test)}

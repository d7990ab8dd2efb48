# SPDX-License-Identifier: GPL-2.0-only
"""From the parts of a campaign to their report: its data, which is its JSON,
and of that the text and the page (blocks.py has the statistics)."""
from collections.abc import Sequence
import math
from typing import Any

import numpy as np

from ...base import machine, schema
from ...base.version import VERSION
from ...fio.metrics import METRICS
from ...stats import blocks, paired, verdict
from ...target.target import CAMPAIGN, REPORT
from . import machinestate
from .partfolder import Part, Parts

REPORT_SCHEMA = schema.Schema("partsreport", lambda data: None)
DRIFT = 0.01            # p of all series together, for a warning


def _labels(finished):
    return [one.label == "B" for one in finished]


def _runs(part, cell, metric):
    """ln of a metric in the runs of a cell in a part, in their order."""
    found = [part.runs[at]["values"].get(metric)
             for at in sorted(part.runs) if at[0] == cell.id]
    return [math.log(value) for value in found if value is not None]


def _series(parts, finished):
    """({(cell id, metric): [runs of each part]}, names of what a part lacks)
    """
    found, lacking = {}, []
    for cell in parts.campaign.cells:
        for metric in cell.metrics:
            runs = [_runs(part, cell, metric) for part in finished]
            if all(runs):
                found[cell.id, metric] = runs
            elif any(runs):
                lacking.append(f"{cell.job.name}: {METRICS[metric].label} "
                               "was not measured in every part, and is left "
                               "out")
    return found, lacking


def _ratios(interval):
    return None if math.isinf(interval[0]) else [math.exp(x) for x in interval]


def _finite(value):
    return None if value is None or math.isinf(value) else value


def _spread(runs, is_b):
    found = blocks.spread(runs, is_b)
    if found is None:
        return None
    within, between = found.within, found.between
    whole = math.hypot(between, within / math.sqrt(found.runs))
    return {"within": within, "between": between, "runs": found.runs,
            "certain": found.certain,
            "one_run": math.hypot(between, within) / whole if whole else 1.0,
            "endless_runs": between / whole if whole else 1.0}


def _inside(runs):
    """How the second half of parts differs from their first: (mean, p)."""
    halves = [float(np.mean(one[len(one) // 2:]) - np.mean(
        one[:len(one) // 2])) for one in runs if len(one) > 1]
    return ((float(np.mean(halves)), float(paired.p_value(halves)))
            if halves else (0.0, 1.0))


def _effect(cell, metric, effect, runs, finished):
    known, is_b = METRICS[metric], _labels(finished)
    figures = [float(np.mean(one)) for one in runs]
    (tau, p), (inside, inside_p) = blocks.drift(figures, is_b), _inside(runs)
    found = {
        "metric": known.name, "name": known.label, "unit": known.unit,
        "role": cell.role(metric), "better": known.better,
        "parts": [{"mean": math.exp(x), "runs": [math.exp(y) for y in one]}
                  for x, one in zip(figures, runs)],
        "spread": _spread(runs, is_b),
        "drift": {"tau": tau, "p": p},
        "inside": {"ratio": math.exp(inside), "p": inside_p},
        "order_effect": blocks.order_effect(figures, is_b)}
    if effect is None:
        return {**found, "ratio": None, "ci95": None, "p": None,
                "verdict": "no verdict", "detectable": None,
                "reason": "there are parts of one label only"}
    seen = _finite(effect.detectable())
    return {**found, "ratio": math.exp(effect.estimate),
            "ci95": _ratios(effect.ci95), "p": effect.p,
            "verdict": effect.verdict, "reason": effect.reason,
            "detectable": None if seen is None else math.expm1(seen)}


def _target(cell):
    known = {**cell.place.data(CAMPAIGN), "why": cell.why,
             "direct": cell.direct}
    return {key: known[key] for key in REPORT}


def _cells(parts, series, finished, unit):
    campaign = parts.campaign
    words = {name: said for cell in campaign.cells
             for name, said in cell.words.items()}
    judged = blocks.effects(
        {key: [float(np.mean(one)) for one in runs]
         for key, runs in series.items()}, _labels(finished), words, unit,
        {(cell.id, name) for cell in campaign.cells for name in cell.metrics
         if cell.role(name) != "primary"}, parts.planned)
    return [{"id": cell.id, "job": cell.job.name, "job_text": cell.job.text,
             "target": _target(cell), "effects": [
                 _effect(cell, key[1], judged.get(key), runs, finished)
                 for key, runs in series.items() if key[0] == cell.id]}
            for cell in campaign.cells]


# What there is to say beside the figures

def _order_warnings(is_b):
    switches = sum(a != b for a, b in zip(is_b, is_b[1:]))
    if len(is_b) > 3 and 1 < switches < len(is_b) / 3:
        return ["the parts were seldom alternated, so that a drift of the "
                "machine may be in the effects: alternate them"]
    return []


def _drift_warnings(cells):
    said, every = [], [(cell, effect) for cell in cells
                       for effect in cell["effects"]]
    for cell, effect in every:
        where = f"{cell['job']}, {effect['name']}"
        if effect["drift"]["p"] * len(every) < DRIFT:
            said.append(f"{where}: the parts drift (Kendall's tau "
                        f"{effect['drift']['tau']:+.2f})")
        if effect["inside"]["p"] * len(every) < DRIFT:
            said.append(f"{where}: within the parts, the second half is "
                        f"{100 * (effect['inside']['ratio'] - 1):+.1f}%")
    return said


def _boot_warnings(parts, finished, differs):
    said = [f"part {i} ({one.label}) does not count: {one.given_up}"
            for i, one in enumerate(parts.every, 1) if one.given_up]
    if parts.same_boot:
        said.append("parts share a boot: what is compared is a setting, and "
                    "nothing is said of how boots differ")
    if len({one.label for one in finished}) == 2 and not differs:
        said.append("nothing of the machine's state that is recorded differs "
                    "between A and B")
    return said


def _part_data(number, part: Part) -> dict:
    return {"number": number, "label": part.label, "begun": part.begun,
            "ended": part.ended, "boot_id": part.boot_id,
            "counts": part.counts, "given_up": part.given_up,
            "kernel": part.state.get("kernel", "unknown")}


def data(parts: Parts) -> dict[str, Any]:
    """All that a report says."""
    campaign, finished = parts.campaign, parts.finished()
    series, lacking = _series(parts, finished)
    unit = "part" if parts.same_boot else "boot"
    cells = _cells(parts, series, finished, unit)
    differs, varies = machinestate.compared(
        [one.state for one in finished], _labels(finished))
    made = {
        "schema": REPORT_SCHEMA.version, "version": VERSION,
        "made": machine.moment(), "created": campaign.created,
        "command": campaign.command, "side": campaign.sides[0].text,
        "fio": campaign.binary["version"], "unit": unit,
        "planned": parts.planned,
        "runs": campaign.pairs, "runtime_s": campaign.runtime,
        "ramp_s": campaign.ramp, "cpu": campaign.asked.cpu,
        "alpha": verdict.ALPHA, "margin": verdict.MARGIN,
        "parts": [_part_data(i, one)
                  for i, one in enumerate(parts.every, 1)],
        "counted": [i for i, one in enumerate(parts.every) if one.counts],
        "differs": differs, "varies": varies, "cells": cells,
        "warnings": [*_boot_warnings(parts, finished, differs),
                     *_order_warnings(_labels(finished)),
                     *_drift_warnings(cells), *lacking,
                     *campaign.folder.strange]}
    REPORT_SCHEMA.check(made)
    return made


def labels(report: dict) -> Sequence[str]:
    """Of the parts that count."""
    return [report["parts"][i]["label"] for i in report["counted"]]


def write(parts: Parts, file: Any) -> None:
    """Into the folder in three forms, and as text on stdout."""
    from . import partpage, parttext    # half of the time to start
    found, folder = data(parts), parts.folder
    folder.save_report(found)
    text = parttext.text(found)
    folder.save_text("report.txt", text)
    partpage.write(found, folder.file("report.html"))
    if file:
        file.save(found)
    print(text, end="")
    print(f"Report: {folder.shown}/report.html")

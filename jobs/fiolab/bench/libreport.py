# SPDX-License-Identifier: GPL-2.0-only
"""The report of jobs/bench-lib on what ran under fio, in the words of a report
of jobs/ab, and its JSON."""
from collections.abc import Sequence

from ..ab.campaign import Campaign
from ..ab.campaignfolder import side_data
from ..ab.report.reportdata import found_data, frame
from ..ab.report.textreport import cell_lines, head, rule
from ..base import machine
from ..fio.sidespec import LETTERS, Side
from ..report import terminal
from . import callkinds, loops, textreport
from .callloop import Loop
from .rowset import Row


def _found(campaign, cell):
    """Without the latencies, of which nothing is compared."""
    return {**found_data(campaign, cell), "latency": {}}


def sides(found: Sequence[Side]) -> list[str]:
    """The sides of the loop alone."""
    return terminal.side_lines([side_data(letter, side) for letter, side in
                                zip(LETTERS, found)], loops.CALL)


def lines(campaign: Campaign, cells: Sequence[Row], kinds: Sequence[dict],
          comparisons: int) -> list[str]:
    """The report on the cells that ran under fio."""
    whole = frame(campaign, comparisons)
    made = head(whole)
    for cell in cells:
        made += cell_lines(whole, _found(campaign, cell))
    doubts = [text for cell in cells for text in cell.target.doubts()]
    made += [*terminal.warnings({"warnings": doubts}), *rule(whole)]
    for cell, counted in zip(cells, kinds):
        made += callkinds.kinds_lines(cell, counted)
    return made


# The JSON

def _sides_data(found):
    """By letter, and each without it."""
    data = [side_data(letter, side) for letter, side in zip(LETTERS, found)]
    return {one.pop("letter"): one for one in data}


def _cell_data(campaign, cell):
    found = _found(campaign, cell)
    same = ("job_text", "stream", "calls_per_io", "order_effect")
    return {"job": cell.job.path, "target": cell.target.path,
            "target_label": cell.target.describe(cell.direct),
            "size": cell.target.size, "direct": cell.direct == "all",
            "direct_io": cell.direct, "job_changes": found["changes"],
            **{name: found[name] for name in same},
            "effects": [textreport.effect_data(e)
                        for e in cell.effects.values()], "runs": cell.runs}


def data(campaign: Campaign, cells: Sequence[Row], loop: Loop | None) -> dict:
    """Everything measured; effects are natural logarithms of ratios."""
    asked = campaign.asked
    found: dict = {"seed": asked.seed, "pairs": asked.pairs, "cells": [],
                   "machine": machine.describe(asked.cpu)}
    if loop and not campaign.fio:
        return {"sides": _sides_data(loop.sides), **found}
    return {"sides": _sides_data(campaign.sides), **found,
            "fio": campaign.fio.version, "cpu": asked.cpu,
            "runtime": asked.runtime, "ramp": asked.ramp,
            "cells": [_cell_data(campaign, cell) for cell in cells]}


def loop_data(loop: Loop, cell: Row) -> dict:
    return {"libraries": [side.library for side in loop.sides],
            "runs": cell.runs, "effects": {
                kind: {**textreport.effect_data(e), "metric": "speed"}
                for kind, e in cell.effects.items()}}

# SPDX-License-Identifier: GPL-2.0-only
# report.json and campaign.json, read with distrust: their fields are those of
# jobs/docs/report.schema.json and campaign.schema.json, and here is what no
# field shows alone.
import datetime

from ..base.schema import Report, Schema, Wrong, interval, latency, unlike
from ..fio.metrics import METRICS
from ..fio.sidespec import LETTERS
from ..stats.pairing import ROLES


def _letters(data):
    """Those of the sides that A is compared with."""
    letters = [side["letter"] for side in data["sides"]]
    if len(letters) < 2 or letters != list(LETTERS[:len(letters)]):
        raise Wrong("sides", "are not lettered A, B and so on")
    return letters[1:]


def _report_relations(data):
    letters = _letters(data)
    try:
        datetime.datetime.fromisoformat(data["created"].replace("Z", "+00:00"))
    except ValueError:
        raise Wrong("created", "is no date and time") from None
    unlike([cell["id"] for cell in data["cells"]], "cells", "share an id")
    for i, cell in enumerate(data["cells"]):
        _cell_relations(cell, letters, f"cells[{i}]")


def _cell_relations(cell, letters, where):
    if cell["b"] not in letters:
        raise Wrong(f"{where}.b", "is not the letter of a side but A")
    unlike([pair["pair"] for pair in cell["pairs"]], f"{where}.pairs",
           "has a pair twice")
    for i, pair in enumerate(cell["pairs"]):
        for role in sorted(ROLES):
            _figures(pair["values"][role], f"{where}.pairs[{i}].values.{role}")
    _effects(cell["effects"], f"{where}.effects", len(cell["pairs"]))
    for host, one in cell["hosts"].items():
        _effects(one["effects"], f"{where}.hosts.{host}.effects")
    for name, one in cell["latency"].items():
        for role in "AB":
            latency(one[role], f"{where}.latency.{name}.{role}")


def _figures(values, where):
    """Of one run: those of metrics are such that ratios are finite."""
    for name in METRICS:
        if values.get(name) is not None and not 1e-30 <= values[name] <= 1e30:
            raise Wrong(f"{where}.{name}", "is not from 1e-30 to 1e+30")


def _effects(effects, where, pairs=None):
    for i, effect in enumerate(effects):
        if pairs is not None and effect["n"] > pairs:
            raise Wrong(f"{where}[{i}].n",
                        f"says more pairs than the {pairs} there are")
        interval(effect["ci95"], f"{where}[{i}].ci95")
        interval(effect["ci90"], f"{where}[{i}].ci90")
        if effect["aa"]:
            interval(effect["aa"]["ci95"], f"{where}[{i}].aa.ci95")


def _plan_relations(plan):
    letters = _letters(plan)
    for i, cell in enumerate(plan["cells"]):
        if not (cell["id"] == i and cell["b"] in letters and
                cell["job"] < len(plan["jobs"]) and
                cell["target"] < len(plan["targets"])):
            raise Wrong(f"cells[{i}]", "does not fit the rest")


REPORT = Report("report", _report_relations, "jobs/ab",
                "the report.json of a campaign")
PLAN = Schema("campaign", _plan_relations)
check, load = REPORT.checked, REPORT.load

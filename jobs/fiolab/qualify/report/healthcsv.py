# SPDX-License-Identifier: GPL-2.0-only
# health.csv: each sample of the health of each target, a row, with all of its
# values; a column for each attribute that any of them told.
import csv
import io

from ...report import spreadsheet
from ...target.drive import smartlog
from ..watch.healthsamples import expanded

PLACE = ("at", "phase", "round", "part", "seconds", "took")
ORDER = {name: number for number, name in enumerate(smartlog.ATTRIBUTES)}


def _phase(test, number):
    """Its title; a phase that a stopped run had begun may not be there."""
    phases = test["phases"]
    return phases[number]["title"] if (
        number is not None and number < len(phases)) else None


def _rows(data):
    for target in data["targets"]:
        for test in target["tests"]:
            health = test.get("health") or {"samples": ()}
            for one in expanded(health["samples"]):
                yield {"target": target["name"], "test": test["name"],
                       **{name: one[name] for name in PLACE},
                       "phase": _phase(test, one["phase"]),
                       "values": one["values"]}


def text(data):
    """The file's content; None without a sample."""
    rows = list(_rows(data))
    names = sorted({name for row in rows for name in row["values"]},
                   key=lambda name: (smartlog.parts(name)[0],
                                     ORDER.get(smartlog.parts(name)[1],
                                               len(ORDER)), name))
    out = io.StringIO()
    file = csv.writer(out, lineterminator="\n")
    file.writerow(["target", "test", *PLACE, *names])
    for row in rows:
        file.writerow([*(spreadsheet.field(row[name])
                         for name in ("target", "test", *PLACE)),
                       *(row["values"].get(name) for name in names)])
    return out.getvalue() if rows else None

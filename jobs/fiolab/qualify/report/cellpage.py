# SPDX-License-Identifier: GPL-2.0-only
# The tables of one test, as the page shows them: each cell with its figures
# and their source, and grids as heat maps.
import math

from ...fio.metrics import TABLE
from ...report import wording
from . import phrases

LEVELS = 8                  # shades of a heat map
FAR_APART = 20              # times: shades by the logarithm


def sources(cells):
    return [source for cell in cells for value in cell["values"].values()
            for source in value["sources"]]


def _level(value, low, high, log):
    if value is None or high <= low:
        return 0
    if log:
        value, low, high = map(math.log, (value, low, high))
    return round(LEVELS * (value - low) / (high - low))


def _better(metric):
    return TABLE[metric].better if metric in TABLE else ""


def heat(grid):
    """The grid with a shade for each figure."""
    known = [z for row in grid["z"] for z in row if z is not None]
    low, high = min(known, default=0), max(known, default=0)
    log = low > 0 and high / low > FAR_APART
    rows = [(name, [(phrases.plain(None if z is None else float(z)),
                     _level(z, low, high, log)) for z in row])
            for name, row in zip(grid["y"], grid["z"])]
    return {**grid, "less": _better(grid["metric"]) == "lower", "log": log,
            "rows": rows}


def tables(test):
    """Those that no heat map shows already."""
    shown = {grid["title"] for grid in test["grids"]}
    return [one for one in test["tables"] if one["title"] not in shown]


def columns(cells):
    """The metrics to show of each cell."""
    return [name for name in phrases.columns(cells)
            if name not in TABLE or TABLE[name].head is not None]


def _columns(test):
    """With the one that had to be steady in front."""
    found = columns(test["cells"])
    first = next((one["metric"] for phase in test["phases"] if phase["steady"]
                  for one in phase["steady"]["tracked"]), None)
    return sorted(found, key=lambda name: name != first)


def _load(cell):
    """'T4 QD32', or what of it the name does not say."""
    load = cell["stimulus"]
    named = cell["name"].replace("QD ", "QD").split()
    parts = [f"{letter}{load[name]}" for letter, name in (
        ("T", "threads"), ("QD", "depth")) if load[name]]
    return " ".join(part for part in parts if part not in named)


def _head(metric):
    """(short name, unit)"""
    unit = phrases.unit(metric)
    return (TABLE[metric].head if metric in TABLE else metric,
            phrases.UNITS.get(unit, unit))


def _figure(cell, metric):
    value = cell["values"].get(metric)
    if value is None or value["mean"] is None:
        return "n/a"
    if phrases.unit(metric) == "share":
        return phrases.amount(value["mean"], "share")
    return wording.figure(value["mean"])


def _why(cell):
    """What a reader must know before the figures."""
    if cell["steady"] is False:
        return "not steady"
    return cell.get("why")


def cells(test):
    """Header and rows: every figure of every cell, and where it is from."""
    if not test["cells"]:
        return None
    names = _columns(test)
    first = names[0] if names else None
    rows = [{"name": cell["name"], "load": _load(cell), "why": _why(cell),
             "extent": cell.get("extent"),
             "figures": [_figure(cell, name) for name in names],
             "bounds": cell["values"].get(first),
             "n": max((v["n"] for v in cell["values"].values()), default=0),
             "source": phrases.sources(sources([cell]))}
            for cell in test["cells"]]
    return {"first": phrases.label(first) if first else "", "rows": rows,
            "heads": [_head(name) for name in names]}

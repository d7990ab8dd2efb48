# SPDX-License-Identifier: GPL-2.0-only
# What the SNIA tests report beyond each cell: tables and grids from the phases
# of a test, as they stand in qualify.json.  No number here was not measured: a
# cell without figures is null.
from statistics import fmean, median

from ...fio.metrics import TABLE

SHOWN = ("iops", "lat_mean_us", "lat_max_us")
SLOWEST_US = 5000           # of a point's mean response (DIRTH)


def window(phase):
    """The rounds that count: the measurement window, or all without one."""
    steady = phase["steady"]
    if not steady:
        return phase["rounds"]
    return [r for r in phase["rounds"]
            if steady["first"] <= r["round"] <= steady["last"]]


def values(phase, stimulus, metric, rounds=None):
    """All figures of a stimulus in the window's rounds, in order."""
    found = [result["values"].get(metric)
             for one in (window(phase) if rounds is None else rounds)
             for result in one["results"] if result["stimulus"] == stimulus]
    return [value for value in found if value is not None]


def mean(phase, stimulus, metric, rounds=None):
    found = values(phase, stimulus, metric, rounds)
    return fmean(found) if found else None


def middle(phase, stimulus, metric):
    """The median of the rounds, on which one that was disturbed bears least;
    None where none has it."""
    found = values(phase, stimulus, metric)
    return median(found) if found else None


def middle_of(cell, metric):
    """The same of a cell."""
    found = [value for value in cell["values"].get(metric, {}).get(
        "values", ()) if value is not None]
    return median(found) if found else None


def _names(phase):
    return list(dict.fromkeys(result["stimulus"] for one in phase["rounds"]
                              for result in one["results"]))


def _phase(phases, name):
    return next((p for p in phases if p["name"] == name), None)


def column(metric):
    """The head of a table's column: 'mean latency us'."""
    name, unit = TABLE[metric].short, TABLE[metric].unit_said
    return name if name == unit else f"{name} {unit}"


def _grid(metric, labels, x, y, z, title=None):
    known = TABLE[metric]
    return {"title": title or known.title, "metric": metric,
            "unit": known.unit_said, "x_label": labels[0], "x": x,
            "y_label": labels[1], "y": y, "z": z}


def _as_table(grid):
    return {"title": grid["title"], "note": f"mean of the window, "
            f"{grid['unit']}", "columns": [f"{grid['y_label']} \\ "
                                           f"{grid['x_label']}", *grid["x"]],
            "rows": [[name, *row] for name, row in zip(grid["y"],
                                                       grid["z"])]}


def mix_by_size(phases):
    """Block sizes x R/W mixes, of the test's rounds."""
    phase = _phase(phases, "rounds")
    if not phase or not phase["rounds"]:
        return {}
    names = [name.split() for name in _names(phase)]
    sizes, mixes = (list(dict.fromkeys(name[i] for name in names))
                    for i in (0, 1))
    grids = [_grid(metric, ("R/W", "block size"), mixes, sizes,
                   [[mean(phase, f"{size} {mix}", metric) for mix in mixes]
                    for size in sizes]) for metric in SHOWN]
    return {"grids": grids, "tables": [_as_table(grid) for grid in grids]}


def saturation(phases):
    """IOPS as the device fills: one row for each round."""
    phase = _phase(phases, "saturation")
    rows, written = [], 0
    for one in phase["rounds"] if phase else ():
        written += sum(r["bytes_written"] for r in one["results"])
        name = one["results"][0]["stimulus"]
        rows.append([one["round"], written / 1e9,
                     *(mean(phase, name, metric, [one])
                       for metric in SHOWN)])
    return {"tables": [{"title": "Write saturation", "note": "mean of each "
                        "round's samples", "columns": [
                            "round", "GB written", *map(column, SHOWN)],
                        "rows": rows}]}


def idle_recovery(phases):
    """After each wait: IOPS against the baseline without waits."""
    rows = []
    for phase in phases:
        if not phase["name"].startswith("wait "):
            continue
        wait = phase["name"].removeprefix("wait ")
        after = mean(phase, f"after {wait} idle", "iops")
        other = _phase(phases, f"baseline {wait}")
        base = mean(other, f"baseline {wait}", "iops") if other else None
        rows.append([wait, after, base, after / base if after and base
                     else None])
    return {"tables": [{"title": "Host idle recovery", "note": "mean IOPS of "
                        "5 s of 4K writing after each wait, and without",
                        "columns": ["wait", "after it", "baseline", "ratio"],
                        "rows": rows}]}


def cross_recovery(phases):
    """First and last round of each stimulus, and how the third compares."""
    rows, ends = [], {}
    for phase in phases:
        if not phase["rounds"]:
            continue
        name, = _names(phase)
        first, last = (mean(phase, name, "mbps", [phase["rounds"][i]])
                       for i in (0, -1))
        worst = max(values(phase, name, "lat_max_us"), default=None)
        ends[phase["name"]] = last
        rows.append([name, first, last, worst])
    one, three = (ends.get(f"stimulus {i}") for i in (1, 3))
    note = ("The last round of stimulus 3 reaches "
            f"{three / one:.3f} of that of stimulus 1." if one and three else
            "not all stimuli were run")
    return {"tables": [{"title": "Cross stimulus recovery", "note": note,
                        "columns": ["stimulus", "first round MB/s",
                                    "last round MB/s", column("lat_max_us")],
                        "rows": rows}]}


def _cells(phases):
    """{(threads, depth): (IOPS, mean latency us)} of the grid."""
    found = {}
    for phase in phases:
        for name in _names(phase):
            threads, _, depth = name.partition(" QD")
            if threads[:1] == "T" and threads[1:].isdecimal() and \
                    depth.isdecimal():
                found[int(threads[1:]), int(depth)] = (
                    mean(phase, name, "iops"),
                    mean(phase, name, "lat_mean_us"))
    return {key: value for key, value in found.items() if None not in value}


def points(phases):
    """{"Max": (threads, depth), "Mid", "Min"}: of the cells that respond
    within 5 ms in the mean, the fastest, the slowest and the middle one."""
    cells = {key: iops for key, (iops, us) in _cells(phases).items()
             if us < SLOWEST_US}
    if not cells:
        return {}
    most, least = (pick(cells, key=cells.get) for pick in (max, min))
    middle = (cells[most] + cells[least]) / 2
    return {"Max": most, "Min": least, "Mid": min(
        cells, key=lambda key: abs(cells[key] - middle))}


def demand(phases):
    """Threads x depth, and the three points."""
    cells = _cells(phases)
    threads, depths = (sorted({key[i] for key in cells}) for i in (0, 1))
    grids = [_grid(metric, ("depth", "threads"), [f"QD{d}" for d in depths],
                   [f"T{t}" for t in threads],
                   [[cells.get((t, d), (None, None))[i] for d in depths]
                    for t in threads], title)
             for i, (title, metric) in enumerate((
                 ("Demand intensity", "iops"),
                 ("Response time", "lat_mean_us")))]
    rows = [[name, f"T{key[0]} QD{key[1]}", *cells[key]]
            for name, key in points(phases).items()]
    return {"grids": grids, "tables": [*map(_as_table, grids), {
        "title": "Operating points", "note": "of the cells whose mean response "
        "is below 5 ms", "columns": ["point", "cell", "IOPS",
                                     "mean response us"], "rows": rows}]}

# SPDX-License-Identifier: GPL-2.0-only
# Latency over time as a heat map: how many I/Os took how long in each window
# of a cell, with the longest as a line, and what stands out marked below.  A
# single I/O has a shade that is seen.
import math

from matplotlib.path import Path
from matplotlib.patches import PathPatch
import numpy as np

from ...report import latencyplots, plotting, svg, wording
from . import cellpage, phrases, pictures, timeline

FAINTEST, DARKEST = 3, 8    # shades
SQUARE = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
LINE = "longest"


def levels(counts):
    """The shade of each count, 0 for none, by the logarithm."""
    counts = np.array(counts, dtype=float)
    most = max(counts.max(), math.e)
    share = np.log(np.maximum(counts, 1)) / math.log(most)
    found = FAINTEST + np.round((DARKEST - FAINTEST) * share)
    return np.where(counts > 0, found, 0).astype(int)


def _runs(row):
    """[(first, end, level)] of equal neighbours."""
    ends = np.flatnonzero(np.diff(row)) + 1
    return [(first, end, row[first]) for first, end in zip(
        [0, *ends], [*ends, len(row)]) if row[first]]


def _rectangles(shades, x, edges):
    """{level: [corners]}; shades: a row of levels for each row of edges."""
    found = {}
    for i, row in enumerate(shades):
        low, high = edges[i], edges[i + 1]
        for first, end, level in _runs(row):
            a, b = x[first], x[end]
            found.setdefault(level, []).append(
                [(a, low), (b, low), (b, high), (a, high), (a, low)])
    return found


def _draw(axes, over, x):
    edges = over["edges_ns"]
    shades = levels(over["counts"]).T
    for level, corners in _rectangles(shades, x, edges).items():
        axes.add_patch(PathPatch(
            Path(np.concatenate(corners), SQUARE * len(corners)),
            facecolor=svg.SHADES[level - 1], linewidth=0))
    longest = np.array([ns or np.nan for ns in over["max_ns"]], dtype=float)
    axes.stairs(longest, x, baseline=None, color=svg.LINES[1], linewidth=1.1)
    return longest


def _marks(axes, over, scale):
    for one in over["outliers"]:
        begin, end = one["after_s"], one["after_s"] + one["seconds"]
        axes.axvspan(begin / scale, end / scale, ymax=0.03, color=svg.BAD,
                     linewidth=0)


def _said(over, longest):
    at = int(np.nanargmax(longest))
    return (f"{wording.several(len(longest), 'window')} of "
            f"{wording.time(over['width_s'])}; the longest latency, "
            f"{wording.duration(float(longest[at]))}, "
            f"{wording.time(at * over['width_s'])} after the first I/O; "
            f"{standing_out(over)}")


def standing_out(over):
    count = len(over["outliers"])
    if not over["usual"]:
        return "too few windows to say which stand out"
    return (f"{wording.several(count, 'time')} that stand"
            f"{'s' if count == 1 else ''} out" if count else
            "no time stands out")


def picture(over, name, prefix):
    """over: "over_time" of a cell, with windows."""
    x = over["width_s"] * np.arange(len(over["counts"]) + 1)
    unit, scale = timeline.time_unit(x[-1])
    x /= scale
    made, axes = pictures.figure(260, left=0.16, right=pictures.room([LINE]))
    axes.set_yscale("log")
    axes.set_xlim(0, x[-1])
    axes.set_ylim(over["edges_ns"][0], over["edges_ns"][-1])
    longest = _draw(axes, over, x)
    _marks(axes, over, scale)
    latencyplots.latency_axis(axes.yaxis)
    axes.xaxis.get_major_locator().set_params(nbins=6)
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.set_xlabel(f"{unit} since the first I/O")
    known = longest[~np.isnan(longest)]
    pictures.end_labels(axes, [(LINE, known[-1], svg.LINES[1])])
    plotting.caption(axes, "latency")
    return svg.render(made, prefix, f"Latency over time, {name}",
                      _said(over, longest))


def drawn(test, prefix):
    """[(picture, caption, source)] of the cells of a test that have one."""
    cells = [cell for cell in test["cells"]
             if (cell.get("over_time") or {}).get("counts")]
    return [(picture(cell["over_time"], cell["name"], f"{prefix}o{i}"),
             f"Latency of {cell['name']} over time, in windows of "
             f"{wording.time(cell['over_time']['width_s'])}: the darker, the "
             "more I/Os, by the logarithm; the line is the longest. Marked "
             f"below: {standing_out(cell['over_time'])}.",
             phrases.sources(cellpage.sources([cell])))
            for i, cell in enumerate(cells)]

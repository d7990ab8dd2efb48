# SPDX-License-Identifier: GPL-2.0-only
# How late reads are alone and beside each noisy neighbour: a row for each, with
# p50, p99 and p99.9 from when they were due on one logarithmic axis.
from ...fio.metrics import TABLE
from ...report import latencyplots, plotting, svg, wording
from ..report import cellpage, phrases, pictures
from ..suite.derive import middle_of
from . import neighbour

METRICS = ("due_p50_us", "due_p99_us", "due_p99_9_us")
ROW, TOP, BOTTOM = 34, 44, 40       # CSS pixels
LONGEST, LEFT = 20, 0.38            # letters of a name, and their room
WIDER = 1.5                         # times: the axis beyond the figures


def rows(test):
    """[(cell, {metric: its median in ns})] of the readers at the set rate,
    with those of too few reads for a p99."""
    readers = (neighbour.ALONE, *map(neighbour.beside, neighbour.LOUD),
               neighbour.AGAIN, *map(neighbour.beside, neighbour.TRIMS))
    found = [(cell, {metric: 1000 * value for metric in METRICS if (
        value := middle_of(cell, metric)) is not None})
             for cell in test["cells"] if cell["name"] in readers]
    return [one for one in found if one[1]]


def _rows(axes, found):
    for y, (_, known) in enumerate(found):
        axes.plot([min(known.values()), max(known.values())], [y, y],
                  color=svg.RULE, linewidth=3, zorder=1)
    for metric, marker, colour in zip(METRICS, pictures.MARKERS, svg.LINES):
        points = [(known[metric], y) for y, (_, known) in enumerate(found)
                  if metric in known]
        if points:
            axes.plot(*zip(*points), marker, color=colour, markersize=5.5,
                      label=TABLE[metric].head.split()[0], zorder=2)


def _said(found):
    return "; ".join(
        f"{cell['name']}: " + ", ".join(
            f"{TABLE[metric].head.split()[0]} {wording.duration(ns)}"
            for metric, ns in known.items()) for cell, known in found)


def picture(found, prefix):
    names = [plotting.label(cell["name"], LONGEST) for cell, _ in found]
    every = [ns for _, known in found for ns in known.values()]
    made, axes = pictures.figure(TOP + BOTTOM + ROW * len(found),
                                 left=LEFT, top=TOP, bottom=BOTTOM)
    axes.set_xscale("log")
    axes.set_xlim(min(every) / WIDER, max(every) * WIDER)
    axes.set_ylim(len(found) - 0.5, -0.5)
    _rows(axes, found)
    latencyplots.latency_axis(axes.xaxis)
    axes.set_yticks(range(len(names)), names)
    axes.grid(False, axis="y")
    axes.set_xlabel("latency from when due")
    axes.legend(loc="lower right", bbox_to_anchor=(1.02, 1.0), ncol=3,
                borderaxespad=0, handlelength=1.2, columnspacing=1.2)
    return svg.render(made, prefix, neighbour.TITLE, _said(found))


def drawn(test, prefix):
    """[(picture, caption, source)]; [] of another test."""
    found = rows(test) if test["name"] == neighbour.NAME else []
    return [(picture(found, f"{prefix}n"),
             "Reads at a set rate on one part of the device, alone and beside "
             "what goes on at the other as fast as it can: latency from when "
             "each read was due, medians of the rounds.",
             phrases.sources(cellpage.sources(cell for cell, _ in found)))
            ] if found else []

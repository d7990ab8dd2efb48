# SPDX-License-Identifier: GPL-2.0-only
# IOPS and latency over the queue depth, with the knee: beyond it more depth
# buys latency and no more I/Os.
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ...fio.metrics import TABLE
from ...report import svg, wording
from ...stats import knee
from ..suite.derive import middle_of
from . import phrases, pictures

AXIS_NAME = 0.3             # of the width: so much of it the axis' name takes
FEWEST = 4                  # depths that make a sweep
LATENCIES = (("lat_mean_us", "-"), ("lat_p99_us", (0, (4, 2))))


def families(cells):
    """[(title, cells by depth)]: cells that differ in their depth alone."""
    found = {}
    for cell in cells:
        s = cell["stimulus"]
        if s["depth"]:
            key = (s["rw"], s["bs"], s["read_percent"], s["threads"],
                   _stem(cell["name"], s["depth"]))
            found.setdefault(key, {}).setdefault(s["depth"], cell)
    return [(key, [one[d] for d in sorted(one)]) for key, one in
            found.items() if len(one) >= FEWEST]


def _stem(name, depth):
    """A cell's name without its depth, as in 'ring QD 32' -> 'ring'."""
    return " ".join(name.replace(f"QD {depth}", "").replace(
        f"QD{depth}", "").split())


def knee_of(cells):
    """The depth of the knee, as the test itself finds it; None without."""
    return knee.find([(cell["stimulus"]["depth"], middle_of(cell, "iops"),
                       middle_of(cell, "lat_mean_us")) for cell in cells]).depth


def _line(axes, cells, metric, **style):
    points = [(c["stimulus"]["depth"], middle_of(c, metric)) for c in cells
              if middle_of(c, metric) is not None]
    if points:
        axes.plot(*zip(*points), linewidth=1.5, markersize=4, **style)
    return [y for _, y in points]


def _depth_axis(axes, depths):
    axes.set_xscale("log")
    axes.set_xlim(depths[0] / 1.15, depths[-1] * 1.15)
    axes.xaxis.set_major_locator(FixedLocator(
        depths[::-(-len(depths) // 8)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))


def _frame(depths):
    """(figure, IOPS above, latency below)"""
    made = svg.figure(330)
    upper = made.add_axes([0.15, 0.56, 0.70, 0.37])
    lower = made.add_axes([0.15, 0.12, 0.70, 0.34])
    for axes in (upper, lower):
        axes.grid(True)
        axes.set_axisbelow(True)
        axes.tick_params(length=0, which="both")
        _depth_axis(axes, depths)
    upper.tick_params(labelbottom=False)
    lower.set_xlabel("queue depth")
    return made, upper, lower


def picture(cells, at, prefix):
    """cells by depth; at: the knee's depth or None."""
    depths = [c["stimulus"]["depth"] for c in cells]
    made, upper, lower = _frame(depths)
    iops = _line(upper, cells, "iops", color=svg.B, marker="o")
    pictures.value_axis(upper, iops, "1/s")
    ends, every = [], []
    for (metric, dash), colour in zip(LATENCIES, svg.LINES):
        found = _line(lower, cells, metric, color=colour, linestyle=dash,
                      marker="os"[bool(ends)])
        every += found
        ends += [(TABLE[metric].head, found[-1], colour)] if found else []
    pictures.value_axis(lower, every, "us")
    pictures.end_labels(lower, ends)
    for axes, name in ((upper, "IOPS"), (lower, "latency")):
        axes.text(0, 1.03, name, transform=axes.transAxes, color=svg.MUTED,
                  va="bottom")
        if at:
            axes.axvline(at, color=svg.BAD, linewidth=1.1, linestyle=":")
    if at:
        across = (upper.transData + upper.transAxes.inverted()).transform(
            (at, 1))[0]
        upper.text(max(across, AXIS_NAME), 1.03, f"knee {at:g}",
                   color=svg.BAD, ha="center", va="bottom",
                   transform=upper.transAxes)
    said = "; ".join(f"depth {d}: {phrases.amount(y)}" for d, y in
                     zip(depths, iops))
    return svg.render(made, prefix, "IOPS and latency over the queue depth",
                      said + (f"; the knee is at {at:g}" if at else ""))


def captions(key):
    rw, bs, read, threads, stem = key
    return (f"{stem + ': ' if stem else ''}{rw}, {bs}, "
            f"{wording.several(threads or 1, 'thread')}")

# SPDX-License-Identifier: GPL-2.0-only
# The latency of one cell: a histogram of all of its I/Os, and its percentiles
# stretched so that each nine has the same width, with the figures at them.
import numpy as np

from matplotlib.ticker import FixedLocator, FuncFormatter

from ...fio.metrics import PERCENTILES, SHARES
from ...report import latencyplots, plotting, svg, wording
from . import pictures

BARS = 70
EDGE = 1.05                 # of the axes: where the picture ends
MARKED = ("50", "99", "99.999")


def rebinned(bins, bars=BARS):
    """(edges in ns, I/Os): bars of even width on a logarithmic axis."""
    ns, counts = (np.array([b[i] for b in bins], dtype=float) for i in (0, 1))
    if ns[0] == ns[-1]:
        return np.array([ns[0] / 1.1, ns[0] * 1.1]), np.array([counts.sum()])
    edges = np.geomspace(ns[0] * 0.999, ns[-1] * 1.001, bars + 1)
    return edges, np.histogram(ns, edges, weights=counts)[0]


def marks(latency):
    """[(text, ns)]: what the histogram points at."""
    found = [(f"p{q}", latency["percentiles"].get(q)) for q in MARKED]
    return [(name, ns) for name, ns in (*found, ("max", latency["max_ns"]))
            if ns]


def _pointers(axes, found):
    """A rule at each mark, and its name above, clear of the others."""
    to_axes = (axes.transData + axes.transAxes.inverted()).transform
    at = [to_axes((ns, 1))[0] for _, ns in found]
    placed = pictures.apart(at, 0.185)
    halves = [len(name) * 0.0125 for name, _ in found]
    over = max([0, *(x + half - EDGE for x, half in zip(placed, halves))])
    for (name, ns), x in zip(found, placed):
        axes.axvline(ns, color=svg.MUTED, linewidth=0.9, linestyle=":")
        axes.text(x - over, 1.02, name, color=svg.MUTED, ha="center",
                  transform=axes.transAxes)


def histogram(latency, name, prefix):
    """How many I/Os took how long; None: there are none."""
    if not latency["bins"]:
        return None
    edges, counts = rebinned(latency["bins"])
    made, axes = pictures.figure(250, left=0.14, right=0.05, top=44)
    axes.set_xscale("log")
    axes.set_yscale("log")
    bottom = 0.7
    axes.stairs(counts, edges, baseline=bottom, fill=True, color=svg.B,
                alpha=0.85, linewidth=0)
    axes.set_ylim(bottom, counts.max() * 1.6)
    axes.set_xlim(edges[0], max(edges[-1], latency["max_ns"] or 0) * 1.03)
    latencyplots.latency_axis(axes.xaxis)
    axes.yaxis.set_major_formatter(FuncFormatter(
        lambda y, _: pictures.tick(y, "1/s")))
    axes.yaxis.set_major_locator(FixedLocator(_powers(counts.max())))
    axes.minorticks_off()
    axes.set_xlabel("latency")
    _pointers(axes, marks(latency))
    axes.text(0, 1.12, "I/Os", color=svg.MUTED, va="bottom",
              transform=axes.transAxes)
    return svg.render(made, prefix, f"Latency histogram, {name}",
                      "; ".join(filter(None, (wording.several(
                          latency["n"], "I/O"), said(latency)))))


def _powers(most):
    count = int(np.log10(max(most, 1))) + 1
    return [10.0 ** k for k in range(0, count, 1 if count < 6 else 2)]


def said(latency):
    return ", ".join(f"p{q} {wording.duration(latency['percentiles'][q])}"
                     for q in PERCENTILES if latency["percentiles"].get(q))


def percentiles(latency, name, prefix):
    """Latency against percentile, with the figure at each."""
    ns, share = latencyplots.thinned(latency["bins"], list(SHARES.values()))
    inner = share < 1           # the maximum has no percentile
    ns, share = ns[inner], share[inner]
    if not len(ns):
        return None
    shown = [(float(q), latency["percentiles"][q]) for q in PERCENTILES
             if latency["percentiles"].get(q)]
    made, axes = pictures.figure(250, left=0.17, right=0.06, top=30)
    axes.set_yscale("log")
    axes.plot(latencyplots.nines(share), ns, color=svg.B, linewidth=1.7)
    at = [float(latencyplots.nines(q / 100)) for q, _ in shown]
    axes.plot(at, [y for _, y in shown], "o", color=svg.B, markersize=4.5)
    far = max([*at, 1.0])
    axes.set_xlim(0, far * 1.06)
    low, high = axes.get_ylim()
    axes.set_ylim(low / 1.35, high * 1.25)
    latencyplots.latency_axis(axes.yaxis)
    for x, (q, y) in zip(at, shown):
        low = q == 50           # there is no room on its left
        axes.annotate(wording.duration(y), (x, y), (2, -12) if low else
                      (-3, 5), ha="left" if low else "right",
                      textcoords="offset points")
    # Of seven, the last two would touch.
    axes.xaxis.set_major_locator(FixedLocator(
        at[:-2] + at[-1:] if len(at) == len(PERCENTILES) else at))
    axes.xaxis.set_major_formatter(FuncFormatter(
        lambda x, _: f"{100 - 100 * 10 ** -x:.6g}"))
    axes.set_xlabel("percentile")
    plotting.caption(axes, "latency")
    return svg.render(made, prefix, f"Latency percentiles, {name}",
                      said(latency))

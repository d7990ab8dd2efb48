# SPDX-License-Identifier: GPL-2.0-only
# Samples in the order in which they were taken: how a device saturates as it
# is written to, and how it recovers after idle time or another load.  Many
# samples are drawn as medians of neighbours, with all of them in the band.
import numpy as np

from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ...report import plotting, svg, wording
from . import phrases, pictures

NAMED = 4                   # parts that bear their name
ROOM = {1: 40, 2: 28, 3: 18, 4: 13}     # letters of a name


def parts(test):
    """The phases whose samples tell a story: of one stimulus, and several."""
    found = []
    for phase in test["phases"]:
        samples = [r for one in phase["rounds"] for r in one["results"]]
        if len({r["stimulus"] for r in samples}) == 1 and len(samples) > 1:
            found.append(phase)
    return found


def _seconds(phase):
    """Of each sample, counted as if they were even in their round."""
    return [(one["seconds"] or 0) / len(one["results"])
            for one in phase["rounds"] for _ in one["results"]]


def _written(phase):
    return [(r["bytes_written"] or 0) / 1e9 for one in phase["rounds"]
            for r in one["results"]]


def _values(phase, metric):
    return [r["values"].get(metric) for one in phase["rounds"]
            for r in one["results"]]


def series(phases, metric, along=_seconds):
    """[(phase, x, y)]; x goes on from phase to phase."""
    found, start = [], 0.0
    for phase in phases:
        x = start + np.cumsum(along(phase))
        start = x[-1] if len(x) else start
        kept = [(a, b) for a, b in zip(x, _values(phase, metric))
                if b is not None]
        if kept:
            found.append((phase, *map(np.array, zip(*kept))))
    return found


def time_unit(last):
    """(unit, seconds of it) of an axis that reaches to so many seconds."""
    return next((name, scale) for name, scale in (
        ("h", 3600), ("min", 60), ("s", 1)) if last >= 2 * scale or
        scale == 1)


def draw(axes, x, y, colour, dashed):
    """Medians of neighbours over the band of all of them."""
    groups = plotting.groups(len(x))
    middle = plotting.medians(x, groups)
    low, high = (np.array([f(y[g]) for g in groups]) for f in (np.min,
                                                               np.max))
    if len(groups) < len(x):
        axes.fill_between(middle, low, high, color=colour, alpha=0.22,
                          linewidth=0)
    axes.plot(middle, plotting.medians(y, groups), color=colour, linewidth=1.4,
              linestyle=(0, (4, 1.5)) if dashed else "-",
              marker="o" if len(groups) < 60 else None, markersize=3)


def _part_names(axes, found):
    """The name of each part above it, and rules between them."""
    for phase, x, _ in found[1:]:
        axes.axvline(x[0], color=svg.MUTED, linewidth=0.7, linestyle=":")
    if not 1 < len(found) <= NAMED:
        return
    for phase, x, _ in found:
        axes.text((x[0] + x[-1]) / 2, 1.02, plotting.label(
            phase["name"], ROOM[len(found)]), color=svg.MUTED, ha="center",
            transform=axes.get_xaxis_transform())


def samples(phases, metric, prefix, written=False):
    """All samples of a metric, over time or over what was written."""
    found = series(phases, metric, _written if written else _seconds)
    if not found:
        return None
    last = max(x[-1] for _, x, _ in found)
    name, scale = ("GB", 1) if written else time_unit(last)
    unit = phrases.unit(metric)
    named = 1 < len(found) <= NAMED
    made, axes = pictures.figure(246, top=40 if named else 26)
    pictures.value_axis(axes, [v for _, _, y in found for v in y], unit)
    for i, (_, x, y) in enumerate(found):
        draw(axes, x / scale, y, svg.LINES[i % 2], i % 2)
    axes.set_xlim(0, last / scale * 1.01 or 1)
    axes.xaxis.get_major_locator().set_params(nbins=6)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axes.set_xlabel("GB written" if written else name)
    _part_names(axes, [(p, x / scale, y) for p, x, y in found])
    axes.text(0, 1.11 if named else 1.03, pictures.axis_name(metric),
              color=svg.MUTED, va="bottom", transform=axes.transAxes)
    return svg.render(made, prefix, f"{wording.label(phrases.label(metric))} "
                      "as measured", _said(found, unit))


def _said(found, unit):
    return "; ".join(
        f"{phase['name']}: from {phrases.amount(float(y[0]), unit)} to "
        f"{phrases.amount(float(y[-1]), unit)} over "
        f"{wording.several(len(y), 'sample')}" for phase, _, y in found)


# After idle time

def waits(test):
    """[(wait, samples after it, samples of the baseline)] as IOPS."""
    phases = {phase["name"]: phase for phase in test["phases"]}
    found = []
    for name, phase in phases.items():
        base = phases.get(f"baseline {name.removeprefix('wait ')}")
        if name.startswith("wait ") and base:
            after, before = ([y for y in _values(each, "iops") if y is not
                              None] for each in (phase, base))
            if after and before:
                found.append((name.removeprefix("wait "), after, before))
    return found


def recovery(test, prefix):
    """After each wait and without: median and range; None: no such test."""
    found = waits(test)
    if not found:
        return None
    made, axes = pictures.figure(250, top=30)
    pictures.value_axis(axes, [y for _, *both in found for each in both
                               for y in each], "1/s")
    for i, (_, *both) in enumerate(found):
        for j, each in enumerate(both):
            x, colour = i + (j - 0.5) * 0.3, svg.LINES[j]
            axes.vlines(x, min(each), max(each), color=colour, linewidth=4,
                        alpha=0.35)
            axes.plot(x, np.median(each), "os"[j], color=colour, markersize=6,
                      markerfacecolor=svg.PAPER if j else colour,
                      label=("after the wait", "without")[j] if not i
                      else None)
    axes.set_xlim(-0.6, len(found) - 0.4)
    axes.xaxis.set_major_locator(FixedLocator(range(len(found))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(
        lambda x, _: plotting.label(found[int(x)][0], 8)))
    axes.set_xlabel("idle before 5 s of writing")
    axes.legend(loc="lower right", bbox_to_anchor=(1.02, 0.98), ncol=2,
                handletextpad=0.2, columnspacing=1, borderaxespad=0)
    plotting.caption(axes, "IOPS")
    return svg.render(made, prefix, "IOPS after idle time", "; ".join(
        f"after {wait}: median {phrases.amount(float(np.median(a)))}, without "
        f"{phrases.amount(float(np.median(b)))}" for wait, a, b in found))

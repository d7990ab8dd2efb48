# SPDX-License-Identifier: GPL-2.0-only
# The device's temperature during a test, under the IOPS of the same rounds:
# what it was at each sample, its warning and critical temperature, when it
# throttled (hatched through both), and when a counter of faults grew (a cross).
from itertools import pairwise

import numpy as np

from ...report import plotting, svg
from ...target.drive import smartlog
from ..watch import throttling
from ..watch.healthfacts import grown
from ..watch.healthsamples import expanded
from . import healthwords, pictures
from .timeline import draw, time_unit

DEVICES = 4                 # whose temperature is drawn
POINTS = 2000               # that are drawn one by one
# Each with its word on the side where the other one is not.
LIMITS = (("warning_temperature_c", "warning", "top"),
          ("critical_temperature_c", "critical", "bottom"))
REACH = 15                  # °C that a limit may be above all else


def _placed(test):
    """([(seconds, sample)], [(seconds, IOPS)]) of the rounds in order, as if
    they followed at once, and the results were even in their round."""
    samples, results, end = [], [], 0.0
    of = throttling.by_round(expanded(test["health"]["samples"]))
    for number, phase in enumerate(test["phases"]):
        for one in phase["rounds"]:
            mine = of.get((number, one["round"], one.get("part", 0)), [])
            start, end = end, end + (one["seconds"] or 0)
            # A purge is before the samples of a round.
            first = end - mine[-1]["seconds"] if mine else start
            samples += [(first + each["seconds"], each) for each in mine]
            step = (end - first) / max(1, len(one["results"]))
            results += [(first + (i + 0.5) * step, r["values"]["iops"])
                        for i, r in enumerate(one["results"])
                        if r["values"].get("iops") is not None]
    if not test["phases"]:
        samples = [(each["seconds"], each) for each in of.get(
            (None, None, test.get("part", 0)), ())]
    return samples, results


def _axes(both):
    """(figure, the upper axes or None, the lower)"""
    made, lower = pictures.figure(330 if both else 210, top=190 if both else
                                  26)
    if not both:
        return made, None, lower
    upper = made.add_axes([0.15, 0.54, 0.82, 0.38], sharex=lower)
    upper.grid(True)
    upper.set_axisbelow(True)
    upper.tick_params(length=0, which="both", labelbottom=False)
    return made, upper, lower


def _heat(axes, samples, scale):
    """A line for each device, of many samples the highest of neighbours; all
    values."""
    lines = {}
    for x, one in samples:
        for name, value in one["values"].items():
            front, own = smartlog.parts(name)
            if own == "temperature_c":
                lines.setdefault(front, []).append((x / scale, value))
    for i, (front, points) in enumerate(list(lines.items())[:DEVICES]):
        x, y = map(np.array, zip(*points))
        groups = plotting.groups(len(x))
        axes.plot(plotting.medians(x, groups), [y[g].max() for g in groups],
                  color=svg.LINES[i], linewidth=1.4, markersize=3,
                  marker=pictures.MARKERS[i] if len(x) < 60 else None,
                  label=front.removesuffix(": ") or None)
    return [value for points in lines.values() for _, value in points]


def _limits(axes, known, values):
    nvme = known.get("nvme") or {}
    drawn = []
    for name, word, side in LIMITS:
        value = nvme.get(name)
        if value is not None and value < max(values) + REACH:
            axes.axhline(value, color=svg.BAD, linewidth=1,
                         linestyle=(0, (5, 2)))
            # At the left, where a device is cool as yet.
            axes.text(0.01, value, word, color=svg.BAD, ha="left",
                      va=side, transform=axes.get_yaxis_transform())
            drawn.append(value)
    axes.set_ylim(min(values) - 3, max([*values, *drawn]) + 10)
    axes.yaxis.get_major_locator().set_params(nbins=4, integer=True)


def _changes(samples):
    """([(from, to, throttled by)], [(at, what grew)]) between neighbours in
    one round; throttled times that follow on one another are one."""
    hot, faults = [], []
    for (x, one), (end, two) in pairwise(samples):
        if any(one[key] != two[key] for key in ("phase", "round", "part")):
            continue
        names = throttling.by(one["values"], two["values"])
        if names and hot and hot[-1][1] == x:
            hot[-1] = (hot[-1][0], end, [*hot[-1][2], *names])
        elif names:
            hot.append((x, end, names))
        more = [name for name in grown(one, two)
                if smartlog.parts(name)[1] not in smartlog.SLOWING]
        faults += [(end, more)] if more else []
    return hot, faults


def _marks(both, samples, scale):
    """Throttling hatched, faults crossed; ([name], [name]) of either."""
    hot, faults = _changes(samples)
    for axes in both:
        for start, end, _ in hot:
            axes.axvspan(start / scale, end / scale, facecolor="none",
                         edgecolor=svg.BAD, hatch="//", linewidth=0,
                         alpha=0.5, zorder=0)
    foot = both[-1].get_ylim()[0] + 1
    both[-1].plot([at / scale for at, _ in faults], [foot] * len(faults), "X",
                  color=svg.BAD, markersize=7)
    return tuple(list(dict.fromkeys(name for *_, names in each
                                    for name in names))
                 for each in (hot, faults))


def _said(values, hot, faults):
    return "; ".join([
        healthwords.degrees(min(values), max(values)),
        *([f"throttled (hatched), by {healthwords.titles(hot)}"]
          if hot else []),
        *([f"grew (crosses): {healthwords.titles(faults)}"] if faults else [])])


def _is_mixed(test):
    """Has a round several loads?  A line through them would be of nothing."""
    return any(len({r["stimulus"] for r in one["results"]}) > 1
               for phase in test["phases"] for one in phase["rounds"])


def _frame(made, upper, lower, last, unit):
    lower.set_xlim(0, last * 1.01 or 1)
    lower.xaxis.get_major_locator().set_params(nbins=6)
    lower.set_xlabel(unit)
    plotting.caption(lower, "Temperature, °C")
    if upper:
        plotting.caption(upper, "IOPS")


def picture(test, known, prefix):
    """(svg, what it says in words); None: there is no temperature to draw."""
    samples, results = _placed(test)
    if len(samples) < 2:
        return None
    last = max([x for x, _ in samples] + [x for x, _ in results])
    unit, scale = time_unit(last)
    made, upper, lower = _axes(bool(results))
    values = _heat(lower, samples, scale)
    if not values:
        return None
    _limits(lower, known, values)
    if upper:
        x, y = map(np.array, zip(*results))
        pictures.value_axis(upper, y, "1/s")
        if _is_mixed(test) and len(x) <= POINTS:
            upper.plot(x / scale, y, "o", color=svg.INK, markersize=2.5)
        else:
            draw(upper, x / scale, y, svg.INK, False)
    hot, faults = _marks([upper, lower] if upper else [lower], samples, scale)
    if lower.get_legend_handles_labels()[1]:
        lower.legend(loc="upper right", ncol=2, borderaxespad=0)
    _frame(made, upper, lower, last / scale, unit)
    about = _said(values, hot, faults)
    return svg.render(made, prefix, "IOPS and temperature over time"
                      if upper else "Temperature over time", about), about

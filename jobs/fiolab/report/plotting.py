# SPDX-License-Identifier: GPL-2.0-only
# The pictures of report.html, each an svg element: effects with intervals
# and noise floor, and pairs over time (those of latency: latencyplots.py).
# A is drawn dashed or hollow, B solid or filled: colour is not the only sign.
# What is too much to draw is thinned out, and the caption says so.
from collections.abc import Iterable, Sequence
import math
import unicodedata

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
import numpy as np

from . import svg, wording

FOREST_ROWS = 40            # of one picture
LANE, HALF = 0.14, 0.22    # of a row: where the interval is, its height
POINTS = 240                # of a line or a cloud
FARTHEST = math.log(4)      # an interval is cut at a quarter and at fourfold
TONE = {"good": svg.GOOD, "bad": svg.BAD, "same": svg.SAME,
        "open": svg.UNDECIDED}
MARKER = {"good": "^", "bad": "v", "same": "s", "open": "o"}
STEPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)


def weight(text: str) -> float:
    """About how wide a text is, in letters of the usual width."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else
               1.5 if c in "WMmw@%" else 1.2 if c.isupper() else 1
               for c in text)


def label(text: str, room: int = 42) -> str:
    """Text in a picture, as much as there is room for."""
    found = wording.short(text, room)
    while weight(found) > room:
        found = wording.short(text, len(found) - 1)
    return found


def _minus(text):
    return text.replace("-", "\N{MINUS SIGN}")


def _percent_axis(axis, low, high):
    """Ticks at round percentages of an axis in ln(B/A)."""
    reach = max(abs(math.expm1(low)), abs(math.expm1(high)))
    step = next((s for s in STEPS if reach / s <= 3), STEPS[-1])
    places = [i * step for i in range(-8, 9) if i * step > -0.95]
    if max(-low, high) > math.log(2):       # factors stand evenly there
        places = [-0.75, -0.5, 0, 1, 3]
    axis.set_major_locator(FixedLocator([math.log1p(x) for x in places]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(
        lambda d, _: _minus(f"{100 * math.expm1(d):+.3g}%")
        if abs(d) > 1e-9 else "0"))


def _reach(effects, margin):
    """How far to show, in ln(B/A): all intervals, if they are reasonable."""
    seen = [margin * 1.5]
    for effect in effects:
        floor = effect["aa"] and effect["aa"]["ci95"]
        for ratio in (effect["ratio"], *(effect["ci95"] or ()),
                      *(floor or ())):
            seen.append(abs(math.log(ratio)))
    return min(max(seen) * 1.12, FARTHEST)


def _bounds(interval, reach):
    """Of an interval in ln; what has no bound reaches over the edge."""
    low, high = map(math.log, interval) if interval else (-9, 9)
    return max(low, -reach * 1.2), min(high, reach * 1.2)


def _forest_row(axes, y, effect, reach):
    floor = effect["aa"]
    if floor:
        low, high = _bounds(floor["ci95"], reach)
        axes.plot([low, high], [y, y], color=svg.FLOOR, linewidth=7,
                  solid_capstyle="butt", zorder=2)
    colour = TONE[wording.tone(effect)]
    low, high = _bounds(effect["ci95"], reach)
    axes.plot([low, high], [y, y], color=colour, linewidth=1.6, zorder=3)
    middle = math.log(effect["ratio"])
    if abs(middle) <= reach:
        hollow = wording.tone(effect) == "open"
        axes.plot([middle], [y], MARKER[wording.tone(effect)], markersize=6,
                  color=colour, zorder=4,
                  markerfacecolor=svg.PAPER if hollow else colour)
    ends = [(sign, "<>"[sign > 0]) for sign, bound in ((-1, -low), (1, high))
            if bound > reach]
    for sign, marker in ends:       # it goes on beyond the edge
        axes.plot([sign * reach * 0.985], [y], marker, color=colour,
                  markersize=4, zorder=4)


def _forest_frame(axes, rows, reach, margin):
    lanes = np.arange(rows) + LANE      # the labels between them stay clear
    axes.barh(lanes, math.log1p(margin) - math.log1p(-margin), 2 * HALF,
              math.log1p(-margin), color=svg.BAND, linewidth=0, zorder=0)
    axes.vlines([0] * rows, lanes - HALF, lanes + HALF, color=svg.MUTED,
                linewidth=0.8, zorder=1)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(rows - 0.5, -0.62)
    axes.yaxis.set_major_locator(NullLocator())
    axes.spines["left"].set_visible(False)
    _percent_axis(axes.xaxis, -reach, reach)


def forest(rows: Sequence[tuple[str, dict]], prefix: str, title: str,
           margin: float) -> str:
    """rows: [(label, effect)]; the label stands above its interval."""
    height = 41 * len(rows) + 34
    made = svg.figure(height)
    axes = made.add_axes([0.02, 30 / height, 0.96, 1 - 32 / height])
    reach = _reach([effect for _, effect in rows], margin)
    _forest_frame(axes, len(rows), reach, margin)
    for y, (name, effect) in enumerate(rows):
        _forest_row(axes, y + LANE, effect, reach)
        across = axes.get_yaxis_transform()
        axes.text(0, y - 0.36, label(name), va="center", transform=across)
        axes.text(1, y - 0.36, _minus(wording.percent(effect["ratio"])),
                  ha="right", va="center", fontweight="bold",
                  transform=across)
    about = "; ".join(f"{name}: {wording.verdict_line(effect)}"
                      for name, effect in rows)
    return svg.render(made, prefix, title, about)


# Pairs over time

def _series(cell, metric):
    """(minutes, {role: values}) of the pairs that have the metric."""
    pairs = [p for p in cell["pairs"] if all(
        (p["values"][role].get(metric) or 0) > 0 for role in "AB")]
    times = np.array([p["start"] for p in pairs])
    values = {role: np.array([p["values"][role][metric] for p in pairs])
              for role in "AB"}
    return (times - times.min()) / 60 if pairs else times, values


def groups(count: int) -> list[np.ndarray]:
    """The pairs of each point: one, or a run of neighbours."""
    return np.array_split(np.arange(count), min(count, POINTS))


def medians(values: np.ndarray, parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.array([np.median(values[part]) for part in parts])


def _time_frame(upper, lower, effect):
    for axes in (upper, lower):
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.tick_params(length=0)
    upper.tick_params(labelbottom=False)
    upper.yaxis.set_major_formatter(FuncFormatter(
        lambda y, _: wording.figure(y)))
    upper.yaxis.get_major_locator().set_params(nbins=5)
    lower.axhline(0, color=svg.MUTED, linewidth=0.8)
    lower.set_xlabel("minutes since the first pair")
    if effect["ci95"]:
        low, high = map(math.log, effect["ci95"])
        lower.axhspan(low, high, color=svg.B, alpha=0.18, linewidth=0)
    lower.axhline(math.log(effect["ratio"]), color=svg.B, linewidth=1.4)


def caption(axes: Axes, text: str) -> None:
    axes.text(0, 1.03, text, transform=axes.transAxes,
              color=svg.MUTED, va="bottom")


def _pair_points(upper, minutes, a, b):
    upper.vlines(minutes, np.minimum(a, b), np.maximum(a, b), color=svg.RULE,
                 linewidth=1)
    upper.plot(minutes, a, "o", markersize=4, color=svg.A,
               markerfacecolor=svg.PAPER, label="A")
    upper.plot(minutes, b, "o", markersize=4, color=svg.B, label="B")
    upper.legend(loc="lower right", bbox_to_anchor=(1.02, 0.97), ncol=2,
                 handletextpad=0, columnspacing=0.8, borderaxespad=0)


def over_time(cell: dict, effect: dict, prefix: str,
              letter: str = "B") -> str | None:
    """A and B of each pair above, their difference below; None: no pairs."""
    minutes, values = _series(cell, effect["metric"])
    if not len(minutes):
        return None
    parts = groups(len(minutes))
    minutes, a, b = (medians(x, parts)
                     for x in (minutes, values["A"], values["B"]))
    made = svg.figure(290)
    upper = made.add_axes([0.165, 0.50, 0.82, 0.405])
    lower = made.add_axes([0.165, 0.15, 0.82, 0.24], sharex=upper)
    _pair_points(upper, minutes, a, b)
    d = np.log(b / a)
    _time_frame(upper, lower, effect)
    lower.plot(minutes, d, "o", markersize=3.2, color=svg.B)
    low, high = min(d.min(), -0.01) * 1.15, max(d.max(), 0.01) * 1.15
    lower.set_ylim(low, high)
    _percent_axis(lower.yaxis, low, high)
    caption(upper, label(effect["name"]))
    caption(lower, f"{letter} against A, with the effect's 95% CI")
    return svg.render(
        made, prefix, f"{effect['name']} of each pair over time",
        f"{wording.several(len(minutes), 'point')}; effect "
        f"{wording.verdict_line(effect)}")

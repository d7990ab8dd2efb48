# SPDX-License-Identifier: GPL-2.0-only
# The history as a page that needs nothing else: its changes, a picture for
# each series, the campaigns.  Pictures are the cost: with many series those
# with changes get theirs first, and the page says how many have none.
import math

from markupsafe import Markup
from matplotlib.ticker import FixedLocator, MaxNLocator
import numpy as np

from ...base import files
from ...fio.metrics import METRICS
from ...report import plotting, svg, wording
from ...report.page import environment
from . import history, historytext

DRAWN = 24
TICKS = 4               # of dates, below the numbers of campaigns


def tone(metric: str, ratio: float) -> str:
    """Is a change of B:A to the better?"""
    better = (ratio > 1) == (METRICS[metric].better == "higher")
    return "good" if better else "bad"


def _draw_points(axes, points, compared):
    chosen = [p for p in points if p["compared"] == compared]
    at = [p["campaign"] + 1 for p in chosen]
    colour = svg.B if compared else svg.MUTED
    for x, point in zip(at, chosen):
        if point["ci95"]:
            axes.vlines(x, *map(math.log, point["ci95"]), color=colour,
                        linewidth=1, zorder=2)
    axes.plot(at, [math.log(p["ratio"]) for p in chosen], "o", markersize=4.5,
              color=colour, zorder=3,
              markerfacecolor=colour if compared else svg.PAPER)


def _draw_levels(axes, one):
    for level in one["levels"]:
        axes.hlines(math.log(level["ratio"]), level["first"] + 0.6,
                    level["last"] + 1.4, color=svg.INK, linewidth=1.4,
                    zorder=1)
    for change in one["changes"]:
        good = tone(one["metric"], change["ratio"])
        axes.axvline((change["after"] + change["at"]) / 2 + 1,
                     color=plotting.TONE[good], linewidth=1.2,
                     linestyle=(0, (4, 3)), zorder=0)


def _limits(one):
    """From the points and, where they do not hide them, their intervals."""
    points = np.log([p["ratio"] for p in one["points"]])
    low, high = points.min(), points.max()
    reach = max(high - low, 0.02)
    ends = [math.log(x) for p in one["points"] for x in p["ci95"] or ()]
    low = max(min([low, *ends]), low - reach)
    high = min(max([high, *ends]), high + reach)
    return low - 0.08 * reach, high + 0.08 * reach


def _frame(axes, data, one):
    count = len(data["campaigns"])
    low, high = _limits(one)
    axes.set_xlim(0.4, count + 0.6 + 0.01 * count)
    axes.set_ylim(low, high)
    places = MaxNLocator(4).tick_values(math.expm1(low), math.expm1(high))
    axes.yaxis.set_major_locator(FixedLocator(
        [math.log1p(x) for x in places if low < math.log1p(x) < high]))
    axes.yaxis.set_major_formatter(lambda d, _: (
        f"{100 * math.expm1(d):+.3g}%".replace("-", "\N{MINUS SIGN}")
        if abs(d) > 1e-9 else "0"))
    at = sorted(set(np.linspace(1, count, min(count, TICKS)).round()
                    .astype(int).tolist()))
    axes.xaxis.set_major_locator(FixedLocator(at))
    axes.set_xticklabels([f"{i}\n{data['campaigns'][i - 1]['created'][5:10]}"
                          for i in at])
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    if low < 0 < high:
        axes.axhline(0, color=svg.MUTED, linewidth=0.8, zorder=0)


def picture(data: dict, one: dict, prefix: str) -> str:
    """B:A of a metric, campaign by campaign."""
    made = svg.figure(200)
    axes = made.add_axes([0.165, 0.22, 0.80, 0.75])
    _draw_levels(axes, one)
    for compared in (False, True):
        _draw_points(axes, one["points"], compared)
    _frame(axes, data, one)
    said = "; ".join(historytext.change_text(data, change)
                     for change in one["changes"]) or historytext.shape(one)
    return svg.render(made, prefix, f"{one['name']} of {history.title(one)}",
                      f"{wording.several(len(one['points']), 'campaign')}; "
                      f"{said}")


def _drawn(series):
    """The numbers of the series that get a picture."""
    order = sorted(range(len(series)), key=lambda i: (
        not series[i]["changes"], series[i]["role"] != "primary"))
    return set(order[:DRAWN])


def _headline(data):
    changed = [one for one in data["series"] if one["changes"]]
    worse = [one for one in data["series"] if one["newest"]]
    if worse:
        return "; ".join(f"{one['name']} {historytext.newest_text(data, one)}"
                         for one in worse[:2]) + (
            f"; and {len(worse) - 2} more" if len(worse) > 2 else "")
    if changed:
        return ("Nothing is worse now than before; "
                f"{wording.several(len(changed), 'series')} changed")
    if any(one["reason"] for one in data["series"]):
        return "Too few campaigns to tell a change"
    return "No change"


def page(data: dict) -> str:
    """The page as text."""
    data = wording.cleaned(data)
    keep = _drawn(data["series"])
    with svg.styled():
        series = [{**one, "title": history.title(one),
                   "shape": historytext.shape(one),
                   "worse": historytext.newest_text(data, one),
                   "svg": Markup(picture(data, one, f"series{i}"))
                   if i in keep else None}
                  for i, one in enumerate(data["series"])]
    return environment().get_template("history.html.j2").render(
        data=data, series=series, headline=_headline(data), tone=tone,
        date=historytext.date, name=lambda i: historytext.name(data, i),
        left=len(series) - len(keep))


def write(data: dict, path: str) -> None:
    files.write_report(path, page(data))

# SPDX-License-Identifier: GPL-2.0-only
# The history on the terminal, in 79 columns: the campaigns, then each cell
# with a line for each metric, and below it its changes.
from itertools import groupby

from ...report import terminal, wording
from ...report.terminal import fitted
from ...report.wording import percent, span
from . import history

ROW = "  {:<15} {:>9} {:>8} {:>8} {:>16}  {}"


def date(campaign: dict) -> str:
    return campaign["created"][:16].replace("T", " ")


def name(data: dict, number: int) -> str:
    """'14 (2026-11-20 10:00, a1b2c3)' of a campaign of the history."""
    one = data["campaigns"][number]
    more = f", {wording.short(one['label'], 30)}" if one["label"] else ""
    return f"{number + 1} ({date(one)}{more})"


def change_text(data: dict, change: dict) -> str:
    return (f"{change['verdict']} from campaign {name(data, change['at'])} "
            f"on: {percent(change['ratio'])} "
            f"(95% CI {span(change['ci95'])}), p {change['p']:.2g}")


def shape(one: dict) -> str:
    """What became of a series, in a word or two."""
    if one["reason"]:
        return "too few campaigns"
    count = len(one["changes"])
    if one["drift"]:
        return "drift"
    return wording.several(count, "change") if count else "no change"


def newest_text(data: dict, one: dict) -> str:
    """'' where the newest level is no worse than any before it."""
    worse = one["newest"]
    if not worse:
        return ""
    return (f"now {worse['verdict']} than in campaigns {worse['first'] + 1} "
            f"to {worse['last'] + 1}: {percent(worse['ratio'])}")


def _row(one):
    first, last = one["points"][0], one["points"][-1]
    label = one["name"] if len(one["name"]) < 16 else one["metric"]
    return ROW.format(label, len(one["points"]), percent(first["ratio"]),
                      percent(last["ratio"]), span(last["ci95"]),
                      "too few" if one["reason"] else shape(one))


def _series_lines(data, one):
    lines = [_row(one)]
    for change in one["changes"]:
        lines += fitted(change_text(data, change), "    ")
    if one["drift"]:
        lines += fitted("a straight line explains it better than steps: it "
                        "drifts, and these dates say little", "    ")
    worse = newest_text(data, one)
    return lines + (fitted(worse, "    ") if worse else [])


def _campaigns(data):
    lines = []
    for i, one in enumerate(data["campaigns"]):
        star = " " if one["compared"] else "*"
        label = f" {one['label']}" if one["label"] else ""
        lines += fitted(f"{i + 1:>4}{star} {date(one)} "
                        f"{one['version'] or 'unknown'}{label} "
                        f"{one['folder']}", "", "      ")
        lines += fitted(f"not compared: {'; '.join(one['differs'])}",
                        "      ") if one["differs"] else []
    return lines


def _rule(data):
    across = (f"; compared across {', '.join(data['across'])}"
              if data["across"] else "")
    return fitted(f"B:A of each campaign is one figure. Changes: ranks, p of "
                  f"random orders, corrected over {len(data['series'])} "
                  f"series and their segments, p <= {data['alpha']:g}"
                  f"{across}.", "")


def text(data: dict) -> str:
    """The history as text that ends in a newline."""
    data = wording.cleaned(
        data, lambda found: terminal.narrow(wording.line(found)))
    lines = [wording.several(len(data["campaigns"]), "campaign") + ":",
             *_campaigns(data)]
    for title, found in groupby(data["series"], history.title):
        lines += ["", *fitted(title, ""), ROW.format(
            "B against A", "campaigns", "first", "newest", "95% CI",
            "changes")]
        for one in found:
            lines += _series_lines(data, one)
    return "\n".join([*lines, *terminal.warnings(data), "", *_rule(data), ""])

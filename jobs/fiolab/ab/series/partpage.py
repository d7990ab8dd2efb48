# SPDX-License-Identifier: GPL-2.0-only
# The report of parts as a page that needs nothing else: verdicts, what differs
# between the states, and a picture of each primary metric, part by part.

from markupsafe import Markup
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
import numpy as np

from ...base import files
from ...report import plotting, svg, wording
from ...report.page import environment
from . import partreport, parttext

DRAWN_CELLS = 12
TICKS = 12              # of parts


def _draw_part(axes, x, part, label):
    """Its runs as small dots in their order, its mean as a large one."""
    at = x + np.linspace(-0.28, 0.28, len(part["runs"]))
    colour = svg.B if label == "B" else svg.A
    parts = plotting.groups(len(at))
    axes.plot(plotting.medians(at, parts), plotting.medians(
        np.array(part["runs"]), parts), ".", markersize=2.5, color=colour,
        alpha=0.7, zorder=2)
    axes.hlines(part["mean"], x - 0.36, x + 0.36, color=colour, linewidth=2,
                zorder=3)
    axes.plot([x], [part["mean"]], "o", markersize=6, color=colour, zorder=4,
              markerfacecolor=svg.PAPER if label == "A" else colour)


def picture(data: dict, effect: dict, prefix: str) -> str:
    """A metric, part by part."""
    made = svg.figure(210)
    axes = made.add_axes([0.165, 0.17, 0.81, 0.80])
    labels = partreport.labels(data)
    for x, (part, label) in enumerate(zip(effect["parts"], labels), 1):
        _draw_part(axes, x, part, label)
    axes.set_xlim(0.4, len(labels) + 0.6)
    step = -(-len(labels) // TICKS)
    at = list(range(1, len(labels) + 1, step))
    axes.xaxis.set_major_locator(FixedLocator(at))
    axes.set_xticklabels([f"{data['counted'][x - 1] + 1}{labels[x - 1]}"
                          for x in at])
    axes.yaxis.set_major_formatter(FuncFormatter(
        lambda y, _: wording.figure(y)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.get_major_locator().set_params(nbins=5)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    said = "; ".join(f"{label} {wording.figure(part['mean'])}"
                     for part, label in zip(effect["parts"], labels))
    return svg.render(made, prefix, f"{effect['name']} of each part", said)


def _tone(effect):
    return wording.tone({**effect, "ratio": effect["ratio"] or 1.0})


def _effect(data, effect, prefix, drawn):
    primary = effect["role"] == "primary"
    return {**effect, "tone": _tone(effect),
            "means": parttext.means(data, effect),
            "cost": parttext.cost(data, effect) if primary else "",
            "svg": Markup(picture(data, effect, prefix))
            if primary and drawn and effect["parts"] else None}


def _headline(data):
    found = {f"{e['name']} {e['verdict']}" + (
        f" ({wording.percent(e['ratio'])})"
        if e["ratio"] and len(data["cells"]) == 1 else "")
        for cell in data["cells"] for e in wording.primaries(cell)}
    words = sorted(found)
    return (f"B against A: {'; '.join(words)}" if 0 < len(words) < 5
            else f"B against A in {len(data['cells'])} cells")


def page(data: dict) -> str:
    """The page as text."""
    data = wording.cleaned(data)
    with svg.styled():
        cells = [{**cell, "target_text": wording.target_text(cell["target"]),
                  "effects": [_effect(data, e, f"p{cell['id']}m{i}",
                                      number < DRAWN_CELLS)
                              for i, e in enumerate(cell["effects"])]}
                 for number, cell in enumerate(data["cells"])]
    return environment().get_template("partsreport.html.j2").render(
        data=data, cells=cells, headline=_headline(data),
        counts=parttext.counts(data), rule=parttext.rule(data),
        percent_of=lambda x: f"{100 * x:.2g}%")


def write(data: dict, path: str) -> None:
    files.write_report(path, page(data))

# SPDX-License-Identifier: GPL-2.0-only
# matplotlib's SVG, made fit to stand inside a page: its ids become unique
# there, its colours become the page's own (so that dark and light are the
# style sheet's business), its text stays text, and a title and a description
# are read out.  Figures are 400 px wide: readable on a phone, and two fit
# side by side on a screen.
from contextlib import AbstractContextManager
from html import escape
import io
import re
import warnings

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

WIDTH = 400
# What plots.py draws with -> the page's variable: colours no one else uses.
COLOURS = {"#010203": "--ink", "#010204": "--muted", "#010205": "--rule",
           "#010206": "--a", "#010207": "--b", "#010208": "--good",
           "#010209": "--bad", "#01020a": "--same", "#01020b": "--open",
           "#01020c": "--band", "#01020d": "--floor", "#01020e": "--paper"}
# The lines of a picture that has many, in order; qualify.css has them.
SERIES = {f"#01021{i}": f"--c{i + 1}" for i in range(8)}
LINES = tuple(SERIES)
# The shades of a heat map, from the faintest; likewise.
SHADES_OF = {f"#01022{i}": f"--h{i + 1}" for i in range(8)}
SHADES = tuple(SHADES_OF)
EVERY = {**COLOURS, **SERIES, **SHADES_OF}
INK, MUTED, RULE, A, B, GOOD, BAD, SAME, UNDECIDED, BAND, FLOOR, PAPER = (
    COLOURS)
STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "kaio", "text.parse_math": False,
    "font.size": 10.0, "font.family": ["DejaVu Sans"], "path.simplify": True,
    "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": RULE,
    "axes.linewidth": 0.8, "axes.facecolor": "none", "axes.labelsize": 10.0,
    "axes.spines.top": False, "axes.spines.right": False,
    "axes.unicode_minus": True, "figure.facecolor": "none",
    "savefig.facecolor": "none", "xtick.color": MUTED, "ytick.color": MUTED,
    "xtick.labelsize": 10.0, "ytick.labelsize": 10.0, "grid.color": RULE,
    "grid.linewidth": 0.6, "legend.frameon": False, "legend.fontsize": 10.0}
POINT = 72 / 96             # CSS pixels to matplotlib's points


def figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of so many CSS pixels."""
    return Figure(figsize=(width * POINT / 72, height * POINT / 72))


def _body(text):
    """The svg element alone: no prolog, no metadata."""
    text = text[text.index("<svg "):]
    return re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.S)


def _unique(tag, prefix):
    tag = re.sub(r'\bid="', f'id="{prefix}-', tag)
    tag = tag.replace("url(#", f"url(#{prefix}-")
    return re.sub(r'(xlink:)?href="#', f'href="#{prefix}-', tag)


def _coloured(tag):
    return re.sub("#0102[0-9a-f]{2}", lambda match:
                  f"var({EVERY[match[0]]})" if match[0] in EVERY
                  else match[0], tag)


def _head(prefix, title, about, box):
    return (f'<svg class="plot" viewBox="{box}" role="img" '
            f'aria-labelledby="{prefix}-title {prefix}-desc">'
            f'<title id="{prefix}-title">{escape(title)}</title>'
            f'<desc id="{prefix}-desc">{escape(about)}</desc>')


def render(made: Figure, prefix: str, title: str, about: str) -> str:
    """The figure as an svg element; prefix is unique in the page."""
    out = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")     # a character the font lacks
        FigureCanvasSVG(made).print_svg(out, metadata={"Date": None})
    text = _body(out.getvalue())
    tag, body = text.split(">", 1)
    box = re.findall(r'viewBox="([^"]*)"', tag)[0]
    # Only within tags, as matplotlib escapes every < and > of a text.
    body = re.sub("<[^>]*>", lambda match: _coloured(_unique(
        match[0], prefix)), body)
    return _head(prefix, title, about, box) + body


def styled() -> AbstractContextManager:
    """A context: matplotlib draws in the page's style."""
    return matplotlib.rc_context(STYLE)

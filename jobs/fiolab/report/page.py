# SPDX-License-Identifier: GPL-2.0-only
# What the pages of all reports share: the templates' folder, and the filters
# that put figures into words.  Templates escape all but pictures.
import os

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from . import wording
from .wording import percent

TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                         "templates")


def _signed(text):
    """A true minus before a figure."""
    return text.replace("-", "−")


def environment() -> Environment:
    """jinja2 with the filters and the templates of all pages."""
    made = Environment(autoescape=True, undefined=StrictUndefined,
                       loader=FileSystemLoader(TEMPLATES),
                       trim_blocks=True, lstrip_blocks=True)
    made.filters.update(
        percent=lambda x: _signed(percent(x)), tone=wording.tone,
        span=lambda x: _signed(wording.span(x)).replace("..", " to "),
        figure=wording.figure, p=wording.p_text, size=wording.size,
        duration=lambda ns: "n/a" if ns is None else wording.duration(ns),
        mark=wording.MARKS.get, label=wording.label, short=wording.short,
        made=wording.made,
        share=lambda x: f"{100 * x:.1f}%",
        change=lambda d: "n/a" if d is None else _signed(f"{100 * d:+.1f}%"))
    return made

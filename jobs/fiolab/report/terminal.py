# SPDX-License-Identifier: GPL-2.0-only
# Text on the terminal, in 79 columns, for all reports.
from collections.abc import Iterable
import textwrap
import unicodedata

from .wording import several

WIDTH = 79
LISTED = 5                  # warnings and discarded pairs


def narrow(text: str) -> str:
    """Text of which every character takes one column."""
    return "".join(
        c if unicodedata.east_asian_width(c) not in "WF"
        and unicodedata.category(c) not in ("Mn", "Me", "Cf")
        else f"\\u{ord(c):04x}" for c in text)


def fitted(text: str, indent: str = "  ", more: str = "  ") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent,
                         subsequent_indent=indent + more,
                         break_on_hyphens=False)


def _column(text, width):
    """What does not fit into a column loses its end."""
    return text if len(text) <= width else text[:width - 3] + "..."


def side_lines(sides: Iterable[dict], program: str = "fio") -> list[str]:
    """What the sides are, and the library that a program was seen to use."""
    lines = []
    for one in sides:
        engine = ("" if one["ioengine"] == one["text"]
                  else f" ({one['ioengine']})")
        lines += fitted(f"{one['letter']} = {one['text']}{engine}", "", "    ")
        for name, value in one["environment"].items():
            lines += fitted(f"{name}={value}", "    ")
        if one["library"]:
            lines += fitted(f"{program} uses {one['library']}", "    ")
        if one["fio"]:
            lines += fitted(f"runs {one['fio']['path']}, "
                            f"{one['fio']['version']}", "    ")
    return lines


def warnings(data: dict) -> list[str]:
    """The first of them, and how many more there are."""
    found = data["warnings"]
    lines = [part for text in found[:LISTED]
             for part in fitted(f"warning: {text}", "")]
    if len(found) > LISTED:
        lines.append(f"{several(len(found) - LISTED, 'more warning')}: in "
                     "report.html")
    return ["", *lines] if lines else []

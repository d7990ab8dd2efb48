# SPDX-License-Identifier: GPL-2.0-only
"""GitHub's markdown.  Names of the user's are code, in which nothing has a
meaning but the end of it, so that no name is a link, mentions somebody or ends
a cell of a table."""
from collections.abc import Iterable, Sequence
import re

from . import wording

ACTIVE = re.compile(r"([\\`*_{}\[\]<>#|~&!$@:]|(?<=www)\.)", re.I)


def plain(text: str) -> str:
    """Text in which nothing is markup."""
    return ACTIVE.sub(r"\\\1", wording.line(text))


def code(text: str) -> str:
    """A code span: fenced longer than what is in it, and a bar does not end
    the table's cell."""
    text = wording.short(text, 200) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    room = " " if text[0] in "` " or text[-1] in "` " else ""
    escaped = text.replace("|", r"\|")
    return f"{fence}{room}{escaped}{room}{fence}"


def row(cells: Iterable[str]) -> str:
    """Of a table; the cells are markdown."""
    return "| " + " | ".join(cells) + " |\n"


def table(heads: Sequence[str], sides: str, rows: Iterable[str]) -> str:
    """sides: l or r for each column, where its text stands."""
    marks = "|".join({"l": ":--", "r": "--:"}[side] for side in sides)
    return f"{row(heads)}|{marks}|\n{''.join(rows)}"


def folded(title: str, text: str) -> str:
    """To be opened by who wants it."""
    return f"<details><summary>{title}</summary>\n\n{text}\n</details>\n"

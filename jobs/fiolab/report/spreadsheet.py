# SPDX-License-Identifier: GPL-2.0-only
"""A field of the CSV of every command, which spreadsheets read."""
from typing import Any

from . import wording

FORMULA = tuple("=+-@")     # a spreadsheet runs a text that begins so


def field(value: Any) -> Any:
    """Text on one line that is no formula; what is no text as it is."""
    if not isinstance(value, str):
        return value
    text = wording.line(value)
    return f"'{text}" if text.startswith(FORMULA) else text

# SPDX-License-Identifier: GPL-2.0-only
# A file of a campaign's report: whole or absent, and a Problem that says how to
# make it later.
import os

from . import files
from .problem import Problem


def write(path: str, text: str) -> None:
    """As files.write(), with the ends of lines as they are in the text."""
    try:
        files.write(path, text, newline="")
    except OSError as error:
        shown, folder = (ascii(str(name))[1:-1] for name in (
            path, os.path.dirname(path)))
        raise Problem(f"cannot write {shown}: {error.strerror}: make room; "
                      f"then --resume {folder} makes the report.") from None

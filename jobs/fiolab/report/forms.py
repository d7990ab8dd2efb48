# SPDX-License-Identifier: GPL-2.0-only
"""What --format NAME[=PATH] of every command is: a report in a form that
another program reads.  The names and what they are made of are the command's
own."""
import argparse
from collections.abc import Callable, Collection, Sequence
import os
import sys

from ..base import files
from ..base.problem import Problem

STDOUT = "-"
Wanted = tuple[str, str]        # (name, path or "")


def wanted(known: Collection[str],
           folders: Collection[str] = ()) -> Callable[[str], Wanted]:
    """For argparse: (name, path or "") of NAME[=PATH]; folders: the names of
    those that are no single file."""
    def parse(text):
        name, mark, path = text.partition("=")
        if name not in known or mark and not path:
            raise argparse.ArgumentTypeError(
                f"'{text}' is not NAME or NAME=PATH, with NAME one of "
                f"{', '.join(known)}")
        if name in folders and path == STDOUT:
            raise argparse.ArgumentTypeError(f"{name} is a folder: name one")
        return name, path
    return parse


def check(formats: Sequence[Wanted], out: str | None,
          folders: Collection[str] = ()) -> None:
    """Before the runs: can the files be made?  out: a folder that will be."""
    for name, path in formats:
        folder = os.path.dirname(path) or "."
        if name in folders or path in ("", STDOUT):
            continue
        if os.path.isdir(path):
            raise Problem(f"cannot write {path}: it is a folder.")
        if not os.path.isdir(folder) and (
                not out or os.path.abspath(folder) != os.path.abspath(out)):
            raise Problem(f"there is no folder for {path}: create it first.")


def put(text: str, path: str) -> None:
    """To a file, whole, or to the standard output."""
    if path == STDOUT:
        sys.stdout.write(text)
    else:
        files.write_report(path, text)

# SPDX-License-Identifier: GPL-2.0-only
"""The version of kaio, as in .setup/version: that file is its one place, and
installed as version beside the folder jobs."""
import argparse
import contextlib
import os

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                   "..")
FILES = (os.path.join(TOP, ".setup", "version"), os.path.join(TOP, "version"))
INSTALLED = os.path.exists(FILES[1])
UNKNOWN = "unknown"         # of a folder jobs that was copied elsewhere


def _read():
    for name in FILES:
        with contextlib.suppress(OSError):
            with open(name, encoding="ascii") as file:
                return file.read().strip()
    return UNKNOWN


VERSION = _read()


def add_option(parser: argparse.ArgumentParser) -> None:
    """--version of a command, in the form that help2man reads."""
    parser.add_argument("--version", action="version",
                        version=f"{parser.prog} (kaio) {VERSION}",
                        help="show the version of kaio and exit")

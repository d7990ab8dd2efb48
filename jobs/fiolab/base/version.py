# SPDX-License-Identifier: GPL-2.0-only
"""The version of kaio, as in .setup/version: that file is its one place."""
import argparse
import os

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                    "..", "..", "..", ".setup", "version")
UNKNOWN = "unknown"         # of a folder jobs that was copied elsewhere


def _read():
    try:
        with open(FILE, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return UNKNOWN


VERSION = _read()


def add_option(parser: argparse.ArgumentParser) -> None:
    """--version of a command, in the form that help2man reads."""
    parser.add_argument("--version", action="version",
                        version=f"{parser.prog} (kaio) {VERSION}",
                        help="show the version of kaio and exit")

# SPDX-License-Identifier: GPL-2.0-only
# The forms for other programs in which a qualify.json can be had: by --format
# of a run, and by jobs/qualify export of one that is there.
import os

from ...report import forms
from . import junitreport, markdownreport

# name: (the file in the folder of the run, what makes it of qualify.json)
FORMATS = {"junit": ("report.junit.xml", junitreport.text),
           "markdown": ("report.md", markdownreport.text)}


def add_option(new, where, **how):
    new.add_argument(
        "--format", action="append", type=forms.wanted(FORMATS),
        metavar="NAME[=PATH]", help="junit: a test case for each limit, check "
        "and test; markdown: tables for a ticket or a pull request; PATH: the "
        f"file, in place of {where}; may be repeated", **how)


def renewed(wanted, folder):
    """Those that are wanted, and those that an earlier command has left in the
    folder, where no report is to be older than the others."""
    given = {name for name, path in wanted if not path}
    return [*wanted, *((name, "") for name, (file, _) in FORMATS.items()
                       if name not in given and os.path.lexists(
                           os.path.join(folder, file)))]


def write(data, wanted, where):
    """Each of the formats; where: the folder, or STDOUT, of those that have no
    path of their own."""
    for name, path in wanted:
        file, text = FORMATS[name]
        there = where if where == forms.STDOUT else os.path.join(where, file)
        forms.put(text(data), path or there)

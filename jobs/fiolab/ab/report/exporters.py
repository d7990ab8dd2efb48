# SPDX-License-Identifier: GPL-2.0-only
"""The forms for other programs in which a report.json can be had, by --format
of a campaign or `ab export` of one that is there: a function for each, of
report.json alone."""
import argparse
from collections.abc import Sequence
import os

from ...base import commandline
from ...report import forms
from .. import schema
from . import (csvreport, failing, fioplot, junitreport, markdownreport,
               openmetrics)

# name: the file in the campaign folder
FORMATS = {"csv": "report.csv", "junit": "report.junit.xml",
           "markdown": "report.md", "openmetrics": "report.metrics.txt",
           "fio-plot": "fio-plot"}
TEXTS = {"csv": csvreport.text, "markdown": markdownreport.text,
         "openmetrics": openmetrics.text}
FOLDERS = ("fio-plot",)
ABOUT = """Write the report of a campaign of jobs/ab in the form that another
program reads."""
MORE = f"""csv: a row for each effect (RFC 4180); junit: a test case for each
cell and metric, which fails by --fail-if, or without it if B is worse, and is
skipped where there is no verdict; markdown: a table for a pull request;
openmetrics: gauges for Prometheus; fio-plot: a folder of JSON files for each
target, side and block size, one for each depth and number of jobs.
PATH - is the standard output.  With --fail-if the exit status is
{failing.STATUS} if a verdict is one that it names."""


def add_options(new: argparse.ArgumentParser, where: str,
                required: bool = False) -> None:
    new.add_argument(
        "--format", action="append", type=forms.wanted(FORMATS, FOLDERS),
        metavar="NAME[=PATH]", required=required,
        help=f"{', '.join(FORMATS)}; PATH: the file (of fio-plot the folder) "
        f"in place of one in {where}; may be repeated")
    failing.add_option(new, f"the exit status is {failing.STATUS} then, and "
                       "in --format junit it is a failure")


def check(formats: Sequence[tuple[str, str]], out: str | None) -> None:
    """Before the runs: can the files be made?  out: a folder that will be."""
    forms.check(formats, out, FOLDERS)


def write(data: dict, formats: Sequence[tuple[str, str]], folder: str,
          words: Sequence[str] | None) -> None:
    """Each of the formats, in the folder where it has no path of its own."""
    for name, path in formats:
        if name == "fio-plot":
            fioplot.write(data, path or os.path.join(folder, FORMATS[name]))
            continue
        made = (junitreport.text(data, words) if name == "junit"
                else TEXTS[name](data))
        forms.put(made, path or os.path.join(folder, FORMATS[name]))


def fail(data: dict, words: Sequence[str] | None, prog: str) -> None:
    """Exit with failing.STATUS, if --fail-if finds something."""
    failing.end(prog, failing.failures(data, words or ()))


def _run(args, _stack):
    inside = os.path.isdir(args.campaign)
    path = os.path.join(args.campaign, "report.json") if inside \
        else args.campaign
    data = schema.load(path)
    write(data, args.format, os.path.dirname(path), args.fail_if)
    fail(data, args.fail_if, "ab export")


def main(arguments: Sequence[str]) -> None:
    """jobs/ab export"""
    new = argparse.ArgumentParser(
        "ab export", description=ABOUT, epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    new.add_argument("campaign", metavar="DIR",
                     help="a campaign folder, or its report.json")
    add_options(new, "DIR", required=True)
    commandline.main(arguments, new, _run)

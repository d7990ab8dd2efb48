# SPDX-License-Identifier: GPL-2.0-only
# The command line of `ab history`: which campaigns, and what is written.
import argparse
from collections.abc import Sequence
from contextlib import ExitStack
import os
import sys

from ...base import commandline
from ...base.problem import Problem
from ...fio.metrics import METRICS
from ...stats.changepoint import ALPHA
from .. import twocampaigns
from ..report import failing
from . import history, historytext

ABOUT = """B against A over many campaigns of one comparison: each metric with
its interval, in the order of time, and where its level has changed."""
MORE = f"""DIR is a campaign folder or its report.json; DIR=LABEL gives it a
name, such as the commit that it measured.  A campaign on another machine,
kernel, fio, CPU, or with other times than most of them is shown, and takes no
part in the search for changes, unless --across says that this may differ.

A change is one at which the ranks of the campaigns before and after it differ
more than in {1 - ALPHA:.0%} of random orders, corrected by the number of
series: so no more than {ALPHA:.0%} of histories without a change show one.
Leave out metrics (--metric) to find changes among fewer campaigns.

With --fail-if the exit status is {failing.STATUS} if the newest level is
worse than an earlier one: slower (IOPS), more-cpu, longer (latency); or if that
cannot be judged: there are too few campaigns, or the newest is not compared or
lacks the metric (inconclusive: this alone, for IOPS and CPU)."""


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(
        "ab history", description=ABOUT, epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = new.add_argument
    add("campaigns", metavar="DIR", nargs="+")
    add("--metric", action="append", default=[],
        choices=[*METRICS, "primary"],
        help="of this alone; may be repeated; primary: IOPS and CPU per I/O")
    add("--across", action="append", default=[],
        choices=list(history.CONDITIONS),
        help="campaigns that differ in this are compared; may be repeated")
    failing.add_option(new, f"the exit status is {failing.STATUS} then")
    add("--html", metavar="FILE", help="write the page with pictures to FILE")
    add("--json", metavar="FILE", help="write the history to FILE")
    return new


def _given(text):
    """The campaign of DIR or DIR=LABEL."""
    folder, mark, label = text, "", ""
    if not os.path.exists(text):
        folder, mark, label = text.rpartition("=")
        folder = folder if mark else text
    return history.Given(folder, label, twocampaigns.load(folder))


def _all_given(texts):
    given = [_given(text) for text in texts]
    seen = set()
    for one in given:
        place = os.path.realpath(one.folder)
        if place in seen:
            raise Problem(f"{ascii(one.folder)[1:-1]} is given twice: give "
                          "each campaign once.")
        seen.add(place)
    return given


def run(args: argparse.Namespace, stack: ExitStack) -> None:
    file = commandline.output(args.json, 0, stack)
    data = history.make(_all_given(args.campaigns),
                        history.chosen(args.metric), args.across,
                        ["jobs/ab", *sys.argv[1:]])
    if args.html:
        from . import historypage   # half of the command's time to start
        historypage.write(data, args.html)
    print(historytext.text(data), end="")
    if file:
        file.save(data)
    failed = history.failures(data, args.fail_if or ())
    failing.end("ab history", failed)


def main(arguments: Sequence[str]) -> None:
    commandline.main(arguments, parser(), run)

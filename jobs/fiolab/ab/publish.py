# SPDX-License-Identifier: GPL-2.0-only
# The report of a campaign, whole or not: into its folder in four forms, and as
# text on stdout, unless a mistake ended it, which is then said in a sentence.
from collections.abc import Callable
import sys
from typing import Any

from ..base.problem import Problem
from ..fio import fairness, loosethreads
from . import selfcheck
from .campaign import Campaign
from .report import csvreport, reportdata, textreport
from .runner import Stopped


def _warnings(campaign, ending):
    found = [*campaign.warnings, *fairness.stolen(campaign.cells),
             *fairness.verified(campaign.cells),
             *loosethreads.said(campaign.cells), *campaign.folder.strange]
    found += [cell.given_up for cell in campaign.cells if cell.given_up]
    lost = sum(len(cell.discarded) for cell in campaign.cells)
    if lost:
        found.append(f"{lost} pairs were discarded, as one of their runs gave "
                     "no result (see the cells).")
    if ending is not None:
        found.append("the campaign is not finished: jobs/ab --resume "
                     f"{campaign.folder.shown} goes on with it.")
    return found


def _write(campaign, found):
    # Half of the time that the command takes to start is matplotlib's.
    from .report import htmlreport
    folder = campaign.folder
    folder.save_report(found)
    folder.save_jobs(reportdata.plain_jobs(campaign))
    csvreport.write(found, folder.file("report.csv"))
    htmlreport.write(found, folder.file("report.html"))
    text = textreport.text(found)
    folder.save_text("report.txt", text)
    return text


def report_data(campaign: Campaign, ending: BaseException | None) -> dict:
    found = reportdata.make(campaign, ending is None,
                            _warnings(campaign, ending))
    if campaign.asked.self_check and ending is None and all(
            cell["effects"] for cell in found["cells"]):
        found["self_check"] = selfcheck.judge(found)
    return found


def _exported(found, export):
    """The problem of what other programs read, which is told after what the
    campaign has found."""
    try:
        export(found)
    except Problem as problem:
        return problem
    return None


def write(campaign: Campaign, ending: BaseException | None, file: Any,
          export: Callable[[dict], None]) -> dict:
    """Everything, and what export(report.json) writes; the report.json as it
    was written."""
    found = report_data(campaign, ending)
    try:
        text = _write(campaign, found)
        if file:
            file.save(found)
    except Problem:
        if ending is None:
            raise
        return found            # the first problem is the one to tell
    unwritten = _exported(found, export)
    if ending is None or isinstance(ending, (SystemExit, Stopped)):
        print(text, end="" if text.endswith("\n") else "\n")
        print(f"Report: {campaign.folder.shown}/report.html")
    if unwritten and ending is None:
        raise unwritten
    if ending is not None:
        say_how_to_go_on(campaign)
    elif campaign.anytime and not all(
            cell.closed or cell.given_up for cell in campaign.cells):
        print("ab: time was up before all was decided; go on with --resume "
              f"{campaign.folder.shown} --max-time S", file=sys.stderr)
    return found


def say_how_to_go_on(campaign: Campaign) -> None:
    print("ab: what was measured is kept; go on with --resume "
          f"{campaign.folder.shown}", file=sys.stderr)


def judge(campaign: Campaign, found: dict) -> None:
    """A self-check that was not passed is a failure, as is one that nothing
    was measured for, and a cell that was given up."""
    for cell in campaign.cells:
        if cell.given_up:
            raise Problem(cell.given_up)
    check, more = found["self_check"], (
        "a longer --max-time" if campaign.anytime else "more --pairs")
    if campaign.asked.self_check and not check:
        raise Problem("the self-check has checked nothing, as there is not a "
                      f"pair of what it compares: give {more}.")
    if check and not check["passed"]:
        raise Problem(f"the self-check failed: {check['text']}: repeat it on "
                      f"a quieter machine, or with {more}.")

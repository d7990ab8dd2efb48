# SPDX-License-Identifier: GPL-2.0-only
# --self-check: does this harness, on this machine, find what is there and
# nothing else?  B is A with a known handicap: after every so many I/Os fio
# sleeps for so long that 100 I/Os take the time that 125 did (thinktime; fio
# 3.33's thinktime_spin may sleep for ever).  C is A itself.  B must be found
# slower, and no verdict on C may be faster or slower.
from collections.abc import Sequence
import math

from ..base.problem import Problem
from ..fio.jobfile import Job
from . import runner
from .campaign import Campaign, Request
from .results import Cell

PLANTED = 0.8           # IOPS of B as a share of those of A
LEAST_US = 1000         # a sleep is longer than it should be, by 60 us or so
QUIET = ("equivalent", "inconclusive", "no verdict")


def plant(campaign: Campaign, cell: Cell) -> tuple[str, str]:
    """Job options that slow one of the cell's jobs down to PLANTED."""
    found = runner.timed(campaign, cell, "A", 1)
    jobs = max(1, sum(int(n) for n in cell.job.values("numjobs")))
    each_us = 1e6 * jobs / found["iops"]
    more_us = each_us * (1 / PLANTED - 1)
    blocks = max(1, math.ceil(LEAST_US / more_us))
    return (f"thinktime={round(blocks * more_us)}",
            f"thinktime_blocks={blocks}")


def refuse(asked: Request, jobs: Sequence[Job]) -> None:
    if len(jobs) > 1 or len(asked.target or []) > 1 or asked.client:
        raise Problem("--self-check takes one job on one target of this "
                      "machine: leave out the others.")
    if any(job.values("thinktime", "rate", "rate_iops") for job in jobs):
        raise Problem(f"job {jobs[0].name} sets its own pace, so no slowdown "
                      "can be planted: give --self-check another job.")


def judge(data: dict) -> dict:
    """The self_check of a report: what was planted, what was found."""
    planted, quiet = data["cells"]
    iops = next(e for e in planted["effects"] if e["metric"] == "iops")
    false = [f"{e['name']}: {e['verdict']}" for e in quiet["effects"]
             if e["verdict"] not in QUIET]
    found = iops["verdict"] == "slower"
    return {"planted": PLANTED, "ratio": iops["ratio"], "ci95": iops["ci95"],
            "verdict": iops["verdict"], "found": found, "false": false,
            "passed": found and not false, "text": _text(iops, found, false)}


def _text(iops, found, false):
    said = (f"planted: IOPS x {PLANTED:.2f}; measured: x {iops['ratio']:.2f}, "
            f"verdict {iops['verdict']}; the slowdown was "
            f"{'found' if found else 'NOT FOUND'}; A against A: ")
    return said + (f"{'; '.join(false)}, which is FALSE" if false
                   else "nothing found")

# SPDX-License-Identifier: GPL-2.0-only
# --self-check: does this harness, on this machine, find what is there and
# nothing else?  B is A with a known handicap.  Where pairs alternate: after
# every so many I/Os fio sleeps for so long that 100 I/Os take the time that 125
# did (thinktime; fio 3.33's thinktime_spin may sleep for ever).  In a duet,
# where a sleep costs nothing: a quarter of its CPU time is burned beside it
# (burner.py).  C is A itself.  Each handicap must be found, and no verdict on C
# may be faster or slower.
from collections.abc import Sequence
import math

from ..base.problem import Problem
from ..fio.jobfile import Job
from . import burner, duets, runner
from .campaign import Campaign, Request
from .results import Cell

PLANTED = 0.8           # IOPS of B as a share of those of A
# metric: (what is planted, the verdict that finds it, in cells of which pairs)
PLANTS = {"iops": (PLANTED, "slower", duets.ALTERNATE),
          "cpu_us": (1 + burner.Burdened.SHARE, "more CPU", duets.DUET)}
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
    """The self_check of a report: what was planted, what was found; of several
    handicaps the first, and all of them in `plants`."""
    plants = [_found(effect, planted, word)
              for metric, (planted, word, pairing) in PLANTS.items()
              for cell in data["cells"] if cell["b"] == "B"
              and pairing == cell.get("pairing", duets.ALTERNATE)
              for effect in cell["effects"] if effect["metric"] == metric]
    false = [f"{e['name']}: {e['verdict']}" for cell in data["cells"]
             if cell["b"] != "B" for e in cell["effects"]
             if e["verdict"] not in QUIET]
    found = all(one["found"] for one in plants)
    return {**{name: plants[0][name] for name in (
        "planted", "ratio", "ci95", "verdict")}, "found": found,
            "false": false, "passed": found and not false, "plants": plants,
            "text": _text(plants, false)}


def _found(effect, planted, word):
    return {"metric": effect["metric"], "name": effect["name"],
            "planted": planted, "ratio": effect["ratio"],
            "ci95": effect["ci95"], "verdict": effect["verdict"],
            "found": effect["verdict"] == word}


def _text(plants, false):
    said = "; ".join(
        f"planted: {one['name']} x {one['planted']:.2f}; measured: "
        f"x {one['ratio']:.2f}, verdict {one['verdict']}; that was "
        f"{'found' if one['found'] else 'NOT FOUND'}" for one in plants)
    return f"{said}; A against A: " + (
        f"{'; '.join(false)}, which is FALSE" if false else "nothing found")

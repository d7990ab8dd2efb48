# SPDX-License-Identifier: GPL-2.0-only
"""The call loop (jobs/loops/callloop.c): the nanoseconds of each call of the
library, without fio, as a cell of a campaign of two libraries.  Its metrics
are the speeds of the calls, so that more is faster."""
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
import math

from ..ab.campaign import Campaign, Request
from ..fio import asking, fiorun
from ..fio.jobfile import Job
from ..fio.metrics import FASTER
from ..fio.sidespec import Side
from ..stats.pairing import planned_orders
from . import loops
from .rowset import Row

LOOP_SHARES = 18            # milliseconds of a loop run, in those of a kind
LEAST_NS = 0.01             # less is not told from the empty loop

# What it measures: its name there -> (call, what the calls do).
KINDS = {
    "submit": ("io_submit", "1 read of 0 bytes"),
    "take_one": ("io_getevents", "1 of those waiting"),
    "take_many": ("io_getevents", "16 of those waiting"),
    "poll_empty": ("io_getevents", "none waits, 0 s"),
    "time_out": ("io_getevents", "none waits, 1 ns"),
    "run_events": ("io_queue_run", "per waiting event"),
    "run_empty": ("io_queue_run", "none waits"),
    "wait_events": ("io_queue_wait", "one waits"),
    "wait_empty": ("io_queue_wait", "none waits, 0 s"),
    "setup": ("io_setup", "+ io_destroy, CPU"),
    "prep": ("io_prep_pread", "inline, no library")}


def parse(text: str) -> tuple[str, dict]:
    """(library, {kind: figures}) of what it printed.

    ns is the least batch's mean: other users of the machine only add to it.
    """
    first, *lines = text.splitlines()
    costs = {}
    for name, *figures in map(str.split, lines):
        least, median, batches = map(float, figures)
        if not math.isfinite(least + median):
            raise ValueError(name)
        costs[name] = {"ns": max(least, LEAST_NS), "median_ns": median,
                       "batches": int(batches)}
    if set(costs) != set(KINDS):
        raise ValueError(text)
    return first.removeprefix("library "), costs


class Loop:
    """The program on the library of a side."""

    def __init__(self, build, cpu, milliseconds):
        self.program = loops.program(loops.CALL, build)
        self.cpu, self.milliseconds = cpu, milliseconds
        self.sides = ()         # with the library that each was seen to use

    def seconds(self) -> float:
        """What one run takes."""
        return self.milliseconds * LOOP_SHARES / 1000 + 0.15

    def run(self, side: Side, milliseconds: float) -> tuple[str, dict]:
        """parse() of one run."""
        return loops.printed([self.program, str(milliseconds)], parse, self.cpu,
                             fiorun.side_environment(side),
                             f"{loops.CALL} failed on side {side.text}")

    def check(self, sides: Sequence[Side]) -> None:
        """Does the program use the library that each side says?"""
        found = [self.run(side, 1)[0] for side in sides]
        for side, library in zip(sides, found):
            asking.check_library(side, library, loops.CALL)
        self.sides = tuple(replace(side, library=library)
                           for side, library in zip(sides, found))

    def one_run(self, campaign: Campaign, cell: Row, role: str,
                _seed: int) -> dict:
        _, costs = self.run(campaign.side(cell, role), self.milliseconds)
        return {"costs": costs, **{kind: 1e9 / cost["ns"]
                                   for kind, cost in costs.items()}}


@dataclass
class LoopRow(Row):
    metrics: tuple = tuple(KINDS)
    words: dict = field(default_factory=lambda: dict.fromkeys(KINDS, FASTER))

    def add(self, run: dict) -> None:
        super().add(run)
        self.runs[-1].update({kind: cost["ns"] for kind, cost in
                              run["values"]["costs"].items()})
        self.runs[-1].pop("seed", None)     # it has none


def row(asked: Request, number: int) -> LoopRow:
    """The cell of the call loop."""
    return LoopRow(number, Job("call loop", ""), planned_orders(
        asked.seed, number, asked.pairs))

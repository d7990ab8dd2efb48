# SPDX-License-Identifier: GPL-2.0-only
# What jobs/bench measures beside its pairs: system calls per I/O, CPU per I/O
# at each depth, and the memory that a unit of depth takes.
from collections.abc import Callable
import math
import re
import statistics

import numpy as np

from ..ab import runner
from ..base import process
from ..base.problem import Problem
from ..fio import fiorun, sidespec, timedrun
from ..fio.fiorun import Fio
from ..fio.jobfile import Job
from ..fio.sidespec import Side
from ..stats.paired import hodges_lehmann
from ..target.target import Target
from . import callkinds, loops, rowset

DEEP, BLOCK = 4096, 4096
MEMORY_SECONDS = 10         # more than a look at the process takes
SETTLED = 0.3               # seconds after which every buffer was in use
NULL = "null"               # reads nothing, so its buffers are never there
ENGINES = (NULL, "libaio", "io_uring", "kaio")
ANONYMOUS = re.compile(r"^Anonymous:\s+(\d+) kB$", re.M)


# fio's main process waits with these, all the longer under strace.
WAITING = ("clock_nanosleep", "nanosleep", "wait4")


def calls_per_io(fio: Fio, one: Side, job: Job,
                 target: Target) -> float | None:
    """System calls per I/O but for fio's waiting; None where not possible."""
    found = callkinds.kinds_per_io(fio, one, job, target, WAITING)
    if not found:
        return None
    return found["all"] - sum(found[name] for name in WAITING)


BARE = "bare"


class Sweep:
    """Rounds over all depths, both sides and the bare loop, in random order:
    the loop's CPU per I/O grows with its buffers, too."""

    def __init__(self, campaign, target, depths, a=0, b=1):
        """a, b: the numbers of its sides in the campaign."""
        self.campaign, self.depths = campaign, depths
        self.rounds = max(2, campaign.pairs // 2)
        self.rows = {depth: rowset.Row(depth, rowset.job(depth), [], a=a, b=b,
                                       target=target) for depth in depths}

    def count(self) -> int:
        return self.rounds * 3 * len(self.depths)

    def _one(self, row, role, seed):
        how = loops.bare_run if role == BARE else runner.timed
        return how(self.campaign, row, role, seed)

    def run(self, tick: Callable[[str], None]) -> None:
        rng = np.random.default_rng(self.campaign.asked.seed)
        for number in range(self.rounds):
            seed = int(rng.integers(1, 2**31))
            order = [(d, role) for d in self.depths
                     for role in ("A", "B", BARE)]
            for i in rng.permutation(len(order)):
                depth, role = order[i]
                tick(f"CPU per I/O at depth {depth}, round {number + 1} of "
                     f"{self.rounds}")
                row = self.rows[depth]
                row.runs.append({"round": number, "role": role,
                                 **self._one(row, role, seed)})

    def _relative(self, role):
        """ln(depth / first depth), estimated over the rounds, by depth."""
        first = self.rows[self.depths[0]].figures(role, "cpu_us")
        return [hodges_lehmann([math.log(x / y) for x, y in zip(
            self.rows[depth].figures(role, "cpu_us"), first)])
            for depth in self.depths]

    def spread(self, role: str) -> float:
        """The largest of all depths, where the least is 1."""
        found = self._relative(role)
        return math.exp(max(found) - min(found))

    def _line(self, role):
        values = [statistics.median(row.figures(role, "cpu_us"))
                  for row in self.rows.values()]
        first = self.rows[self.depths[0]]
        name = (loops.BARE_LOOP if role == BARE else
                self.campaign.side(first, role)).text
        return (f"  {name:<9}" +
                "".join(f"{value:>9.2f}" for value in values))

    def lines(self) -> list[str]:
        return ["", f"CPU us per I/O by depth, tmpfs: medians of {self.rounds} "
                "rounds", f"  {'depth':<9}" + "".join(
                    f"{depth:>9}" for depth in self.depths),
                *map(self._line, ("A", "B", BARE))]

    def data(self) -> dict:
        return {str(depth): row.runs for depth, row in self.rows.items()}


# Memory

def _resident(pid):
    """Bytes of a process that are its own; mapped files vary too much."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            return int(ANONYMOUS.search(file.read())[1]) << 10
    except (OSError, TypeError) as error:
        raise Problem(f"cannot read the memory of fio's job ({error}): leave "
                      "out the part memory.") from None


def _own(fio, one, target, depth):
    """Of a running job's own process, once its first I/Os are done."""
    job = rowset.job(depth)
    options = (fiorun.base_options(one, target, 1) +
               timedrun.timed_options(MEMORY_SECONDS, 0))
    with fiorun.Run(fio, one, job, target, options) as started:
        timedrun.await_start(started)
        if started.child.wait(SETTLED):
            started.finish(0)
        workers = process.tree(started.child.pid)[1:]
        if not workers:
            raise started.problem("it has no job process")
        return _resident(workers[0])


def _per_unit(fio, one, target):
    grown = _own(fio, one, target, DEEP) - _own(fio, one, target, 1)
    return grown / (DEEP - 1) - (0 if one.text == NULL else BLOCK)


def memory(fio: Fio, build: str, target: Target) -> dict[str, float | None]:
    """{engine: bytes of a unit of depth without its buffer, None: failed}"""
    found = {}
    for text in ENGINES:
        try:
            found[text] = _per_unit(fio, sidespec.parse(text, build), target)
        except Problem:
            if text == "kaio":
                raise
            found[text] = None
    return found


def memory_lines(found: dict) -> list[str]:
    lines = ["", "memory: bytes of the job's process for each unit of depth",
             f"  (depth {DEEP} less depth 1, without the buffer of {BLOCK}; "
             "null has nothing of its", "  own, so that is fio's; the kernel's "
             "ring comes on top, with AIO 32 a unit)"]
    for text, value in found.items():
        shown = "not measured" if value is None else f"{value:,.0f}"
        lines.append(f"  {text:<9}{shown:>9}")
    return lines

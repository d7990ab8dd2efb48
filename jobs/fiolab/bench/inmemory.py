# SPDX-License-Identifier: GPL-2.0-only
# The runs of a benchmark, which are kept in memory alone.
from dataclasses import dataclass, field
import math

from ..ab import runner
from ..fio import fiorun
from ..fio.jobfile import Job, direct_io
from ..fio.metrics import PRIMARY
from ..stats.pairing import SEQUENCES
from ..stats.verdict import Effect
from ..target.scratchfile import Target


@dataclass
class Cell:
    job: Job
    target: Target
    orders: list
    runs: list = field(default_factory=list)
    stream: str = ""
    calls: dict = field(default_factory=dict)
    effects: list = field(default_factory=list)
    restore: object = None

    def direct(self, plan):
        """'all', 'some' or 'none': which of the job's I/O is O_DIRECT."""
        options = fiorun.base_options(plan.sides[0], self.target, 1)
        return direct_io(self.job.effective(options))

    def changes(self):
        """What of the user's job file the runs replaced or dropped."""
        return self.job.changes(self.runs[0]["options"])

    def series(self, role, metric):
        return [run[metric] for run in self.runs if run["role"] == role]

    def differences(self, role, metric):
        """ln(role/A) of every block."""
        return [math.log(x / a) for x, a in zip(self.series(role, metric),
                                                self.series("A", metric))]


@dataclass
class Plan:
    fio: fiorun.Fio
    sides: tuple
    pairs: int
    runtime: float
    ramp: float
    rng: object
    libraries: tuple = ()       # the libaio.so.1 of each side, where checked

    def side(self, _, role):
        return self.sides[role == "B"]


def block(plan, cell, number, tick, one_run):
    """The three runs of one block: one_run(plan, cell, role, seed) each."""
    seed = int(plan.rng.integers(1, 2**31))
    order = cell.orders[number]
    for role in SEQUENCES[order]:
        tick(f"{cell.job.name}, pair {number + 1} of {plan.pairs}")
        cell.runs.append({"block": number, "order": order, "role": role,
                          **one_run(plan, cell, role, seed)})


def run(plan, cells, tick):
    """All blocks of all cells, in memory."""
    for number in range(plan.pairs):
        for cell in cells:
            block(plan, cell, number, tick, runner.timed)


def evaluate(cells):
    """The effects of all cells, one list per cell and one of all."""
    for cell in cells:
        cell.effects = [Effect(metric, cell.differences("B", metric),
                               cell.differences("A'", metric))
                        for metric in PRIMARY]
    return [effect for cell in cells for effect in cell.effects]

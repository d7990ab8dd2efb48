# SPDX-License-Identifier: GPL-2.0-only
# The plan of a comparison and its runs.  A cell is one job on one target.
#
# A block is three runs with one seed: A in the middle, B on one side of it and
# A again (A') on the other, so "A' A B" or "B A A'".  The pair (A, B) and the
# noise-floor pair (A, A') are then both back to back, share A, have the same
# number and the same balance of orders: if B behaves like A, they cannot be
# told apart.  The floor so costs half as much again, not as much again.
# Blocks go round all cells in turn, so that a drift of the machine spreads
# over the cells.  The number of pairs is fixed in advance, and none is dropped:
# a run that fails ends the comparison.  Only a run during which this process
# was starved, so that it has no CPU figure, is repeated in its place, whatever
# fio's figures are, and one during which fio itself was, so that it did no I/O
# at all; the report counts these.
from dataclasses import dataclass, field
import math
import os

from . import checks, fio as fio_runs
from .jobfile import Job, direct_io
from .problem import Problem
from .target import Target
from .verdict import Effect

METRICS = ("iops", "cpu_us")
ATTEMPTS = 5
SEQUENCES = {"AB": ("A'", "A", "B"), "BA": ("B", "A", "A'")}


@dataclass
class Cell:
    job: Job
    target: Target
    orders: list
    runs: list = field(default_factory=list)
    stream: str = ""
    calls: dict = field(default_factory=dict)
    effects: list = field(default_factory=list)

    def direct(self, plan):
        """'all', 'some' or 'none': which of the job's I/O is O_DIRECT."""
        options = fio_runs.base_options(plan.sides[0], self.target, 1)
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
    fio: fio_runs.Fio
    sides: tuple
    pairs: int
    runtime: float
    ramp: float
    rng: object
    libraries: tuple = ()       # the libaio.so.1 of each side, where checked


def orders(pairs, rng):
    """AB and BA equally often (an odd one by chance), in random order."""
    odd = [("AB", "BA")[rng.integers(2)]] if pairs % 2 else []
    plan = ["AB", "BA"] * (pairs // 2) + odd
    rng.shuffle(plan)
    return plan


def steal(cpu):
    """(stolen ticks, all ticks) of one CPU, or of all with None."""
    name = "cpu" if cpu is None else f"cpu{cpu}"
    with open("/proc/stat", encoding="ascii") as file:
        for line in file:
            if line.split()[0] == name:
                ticks = [int(x) for x in line.split()[1:9]]
                return ticks[7], sum(ticks)
    return 0, 0


def _undisturbed(*arguments):
    for repeats in range(ATTEMPTS):
        try:
            return {**fio_runs.timed(*arguments), "repeats": repeats}
        except fio_runs.Disturbed:
            last = Problem("this machine is too busy to measure CPU time: give "
                           "a longer --runtime, or stop what else runs here.")
        except fio_runs.Idle as problem:
            last = problem
    raise last


def timed(plan, cell, role, seed):
    side = plan.sides[1] if role == "B" else plan.sides[0]
    stolen, ticks = steal(plan.fio.cpu)
    run = _undisturbed(plan.fio, side, cell.job, cell.target, seed,
                       plan.runtime, plan.ramp)
    stolen_after, ticks_after = steal(plan.fio.cpu)
    passed = max(1, ticks_after - ticks)
    return {**run, "steal": (stolen_after - stolen) / passed}


def block(plan, cell, number, tick, one_run=timed):
    """The three runs of one block: one_run(plan, cell, role, seed) each."""
    seed = int(plan.rng.integers(1, 2**31))
    order = cell.orders[number]
    for role in SEQUENCES[order]:
        tick(f"{cell.job.name} on {os.path.basename(cell.target.path)}, "
             f"pair {number + 1} of {plan.pairs}")
        cell.runs.append({"block": number, "order": order, "role": role,
                          **one_run(plan, cell, role, seed)})


def check(plan, cells, tick, count=checks.calls_per_io):
    """Before the timed runs: fairness, and the system calls per I/O."""
    for cell in cells:
        tick(f"{cell.job.name}: comparing the I/O streams")
        cell.stream = checks.same_stream(plan.fio, plan.sides, cell.job,
                                         cell.target)
        for role, side in zip("AB", plan.sides):
            tick(f"{cell.job.name}: counting the system calls of {side.text}")
            cell.calls[role] = count(plan.fio, side, cell.job, cell.target)


def run(plan, cells, tick):
    """All blocks of all cells."""
    for number in range(plan.pairs):
        for cell in cells:
            block(plan, cell, number, tick)


def evaluate(cells):
    """The effects of all cells, one list per cell and one of all."""
    for cell in cells:
        cell.effects = [Effect(metric, cell.differences("B", metric),
                               cell.differences("A'", metric))
                        for metric in METRICS]
    return [effect for cell in cells for effect in cell.effects]

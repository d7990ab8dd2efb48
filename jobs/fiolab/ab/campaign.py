# SPDX-License-Identifier: GPL-2.0-only
# The runs of a comparison.  A cell is one job on one target, with one side B
# against A.
#
# A block is three runs with one seed: A in the middle, B on one side of it and
# A again (A') on the other, so "A' A B" or "B A A'".  The pair (A, B) and the
# noise-floor pair (A, A') are then both back to back, share A, have the same
# number and the same balance of orders: if B behaves like A, they cannot be
# told apart.  The floor so costs half as much again, not as much again. Blocks
# go round all cells in turn, so that a drift of the machine spreads over the
# cells.  The number of pairs is fixed in advance.  A run that fails ends the
# comparison; only a client that is lost costs no more than its pair (see
# clients.py).  A run during which this process was starved, so that it has no
# CPU figure, is repeated in its place, whatever fio's figures are, and one
# during which fio itself was, so that it did no I/O at all; the report counts
# these.  No other run is dropped.
from dataclasses import dataclass, field
import math
import os
import time

from ..base.problem import Problem
from ..fio import fiorun, streams
from ..fio.clientrun import Lost
from ..fio.jobfile import Job, direct_io
from ..fio.metrics import PRIMARY
from ..stats.pairing import SEQUENCES, pair_seed
from ..stats.verdict import Effect
from ..target.scratchfile import Target

ATTEMPTS = 5


@dataclass
class Cell:
    job: Job
    target: Target
    orders: list
    runs: list = field(default_factory=list)
    stream: str = ""
    calls: dict = field(default_factory=dict)
    effects: list = field(default_factory=list)
    id: int = 0
    b: int = 1                  # the number of the side that is B
    restore: object = None      # called with the target before each run

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
    clients: tuple = ()         # see clients.py

    def side(self, cell, role):
        return self.sides[cell.b] if role == "B" else self.sides[0]


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
            return {**fiorun.timed(*arguments), "repeats": repeats}
        except fiorun.Disturbed:
            last = Problem("this machine is too busy to measure CPU time: give "
                           "a longer --runtime, or stop what else runs here.")
        except fiorun.Idle as problem:
            last = problem
    raise last


def timed(plan, cell, role, seed):
    """One timed run on this machine."""
    if cell.restore:
        cell.restore(cell.target)
    stolen, ticks = steal(plan.fio.cpu)
    run_ = _undisturbed(plan.fio, plan.side(cell, role), cell.job, cell.target,
                        seed, plan.runtime, plan.ramp)
    stolen_after, ticks_after = steal(plan.fio.cpu)
    cell.target.check_size(cell.job)
    passed = max(1, ticks_after - ticks)
    return {**run_, "steal": (stolen_after - stolen) / passed}


def _text(plan, cell, number):
    return (f"{cell.job.name} on {os.path.basename(cell.target.path)}, "
            f"pair {number + 1} of {plan.pairs}")


def block(plan, cell, number, tick, one_run=timed):
    """The three runs of one block: one_run(plan, cell, role, seed) each."""
    seed = int(plan.rng.integers(1, 2**31))
    order = cell.orders[number]
    for role in SEQUENCES[order]:
        tick(_text(plan, cell, number))
        cell.runs.append({"block": number, "order": order, "role": role,
                          **one_run(plan, cell, role, seed)})


def check(plan, cells, tick, count=streams.calls_per_io):
    """Before the timed runs: does each job keep inside of its target, is the
    comparison fair, and the system calls per I/O."""
    known = set()
    for cell in cells:
        tick(f"{cell.job.name}: comparing the I/O streams")
        sides = plan.sides[0], plan.sides[cell.b]
        for side in sides:
            what = side, cell.job, cell.target.path
            if what not in known:
                streams.rehearse(plan.fio, side, cell.job, cell.target)
            known.add(what)
        cell.stream = streams.same_stream(plan.fio, sides, cell.job,
                                          cell.target)
        for role, side in zip("AB", sides):
            tick(f"{cell.job.name}: counting the system calls of {side.text}")
            cell.calls[role] = count(plan.fio, side, cell.job, cell.target)


def run(plan, cells, tick):
    """All blocks of all cells, in memory."""
    for number in range(plan.pairs):
        for cell in cells:
            block(plan, cell, number, tick)


def evaluate(cells):
    """The effects of all cells, one list per cell and one of all."""
    for cell in cells:
        cell.effects = [Effect(metric, cell.differences("B", metric),
                               cell.differences("A'", metric))
                        for metric in PRIMARY]
    return [effect for cell in cells for effect in cell.effects]


# The campaign of jobs/ab, which keeps every run in a folder

LOST_IN_A_ROW = 3       # pairs, after which the campaign stops


class Stopped(Problem):
    """The campaign cannot go on; what was measured counts."""


def _record(plan, results, cell, number, role, seed, made):
    """The content of a run's file."""
    keep = {"campaign": results.campaign, "cell": cell.id, "pair": number,
            "role": role, "seed": seed, "start": time.time()}
    try:
        found = made(plan, cell, role, seed)
    except Lost as lost:
        host, why = lost.args
        return {**keep, "failed": {"host": host, "why": why}}
    known = ("latency", "options", "steal", "repeats", "hosts", "seed")
    return {**keep, "values": {key: value for key, value in found.items()
                               if key not in known},
            **{key: found[key] for key in known if key in found}}


def kept_block(plan, cell, number, results, folder, tick, made=timed):
    """One block, whole: what an earlier command left of it is made anew.

    False if its pair had to be discarded.
    """
    mine = results.cells[cell.id]
    mine.partial.pop(number, None)
    seed = pair_seed(results.seed, cell.id, number)
    for position, role in enumerate(SEQUENCES[mine.orders[number]]):
        tick(_text(plan, cell, number))
        record = _record(plan, results, cell, number, role, seed, made)
        folder.save_run(results.number(cell.id, number, position), record)
        mine.add(record)
        if "failed" in record:
            return False
    return True


def keep_going(plan, cells, results, folder, tick, made=timed,
               enough=lambda pairs: False):
    """All blocks that are not there yet; ends early where enough(pairs)."""
    lost = 0
    for number in range(plan.pairs):
        ran = False
        for cell in cells:
            if results.cells[cell.id].done(number):
                continue
            ran = True
            lost = 0 if kept_block(plan, cell, number, results, folder, tick,
                                   made) else lost + 1
            if lost == LOST_IN_A_ROW:
                why = results.cells[cell.id].discarded[number]
                by = f"by {why['host']} " if why["host"] else ""
                raise Stopped(f"{lost} pairs in a row were lost, the last "
                              f"{by}({why['why']}): look at the hosts, then "
                              "go on with --resume.")
        if ran and enough(number + 1):      # never a look of its own
            return

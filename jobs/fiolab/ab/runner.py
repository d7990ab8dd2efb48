# SPDX-License-Identifier: GPL-2.0-only
"""The runs of a campaign.

A block is three runs with one seed: A in the middle, B on one side of it and
A again (A') on the other, so "A' A B" or "B A A'".  The pair (A, B) and the
noise-floor pair (A, A') are then both back to back, share A, have the same
number and the same balance of orders: if B behaves like A, they cannot be
told apart.  The floor so costs half as much again, not as much again. Blocks
go round all cells in turn, so that a drift of the machine spreads over the
cells.  A cell that is decided (evaluation.py) gets no more blocks, unless the
number of pairs is fixed.  A run that fails ends the
campaign; only a client that is lost and a command of @before= or @after= that
fails cost no more than their pair (see clientrun.py, sidecommand.py).  A run
during which this process was starved, so that it has no CPU figure, is repeated
in its place, whatever fio's figures are, and one during which fio itself was,
so that it did no I/O at all; the report counts these.  No other run is dropped.

The three runs of a duet's block are made at once (duets.py); a block that was
no duet is made again, and its pair discarded in the end, by the rule there; of
--pairing auto, a cell in which the CPU is not shared out evenly from the first
block on alternates instead.  A cell that loses three pairs in a row gets no
more from this command, and three in a row of whatever cells end the campaign.
"""
from collections.abc import Callable, Sequence
import os
import time
from typing import Any

from ..base.problem import Problem
from ..fio import cpushare, streams, timedrun
from ..fio.jobs import written
from ..fio.clientrun import Lost
from ..fio.sidecommand import Failed
from ..stats.pairing import SEQUENCES, pair_seed
from . import duets
from .campaign import Campaign
from .results import Cell

ATTEMPTS = 5
LOST_IN_A_ROW = 3       # pairs, after which a cell, or the campaign, stops
# What a run's file has beside its values; and what is in the place of that
# where a kind of run has it not.
BESIDE = ("latency", "options", "steal", "repeats", "hosts", "seed",
          "commands", "duet", "loose")
WITHOUT: dict[str, Any] = {"latency": {}, "steal": None, "repeats": 0}


class Stopped(Problem):
    """The campaign cannot go on; what was measured counts."""


def steal(cpu: int | None) -> tuple[int, int]:
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
            return {**timedrun.timed(*arguments), "repeats": repeats}
        except timedrun.Disturbed:
            last = Problem("this machine is too busy to measure CPU time: give "
                           "a longer --runtime, or stop what else runs here.")
        except timedrun.Idle as problem:
            last = problem
    raise last


def timed(campaign: Campaign, cell: Cell, role: str, seed: int) -> dict:
    """One timed run of fio on this machine."""
    cell.restore_target(role)
    side, job, target = (campaign.side(cell, role), cell.job_of(role),
                         cell.target_of(role))
    stolen, ticks = steal(campaign.cpu(side))
    found = _undisturbed(campaign.fio, side, job, target, seed,
                         cell.runtime or campaign.runtime, campaign.ramp)
    stolen_after, ticks_after = steal(campaign.cpu(side))
    target.check_size(job)
    passed = max(1, ticks_after - ticks)
    return {**found, "steal": (stolen_after - stolen) / passed}


def check(campaign: Campaign, cells: Sequence[Cell],
          tick: Callable[[str], None],
          count: Callable = streams.calls_per_io) -> None:
    """Before the timed runs: does each job keep inside of its target, is the
    comparison fair, and the system calls per I/O."""
    known: set = set()
    found: dict = {}
    for cell in cells:
        both = tuple((campaign.side(cell, role), cell.job_of(role),
                      cell.target_of(role)) for role in "AB")
        same = tuple((side, job, target.path) for side, job, target in both)
        if same not in found:       # a cell may differ in its pairing alone
            found[same] = cell
            _check(campaign, cell, both, known, tick, count)
        cell.stream, cell.calls = found[same].stream, found[same].calls
    for cell in _last_of_each(cells) if campaign.asked.timeline else ():
        _draw(campaign, cell, tick)


def _check(campaign, cell, both, known, tick, count):
    """both: (side, job, target) of A and B; known: what was rehearsed."""
    tick(f"{cell.job.name}: comparing the I/O streams")
    for side, job, target in both:
        what = side, job, target.path
        if what not in known:
            streams.rehearse(campaign.fio, side, job, target)
        known.add(what)
    for role in "AB":
        if written.needed(cell.job_of(role)):
            cell.restore_target(role)
    cell.stream = streams.same_stream(campaign.fio, *both)
    for role, (side, job, target) in zip("AB", both):
        tick(f"{job.name}: counting the system calls of {side.text}")
        cell.calls[role] = count(campaign.fio, side, job, target)


def _last_of_each(cells):
    """Of the cells of one job, its targets and B, a duet and one that
    alternates, the one that does."""
    return {(id(cell.job), cell.target.path, cell.b,
             cell.target_of("B").path): cell for cell in cells}.values()


def _draw(campaign, cell, tick):
    """Latency over time, of a run of each side; the log of that costs up to a
    hundredth of an I/O's CPU time, so no run that counts has one."""
    for role in "AB":
        side, job = campaign.side(cell, role), cell.job_of(role)
        tick(f"{job.name}: latency of {side.text} over time")
        cell.restore_target(role)
        cell.timeline[role] = streams.over_time(
            campaign.fio, side, job, cell.target_of(role),
            campaign.asked.timeline)


def _record(campaign, cell, number, role, find):
    """The content of a run's file; find(): its values, and what more."""
    seed = pair_seed(campaign.asked.seed, cell.id, number)
    keep = {"campaign": campaign.id, "cell": cell.id, "pair": number,
            "role": role, "seed": seed, "start": time.time()}
    try:
        found = find(seed)
    except Lost as lost:
        host, why = lost.args
        return {**keep, "failed": {"host": host, "why": why}}
    except Failed as problem:
        return {**keep, "failed": {"host": None, "why": str(problem)},
                "commands": problem.commands}
    except duets.Dropped as dropped:
        return {**keep, "failed": {"host": None, "why": str(dropped)}}
    return {**WITHOUT, **keep,
            "values": {name: value for name, value in found.items()
                       if name not in BESIDE},
            **{name: found[name] for name in BESIDE if name in found}}


def together(campaign: Campaign, cell: Cell, number: int, seed: int,
             make: Callable[..., tuple[dict, dict]] = duets.makers) -> dict:
    """{role: the values of its run} of the block of a duet; make: what starts
    them."""
    cpu = campaign.cpu(campaign.side(cell, "A"))
    stolen, ticks = steal(cpu)
    found = duets.block(campaign, cell, number, seed, make)
    stolen_after, ticks_after = steal(cpu)
    found["A"]["steal"] = (stolen_after - stolen) / max(1, ticks_after - ticks)
    return found


def _together(campaign, cell, number, seed, one_block, changed):
    """The runs of a duet's block; none, where the cell alternates from now
    on."""
    try:
        return one_block(campaign, cell, number, seed)
    except (duets.Unequal, cpushare.Unlike) as why:
        if not changed or not duets.fall_back(campaign, cell, str(why)):
            raise
        changed()
        return {}


def _runs(campaign, cell, number, tick, one_run, *one_block):
    """(position, record) of each run of a block; those of a duet are made all
    with the first."""
    known = {}
    for position, role in enumerate(SEQUENCES[cell.orders[number]]):
        of = "" if campaign.anytime else f" of {campaign.pairs}"
        tick(f"{_where(cell)}, pair {number + 1}{of}")

        def find(seed, role=role):
            if cell.pairing == duets.DUET and not known:
                known.update(_together(campaign, cell, number, seed,
                                       *one_block))
            return (known[role] if cell.pairing == duets.DUET else
                    one_run(campaign, cell, role, seed))
        yield position, _record(campaign, cell, number, role, find)


def _where(cell):
    on = f" on {os.path.basename(cell.target.path)}" if cell.target else ""
    return cell.job.name + on


def _block(campaign, cell, number, keep, tick, how):
    """One block, whole: what an earlier command left of it is made anew.

    False if its pair had to be discarded.
    """
    cell.partial.pop(number, None)
    for position, record in _runs(campaign, cell, number, tick, *how):
        record["end"] = time.time()
        keep(campaign.number(cell.id, number, position), record)
        cell.add(record)
        if "failed" in record:
            return False
    return True


def _lost(campaign, cell, number):
    """Of pairs in a row that were discarded, in a sentence."""
    why = cell.discarded[number]
    by = f"by {why['host']} " if why["host"] else ""
    cpu = campaign.cpu(campaign.side(cell, "A"))
    see = ("look at the hosts" if campaign.clients else
           f"look at what else runs on CPU {cpu}"
           if cell.pairing == duets.DUET else "mend that")
    if campaign.folder:     # of jobs/ab
        see += (", or give --pairing alternate" * (cell.pairing == duets.DUET)
                + ", then go on with --resume")
    return (f"{LOST_IN_A_ROW} pairs in a row were lost, the last {by}"
            f"({why['why']}): {see}.")


def run(campaign: Campaign, keep: Callable[[int, dict], None],
        tick: Callable[[str], None],
        one_run: Callable[..., dict] = timed,
        look: Callable[[int], None] = lambda pairs: None,
        one_block: Callable[..., dict] = together,
        changed: Callable[[], None] | None = None) -> None:
    """All blocks that are not there yet and that the campaign wants.

    look(pairs): called after each round of blocks, to close cells.

    keep(number, record): to keep the record of a run.
    one_run(campaign, cell, role, seed): a run's values, and what of BESIDE it
    has.
    one_block(campaign, cell, number, seed): the same of all runs of a block, by
    role, of a cell that is a duet.
    changed(): called when such a cell alternates from now on; without it, none
    does.
    """
    lost, how = 0, (one_run, one_block, changed)
    for number in range(campaign.pairs):
        left = [cell for cell in campaign.cells if not cell.done(number)]
        for cell in filter(campaign.wants, left):
            if _block(campaign, cell, number, keep, tick, how):
                lost = cell.lost = 0
                continue
            lost, cell.lost = lost + 1, cell.lost + 1
            if lost == LOST_IN_A_ROW:
                raise Stopped(_lost(campaign, cell, number))
            if cell.lost == LOST_IN_A_ROW:
                cell.given_up = (f"{_where(cell)} was given up: "
                                 f"{_lost(campaign, cell, number)}")
        if left:
            look(number + 1)
        if not any(map(campaign.wants, campaign.cells)):
            return

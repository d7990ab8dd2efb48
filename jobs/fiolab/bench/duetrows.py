# SPDX-License-Identifier: GPL-2.0-only
"""The blocks of those rows of jobs/bench that are duets (fio/duet.py): besides
runs of fio, the loops without fio run in them, and the sum of two runs."""
from collections.abc import Callable
from functools import partial
import sys
from typing import Any

from ..ab import duets, runner
from ..ab.campaign import Campaign
from ..base.problem import Problem
from ..fio import cpushare, duet, fiorun
from ..fio.fiorun import Fio
from ..fio.sidespec import Side
from ..stats.pairing import SEQUENCES
from . import cpuset, loops
from .rowset import Row

BESIDE = " beside"      # behind a role: the bare loop of a sum
JOIN = f'sh ../{duet.GATE} && exec "$@"'


class Program(duet.Member):
    """A program that is no fio, in the place of one."""

    def __init__(self, campaign: Campaign, row: Row, side: Side,
                 command: list[str], found: Callable[[str, Any], dict]):
        """found(what it printed, cpushare.Spent): its figures; ValueError."""
        self.program, self.found = command, found
        super().__init__(campaign.fio, side, row.job, row.target, [])

    def command(self, fio, target):
        return ["sh", "-c", JOIN, "sh", *self.program]

    def counted(self, pids: list[int]) -> list[int]:
        return pids

    def problem(self, why: str) -> Problem:
        return Problem(f"the {self.side.text} failed ({why}): "
                       f"{fiorun.words(self.read('messages')) or 'no message'}")

    def finish(self, seconds: float) -> dict:
        ended = self.child.wait(seconds)
        self.check_target()
        if not ended or self.child.status != 0:
            raise self.problem(f"exit status {self.child.status}")
        return {}

    def result(self, seconds: float, used: cpushare.Spent) -> dict:
        self.finish(seconds)
        try:
            return {"latency": {}, **self.found(self.read("messages"), used)}
        except ValueError:
            raise self.problem("exit status 0") from None


class InCpuset(duet.Member):
    """A fio whose kernel workers keep to its CPU, too."""

    def __init__(self, group, *arguments):
        self.group = group
        super().__init__(*arguments)

    def command(self, fio: Fio, target: Any) -> list[str]:
        return ["sh", "-c", cpuset.JOIN, self.group,
                *super().command(fio, target)]


def _bare(campaign, row, side, seed):
    return partial(Program, campaign, row, side, loops.bare_command(
        campaign, row, seed), lambda text, _: loops.bare_figures(text))


def _fio_loop(campaign, row, side, _seed):
    """Its CPU time is that of the timed part, as it tells none."""
    seconds = round(row.runtime or campaign.runtime)

    def found(text, used):
        iops = loops.loop_iops(text, seconds)
        cpu_us = used.cpu / used.seconds * 1e6 / iops
        return {"iops": iops, "cpu_us": cpu_us, "iops_per_cpu": 1e6 / cpu_us}
    return partial(Program, campaign, row, side, loops.fio_loop_command(
        campaign, row, loops.FIO_LOOPS[side], seconds), found)


OTHERS = {loops.BARE_LOOP: _bare,
          **{side: _fio_loop for side in loops.FIO_LOOPS}}


def _makers(campaign, row, number, seed):
    """duets.makers() of these rows: the runs of a sum are two each.  The loops
    read at random in all of the target, so a fio beside them does, too."""
    shared = any(campaign.side(row, role) in loops.OWN for role in "AB")
    made, options = duets.makers(campaign, row, number, seed, shared)
    found = {}
    for role in SEQUENCES[row.orders[number]]:
        side = campaign.side(row, role)
        if side in OTHERS:
            found[role] = OTHERS[side](campaign, row, side, seed)
            del options[role]
            continue
        found[role] = made[role]
        if row.group:
            found[role] = partial(InCpuset, row.group, *made[role].args)
        if side == loops.SUM:
            found[role + BESIDE] = _bare(campaign, row, loops.BARE_LOOP, seed)
    return found, options


def _summed(found, role):
    """One I/O in each of both."""
    more = found.get(role + BESIDE)
    if not more:
        return found[role]
    one = found[role]
    return {**one, "cpu_us": one["cpu_us"] + more["cpu_us"],
            "null_cpu_us": one["cpu_us"], "bare_cpu_us": more["cpu_us"]}


def one_block(campaign: Campaign, row: Row, number: int,
              seed: int) -> dict[str, dict[str, Any]]:
    """{role: its values, and what its run has beside them} of a block."""
    found = runner.together(campaign, row, number, seed, _makers)
    return {role: _summed(found, role)
            for role in SEQUENCES[row.orders[number]]}


def run(campaign: Campaign, tick: Callable[[str], None], **how: Any) -> bool:
    """All blocks of a benchmark (how: of runner.run()); False: this machine let
    nobody measure, which ended it, and what was measured counts."""
    try:
        runner.run(campaign, lambda *_: None, tick, one_block=one_block, **how)
    except runner.Stopped as problem:
        print(f"bench: without the rest: {problem}", file=sys.stderr)
        return False
    return True

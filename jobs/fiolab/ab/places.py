# SPDX-License-Identifier: GPL-2.0-only
"""The targets of a campaign, made ready for its runs: of a new one, and of one
that goes on, for which they are in the same places and of the same sizes."""
from contextlib import ExitStack
import os
import sys

from ..base import commandline
from ..base.problem import Problem
from ..fio import clientrun, clienttarget, fairness
from ..target import extents, scratchfile
from ..target.target import Target
from . import restore
from .campaign import Campaign, Request
from .results import Cell


def _memory(asked, stack):
    """The scratch file in memory, as a list; empty where there is no room."""
    try:
        with ExitStack() as trial:
            made = scratchfile.scratch(commandline.MEMORY, asked.size, trial)
            stack.push(trial.pop_all())
            return [made]
    except Problem as problem:
        print("ab: comparing on the disk alone, as memory is out of reach: "
              f"{problem}", file=sys.stderr)
        return []


def local(asked: Request, writing: list[str], destroy: bool,
          stack: ExitStack) -> list[Target]:
    """Those of a new campaign on this machine."""
    if not asked.target:
        memory = _memory(asked, stack)
        if memory and asked.self_check:
            return memory
        return [*memory, scratchfile.scratch(commandline.disk(asked.build),
                                             asked.size, stack)]
    paths = dict.fromkeys(os.path.realpath(path) for path in asked.target)
    return [scratchfile.prepare(path, writing, asked.size, destroy, stack)
            for path in paths]


def remote(campaign: Campaign) -> list[Target]:
    """Those of a new campaign on other machines."""
    size = campaign.asked.size or scratchfile.DEFAULT_SIZE
    return [clienttarget.named(
        path, campaign.clients, size, label=f"{path} on each host",
        writable=campaign.destroy,
        written=extents.Written(size, known=campaign.destroy))
            for path in dict.fromkeys(campaign.asked.target or ())]


def _look_at_hosts(campaign, made):
    if campaign.clients:
        for target in made:
            clienttarget.prepare(campaign.fio, target)
    return made


def new(campaign: Campaign, stack: ExitStack) -> list[Target]:
    """The targets of a new campaign, large enough for its jobs."""
    made = (remote(campaign) if campaign.clients else
            local(campaign.asked, campaign.writing(), campaign.destroy,
                  stack))
    for target in made:
        for job in campaign.jobs:
            fairness.large_enough(job, target.size)
            if target.is_part():
                fairness.ends_inside(job, target.size)
                fairness.goes_around_inside(job)
    return _look_at_hosts(campaign, made)


def _again(campaign, known, stack):
    if campaign.clients:
        return known
    if known.scratch:
        return scratchfile.scratch(known.scratch, known.size, stack)
    return scratchfile.prepare(known.path, campaign.writing(), known.size,
                               campaign.destroy, stack)


def again(campaign: Campaign, stack: ExitStack) -> None:
    """Make the cells of a campaign that goes on ready."""
    made = _look_at_hosts(campaign, [
        _again(campaign, known, stack) for known in campaign.targets])
    on = {id(known): target for known, target in zip(campaign.targets, made)}
    for cell in campaign.cells:
        ready(campaign, cell, on[id(cell.place)])


def ready(campaign: Campaign, cell: Cell, target: Target) -> Cell:
    """The cell, which runs on this target and restores it before each."""
    choice = campaign.asked.restore
    cell.target = target
    cell.restore = (clientrun.restore(campaign.fio, cell.job, choice)
                    if campaign.clients else restore.chosen(cell.job, choice))
    return cell

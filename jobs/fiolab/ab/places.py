# SPDX-License-Identifier: GPL-2.0-only
"""The targets of a campaign, made ready for its runs: of a new one, and of one
that goes on, for which they are in the same places and of the same sizes."""
from collections.abc import Sequence
from contextlib import ExitStack
import os
import sys

from ..base import commandline
from ..base.problem import Problem
from ..fio import clientrun, clienttarget, fairness, jobfile
from ..fio.jobfile import Job
from ..fio.jobs import mapping, written
from ..target import extents, members, scratchfile
from ..target.target import Target
from . import cellplan, restore
from .campaign import Campaign, Request
from .results import Cell
from .series import machinestate


MOST = 64       # files that a target is made of


class Unfit(Problem):
    """Of a target on which a job cannot be run."""


def _check_files(job):
    """Refuse what fio has of one file alone."""
    if job.strided() or job.zoned():
        raise Problem(f"job {job.name} goes through a file in zones "
                      "(zonemode), and fio counts those of several files as "
                      "one: name each as a --target of its own.")
    if written.needed(job):
        raise Problem(f"job {job.name} only reads what it verifies, which is "
                      "written before each run, in one file alone: name each "
                      "as a --target of its own.")


def _check_room(jobs):
    """check(target), before it is written: has it room for the jobs?"""
    def check(target):
        try:
            for job in jobs:
                if target.number > 1:
                    _check_files(job)
                fairness.fits(job, target)
        except Problem as problem:
            raise Unfit(str(problem)) from None
    return check


def _number(jobs, size):
    """How many files a target is that is made for jobs, of size bytes in all:
    as many as each of them has, where those can be had."""
    numbers = {number for job in jobs for number in mapping.files(
        jobfile.in_force(job.text, *mapping.READ))}
    number = numbers.pop() if len(numbers) == 1 else 1
    each = size // number // scratchfile.SMALLEST * scratchfile.SMALLEST
    if number == 1 or number > MOST or any(job.least() > each
                                           for job in jobs):
        return 1
    try:
        for job in jobs:
            _check_files(job)
            job.ranges(0, each)
            fairness.ends_inside(job, each)
    except Problem:
        return 1
    return number


def _scratch(folder, asked, jobs, stack, check):
    """A target that is made in a folder for these jobs."""
    scratchfile.remove_stale(folder)
    size = asked.size or scratchfile.default_size(folder)
    number = _number(jobs, size)
    if number > 1:
        size = size // number // scratchfile.SMALLEST * scratchfile.SMALLEST
    return members.scratch(folder, size, number, stack, check)


def _memory(asked, jobs, stack, check):
    """The scratch file in memory, as a list; empty where there is no room."""
    try:
        with ExitStack() as trial:
            made = _scratch(commandline.MEMORY, asked, jobs, trial, check)
            stack.push(trial.pop_all())
            return [made]
    except Unfit:
        raise
    except Problem as problem:
        print("ab: comparing on the disk alone, as memory is out of reach: "
              f"{problem}", file=sys.stderr)
        return []


def local(asked: Request, jobs: Sequence[Job], destroy: bool,
          stack: ExitStack) -> list[Target]:
    """Those of a new campaign on this machine, for these jobs."""
    check = _check_room(jobs)
    if not asked.target:
        memory = _memory(asked, jobs, stack, check)
        if memory and asked.self_check:
            return memory
        return [*memory, _scratch(commandline.disk(asked.build), asked, jobs,
                                  stack, check)]
    named = dict.fromkeys(
        tuple(os.path.realpath(path) for path in members.paths(text))
        for text in asked.target)
    return [members.prepare(paths, _writing(jobs), asked.size, destroy,
                            stack, check, asked.allow or ()) for paths in named]


def remote(campaign: Campaign) -> list[Target]:
    """Those of a new campaign on other machines."""
    for text in campaign.asked.target or ():
        if len(members.paths(text)) > 1:
            raise Problem(f"{text} is several files, which are for targets of "
                          "this machine: give each as a --target of its own.")
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


def _writing(jobs):
    return list(dict.fromkeys(job.name for job in jobs
                              if restore.overwrites(job)))


def _jobs_where(campaign, name):
    """The jobs of the sides that have a target of that name for themselves;
    with "" of those that have none."""
    return [job for side, jobs in zip(campaign.sides, campaign.side_jobs)
            if cellplan.elsewhere(side) == name for job in jobs]


def handed(name: str, size: int | None, writing: list[str],
           destroy: bool) -> Target:
    """What only the engine of a side knows: nothing of it is claimed, opened,
    filled or checked."""
    if writing and not destroy:
        raise Problem(f"the job '{writing[0]}' writes to {name}, of which "
                      "nobody here knows what it holds: give --destroy-data "
                      "to overwrite it.")
    return Target(name, size or scratchfile.DEFAULT_SIZE, handed=True,
                  label="handed to fio as it is", writable=destroy)


def _own(campaign, side, stack):
    """The target that a side has for itself."""
    asked = campaign.asked
    jobs = _jobs_where(campaign, cellplan.elsewhere(side))
    writing, check = _writing(jobs), _check_room(jobs)
    if not side.own.filename:
        return members.prepare(members.paths(side.own.target), writing,
                               asked.size, campaign.destroy, stack, check,
                               asked.allow or ())
    made = handed(side.own.filename, asked.size, writing, campaign.destroy)
    check(made)
    return made


def new(campaign: Campaign, stack: ExitStack) -> None:
    """The targets of a new campaign, large enough for its jobs."""
    def common():
        jobs = _jobs_where(campaign, "")
        if not campaign.clients:
            return local(campaign.asked, jobs, campaign.destroy, stack)
        made = remote(campaign)
        for target in made:
            _check_room(jobs)(target)
        return made
    campaign.side_targets = cellplan.targets(
        campaign.asked, campaign.sides, common,
        lambda side: _own(campaign, side, stack))
    campaign.targets = list({id(target): target for targets in
                             campaign.side_targets
                             for target in targets}.values())
    campaign.devices = _devices(campaign)
    _look_at_hosts(campaign, campaign.targets)


def _devices(campaign):
    """What machinestate.names() tells of the targets that are somebody's, of
    this machine."""
    return {} if campaign.clients else {
        path: known for one in campaign.targets
        if not one.scratch and not one.handed
        for path, known in machinestate.names(one).items()}


def _refuse_other_devices(campaign):
    """Refuse a target's name that stands for another disk, as it may after a
    boot, before a byte of that is written."""
    for path, now in _devices(campaign).items():
        for name, text in campaign.devices.get(path, {}).items():
            if now.get(name) != text:
                raise Problem(
                    f"the {name} of {path} was {text} when the campaign began, "
                    f"and is {now.get(name, 'not told')}: give that device its "
                    "name back, or begin a new campaign.")


def _again(campaign, known, stack):
    if campaign.clients:
        return known
    if known.scratch:
        return members.scratch(known.scratch, known.size, known.number, stack)
    writing = _writing(cell.job_of(role) for cell in campaign.cells
                       for role in "AB" if cell.place_of(role) is known)
    if known.handed:
        return handed(known.path, known.size, writing, campaign.destroy)
    paths = members.listed(known.path) if known.number > 1 else [known.path]
    return members.prepare(paths, writing, known.size, campaign.destroy, stack,
                           allowed=campaign.asked.allow or ())


def again(campaign: Campaign, stack: ExitStack) -> None:
    """Make the cells of a campaign that goes on ready."""
    _refuse_other_devices(campaign)
    made = _look_at_hosts(campaign, [
        _again(campaign, known, stack) for known in campaign.targets])
    on = {id(known): target for known, target in zip(campaign.targets, made)}
    for cell in campaign.cells:
        ready(campaign, cell, on[id(cell.place)], on.get(id(cell.place_b)))


def _restore(campaign, cell, role):
    """What brings a role's target back before each of its runs, or None."""
    choice, job = campaign.asked.restore, cell.job_of(role)
    handed = cell.target_of(role).handed
    if (handed or campaign.clients) and written.needed(job):
        raise Problem(f"job {job.name} only reads what it verifies, so that it "
                      "is to be written before each run, which can be done on "
                      "targets of this machine alone: leave it out, or "
                      "--client and @filename=.")
    if handed:
        return None
    return (clientrun.restore(campaign.fio, job, choice) if campaign.clients
            else restore.chosen(campaign.fio, job, choice))


def ready(campaign: Campaign, cell: Cell, target: Target,
          target_b: Target | None = None) -> Cell:
    """The cell, which runs on these targets and restores them before each."""
    cell.target, cell.target_b = target, target_b
    cell.restore = _restore(campaign, cell, "A")
    cell.restore_b = _restore(campaign, cell, "B")
    return cell

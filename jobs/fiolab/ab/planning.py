# SPDX-License-Identifier: GPL-2.0-only
"""From what the user asked for to a new campaign."""
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
import datetime
import os
import secrets
import sys
from typing import Any

from ..base import commandline, machine, runfolder
from ..base.files import fingerprint
from ..base.problem import Problem
from ..fio import (asking, clientrun, fairness, jobfile, returnstack,
                   sidesettings, sidespec)
from ..fio.jobfile import Job
from ..fio.jobs import jobgroups, jobline, trims
from ..fio.sidespec import LETTERS, Side
from ..stats.pairing import pair_seed, planned_orders
from ..target import blockdevice, medium, members
from ..target.target import Target
from . import cellplan, duets, matrix, places, restore, selfcheck
from .campaign import Campaign, Request
from .campaignfolder import CampaignFolder
from .results import Cell


def texts(asked: Request) -> list[str]:
    """The sides, as they were given."""
    found = asked.side or [asked.a or "libaio", asked.b or "kaio"]
    if asked.aa:
        return [found[0]] * 2
    if asked.self_check:
        return [found[0]] * 3
    if len(found) < 2:
        raise Problem(f"--side {found[0]} alone compares nothing: give another "
                      "--side, or --aa to compare it with itself.")
    if len(found) > len(LETTERS):
        raise Problem(f"{len(found)} sides are more than {len(LETTERS)}: leave "
                      "some out.")
    return found


def sides_of(asked: Request) -> tuple[Side, ...]:
    """What --own says of A holds for all that A is compared with itself as."""
    given = texts(asked)
    same = asked.aa or asked.self_check
    letters = "A" * len(given) if same else LETTERS[:len(given)]
    own = sidesettings.of_letters(asked.own, "".join(dict.fromkeys(letters)))
    return sidespec.alike(sidespec.parse(text, asked.build, own[letter])
                          for text, letter in zip(given, letters))


def sides_again(campaign: Campaign) -> tuple[Side, ...]:
    """Those of a campaign that goes on, as they asked to be run."""
    return tuple(replace(side, library=sidespec.asked_library(side))
                 for side in campaign.sides)


def _pinned(asked, sides, jobs):
    """The jobs as --cpu has them, which pins nothing on other machines."""
    cpus = [asked.cpu, *(side.own.cpu for side in sides)]
    cpu = next((cpu for cpu in cpus if cpu is not None), None)
    if cpu is None or asked.client:
        return jobs
    for name, _ in matrix.axes(asked.matrix or []):
        if name in jobfile.PINNING:
            raise Problem(f"'{name}' cannot be an axis of a matrix, as fio is "
                          f"pinned to CPU {cpu}: add --cpu all.")
    return [replace(job, pinned=True) for job in jobs]


def jobs_of(asked: Request, sides: Sequence[Side]) -> list[list[Job]]:
    """The jobs of each side."""
    def load(own):
        paths = [own] if own else asked.job or (
            [] if asked.line else ["randread"])
        found = [job for path in paths for job in jobgroups.load(path)]
        found += jobline.load(asked.line) if asked.line and not own else []
        return _pinned(asked, sides, matrix.expand(found, asked.matrix))
    found = cellplan.jobs(asked, sides, load)
    if asked.self_check:
        selfcheck.refuse(asked, found[0])
    return found


def distinct(jobs: Sequence[Sequence[Job]]) -> list[Job]:
    """All jobs of the sides, those that several have once."""
    return list({id(job): job for mine in jobs for job in mine}.values())


def begun(asked: Request, destroy: bool) -> Campaign:
    """The Campaign that was asked for, before fio is asked anything."""
    sides = sides_of(asked)
    jobs = jobs_of(asked, sides)
    return Campaign(
        asked, sides, distinct(jobs), clientrun.parse(asked.client),
        destroy=destroy, side_jobs=jobs,
        id=secrets.token_hex(8), command=["jobs/ab", *sys.argv[1:]],
        created=datetime.datetime.now(datetime.timezone.utc).strftime(
            "%Y-%m-%dT%H:%M:%SZ"))


def leave_out_foreign(campaign: Campaign) -> None:
    """Options of engines that not every side has, from the jobs of each."""
    known = list(map(id, campaign.jobs))
    campaign.jobs = asking.without_foreign(campaign.fio, campaign.sides,
                                           campaign.jobs)
    left = dict(zip(known, campaign.jobs))
    campaign.side_jobs = [[left[id(job)] for job in jobs]
                          for jobs in campaign.side_jobs]


def folder(build: str, out: str | None = None) -> CampaignFolder:
    """The campaign folder; without --out a new one in the build folder."""
    if out:
        return CampaignFolder(out)
    return runfolder.fresh(os.path.join(
        commandline.disk(build), datetime.datetime.now().strftime(
            "ab-%Y%m%d-%H%M%S")), CampaignFolder)


def _is_disk(path):
    """Of a target, also one that will be created; False for no place."""
    path = os.path.realpath(path)
    path = path if os.path.exists(path) else os.path.dirname(path)
    return os.path.exists(path) and not medium.identify(path)[0]


def _paths(asked, side):
    """Where a side runs; a disk that is not named yet by its folder."""
    if cellplan.elsewhere(side):
        return members.paths(side.own.target) if side.own.target else []
    named = [path for text in asked.target or () for path in
             members.paths(text)]
    return named or ([] if asked.self_check
                     else [commandline.disk(asked.build)])


def refuse_buffered(campaign: Campaign) -> None:
    """Before anything is written; what a disk of other hosts is, only they
    know, so every target there counts as one."""
    asked = campaign.asked
    if asked.buffered:
        return
    for side, jobs in zip(campaign.sides, campaign.side_jobs):
        for path in _paths(asked, side):
            if asked.client or _is_disk(path):
                for job in jobs:
                    fairness.o_direct(job, path)


def _is_file(path):
    """Of a target, also one that will be created, or the folder for it."""
    return blockdevice.device_number(path) is None and (
        os.path.exists(path) or not blockdevice.among_devices(path))


def refuse_trims(campaign: Campaign) -> None:
    """Those that cannot be had of a file, or of a device that is claimed; what
    a target on other hosts is, only they know, and nobody claims it."""
    asked = campaign.asked
    for side, jobs in zip(campaign.sides, campaign.side_jobs):
        paths = _paths(asked, side)
        if asked.self_check and not cellplan.elsewhere(side):
            paths = paths or ["the file of a self-check"]
        for path in [] if asked.client else paths:
            for job in jobs:
                if _is_file(path):
                    trims.on_devices(job, path)
                else:
                    trims.not_of_cached_writes(
                        job, path, campaign.fio.of(side).version)


def files_of(side: Side) -> list[str | None]:
    """The sums of the files that a side is made of."""
    return [fingerprint(path) for path in (
        side.ioengine.removeprefix("external:"), side.library, side.own.fio)
        if path.startswith("/")]


def cell_of(asked: Request, number: int, job: Job, target: Target,
            kind: type = Cell, **more: Any) -> Any:
    """A new cell of a kind; more: what else that says of it."""
    direct = jobfile.direct_io(job.text) if target.direct else "none"
    return kind(number, job, planned_orders(
        asked.seed, number, asked.pairs), target,
        direct=direct, why=target.why(direct),
        seed=pair_seed(asked.seed, number, 0), target=target, **more)


def _cell(campaign, number, job, target, target_b, **more):
    """A cell of cellplan.rows(), ready to run."""
    cell = cell_of(campaign.asked, number, job, target, place_b=target_b,
                   **more)
    if target_b and target_b.why(cell.direct) != cell.why:
        cell.why = f"A: {cell.why}; B: {target_b.why(cell.direct)}"
    return places.ready(campaign, cell, target, target_b)


def _cells(campaign):
    found = []
    for row in cellplan.rows(campaign):
        kinds, why = duets.pairings(
            campaign.asked, (campaign.sides[0], campaign.sides[row["b"]]),
            *((row[job] or row["job"], row[target] or row["target"])
              for job, target in (("job", "target"), ("job_b", "target_b"))))
        for pairing, metrics in kinds.items():
            found.append(_cell(campaign, len(found), **row, pairing=pairing,
                               metrics=metrics, no_duet=why))
    return found


def _warnings(campaign):
    here, asked = not campaign.clients, campaign.asked
    found = jobgroups.notes(campaign.jobs)
    found += restore.warnings(campaign.jobs, asked.restore)
    found += cellplan.warnings(campaign)
    found += asking.uncounted(campaign.fio, campaign.sides)
    if here:        # else nothing is measured on this machine
        found += fairness.machine(asked.cpu, campaign.environment)
        found += returnstack.doubts(campaign.sides)
    for target in campaign.targets:
        found += target.doubts()
        for job in campaign.jobs if here else ():
            found += fairness.buffered(job, jobfile.direct_io(job.text),
                                       target)
    return found


def _title(asked, sides):
    if asked.self_check:
        return f"self-check with {sides[0].text}"
    if asked.aa:
        return f"{sides[0].text} against itself (A/A)"
    others = ", ".join(one.text for one in sides[1:])
    differ = (" (different job files)"
              if len({side.own.job for side in sides}) > 1 else "")
    return f"{others} against {sides[0].text}{differ}"


def _plant(campaign, target):
    """A self-check: B is A with a handicap."""
    trial = places.ready(campaign, cell_of(
        campaign.asked, 0, campaign.jobs[0], target), target)
    a, b, c = campaign.sides
    campaign.sides = (a, replace(b, plant=selfcheck.plant(campaign, trial),
                                 text=f"{a.text} + handicap"), c)


def plan(campaign: Campaign, stack: ExitStack) -> None:
    """Prepare (and so perhaps write) the targets, and plan the cells."""
    asked = campaign.asked
    places.new(campaign, stack)
    if asked.self_check:
        _plant(campaign, campaign.targets[0])
    campaign.environment = machine.describe(asked.cpu)
    campaign.title = _title(asked, campaign.sides)
    campaign.cells = _cells(campaign)
    campaign.warnings = _warnings(campaign)

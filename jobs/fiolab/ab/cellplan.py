# SPDX-License-Identifier: GPL-2.0-only
"""What the cells of a new campaign are: each job on each target, each side
against A.  A side with @job=, @target= or @filename= has one for itself, and
else what --job and --target say."""
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..base.problem import Problem
from ..fio.jobfile import Job
from ..fio.sidespec import LETTERS, THREAD, Side
from ..target.target import Target
from .campaign import Campaign, Request


def _refuse_unused(given, option, owns, name):
    """What all sides have for themselves is not asked for beside it."""
    if given and all(owns):
        raise Problem(f"every side has {name} of its own: leave out {option}.")


def jobs(asked: Request, sides: Sequence[Side],
         load: Callable[[str], list[Job]]) -> list[list[Job]]:
    """The jobs of each side, which are compared in their order; load(path): of
    a job file, or with "" of --job."""
    _refuse_unused(asked.job or asked.line, "--job",
                   [side.own.job for side in sides], "a @job=")
    known: dict[str, list[Job]] = {}
    for side in sides:
        if side.own.job not in known:
            known[side.own.job] = load(side.own.job)
    found = [known[side.own.job] for side in sides]
    for letter, side, mine in zip(LETTERS, sides, found):
        if len(mine) != len(found[0]):
            raise Problem(
                f"side {letter} ({side.text}) has {len(mine)} jobs to compare "
                f"with the {len(found[0])} of A: give each side a job file of "
                "as many jobs.")
    return found


def elsewhere(side: Side) -> str:
    """The target that a side has for itself, or ""."""
    return side.own.target or side.own.filename


def targets(asked: Request, sides: Sequence[Side],
            common: Callable[[], list[Target]],
            own: Callable[[Side], Target]) -> list[list[Target]]:
    """The targets of each side; common() makes those of all that have none for
    themselves."""
    owns = [elsewhere(side) for side in sides]
    _refuse_unused(asked.target, "--target", owns, "a target")
    known: dict[str, list[Target]] = {}
    if not all(owns):
        known[""] = common()
    made = {target.path: target for target in known.get("", ())}
    for side, name in zip(sides, owns):
        if name and name not in made:
            made[name] = own(side)
        if name:
            known[name] = [made[name]]
    return [known[name] for name in owns]


def _same_size(a, b, side):
    if a.number != b.number:
        raise Problem(f"{a.path} is {a.number} files or devices and {b.path}, "
                      f"of side {side.text}, {b.number}: give both as many.")
    if a.size != b.size:
        raise Problem(f"{a.path} would be used up to {a.size >> 20} MiB and "
                      f"{b.path}, of side {side.text}, up to {b.size >> 20}: "
                      "give a --size that both have.")


def _pairs(campaign, b):
    """[(target of A, of B or None where it is the same)]"""
    mine, theirs = campaign.side_targets[0], campaign.side_targets[b]
    if mine is theirs:
        return [(target, None) for target in mine]
    found = [(x, y) for x in mine for y in theirs]
    for x, y in found:
        _same_size(x, y, campaign.sides[b])
    return found


def rows(campaign: Campaign) -> Iterator[dict[str, Any]]:
    """{job, target, b, job_b, target_b} of each cell; those of B alone are None
    where they are A's."""
    lists = {b: _pairs(campaign, b) for b in range(1, len(campaign.sides))}
    for place in range(max(map(len, lists.values()))):
        for number, job in enumerate(campaign.side_jobs[0]):
            for b, pairs in lists.items():
                if place < len(pairs):
                    target, other = pairs[place]
                    mine = campaign.side_jobs[b][number]
                    yield {"job": job, "target": target, "b": b,
                           "job_b": None if mine is job else mine,
                           "target_b": other}


# What is not equal

def _handed(side):
    return (f"{side.own.filename} is handed to fio as it is on side "
            f"{side.text}: nobody claimed, filled or looked at it, so that it "
            "could not be checked that it is the same device, holds the same "
            "data, is as large as the runs take it to be, is used by nobody "
            "else, and that its I/O passes the page cache by.")


def _other_places(campaign):
    """Targets which are not the same for both sides of a cell."""
    pairs = {(cell.place.path, cell.place_b.path): None
             for cell in campaign.cells if cell.place_b and not (
                 cell.place.handed or cell.place_b.handed)}
    return [f"A runs on {a} and the side that it is compared with on {b}: "
            "their size and I/O are the same, all else of them is compared, "
            "too." for a, b in pairs]


def _other_jobs(campaign):
    pairs = {(cell.job.path, cell.job_b.path): None
             for cell in campaign.cells if cell.job_b}
    return [f"A runs {a} and the side that it is compared with {b}: their I/O "
            "differs, so a difference may be the jobs' and not the sides'."
            for a, b in pairs]


def _asks_for_threads(side: Side) -> bool:
    return f",{THREAD}" in side.text.partition("@")[0]


def warnings(campaign: Campaign) -> list[str]:
    """What is not equal on all sides, or could not be checked to be."""
    said = _other_jobs(campaign) + _other_places(campaign)
    said += [_handed(side) for side in dict.fromkeys(campaign.sides)
             if side.own.filename]
    said += [f"{side.text} asks for threads, so all sides run as threads."
             for side in campaign.sides if _asks_for_threads(side)][:1]
    return said

# SPDX-License-Identifier: GPL-2.0-only
"""Which cells are duets (all three runs of a block at once on one CPU), which
alternate (one run after the other), what each decides, and the block of a duet.
"""
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ..base.problem import Problem
from ..fio import duet, fairness, jobfile, timedrun
from ..fio.jobfile import Job
from ..fio.jobs import syncing, written
from ..fio.metrics import METRICS
from ..fio.sidespec import Side
from ..stats.pairing import ROLES, SEQUENCES
from ..target.target import Target
from . import burner
from .campaign import Campaign, Request
from .results import Cell

DUET, ALTERNATE, AUTO = "duet", "alternate", "auto"
CPU = ("cpu_us",)               # what a duet decides
PACE = ("rate", "rate_iops", "thinktime")
MIB = 1 << 20
ATTEMPTS = 3
RULE = (f"such a block is made again, up to {ATTEMPTS} times in all, then its "
        "pair is discarded")


class Dropped(Exception):
    """A block was no duet in all of its attempts: why the last was not."""


class Unequal(Dropped):
    """In most of them the CPU was not shared out evenly."""


# Which cells

def _part_bytes(target):
    """Bytes of each of three parts of a target, one for each run of a block.

    For writes, which would change what the others do, and for reads: three
    that go through the same blocks in the same order keep close together, and
    who is behind finds in the processor's cache what those before it have
    read, which hides some of what it costs more (a planted 2.6% was measured
    as 1.3 to 4.5%, by campaigns whose own error was 0.4%)."""
    return target.size // len(ROLES) // MIB * MIB


def _too_small(job, target):
    try:
        part = _part_bytes(target)
        fairness.large_enough(job, part * target.number)
        fairness.ends_inside(job, part)
        if job.least() > part:
            raise Problem("")
    except Problem:
        return (f"each of three runs at once needs a third of the "
                f"target, and {target.size // MIB} MiB are too few for that")
    return ""


def why_not(asked: Request, sides: Sequence[Side], job: Job,
            target: Target) -> str:
    """Why A and B (sides) cannot be a duet on this job and target; "" if they
    can."""
    cpus = {asked.cpu if side.own.cpu is None else side.own.cpu
            for side in sides}
    reasons = {
        "on other machines nobody starts them together": asked.client,
        "a duet is on one CPU, and --cpu all pins to none": None in cpus,
        "the sides are on different CPUs": len(cpus) > 1,
        "the sides have different nice values":
        len({side.own.nice for side in sides}) > 1,
        "each side would find in the page cache what the others have read":
        not target.ram and jobfile.direct_io(job.text) != "all",
        "an engine may hold what @filename= names for itself, which nobody can "
        "see": target.handed,
        "what a command of @before= sets would hold for all of them":
        any(side.own.before or side.own.after for side in sides),
        "zones have to end where the target does, and not its third":
        job.strided(),
        "its jobs do not begin together (startdelay)": job.lasts() > 0,
        _too_small(job, target): True}
    return next((why for why, holds in reasons.items() if why and holds), "")


def paced(text: str) -> bool:
    """Does any section of a job text say itself how much I/O there is?"""
    return any(value not in ("", "0") for section in jobfile.in_force(
        text, *PACE) for value in section.values())


def _about_latency(job):
    """Is the job about the latency of syncs, trims or a priority class, or of
    what a pace of its own lets through?"""
    kinds = [value.split(":")[0] for value in job.values("rw")]
    return (syncing.each_write(job.text) or paced(job.text)
            or any("trim" in kind for kind in kinds)
            or any(jobfile.option_of(line).startswith("cmdprio")
                   for line in jobfile.lines(job.text)))


def _spoiled(places):
    """Why two jobs on one target leave nothing there that one can verify."""
    (a, on), (b, other) = places[0], places[-1]
    if a is b or on is not other or not any(map(written.needed, (a, b))):
        return ""
    return "what one job verifies would be overwritten by, or for, the other"


def pairings(asked: Request, sides: Sequence[Side],
             *places: tuple[Job, Target]
             ) -> tuple[dict[str, tuple[str, ...]], str]:
    """({pairing: the metrics that it decides} of each cell that A and B (sides)
    get on a job and target, why there is no duet among them).  places: one for
    both, or that of A and that of B.

    On a target in memory a CPU is all that limits: what it does for each I/O
    decides, and IOPS follow from it.  On a device it is the device that sets
    the pace, so what it gives is measured alone with it; so are latencies.
    """
    every = tuple(METRICS)
    job = places[0][0]
    why = next(filter(None, (why_not(asked, sides, *place)
                             for place in places)), "") or _spoiled(places)
    if asked.pairing == ALTERNATE:
        return {ALTERNATE: every}, ""
    if asked.pairing == DUET and why:
        raise Problem(f"{sides[1].text} against {sides[0].text} on job "
                      f"{job.name} cannot be a duet, as {why}: give --pairing "
                      "auto, or alternate.")
    if why:
        return {ALTERNATE: every}, why
    if asked.pairing == DUET or not asked.self_check and all(
            target.ram and not _about_latency(job) for job, target in places):
        return {DUET: CPU}, ""      # a self-check is of both
    return {DUET: CPU, ALTERNATE: tuple(m for m in every if m not in CPU)}, ""


def fall_back(campaign: Campaign, cell: Cell, why: str) -> bool:
    """Where it was left to us, a duet that never was one goes on one run after
    the other, with all metrics that no cell beside it has; False where it does
    not."""
    if campaign.asked.pairing != AUTO or cell.pairs:
        return False
    beside = any(other.pairing == ALTERNATE and (
        other.job, other.place, other.b) == (cell.job, cell.place, cell.b)
        for other in campaign.cells)
    cell.pairing, cell.no_duet = ALTERNATE, f"it never was one: {why}"
    cell.metrics = CPU if beside else tuple(METRICS)
    return True


# The block of a duet

def started(order: str, number: int) -> tuple[str, ...]:
    """The roles as they are started: their order is turned after every second
    block, so that in six each is first, second and last twice.  (Who is last
    ends alone, which costs 1 to 2% less at a load of 12.)"""
    turn = number // 2 % len(ROLES)
    return SEQUENCES[order][turn:] + SEQUENCES[order][:turn]


def parts(order: str, number: int) -> dict[str, int]:
    """{role: which third of the target it has}: in six blocks each role has
    each third twice, in whatever order the roles are started, and each two of
    them have each two thirds both ways round.  (One way round alone, thirds
    of which each costs 1% more than the last would make two differences of
    +1% and one of -2% of none, which is not symmetric.)"""
    way = -1 if number // len(ROLES) % 2 else 1
    return {role: (way * ROLES.index(role) + number) % len(ROLES)
            for role in started(order, number)}


def options(campaign: Campaign, cell: Cell, role: str, place: int | None,
            seed: int, target: Target) -> list[str]:
    """The option lines of a role's run on the third() of a target, or on all
    of it."""
    part = target if place is None else replace(
        target, size=_part_bytes(target))
    return duet.options_of(
        replace(campaign.side(cell, role), plant=()), part, seed,
        cell.runtime or campaign.runtime, cell.ramp or campaign.ramp,
        (place or 0) * part.size)


def third(cell: Cell, role: str, number: int,
          shared: bool = False) -> int | None:
    """Which third of the target a role's run has; None: all of it, as a job
    that only verifies, since what it reads was written to all of it."""
    whole = shared or written.needed(cell.job_of(role))
    return None if whole else parts(cell.orders[number], number)[role]


def makers(campaign: Campaign, cell: Cell, number: int, seed: int,
           shared: bool = False) -> tuple[dict, dict]:
    """(what starts each run, in the order of the block, {role: its options});
    shared: no two of them go through the same blocks together, so that each
    may have all of the target."""
    made, lines = {}, {}
    for role in started(cell.orders[number], number):
        side, target = campaign.side(cell, role), cell.target_of(role)
        lines[role] = options(campaign, cell, role, third(
            cell, role, number, shared), seed, target)
        kind = burner.Burdened if side.plant else duet.Member
        made[role] = partial(kind, campaign.fio, side, cell.job_of(role),
                             target, lines[role])
    return made, lines


def _attempt(campaign, cell, number, seed, make):
    roles = "AB" if cell.job_b or cell.target_b else "A"
    for role in roles:
        cell.restore_target(role)
    made, lines = make(campaign, cell, number, seed)
    results, found = duet.together(
        campaign.cpu(campaign.side(cell, "A")), campaign.fio.folder, made,
        cell.runtime or campaign.runtime, cell.ramp or campaign.ramp)
    for role in roles:
        cell.target_of(role).check_size(cell.job_of(role))
    for role, one in results.items():
        one["seed"] = seed
        if role in lines:
            one["options"] = lines[role]
    return results, found


def _placed(cell, number, results):
    """parts(); None of runs of which each had all of the target."""
    where = {line for one in results.values()
             for line in one.get("options", ()) if line.startswith("offset=")}
    return parts(cell.orders[number], number) if len(where) > 1 else None


def block(campaign: Campaign, cell: Cell, number: int, seed: int,
          make: Callable[..., tuple[dict, dict]] = makers
          ) -> dict[str, dict[str, Any]]:
    """{role: the values of its run, and what the run's file has beside them};
    Dropped if it was no duet in any attempt."""
    failed: list[str] = []
    unequal: list[str] = []
    while len(failed) < ATTEMPTS:
        try:
            results, found = _attempt(campaign, cell, number, seed, make)
        except duet.Uneven as why:
            failed.append(str(why))
            unequal += failed[-1:] if isinstance(why, duet.Unequal) else []
        except timedrun.Disturbed:
            failed.append("jobs/ab itself got no CPU")
        except timedrun.Idle:
            failed.append("one of them did no I/O")
        else:
            for one in results.values():    # of turns on the CPU
                del one["latency"]
            results["A"]["duet"] = {
                **found.data(), "repeats": failed,
                "parts": _placed(cell, number, results)}
            return results
    if len(unequal) > ATTEMPTS / 2:
        raise Unequal(unequal[-1])
    raise Dropped(failed[-1])

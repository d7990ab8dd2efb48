# SPDX-License-Identifier: GPL-2.0-only
# The endurance tests: the range is filled, and a load like JESD219's is run in
# checkpoints, for a time of its own or, with --soak, for days.
from dataclasses import dataclass, replace
import math

from ...base.problem import Problem
from ...report import wording
from .. import estimate
from ..suite import pts
from ..suite.kinds import Table
from ..suite.model import Phase
from . import soakfacts, workloads
from .checkpoint import LEAST, SHARE, CheckpointRun

GROUP = "endurance"
DAY = 86400
EACH = 1800             # seconds of a checkpoint of a soak, at most
FEWEST, THIN = 4, 2     # checkpoints
SECONDS, THIN_SECONDS = 3600, 480   # PTS seconds, without --soak
SMALLEST = 32 << 20     # bytes of a target: places of 64 KiB are a few percent
READ_SPEED = 500e6      # bytes/s, for the plan


@dataclass(frozen=True)
class EnduranceTest(Table):
    load: workloads.Workload | None = None
    purges = False

    def said(self):
        return [f"{self.name}: {self.load.what}, in {self.phases[1].rounds} "
                "checkpoints."]

    def _impossible(self, target):
        return too_small(target)

    def phase_run(self, bench, number, phase, earlier):
        if number:
            return CheckpointRun(bench, self, number, phase, earlier)
        return super().phase_run(bench, number, phase, earlier)

    def _run_phases(self, bench, found, made, only_plan):
        try:
            super()._run_phases(bench, found, made, only_plan)
        except Problem:
            # Other tests may follow, and this one be gone on with.
            if len(made) > 1:
                bench.executor.spoils = made[1].spoil
            raise
        if len(made) > 1:
            made[1].end()

    def _conclude(self, found, made):
        super()._conclude(found, made)
        if len(made) > 1 and (made[1].rounds or made[1].taken_up):
            soakfacts.add(found, made[1], self.load)

    def estimate(self, profile, size):
        """With what is read back."""
        one, phase = super().estimate(profile, size), self.phases[1]
        each = sum(profile.duration(load.seconds) for load in phase.stimuli)
        more = phase.rounds * (estimate.PROCESS + max(
            LEAST, SHARE * each)) + size / READ_SPEED
        return replace(one, shortest=one.shortest + more,
                       longest=one.longest + more)


def too_small(target):
    """Why a target is; None if it is not."""
    return (f"{wording.decimal_size(target.size)} of it are used, and this "
            f"takes at least {wording.decimal_size(SMALLEST)}"
            if target.size < SMALLEST else None)


def refuse(profile, targets):
    """Problem, where a soak was asked for that cannot be."""
    for target in targets if profile.soak else ():
        why = too_small(target)
        if why:
            raise Problem(f"{target.name} is too small for --soak: {why}; give "
                          "another one, or a larger --size.")


def _checkpoints(profile):
    """(how many, PTS seconds of each)"""
    if not profile.soak:
        count = THIN if profile.thin else FEWEST
        return count, (THIN_SECONDS if profile.thin else SECONDS) / count
    total = profile.soak * DAY
    count = max(FEWEST, math.ceil(total / EACH))
    # Asked for in days, it lasts as long in each profile.
    return count, total / count * 60 / profile.minute


def _test(profile, load):
    count, seconds = _checkpoints(profile)
    fill = replace(pts.sequential("128K", 0, capacity=1),
                   options=workloads.CHECKED)
    return EnduranceTest(
        load.name, load.title, load.what,
        (Phase("fill", "All of the range is written once", (fill,),
               keep=False),
         Phase("load", f"{load.title[:1]}{load.title[1:]}, checkpoints",
               load.in_seconds(seconds), count)), GROUP, load=load)


def tests(profile):
    """Those of a profile."""
    return tuple(_test(profile, load) for load in workloads.ALL)


def asked(names, profile):
    """The tests of --tests (a list in words, or None) with that of --soak: the
    profile's, where none is named."""
    if not profile.soak:
        return names
    named = [name.strip() for name in names.split(",")] if names else []
    if {GROUP, *(one.name for one in workloads.ALL)} & set(named):
        return names
    return ",".join([*named, workloads.of_profile(profile).name])

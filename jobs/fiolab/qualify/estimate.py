# SPDX-License-Identifier: GPL-2.0-only
# How long a qualification takes and how much it writes, as far as that is
# known before it: the time of timed stimuli is, that of an amount rests on the
# profile's speed, which is said in the plan.
from dataclasses import dataclass

from . import jobtext

SLOWEST = 5e6           # one that writes slower hangs
PROCESS = 0.4           # seconds of a fio process beside its I/O
LOAD = 0.25             # of each of its jobs


@dataclass(frozen=True)
class Estimate:
    """Of a test on one target, or of what else is run there."""
    name: str
    least: int | None       # rounds; None: it is no table of stimuli
    most: int | None
    shortest: float         # seconds
    longest: float
    amount: float           # bytes written for their own sake
    writes: bool            # does it write more, by time?


def of_loads(loads, profile, size, speed=None):
    """Seconds of one fio process; speed: None: as the profile has it."""
    speed = speed or profile.write_speed
    return PROCESS + sum(
        jobtext.seconds(load, profile) + LOAD +
        load.stimulus.capacity * size / (speed * load.stimulus.pace)
        for load in loads)


def round_seconds(stimuli, profile, size):
    loads = jobtext.loads(stimuli, profile)
    return sum(of_loads(one, profile, size) for one in jobtext.processes(loads))


def _rounds(phase, profile):
    """(least, most)"""
    least = phase.rounds
    if phase.tracked:
        least = min(profile.window, phase.rounds)
    return (1 if phase.capacity else least), phase.rounds


def _phase(phase, profile, size):
    """(least rounds, most, shortest, longest, amount)"""
    least, most = _rounds(phase, profile)
    each = round_seconds(phase.foreseen(), profile, size)
    amount = sum(one.capacity * size * one.repeat * jobtext.writes(one)
                 for one in phase.foreseen()) * least
    if phase.capacity:
        amount = 0          # an upper limit
    return least, most, least * each, most * each, amount


def longest(phase, profile, size):
    return _phase(phase, profile, size)[3]


def of_phases(name, phases, profile, size):
    """The Estimate of a table."""
    rows = [_phase(phase, profile, size) for phase in phases]
    writes = any(jobtext.writes(one) and not one.capacity
                 for phase in phases for one in phase.foreseen())
    return Estimate(name, *(sum(row[i] for row in rows) for i in range(5)),
                    writes)


def timed(name, seconds):
    """That of what takes so long, whatever it does."""
    return Estimate(name, None, None, seconds, seconds, 0, True)


def clock(seconds):
    """"4 min", "3.5 h", "12 days" """
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        value = seconds / unit
        if value >= 2:
            return f"{value:.{0 if value >= 10 else 1}f} {name}"
    return f"{seconds:.0f} s"

# SPDX-License-Identifier: GPL-2.0-only
# Where the specification was not at hand and implementations differ, the
# profile has options; the defaults are what most of them quote of 2.0.2.  The
# report names the reading of each.
from dataclasses import replace

from ..base.problem import Problem

CAPACITIES = {"user": "the user capacity", "active": "the active range"}
# NAME: (the profile's field, its values; None: hours)
OPTIONS = {"capacity": ("capacity", tuple(CAPACITIES)),
           "wsat-hours": ("wsat_hours", None),
           "wsat-sample": ("wsat_sample", ("31st", "mean")),
           "dirth-fill": ("dirth_fill", ("wsat", "composite"))}
ROUND = 31 / 60             # hours of a round of WSAT
HELP = ("where implementations of PTS differ, NAME=VALUE,...: "
        "capacity=user|active (what WIPC writes 2 x and WSAT 4 x of), "
        "wsat-hours=N (24), wsat-sample=31st|mean (what is tracked), "
        "dirth-fill=wsat|composite (its preconditioning)")


def _hours(value):
    try:
        hours = float(value)
    except ValueError:
        hours = -1
    if not ROUND <= hours <= 1000:
        raise Problem(f"wsat-hours={value} is no time from {ROUND:.2g} (one "
                      "round) to 1000 hours: give the hours after which WSAT "
                      "ends.")
    return hours


def _one(word):
    name, _, value = word.strip().partition("=")
    if name not in OPTIONS:
        raise Problem(f"--reading has no {name!r}: choose from "
                      f"{', '.join(OPTIONS)}.")
    field, values = OPTIONS[name]
    if values is not None and value not in values:
        raise Problem(f"{name}={value} is none of its readings: choose "
                      f"{' or '.join(f'{name}={one}' for one in values)}.")
    return field, value if values else _hours(value)


def chosen(profile, text, rounds, cycles=None, write_speed=None, soak=None):
    """The profile with --reading, --rounds, --cycles, --write-speed (MB/s) and
    --soak (days), of which each may be None."""
    if rounds is not None and rounds < profile.most:
        raise Problem(f"--rounds {rounds} is less than the {profile.most} "
                      f"rounds of {profile.name}: it is for going on after "
                      "these.")
    found = dict(map(_one, text.split(","))) if text else {}
    if write_speed:
        found["write_speed"] = 1e6 * write_speed
    return replace(profile, rounds=rounds or 0, cycles=cycles or 1,
                   soak=soak or 0, **found)


def said(profile):
    """The readings, a sentence each."""
    what = CAPACITIES[profile.capacity]
    found = [
        f"WIPC writes 2 x {what} into the active range, WSAT at most 4 x",
        f"WSAT ends after {profile.wsat_hours:g} h at the latest, and its "
        "steady state is that of " + (
            "the last sample (the 31st) of each round"
            if profile.wsat_sample == "31st" else
            "the mean of each round's samples"),
        "DIRTH is preconditioned with " + (
            "WSAT's 4K random writes" if profile.dirth_fill == "wsat" else
            "its own composite writes")]
    if profile.last > profile.most:
        found.append("the search for a steady state goes on after round "
                     f"{profile.most}, to round {profile.last}")
    return found

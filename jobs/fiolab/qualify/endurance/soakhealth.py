# SPDX-License-Identifier: GPL-2.0-only
# The device's health in a soak: how often it is sampled, whether a limit of
# [health] is broken already, and what the samples of some checkpoints say.
from ..limits import healthlimits
from ..watch import healthfacts, healthsamples

SLOWLY, DAY = 60.0, 86400   # seconds between samples, where there are many


def every(seconds):
    """Seconds between samples of a checkpoint that long."""
    return SLOWLY if seconds > 10 * SLOWLY else healthsamples.EVERY


def _found(bench, name):
    """The samples of a test so far, as in qualify.json; None without any."""
    found = bench.health and bench.health.of(name)
    return found if found and found["samples"] else None


def broken(bench, entry, phases):
    """The limits of [health] that the samples of a test so far break, in
    words; entry, phases: of it, as in qualify.json."""
    found = _found(bench, entry["name"])
    if not found or not bench.spec or not bench.spec.health:
        return []
    test = {**entry, "state": "done", "health": dict(found),
            "phases": [dict(one) for one in phases]}
    target = {"name": bench.target.name, "tests": [test],
              "smart": {"before": None, "after": None},
              "health": healthfacts.tell([test], bench.health.known)}
    return [f"{row['key']} = {row['limit']:g} and it is {row['value']:g}"
            for row in healthlimits.judge(bench.spec, target)
            if row["result"] == "fail"]


def of_rounds(bench, name, number, rounds):
    """(highest temperature, write amplification) in the rounds of those
    numbers of a test's phase of that number; None each where it is not told."""
    found = _found(bench, name)
    samples = [one for one in healthsamples.expanded(found["samples"])
               if one["phase"] == number and one["round"] in rounds
               ] if found else []
    heat = healthfacts.extremes(samples, "temperature_c")
    written = healthfacts.amplified(samples) if samples else None
    return heat and heat["highest"], written and written.ratio

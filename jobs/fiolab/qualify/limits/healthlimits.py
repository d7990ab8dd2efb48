# SPDX-License-Identifier: GPL-2.0-only
# Is each limit of [health] kept?  By the samples of the whole run and by the
# health log before and after it; none has a confidence bound, as each is what
# the device itself has counted.  What no sample tells is not measured.
from ...report.wording import several
from ...target.drive import smartlog
from ..watch import healthfacts, throttling
from ..watch.healthsamples import KEPT, expanded
from . import judging

NOT_TOLD = "the device does not tell it"
NO_SAMPLES = "its health was not sampled"


def _samples(target):
    return [one for test in target["tests"] if test.get("health")
            for one in expanded(test["health"]["samples"])]


def _of_test(test, excused):
    """Its samples; "provoked": from there to the next one a test provokes
    faults, as a power cut does."""
    provoked = bool(excused) and test["name"] in excused and (
        test["state"] != "not run")
    found = [{**one, "provoked": provoked} for one in expanded(
        (test.get("health") or {"samples": ()})["samples"])]
    return found or ([{"values": {}, "provoked": True}] if provoked else [])


def _logs(target, excused):
    """All that it told of itself in numbers, in order: the log before, the
    samples, the log after."""
    smart = target["smart"]
    before, after = ([{"values": smart[name]}] if smart[name] else []
                     for name in ("before", "after"))
    samples = [one for test in target["tests"]
               for one in _of_test(test, excused)]
    return [{"values": {name: value for name, value in one["values"].items()
                        if smartlog.is_number(value)},
             "provoked": one.get("provoked", False)}
            for one in (*before, *samples, *after)]


def _unprovoked(logs):
    """The stretches of them in which nothing was provoked."""
    found = [[]]
    for one in logs:
        found[-1].append(one)
        if one["provoked"]:
            found.append([])
    return found


def _growth(stretches, names):
    """By how much the counter grew that grew most; None: none is told more
    than once."""
    found = {}
    for logs in stretches:
        for name, values in healthfacts.told(logs, names).items():
            if len(values) > 1:
                found[name] = found.get(name, 0) + smartlog.growth(values)
    return max(found.values(), default=None)


def _windows(target, _):
    """(windows in which it throttled, why there may be more)"""
    found = [throttling.in_window(*each) for test in target["tests"]
             for each in throttling.windows(test)]
    if not found:
        return None, "no window was measured"
    count = sum(bool(rounds) for rounds, _ in found)
    silent = sum(rounds is None or bool(unknown) for rounds, unknown in found)
    return count if count or silent < len(found) else None, silent and (
        f"of {silent} of {several(len(found), 'window')} it is not known: the "
        "device keeps no count of its throttling, or did not tell it in each "
        "round")


def _waf(target, _):
    found = (target.get("health") or {}).get("written")
    if not found:
        return None, NO_SAMPLES
    return found["ratio"], found["why"]


def _heat(target, logs):
    """The highest of all samples: what it was before and after the tests, when
    nothing went on, is no part of it."""
    samples = _samples(target)
    found = healthfacts.extremes(samples, "temperature_c")
    if not found:
        return None, NOT_TOLD if samples else NO_SAMPLES
    silent = sum(not healthfacts.own([one], "temperature_c")
                 for one in samples)
    return found["highest"], silent and (
        f"{silent:,} of {len(samples):,} samples lack it")


def _counted(names, provoked=True):
    """By how much the counter grew most that did; of the whole run, or but for
    what tests have provoked."""
    def measure(target, logs):
        value = _growth([logs] if provoked else _unprovoked(logs), names)
        return value, NOT_TOLD if value is None else _no_end(target)
    return measure


def _extreme(name, which):
    def measure(target, logs):
        found = healthfacts.extremes(logs, name)
        return ((found[which], _no_end(target)) if found
                else (None, NOT_TOLD))
    return measure


def _no_end(target):
    return None if target["smart"]["after"] else (
        "its health log after the tests is missing")


# KEY: (target, all logs) -> (value, why it may not be all that there was)
MEASURES = {
    "max_temperature_c": _heat,
    "max_throttled_windows": _windows,
    "max_new_media_errors": _counted(smartlog.LOSING),
    "max_new_unsafe_shutdowns": _counted(("unsafe_shutdowns",
                                          "incomplete_shutdowns"), False),
    "max_new_link_errors": _counted(smartlog.LINKING, False),
    "min_spare_percent": _extreme("available_spare", "lowest"),
    "max_used_percent": _extreme("percentage_used", "highest"),
    "max_write_amplification": _waf}


def _undone(target):
    tests = target["tests"]
    left = sum(test["state"] != "done" for test in tests)
    return None if not left else (
        f"{left} of {several(len(tests), 'test')} are not done")


def _row(limit, target, logs):
    value, doubt = MEASURES[limit.key](target, logs)
    doubt = doubt or _undone(target)
    count = (target.get("health") or {}).get("count", 0)
    return judging.observed(
        limit, target, value, doubt, n=count,
        source=[f"{KEPT}.csv"] if count else [],
        why=f"what the device tells in {several(count, 'sample')}, and in its "
        "log before and after")


def judge(spec, target, excused=()):
    """The "limits" of qualify.json of [health], for one of its targets;
    excused: the names of tests that are to provoke faults."""
    logs = _logs(target, excused) if spec.health else ()
    return [_row(limit, target, logs) for limit in spec.health]

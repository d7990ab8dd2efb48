# SPDX-License-Identifier: GPL-2.0-only
# --time: from what was asked for to the tests of a run, once its targets are
# known; and back to them from plan.json, whatever would be chosen today.
import argparse
from dataclasses import replace
import math
import re

from ...base.problem import Problem
from ...fio import asking
from .. import engines
from ..estimate import clock
from ..fleet import interference
from ..suite.profiles import SHORTENED
from . import figuremarks
from .chooser import Draft, choose
from .ladder import STEPS

UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def duration(text):
    """Seconds of '90m', '8h', '2d', for argparse."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)(s|m|min|h|d)", text)
    found = match and float(match[1]) * UNITS[match[2]]
    if not found:
        raise argparse.ArgumentTypeError(
            f"'{text:.40}' is no time: write 90m, 8h or 2d")
    return found


def _fixed(qualification):
    """Seconds of what is no test: of --ab, and of several devices."""
    its = qualification
    sizes = [one.size for one in its.targets]
    planned = interference.plan(its.profile, its.targets)
    return (engines.seconds(its.profile, max(sizes)) if its.other_side
            else 0) + (interference.seconds(planned, len(sizes))
                       if planned else 0)


def _spans(draft, tests):
    """[shortest, longest] seconds of tests, on the slowest target."""
    found = [[test.estimate(draft.profile, size) for test in tests]
             for size in draft.sizes]
    return [draft.fixed + max(sum(getattr(one, name) for one in each)
                              for each in found)
            for name in ("shortest", "longest")]


def _up(seconds):
    """A time to ask for, that is enough."""
    if seconds < 120:
        return f"{math.ceil(seconds)}s"
    return f"{math.ceil(seconds / 60)}m" if seconds < 7200 else \
        f"{math.ceil(seconds / 360) / 10:g}h"


def _named(text):
    return [name.strip() for name in text.split(",")] if text else []


def shorten(qualification):
    """Choose what is cut, where a time was asked for."""
    its, seconds = qualification, qualification.asked.time
    if seconds is None:
        return
    local = not any(one.clients for one in its.targets)
    draft = Draft(its.tests, its.profile, [one.size for one in its.targets],
                  _fixed(its), local and asking.knows(its.fio, "sprandom"))
    if not choose(draft, seconds, _named(its.asked.tests)):
        raise Problem(f"--time {_up(seconds)} is too short for even the "
                      "smallest plan, which is reckoned at "
                      f"{_up(draft.seconds())}: give that, or name fewer tests "
                      "with --tests.")
    size = max(draft.sizes)
    its.time = {
        "asked_s": seconds, "planned_s": _spans(draft, draft.made()),
        "whole_s": _spans(draft, its.tests), "sprandom": draft.sprandom,
        "cuts": [[STEPS.index(cut or test), test]
                 for cut, test in draft.steps],
        "left_out": [{"test": test.name, "title": test.title,
                      "seconds": draft.longest(test, size)}
                     for test in its.tests if test.name in draft.out]}
    _take(its, draft)


def _take(qualification, draft):
    """The draft becomes the plan."""
    its = qualification
    its.tests = tuple(draft.made())
    if draft.steps:
        profile = its.profile
        its.profile = replace(
            profile, name=SHORTENED, of=profile.name,
            title=f"shortened to {clock(its.asked.time)}, from {profile.title}")


def again(qualification, known):
    """As plan.json has it; known: its "time", or None."""
    if not known:
        return
    qualification.time = known
    draft = Draft(qualification.tests, qualification.profile, (),
                  sprandom=known["sprandom"])
    try:
        draft.steps = [(STEPS[number] if STEPS[number] != name else None, name)
                       for number, name in known["cuts"]]
    except (IndexError, TypeError):
        raise Problem("this jobs/qualify shortens tests in another way than "
                      "the one that the run began with: begin a new run, or "
                      "use that one.") from None
    _take(qualification, draft)


def resumed(qualification):
    """Sentences on a run that goes on."""
    return ["tests that share a preconditioning may have it from before the "
            "run was resumed: what the target did meanwhile is not known."] \
        if any(getattr(test, "own", None) and test.own.shared
               for test in qualification.tests) else []


def warnings(qualification):
    """Of limits that this plan cannot measure."""
    its, time = qualification, qualification.time
    if not time or not its.spec:
        return []
    out = {one["test"] for one in time["left_out"]}
    cells = {test.name: test.cell_names() for test in its.tests}
    said = f"will not be measured: {figuremarks.LEFT_OUT}"
    names = dict.fromkeys(
        f"{limit.test}, {limit.cell}" for limit in its.spec.limits
        if limit.test in out or limit.test in cells and limit.cell != "*"
        and limit.cell not in cells[limit.test])
    return [f"the limits on {name} {said}." for name in names]


# The plan

def lines(qualification):
    """What is cut and left out, in words; [] without --time."""
    time = qualification.time
    if not time:
        return []
    (least, most), (_, whole) = time["planned_s"], time["whole_s"]
    found = [f"At most {clock(time['asked_s'])} were asked for: planned are "
             f"{clock(least)} to {clock(most)}, where all of it takes up to "
             f"{clock(whole)}."]
    if not qualification.profile.of:
        return [*found, "Nothing is cut."]
    found.append("What is cut, in the order that jobs/README.md tells:")
    found += [f"  {test.name}: {'; '.join(test.cuts)}"
              + ("; PTS's, if it is steady by then" if test.keeps else "")
              for test in qualification.tests if getattr(test, "cuts", ())]
    out = figuremarks.left_out({"time": time})
    return found + ([f"  left out: {out}"] if out else [])

# SPDX-License-Identifier: GPL-2.0-only
# The highest rate at which a figure keeps a bound, by bisection.  Each rate is
# run until Student's bound of the mean tells whether it keeps it, or as often
# as it may; looks share the error, so that a rate that does not keep it passes
# with the given chance at most, whichever look decides.
from collections.abc import Callable, Sequence
from typing import NamedTuple

from . import bounds

LOOKS = (3, 5, 8)           # runs after which a rate is judged
NEAR = 1.05                 # rates this near are not told apart
Tried = dict[float, Sequence[float | None]]


class Found(NamedTuple):
    rate: float | None      # None: the lowest that was tried does not keep it
    missed: float | None    # the next above it that does not; None: none


def keeps(values: Sequence[float | None], bound: float,
          confidence: float) -> bool | None:
    """None: more runs could tell."""
    low, high = bounds.mean_bounds(
        values, 1 - (1 - confidence) / len(LOOKS))
    if low is None or high is None:
        return None
    return True if high <= bound else False if low > bound else None


def _bracket(tried, bound, confidence):
    """Found of what is known: up to the first rate that does not keep it."""
    rate = None
    for one in sorted(tried):
        if not keeps(tried[one], bound, confidence):
            return Found(rate, one)
        rate = one
    return Found(rate, None)


def _run(rate, values, measure, bound, confidence):
    """The values of a rate, as many as it takes to tell."""
    values = list(values)
    for look in LOOKS:
        while len(values) < look:
            values.append(measure(rate, len(values)))
        if keeps(values, bound, confidence) is not None:
            break
    return values


def search(tried: Tried, measure: Callable[[float, int], float | None],
           bound: float, confidence: float,
           steps: int) -> tuple[Found, Tried]:
    """(Found, all that was tried) from values of some rates, {rate: values}.

    measure: of (rate, number of the run) -> its value, None where it has none;
    steps: rates that are tried beside these, at most.
    """
    tried = dict(tried)
    for _ in range(steps + len(tried)):
        found = _bracket(tried, bound, confidence)
        if found.missed is not None and keeps(
                tried[found.missed], bound, confidence) is None and len(
                    tried[found.missed]) < LOOKS[-1]:
            tried[found.missed] = _run(found.missed, tried[found.missed],
                                       measure, bound, confidence)
            continue
        if found.rate is None or found.missed is None or not steps or \
                found.missed / found.rate <= NEAR:
            break
        middle = (found.rate * found.missed) ** 0.5
        tried[middle] = _run(middle, (), measure, bound, confidence)
        steps -= 1
    return _bracket(tried, bound, confidence), tried

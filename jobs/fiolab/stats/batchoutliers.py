# SPDX-License-Identifier: GPL-2.0-only
# Which of a batch differ from it: the generalised ESD test (Rosner 1983), which
# finds several, where the test of the most extreme alone is blind to two that
# mask each other.  It takes what is no outlier for normal.  The steps share the
# level, which so is that of any false mark in the batch: of 8 that are normal
# Rosner's own marks one in 8.6% at 5%, this one in 5% at most, whatever their
# number (tests/qualify/test_summary.py simulates it).
from collections.abc import Sequence
import math

import numpy as np
from scipy.special import stdtrit

FEWEST = 5              # of a batch: of fewer nobody says who is different


def most(n: int) -> int:
    """How many of n may be outliers: more would be batches of their own."""
    return (n - 1) // 3


def critical(left: int, level: float) -> float:
    """The studentised deviation that the most extreme of so many passes with
    that chance, at most."""
    t = float(stdtrit(left - 2, 1 - level / (2 * left)))
    return (left - 1) * t / math.sqrt((left - 2 + t * t) * left)


def find(x: Sequence[float], level: float, least: float) -> list[int]:
    """The places of the outliers in x, the most extreme first.

    least: the deviation below which figures are taken for equal.
    """
    if len(x) < FEWEST:
        return []
    values, steps = np.asarray(x, float), most(len(x))
    rest, count = list(range(len(x))), 0
    order: list[int] = []
    for step in range(steps):
        known = values[rest]
        far = np.abs(known - known.mean())
        place = int(far.argmax())
        if far[place] > critical(len(rest), level / steps) * max(
                float(known.std(ddof=1)), least):
            count = step + 1
        order.append(rest.pop(place))
    return order[:count]

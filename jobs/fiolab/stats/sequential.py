# SPDX-License-Identifier: GPL-2.0-only
# The signed-rank test, looked at after every pair from the 6th to the 2,000th.
# Looking so often errs more than once, so what counts is where the smallest p
# of all looks lies among those of campaigns without an effect: a probability
# that holds whenever one stops ("anytime").  Signs are independent of ranks, so
# it is the same for whatever is symmetric, and was found once, by simulation:
# TABLE, which tests/ab/test_sequential.py makes anew.
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from . import paired

FIRST, LAST = 6, 2000
DENSE = 20              # beyond, a look for every 5% more pairs is enough
# log10 of a one-sided p: log10 of the chance that any look has one so small.
TABLE = (
    (-12, -10.266), (-11.5, -9.770), (-11, -9.270), (-10.5, -8.770),
    (-10, -8.279), (-9.5, -7.779), (-9, -7.285), (-8.5, -6.801),
    (-8, -6.309), (-7.5, -5.820), (-7, -5.340), (-6.5, -4.856), (-6, -4.376),
    (-5.5, -3.910), (-5, -3.439), (-4.5, -2.974), (-4, -2.526),
    (-3.5, -2.077), (-3, -1.642), (-2.5, -1.231), (-2, -0.839),
    (-1.9, -0.770), (-1.8, -0.691), (-1.7, -0.623), (-1.6, -0.559),
    (-1.5, -0.493), (-1.4, -0.432), (-1.3, -0.374), (-1.2, -0.321),
    (-1.1, -0.265), (-1, -0.220), (-0.9, -0.174), (-0.8, -0.133),
    (-0.7, -0.097), (-0.6, -0.065), (-0.5, -0.039), (-0.4, -0.022),
    (-0.3, -0.009))


@lru_cache(maxsize=64)
def looks(n: int) -> tuple[int, ...]:
    """The numbers of pairs, up to n, after which a campaign is looked at."""
    found, look = [], FIRST
    while look <= n:
        found.append(look)
        look = max(look + 1, look + look // DENSE)
    return tuple(found)


def anytime(p: ArrayLike) -> np.ndarray:
    """The chance that any look has a one-sided p so small, without effect;
    that of the table's end for what is smaller."""
    xs, chances = zip(*TABLE)
    return 10.0**np.interp(np.log10(np.maximum(p, 1e-300)), xs, chances)


@lru_cache(maxsize=64)
def nominal(chance: float) -> float:
    """The largest one-sided p that, at every look, has this chance."""
    xs, chances = zip(*TABLE)
    exponent = np.log10(chance)
    return float(10.0**np.interp(exponent, chances, xs))


def level(confidence: float) -> float:
    """That of the exact interval which, at all looks at once, holds the truth
    with this confidence."""
    return 1 - 2 * nominal((1 - confidence) / 2)


def p_value(d: ArrayLike) -> np.ndarray:
    """Two-sided p of the differences on the last axis, in their order, that
    holds whenever one stops: of the smallest of all looks and of now."""
    d = np.asarray(d, dtype=float)
    n = d.shape[-1]
    smallest = np.ones(d.shape[:-1])
    for look in (*looks(n - 1), n) if n >= FIRST else ():
        smallest = np.minimum(smallest,
                              paired.tails(d[..., :look]).min(axis=0))
    return np.minimum(1.0, 2 * anytime(smallest))


def tost_p(d: ArrayLike, margin: float) -> np.ndarray:
    """paired.tost_p() that holds at every look."""
    return anytime(paired.tost_p(d, margin))


def smallest_p(n: int) -> float:
    """The smallest p that n pairs can reach."""
    return min(1.0, 2 * float(anytime(2.0**-n)))

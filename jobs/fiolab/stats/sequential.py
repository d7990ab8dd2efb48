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
    (-12, -10.267), (-11.5, -9.774), (-11, -9.272), (-10.5, -8.774),
    (-10, -8.283), (-9.5, -7.783), (-9, -7.287), (-8.5, -6.806),
    (-8, -6.316), (-7.5, -5.827), (-7, -5.347), (-6.5, -4.863), (-6, -4.379),
    (-5.5, -3.913), (-5, -3.442), (-4.5, -2.973), (-4, -2.529),
    (-3.5, -2.082), (-3, -1.645), (-2.5, -1.236), (-2, -0.842),
    (-1.9, -0.775), (-1.8, -0.697), (-1.7, -0.629), (-1.6, -0.564),
    (-1.5, -0.500), (-1.4, -0.435), (-1.3, -0.377), (-1.2, -0.326),
    (-1.1, -0.269), (-1, -0.221), (-0.9, -0.173), (-0.8, -0.136),
    (-0.7, -0.097), (-0.6, -0.061), (-0.5, -0.036), (-0.4, -0.018),
    (-0.301, -0.004), (-0.3, -0.004))


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

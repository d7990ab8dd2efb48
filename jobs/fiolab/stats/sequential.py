# SPDX-License-Identifier: GPL-2.0-only
# The signed-rank test, looked at after every pair from the 6th to the 2,000th.
# Looking so often errs more than once, so what counts is where the smallest p
# of all looks lies among those of campaigns without an effect: a probability
# that holds whenever one stops ("anytime").  Each p weighs n^TAPER, for what is
# clear is so after few pairs, and long campaigns hardly pay for that.  Signs
# are independent of ranks, so the chance is the same for whatever is symmetric,
# and was found once, by simulation: TABLE, which tests/ab/test_sequential.py
# makes anew.  tests/lib/stoppingrules.py has other rules beside this one.
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from . import paired

FIRST, LAST = 6, 2000
DENSE = 20              # beyond, a look for every 5% more pairs is enough
TAPER = 0.4
# log10 of p n^TAPER, p one-sided: log10 of the chance that any look has one so
# small.
TABLE = (
    (-12, -11.199), (-11.5, -10.693), (-11, -10.189), (-10.5, -9.681),
    (-10, -9.187), (-9.5, -8.685), (-9, -8.184), (-8.5, -7.695), (-8, -7.192),
    (-7.5, -6.697), (-7, -6.210), (-6.5, -5.715), (-6, -5.224), (-5.5, -4.734),
    (-5, -4.260), (-4.5, -3.773), (-4, -3.295), (-3.9, -3.205), (-3.8, -3.118),
    (-3.7, -3.014), (-3.6, -2.926), (-3.5, -2.838), (-3.4, -2.735),
    (-3.3, -2.646), (-3.2, -2.561), (-3.1, -2.457), (-3, -2.371),
    (-2.9, -2.284), (-2.8, -2.183), (-2.7, -2.091), (-2.6, -1.993),
    (-2.5, -1.914), (-2.4, -1.824), (-2.3, -1.718), (-2.2, -1.650),
    (-2.1, -1.559), (-2, -1.456), (-1.9, -1.378), (-1.8, -1.304),
    (-1.7, -1.200), (-1.6, -1.124), (-1.5, -1.055), (-1.4, -0.954),
    (-1.3, -0.882), (-1.2, -0.809), (-1.1, -0.739), (-1, -0.657),
    (-0.9, -0.590), (-0.8, -0.534), (-0.7, -0.462), (-0.6, -0.394),
    (-0.5, -0.343), (-0.4, -0.286), (-0.3, -0.231), (-0.2, -0.176),
    (-0.1, -0.134), (0, -0.096), (0.1, -0.058), (0.2, -0.030), (0.3, -0.003),
    (0.4, 0))


@lru_cache(maxsize=64)
def looks(n: int) -> tuple[int, ...]:
    """The numbers of pairs, up to n, after which a campaign is looked at."""
    found, look = [], FIRST
    while look <= n:
        found.append(look)
        look = max(look + 1, look + look // DENSE)
    return tuple(found)


def _chance(weighed):
    """The chance that any look has a p n^TAPER so small, without effect; that
    of the table's end for what is smaller."""
    xs, chances = zip(*TABLE)
    return 10.0**np.interp(np.log10(np.maximum(weighed, 1e-300)), xs, chances)


def anytime(p: ArrayLike, n: int) -> np.ndarray:
    """The chance, without effect, that any look is as telling as a one-sided p
    after n pairs."""
    return _chance(np.asarray(p) * n**TAPER)


@lru_cache(maxsize=512)
def nominal(chance: float, n: int) -> float:
    """The largest one-sided p that, at a look after n pairs, has it."""
    xs, chances = zip(*TABLE)
    return float(10.0**np.interp(np.log10(chance), chances, xs) / n**TAPER)


def level(confidence: float, n: int) -> float:
    """That of the exact interval after n pairs; those of all looks at once
    hold the truth with this confidence."""
    return 1 - 2 * nominal((1 - confidence) / 2, n)


def p_value(d: ArrayLike) -> np.ndarray:
    """Two-sided p of the differences on the last axis, in their order, that
    holds whenever one stops: of the smallest of all looks and of now."""
    d = np.asarray(d, dtype=float)
    n = d.shape[-1]
    smallest = np.full(d.shape[:-1], np.inf)
    for look in (*looks(n - 1), n) if n >= FIRST else ():
        smallest = np.minimum(smallest, look**TAPER * paired.tails(
            d[..., :look]).min(axis=0))
    return np.minimum(1.0, 2 * _chance(smallest))


def tost_p(d: ArrayLike, margin: float) -> np.ndarray:
    """paired.tost_p() that holds at every look."""
    return anytime(paired.tost_p(d, margin), np.shape(d)[-1])


def smallest_p(n: int) -> float:
    """The smallest p that n pairs can reach."""
    return min(1.0, 2 * float(anytime(2.0**-n, n)))

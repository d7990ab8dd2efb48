# SPDX-License-Identifier: GPL-2.0-only
"""Where a series of figures has changed its level, one figure for each moment.

Of a segment, two things are asked: does it change once (the largest of the
standardized rank sums of its beginnings: Pettitt 1979, Hawkins and Deng 2010),
and is a part inside of it at another level than the rest, as a fault is that
was mended (the largest of those of its inner parts: the circular binary
segmentation of Olshen et al. 2004).  p is that of random orders of the same
ranks, which knows no distribution and to which one outlier is one rank; it is
doubled, as two things were asked.  What is found is split again (binary
segmentation), with p corrected by the number of segments that there are by
then.  So a series without a change shows one with a chance of at most alpha.
A level that held for fewer than FEWEST figures is not looked for.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
import math

import numpy as np

from . import twosample

ALPHA = 0.05
FEWEST = 2              # figures of a segment: one alone may be an outlier
ORDERS, AT_ONCE = 20_000, 500
GRID = 100              # of more figures, inner parts begin and end on a grid


def _ranks(figures):
    from scipy.stats import rankdata    # whose import takes its time
    return rankdata(figures)


@lru_cache(maxsize=256)
def _parts(n):
    """[(first, behind the last) of the parts that are asked about]: one array
    of beginnings, one of inner parts."""
    step = 1 + n // GRID
    ends = np.arange(FEWEST, n - FEWEST + 1)
    once = np.stack([0 * ends, ends])
    first, last = (x.ravel() for x in np.meshgrid(ends[::step], ends[::step]))
    return once, np.stack([first, last])[:, last - first >= FEWEST]


def _deviations(ranks, parts):
    """|rank sum of each part - its mean| / its deviation, on the last axis.

    The variance is that of the ranks as they are, ties included.
    """
    n, k = ranks.shape[-1], parts[1] - parts[0]
    sums = np.zeros((*ranks.shape[:-1], n + 1))
    np.cumsum(ranks, axis=-1, out=sums[..., 1:])
    spread = np.sqrt(k * (n - k) / (n - 1) * ranks.var(axis=-1).flat[0])
    # A rounding error is no reason to call equal statistics different.
    return np.round(np.abs(sums[..., parts[1]] - sums[..., parts[0]] -
                           k * (n + 1) / 2) / spread, 9)


@lru_cache(maxsize=256)
def _null(ranks):
    """The sorted statistics of ORDERS random orders of these ranks: of both
    questions."""
    rng, found = np.random.default_rng(len(ranks)), ([], [])
    for _ in range(ORDERS // AT_ONCE):
        orders = rng.permuted(np.tile(np.array(ranks), (AT_ONCE, 1)), axis=1)
        for parts, into in zip(_parts(len(ranks)), found):
            into.append(_deviations(orders, parts).max(axis=-1, initial=0))
    return [np.sort(np.concatenate(one)) for one in found]


def asked(figures: Sequence[float]) -> list[tuple[float, tuple[int, ...]]]:
    """[(p, the first figures behind the changes)]: of one change, and of two,
    which are those of an inner part.

    Empty where a segment is too short to be split, or nothing differs.
    """
    n, found = len(figures), []
    if n < 2 * FEWEST or np.ptp(figures) == 0:
        return []
    ranks = _ranks(figures)
    for parts, null in zip(_parts(n), _null(tuple(sorted(ranks.tolist())))):
        if parts.size:
            seen = _deviations(ranks, parts)
            above = len(null) - np.searchsorted(null, seen.max(), "left")
            at = parts[:, seen.argmax()].tolist()
            found.append(((1 + int(above)) / (1 + ORDERS),
                          tuple(x for x in at if x)))
    return [(min(1.0, len(found) * p), where) for p, where in found]


def smallest_p(n: int) -> float:
    """About the smallest p that so many figures can have, all of one half
    above all of the other; an odd number has two such splits."""
    if n < 2 * FEWEST:
        return 1.0
    ways = 2 * (1 + n % 2) / math.comb(n, n // 2)
    return min(1.0, 2 * max(ways, 1 / (1 + ORDERS)))


def fewest_figures(series: int, alpha: float = ALPHA) -> int:
    """The fewest figures with which one of so many series can show a
    change."""
    n = 2 * FEWEST
    while smallest_p(n) * series > alpha:
        if smallest_p(n) <= 2 / (1 + ORDERS):
            return 0            # no number of figures is enough
        n += 1
    return n


@dataclass(frozen=True)
class Change:
    """From figure `at` on the level is another."""
    at: int
    p: float
    shift: float            # Hodges-Lehmann, of the segments beside it
    ci95: tuple             # of Mann-Whitney; infinite where they are short


def _splits(figures, level):
    """{where: p} of all changes at this level; one that explains a segment is
    taken before two, which then leave less to explain by chance."""
    found: dict = {}
    ends, known = [0, len(figures)], {}
    while True:
        tried = [(1.0, ())]
        for first, last in zip(ends, ends[1:]):
            if (first, last) not in known:
                known[first, last] = asked(figures[first:last])
            tried += [(min(1.0, p * (len(ends) - 1)),
                       tuple(first + at for at in where))
                      for p, where in known[first, last]]
        p, where = min(tried, key=lambda one: (one[0] > level, len(one[1]),
                                               one[0]))
        if p > level:
            return found
        found.update(dict.fromkeys(where, p))
        ends = sorted([*ends, *where])


def _spread(figures):
    return float(np.abs(figures - np.median(figures)).sum())


def _moved(figures, ends):
    """The changes where the levels beside each leave least unexplained; ranks
    tell that there is one better than where."""
    ends = list(ends)
    for i in [*range(1, len(ends) - 1)] * 2:    # as each moves its neighbours
        first, last = ends[i - 1], ends[i + 1]
        ends[i] = min(range(first + FEWEST, last - FEWEST + 1), key=lambda k: (
            _spread(figures[first:k]) + _spread(figures[k:last]),
            abs(k - ends[i])))
    return ends


def changes(figures: Sequence[float], series: int = 1,
            alpha: float = ALPHA) -> list[Change]:
    """The changes of one of so many series, in their order.

    figures: in the order of time, of one scale (a ratio as its logarithm).
    p is corrected by the number of series and of segments; at most alpha.
    """
    every = np.asarray(figures, float)
    if len(every) < 2 * FEWEST:
        return []
    found = _splits(every, alpha / series)
    ends, made = _moved(every, [0, *sorted(found), len(every)]), []
    for p, before, at, after in zip((found[at] for at in sorted(found)),
                                    ends, ends[1:], ends[2:]):
        x, y = every[before:at], every[at:after]
        made.append(Change(at, min(1.0, p * series), float(
            np.median(twosample.shifts(x, y))),
            twosample.interval(x, y, 0.95)))
    return made


def _line(figures):
    """The figures of Theil's and Sen's line."""
    from scipy.stats import theilslopes
    at = np.arange(len(figures))
    slope, intercept, *_ = theilslopes(figures, at)
    return intercept + slope * at


def is_drift(figures: Sequence[float], found: Sequence[Change]) -> bool:
    """Is a straight line a better account than the steps of changes()?

    By Schwarz's criterion of errors of Laplace: a line has two parameters,
    steps have their levels and where they are.
    """
    if not found:
        return False
    every, n = np.asarray(figures, float), len(figures)
    ends = [0, *(one.at for one in found), n]
    steps = np.concatenate([np.full(b - a, np.median(every[a:b]))
                            for a, b in zip(ends, ends[1:])])
    line, stairs = (float(np.abs(every - fitted).sum())
                    for fitted in (_line(every), steps))
    return line <= stairs * n ** ((2 * len(found) - 1) / (2 * n))

# SPDX-License-Identifier: GPL-2.0-only
# From paired differences d = ln(B/A) to an effect: Hodges-Lehmann estimate,
# exact confidence interval, exact p, equivalence and Holm's correction.  All
# on the log scale; percent() turns a difference into what people read.  What
# takes d works on the last axis, so that many comparisons are done at once.
from collections.abc import Sequence
from functools import lru_cache
import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

SHUFFLES, MANY = 20_000, 60     # of neighbours; pairs that need none
EXACT_PAIRS = 150       # beyond, the normal approximation is as good


def percent(d: float) -> float:
    return 100 * math.expm1(d)


def walsh(d: ArrayLike) -> np.ndarray:
    """The sorted n(n+1)/2 averages (d_i + d_j)/2, i <= j."""
    d = np.asarray(d, dtype=float)
    n, done = d.shape[-1], 0
    averages = np.empty((*d.shape[:-1], n * (n + 1) // 2))
    for i in range(n):
        averages[..., done:done + n - i] = (d[..., i:] + d[..., i:i + 1]) / 2
        done += n - i
    averages.sort(axis=-1)
    return averages


def middle(ordered: np.ndarray) -> np.ndarray:
    """The median of what is sorted along the last axis."""
    n = ordered.shape[-1]
    return (ordered[..., (n - 1) // 2] + ordered[..., n // 2]) / 2


def hodges_lehmann(d: ArrayLike) -> float:
    return float(middle(walsh(d)))


def _next(ranks):
    """The correlation of each rank with the next, on the last axis."""
    return (ranks[..., 1:] * ranks[..., :-1]).sum(-1) / (ranks**2).sum(-1)


def neighbours(d: Sequence[float]) -> tuple[float, float]:
    """(correlation of each difference with the next, of ranks; p that those of
    independent ones are so large, one-sided: of SHUFFLES of them, or of the
    normal distribution for many)."""
    from scipy.stats import rankdata    # whose import takes its time
    n = len(d)
    if n < 4:
        return 0.0, 1.0
    ranks = rankdata(d) - (n + 1) / 2
    if not ranks.any():
        return 0.0, 1.0
    found = float(_next(ranks))
    if n > MANY:
        return found, float(ndtr(-(found + 1 / n) * math.sqrt(n)))
    rng = np.random.default_rng(n)
    shuffled = _next(rng.permuted(np.tile(ranks, (SHUFFLES, 1)), axis=1))
    return found, float((1 + (shuffled > found - 1e-9).sum())
                        / (1 + SHUFFLES))


def signed_rank_counts(n: int) -> list[int]:
    """counts[w] = how many of the 2^n sign patterns have rank sum W+ = w."""
    counts = [1] + [0] * (n * (n + 1) // 2)
    for rank in range(1, n + 1):
        for w in range(len(counts) - 1, rank - 1, -1):
            counts[w] += counts[w - rank]
    return counts


def _deviation(n):
    """Mean and standard deviation of W+."""
    return n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)


@lru_cache(maxsize=512)
def interval_rank(n: int, level: float) -> int:
    """The largest k with 2 P(W+ <= k-1) <= 1 - level; 0 if there is none.

    The k-th smallest and k-th largest Walsh average then bound the median
    difference with at least the given confidence.
    """
    if n > EXACT_PAIRS:
        mean, deviation = _deviation(n)
        return math.floor(mean + ndtri((1 - level) / 2) * deviation)
    tail, k = 0, 0
    # Whole numbers keep the comparison exact where a tail equals alpha/2.
    limit = round((1 - level) * 1e9) * 2**n
    for count in signed_rank_counts(n):
        tail += count
        if 2 * tail * 10**9 > limit:
            break
        k += 1
    return k


def bounds(averages: np.ndarray, n: int,
           level: float) -> tuple[np.ndarray, np.ndarray]:
    """(low, high) from sorted Walsh averages of n differences, or infinite."""
    k = interval_rank(n, level)
    if k == 0:
        far = np.full(averages.shape[:-1], np.inf)
        return -far, far
    return averages[..., k - 1], averages[..., -k]


def interval(d: Sequence[float], level: float) -> tuple[float, float]:
    """Exact confidence interval; unbounded when n is too small for level."""
    low, high = bounds(walsh(d), len(d), level)
    return float(low), float(high)


@lru_cache(maxsize=4096)
def _null(doubled):
    """P(sum of the doubled ranks with a random half of signs = i), i >= 0."""
    chances = np.ones(1)
    for rank in doubled:
        longer = np.zeros(len(chances) + rank)
        longer[:len(chances)] = chances
        longer[rank:] += chances
        chances = longer / 2
    return chances


@lru_cache(maxsize=512)
def _cumulated(doubled):
    """(P(W+ <= w), P(W+ >= w)) for every w, over all sign patterns."""
    chances = _null(doubled)
    return np.cumsum(chances), np.cumsum(chances[::-1])[::-1]


def _tails(doubled, w):
    """The same two at w; w may be an array."""
    if len(doubled) > EXACT_PAIRS:
        mean = sum(doubled) / 2
        deviation = math.sqrt(sum(rank * rank for rank in doubled)) / 2
        return (ndtr((w - mean + 1) / deviation),
                ndtr((mean + 1 - w) / deviation))
    below, above = _cumulated(doubled)
    return below[w], above[w]


def _tied_tails(d):
    """tails() of one sample with equal sizes or zeros."""
    from scipy.stats import rankdata    # whose import takes its time
    ranks = np.rint(2 * rankdata(np.abs(d))).astype(int)[d != 0]
    if not len(ranks):
        return 1.0, 1.0
    return _tails(tuple(sorted(ranks.tolist())),
                  int(ranks[d[d != 0] > 0].sum()))


def tails(d: ArrayLike) -> np.ndarray:
    """One-sided p: (d is below 0, d is above 0).

    The exact null distribution of the ranks as they are: midranks where sizes
    are equal; a difference of 0 keeps its rank but has no sign.  Without ties
    it is scipy's wilcoxon(method="exact"), with them what scipy's
    permutation_test samples, without its sampling error.
    """
    d = np.asarray(d, dtype=float)
    rows = d.reshape(-1, d.shape[-1])
    order = np.argsort(np.abs(rows), axis=-1)
    ordered = np.take_along_axis(rows, order, axis=-1)
    ranks = 2 * np.arange(1, rows.shape[-1] + 1)
    found = np.array(_tails(tuple(ranks.tolist()),
                            ((ordered > 0) * ranks).sum(axis=-1)))
    size = np.abs(ordered)
    tied = (size[:, 0] == 0) | (np.diff(size, axis=-1) == 0).any(axis=-1)
    for i in np.flatnonzero(tied):
        found[:, i] = _tied_tails(rows[i])
    return found.reshape(2, *d.shape[:-1])


def p_value(d: ArrayLike) -> np.ndarray:
    """Two-sided signed-rank p."""
    return np.minimum(1.0, 2 * tails(d).min(axis=0))


def tost_p(d: ArrayLike, margin: float) -> np.ndarray:
    """p that the effect is beyond +-margin (a share, such as 0.02).

    The larger of the two one-sided p values: below 0.05 exactly when the 90%
    interval lies inside the margin.
    """
    d = np.asarray(d, dtype=float)
    low, high = math.log1p(-margin), math.log1p(margin)
    return np.maximum(tails(d - low)[1], tails(d - high)[0])


def smallest_p(n: int) -> float:
    """The smallest two-sided p that n pairs can reach."""
    return 2.0 ** (1 - n)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p values, in the order given."""
    adjusted, running = [0.0] * len(ps), 0.0
    for step, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        running = max(running, min(1.0, (len(ps) - step) * ps[i]))
        adjusted[i] = running
    return adjusted


def detectable(d: Sequence[float], level: float = 0.95) -> float:
    """The smallest effect that n such pairs detect four times in five, by an
    interval of this level: at 95% about 2.8 s / sqrt(n)."""
    if len(d) < 2:
        return math.inf
    reach = float(ndtri((1 + level) / 2) + ndtri(0.8))
    return reach * float(np.std(d, ddof=1)) / math.sqrt(len(d))


def order_effect(d: ArrayLike, ab_first: ArrayLike) -> float | None:
    """Mean d of the AB pairs less mean d of the BA pairs; None if one lacks."""
    d, ab = np.asarray(d, dtype=float), np.asarray(ab_first, dtype=bool)
    if ab.all() or not ab.any():
        return None
    return float(d[ab].mean() - d[~ab].mean())

# SPDX-License-Identifier: GPL-2.0-only
# From paired differences d = ln(B/A) to an effect: Hodges-Lehmann estimate,
# exact confidence interval, exact p and Holm's correction.  Everything here is
# on the log scale; percent() turns a difference into what people read.
import math

import numpy as np
from scipy.stats import permutation_test, rankdata, wilcoxon

PERMUTATIONS = 19999


def percent(d):
    return 100 * math.expm1(d)


def walsh(d):
    """The sorted n(n+1)/2 averages (d_i + d_j)/2, i <= j."""
    d = np.asarray(d, dtype=float)
    i, j = np.triu_indices(len(d))
    return np.sort((d[i] + d[j]) / 2)


def hodges_lehmann(d):
    return float(np.median(walsh(d)))


def signed_rank_counts(n):
    """counts[w] = how many of the 2^n sign patterns have rank sum W+ = w."""
    counts = [1] + [0] * (n * (n + 1) // 2)
    for rank in range(1, n + 1):
        for w in range(len(counts) - 1, rank - 1, -1):
            counts[w] += counts[w - rank]
    return counts


def interval_rank(n, level):
    """The largest k with 2 P(W+ <= k-1) <= 1 - level; 0 if there is none.

    The k-th smallest and k-th largest Walsh average then bound the median
    difference with at least the given confidence.
    """
    tail, k = 0, 0
    # Whole numbers keep the comparison exact where a tail equals alpha/2.
    limit = round((1 - level) * 1e9) * 2**n
    for count in signed_rank_counts(n):
        tail += count
        if 2 * tail * 10**9 > limit:
            break
        k += 1
    return k


def interval(d, level):
    """Exact confidence interval; unbounded when n is too small for level."""
    k = interval_rank(len(d), level)
    if k == 0:
        return -math.inf, math.inf
    averages = walsh(d)
    return float(averages[k - 1]), float(averages[-k])


def _signed_rank_sum(d, axis=-1):
    return (np.sign(d) * rankdata(np.abs(d), axis=axis)).sum(axis=axis)


def p_value(d):
    """Two-sided signed-rank p: exact, or by sign flips with ties or zeros."""
    d = np.asarray(d, dtype=float)
    size = np.abs(d)
    if size.min() > 0 and len(np.unique(size)) == len(d):
        return float(wilcoxon(d, method="exact").pvalue)
    if size.max() == 0:
        return 1.0
    result = permutation_test((d,), _signed_rank_sum, vectorized=True,
                              permutation_type="samples", axis=-1,
                              n_resamples=PERMUTATIONS, random_state=1)
    return float(min(1.0, result.pvalue))


def smallest_p(n):
    """The smallest two-sided p that n pairs can reach."""
    return 2.0 ** (1 - n)


def holm(ps):
    """Holm's step-down adjusted p values, in the order given."""
    adjusted, running = [0.0] * len(ps), 0.0
    for step, i in enumerate(sorted(range(len(ps)), key=lambda i: ps[i])):
        running = max(running, min(1.0, (len(ps) - step) * ps[i]))
        adjusted[i] = running
    return adjusted


def detectable(d):
    """The smallest effect that n such pairs detect: about 2.8 s / sqrt(n)."""
    if len(d) < 2:
        return math.inf
    return 2.8 * float(np.std(d, ddof=1)) / math.sqrt(len(d))


def order_effect(d, ab_first):
    """Mean d of the AB pairs less mean d of the BA pairs; None if one lacks."""
    d, ab = np.asarray(d, dtype=float), np.asarray(ab_first, dtype=bool)
    if ab.all() or not ab.any():
        return None
    return float(d[ab].mean() - d[~ab].mean())

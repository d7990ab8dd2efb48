# SPDX-License-Identifier: GPL-2.0-only
# Two independent samples of differences: the Hodges-Lehmann shift, its exact
# interval from Mann-Whitney's null distribution, p and equivalence.
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
import math

import numpy as np
from scipy.special import ndtri

from .verdict import MARGIN

Numbers = Sequence[float] | np.ndarray
EXACT = 50              # differences in a sample; beyond, the normal is as good


@lru_cache(maxsize=64)
def _null(m, n):
    """P(U = u) for u = 0 .. mn."""
    # Gaussian binomial: the product of (1 - x^(m+i)) / (1 - x^i).
    counts = [1]
    for i in range(1, n + 1):
        longer = counts + [0] * m
        for u in range(len(longer) - 1, m + i - 1, -1):
            longer[u] -= longer[u - m - i]
        for u in range(i, len(longer)):
            longer[u] += longer[u - i]
        counts = longer[:m * i + 1]
    total = math.comb(m + n, n)
    return [count / total for count in counts]


@lru_cache(maxsize=256)
def rank(m: int, n: int, level: float) -> int:
    """The largest k with 2 P(U <= k-1) <= 1 - level; 0 if there is none."""
    if max(m, n) > EXACT:
        deviation = math.sqrt(m * n * (m + n + 1) / 12)
        return max(0, math.floor(m * n / 2 +
                                 ndtri((1 - level) / 2) * deviation))
    tail, k = 0.0, 0
    for chance in _null(m, n):
        tail += chance
        if 2 * tail > 1 - level + 1e-12:
            break
        k += 1
    return k


def shifts(x: Numbers, y: Numbers) -> np.ndarray:
    """The sorted differences y_j - x_i."""
    return np.sort(np.subtract.outer(np.asarray(y, float),
                                     np.asarray(x, float)), axis=None)


def interval(x: Numbers, y: Numbers, level: float) -> tuple[float, float]:
    k, all_shifts = rank(len(x), len(y), level), shifts(x, y)
    if k == 0:
        return -math.inf, math.inf
    return float(all_shifts[k - 1]), float(all_shifts[-k])


def p_value(x: Numbers, y: Numbers, alternative: str = "two-sided") -> float:
    """That y is not another x (or not greater, not less).

    Exact without ties; with ties by the normal approximation with their
    correction, or 1 where nothing differs at all.
    """
    from scipy.stats import mannwhitneyu        # which takes its time
    both = np.concatenate([x, y])
    if np.ptp(both) == 0:
        return 1.0
    ties = len(np.unique(both)) < len(both)
    method = ("asymptotic" if ties or max(len(x), len(y)) > EXACT
              else "exact")
    return float(mannwhitneyu(y, x, alternative=alternative,
                              method=method).pvalue)


def tost_p(x: Numbers, y: Numbers, margin: float = MARGIN) -> float:
    """p that y is shifted beyond +-margin."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    return max(p_value(x, y - math.log1p(-margin), "greater"),
               p_value(x, y - math.log1p(margin), "less"))


def smallest_p(m: int, n: int) -> float:
    return 2 / math.comb(m + n, n)


@dataclass
class Change:
    """One metric in two campaigns, as ln(B/A) of their pairs."""
    metric: str
    old: list
    new: list
    floor: tuple = (-math.inf, math.inf)        # interval of the change of A'/A
    p_holm: float = 1.0
    verdict: str = ""
    reason: str = ""
    estimate: float = field(init=False)
    ci95: tuple = field(init=False)
    p: float = field(init=False)
    tost_p: float = field(init=False)

    def __post_init__(self):
        ordered = shifts(self.old, self.new)
        self.estimate = float(np.median(ordered))
        self.ci95 = interval(self.old, self.new, 0.95)
        self.p = p_value(self.old, self.new)
        self.tost_p = tost_p(self.old, self.new)

    def inside_floor(self) -> bool:
        return self.floor[0] <= self.estimate <= self.floor[1]

    def data(self) -> dict:
        bounded = not math.isinf(self.ci95[0])
        return {"metric": self.metric, "ratio": math.exp(self.estimate),
                "ci95": [math.exp(x) for x in self.ci95] if bounded else None,
                "p": self.p, "p_holm": self.p_holm, "tost_p": self.tost_p,
                "n_old": len(self.old), "n_new": len(self.new),
                "verdict": self.verdict, "reason": self.reason}

# SPDX-License-Identifier: GPL-2.0-only
"""Two treatments that can only be given to whole blocks of runs, such as a
kernel to a boot: the unit of replication is the block.

Each block is one figure, the mean of ln of its runs.  The effect is the
Hodges-Lehmann shift between the blocks of A and of B with Mann-Whitney's
interval, p that of all ways to deal the labels out to the blocks, for all
series at once: the largest standardized rank sum of any series (Westfall and
Young's single step), so that series that say the same cost nothing.  Secondary
series have a share of alpha of their own, as in a campaign (verdict.py).  What
runs within blocks would have made of it is told beside it.
"""
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
import math

import numpy as np

from . import paired, twosample
from .verdict import ALPHA, MARGIN, SECONDARY

DEALS = 20_000          # ways to deal out labels; of more, that many by chance
Key = tuple


def fewest_blocks(alpha: float = ALPHA) -> int:
    """Of each label, with which p can reach alpha at all."""
    n = 2
    while twosample.smallest_p(n, n) > alpha:
        n += 1
    return n


@lru_cache(maxsize=16)
def _deals(n, m):
    """(rows, m): which m of n blocks have the label B; the first is as it
    would be if they came last, and no matter."""
    if math.comb(n, m) <= DEALS:
        return np.array(list(combinations(range(n), m)))
    rng = np.random.default_rng(n * 1000 + m)
    return rng.permuted(np.tile(np.arange(n), (DEALS, 1)), axis=1)[:, :m]


def joint_p(series: Sequence[Sequence[float]], is_b: Sequence[bool]
            ) -> list[float]:
    """p of each series, corrected for all of them; every series has a figure
    of every block.  Exact, but with very many blocks."""
    from scipy.stats import rankdata    # whose import takes its time
    of_b = np.asarray(is_b, bool)
    n, m = len(of_b), int(of_b.sum())
    ranks = np.array([rankdata(one) for one in series]) - (n + 1) / 2
    spread = np.maximum(ranks.std(axis=1, keepdims=True), 1e-300)
    ranks = np.round(ranks / spread, 9)
    seen = np.abs(ranks[:, of_b].sum(axis=1))
    deals = _deals(n, m)
    largest = np.abs(ranks[:, deals].sum(axis=2)).max(axis=0)
    if math.comb(n, m) <= DEALS:
        return [float(np.mean(largest >= one - 1e-6)) for one in seen]
    return [float((1 + (largest >= one - 1e-6).sum()) / (1 + len(deals)))
            for one in seen]


@dataclass
class Spread:
    """Components of variance, as standard deviations of ln."""
    within: float       # of runs of one block
    between: float      # of blocks of one label, beyond what runs explain
    runs: float         # in a block, on average
    certain: float      # how many times more certain runs would look


def spread(blocks: Sequence[Sequence[float]], is_b: Sequence[bool]
           ) -> Spread | None:
    """One-way components with the labels' means taken out; None where there
    are too few blocks or runs."""
    means = np.array([np.mean(one) for one in blocks])
    free = sum(len(one) - 1 for one in blocks)
    labels = [means[np.asarray(is_b, bool) == label] for label in (0, 1)]
    if free < 1 or len(means) < 3 or min(map(len, labels)) < 1:
        return None
    within = sum(float(np.var(one)) * len(one) for one in blocks) / free
    of_means = sum(float(np.var(one)) * len(one) for one in labels) / (
        len(means) - 2)
    runs = len(means) / sum(1 / len(one) for one in blocks)
    between = max(0.0, of_means - within / runs)
    # Of one run; divided by their number it would be that of a block's mean.
    whole = within + between
    certain = math.sqrt(of_means * runs / whole) if whole > 0 else 1.0
    return Spread(math.sqrt(within), math.sqrt(between), runs,
                  max(1.0, certain))


@dataclass
class Effect:
    """B against A of one series."""
    metric: str
    a: list                         # figures of the blocks: ln
    b: list
    p: float = 1.0                  # corrected for all series
    verdict: str = field(default="", init=False)
    reason: str = field(default="", init=False)

    def __post_init__(self):
        self.estimate = float(np.median(twosample.shifts(self.a, self.b)))
        self.ci95 = twosample.interval(self.a, self.b, 0.95)
        self.tost_p = twosample.tost_p(self.a, self.b, MARGIN)

    def detectable(self) -> float:
        """The smallest effect that so many blocks detect; inf: not known."""
        m, n = len(self.a), len(self.b)
        if m + n < 3:
            return math.inf
        pooled = (np.var(self.a) * m + np.var(self.b) * n) / (m + n - 2)
        return 2.8 * math.sqrt(float(pooled) * (1 / m + 1 / n))


def in_two_rows(is_b: Sequence[bool]) -> bool:
    """Are all blocks of one label before all of the other?"""
    return sum(a != b for a, b in zip(is_b, is_b[1:])) == 1


def judge(effect: Effect, words: tuple, is_b: Sequence[bool],
          unit: str, planned: int = 0) -> None:
    """Set the verdict; words: of a change, (up, down); planned: blocks of each
    label, before which there is none, as a level holds for one look."""
    m, n = len(effect.a), len(effect.b)
    need = fewest_blocks()
    if twosample.smallest_p(m, n) > ALPHA:
        effect.verdict, effect.reason = "no verdict", (
            f"{m} and {n} {unit}s cannot reach p <= {ALPHA}: it takes at "
            f"least {need} of each")
    elif min(m, n) < planned:
        effect.verdict, effect.reason = "no verdict", (
            f"it takes all {unit}s that were planned, {planned} of each, and "
            f"there are {m} of A and {n} of B")
    elif in_two_rows(is_b):
        effect.verdict, effect.reason = "no verdict", (
            f"all {unit}s of one came before all of the other, so that a "
            "drift would look the same: alternate them")
    elif effect.tost_p <= ALPHA:
        effect.verdict, effect.reason = "equivalent", "90% CI inside +-2%"
    elif effect.p <= ALPHA:
        effect.verdict = words[effect.estimate < 0]
        effect.reason = f"p {effect.p:.2g}"
    else:
        effect.verdict, effect.reason = "inconclusive", (
            f"p {effect.p:.2g}; smallest detectable effect about "
            f"{paired.percent(effect.detectable()):.1f}%")


def _corrected(series, is_b, secondary):
    """{key: p}, corrected for its family and that one's share of alpha."""
    families = [[key for key in series if (key in secondary) == kind]
                for kind in (False, True)]
    shares = (1 - SECONDARY, SECONDARY) if all(families) else (1, 1)
    return {key: min(1.0, p / share)
            for family, share in zip(families, shares) if family
            for key, p in zip(family, joint_p(
                [series[key] for key in family], is_b))}


def effects(series: Mapping[Key, Sequence[float]], is_b: Sequence[bool],
            words: Mapping[str, tuple], unit: str,
            secondary: Collection[Key] = (),
            planned: int = 0) -> dict[Key, Effect]:
    """The judged effects of all series: {(..., metric): a figure of each
    block}; secondary: the keys of those that are; planned: see judge()."""
    found, is_b = {}, list(is_b)
    ps = (_corrected(series, is_b, secondary) if len(set(is_b)) == 2 else {})
    for key, p in ps.items():
        of_a, of_b = ([x for x, b in zip(series[key], is_b) if b == label]
                      for label in (False, True))
        effect = Effect(key[-1], of_a, of_b, p)
        judge(effect, words[key[-1]], is_b, unit, planned)
        found[key] = effect
    return found


# What the order of the blocks did

def residuals(figures: Sequence[float], is_b: Sequence[bool]) -> np.ndarray:
    """Figures of blocks with the middle of their label taken out."""
    x, b = np.asarray(figures, float), np.asarray(is_b, bool)
    return x - np.where(b, np.median(x[b]) if b.any() else 0,
                        np.median(x[~b]) if not b.all() else 0)


def drift(figures: Sequence[float], is_b: Sequence[bool]
          ) -> tuple[float, float]:
    """(Kendall's tau of what is left with the order of the blocks, its p)."""
    from scipy.stats import kendalltau
    left = residuals(figures, is_b)
    if len(left) < 4 or not np.ptp(left):
        return 0.0, 1.0
    tau, p = kendalltau(np.arange(len(left)), left)
    return float(tau), float(p)


def order_effect(figures: Sequence[float], is_b: Sequence[bool]
                 ) -> float | None:
    """ln(B/A) of neighbours where A came first, less where B did."""
    steps = [((y - x) if b else (x - y), b) for x, y, a, b in zip(
        figures, figures[1:], is_b, is_b[1:]) if a != b]
    return paired.order_effect([d for d, _ in steps],
                               [b for _, b in steps]) if steps else None

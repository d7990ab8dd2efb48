# SPDX-License-Identifier: GPL-2.0-only
# From the statistics to words.  The rules, fixed before any run:
#   equivalent     the 90% interval lies inside +-2% (two one-sided tests)
#   faster/slower  else, Holm's p <= alpha, the 95% interval excludes 0 and the
#                  effect is outside the A-against-A noise floor
#   inconclusive   else, with the smallest effect these pairs could detect
# alpha is 0.05, or with planned looks the corrected one for each look.
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
import math

import numpy as np

from . import paired

MARGIN = 0.02
ALPHA = 0.05
FEWEST_PAIRS = 6
AT_ONCE = 1 << 22       # differences squared, for the memory's sake
EARLY = "stopped before the planned number of pairs"
INFINITE = (-math.inf, math.inf)


def fewest_pairs(comparisons: int, alpha: float = ALPHA) -> int:
    """The fewest pairs with which Holm's p can reach alpha."""
    n = FEWEST_PAIRS
    while paired.smallest_p(n) * comparisons > alpha:
        n += 1
    return n


def count_pairs(n: int) -> str:
    return f"{n} pair" if n == 1 else f"{n} pairs"


@dataclass
class Effect:
    """B against A on one metric in one cell; floor is A against A."""
    metric: str
    d: Sequence[float]
    floor_d: Sequence[float]
    estimate: float = math.nan
    ci95: tuple = INFINITE
    ci90: tuple = INFINITE
    floor_estimate: float = math.nan
    floor: tuple = INFINITE
    p: float = 1.0
    tost_p: float = 1.0
    p_holm: float = field(default=1.0, init=False)
    verdict: str = field(default="", init=False)
    reason: str = field(default="", init=False)

    def __post_init__(self):
        if math.isnan(self.estimate):
            found, = _figures([self.d], [self.floor_d])
            self.__dict__.update(found)
        self.p_holm = self.p


def _pairs(bounds):
    """[(low, high), ...] of arrays of lows and highs."""
    return list(zip(*(array.tolist() for array in bounds)))


def _figures(d, floor_d):
    """The figures of many effects of equally many pairs, a dictionary each."""
    averages, floor = paired.walsh(d), paired.walsh(floor_d)
    n, m = np.shape(d)[-1], np.shape(floor_d)[-1]
    columns = {
        "estimate": paired.middle(averages).tolist(),
        "ci95": _pairs(paired.bounds(averages, n, 0.95)),
        "ci90": _pairs(paired.bounds(averages, n, 0.90)),
        "floor_estimate": paired.middle(floor).tolist(),
        "floor": _pairs(paired.bounds(floor, m, 0.95)),
        "p": paired.p_value(d).tolist(),
        "tost_p": paired.tost_p(d, MARGIN).tolist()}
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def many(metrics: Sequence[str], d: Sequence[Sequence[float]],
         floor_d: Sequence[Sequence[float]]) -> list[Effect]:
    """Effects of many comparisons at once: rows of d and floor_d."""
    step = max(1, AT_ONCE // (len(d[0]) ** 2 or 1)) if len(d) else 1
    figures = [found for i in range(0, len(d), step)
               for found in _figures(d[i:i + step], floor_d[i:i + step])]
    return [Effect(metric, one, floor, **found)
            for metric, one, floor, found in zip(metrics, d, floor_d,
                                                 figures)]


def _excludes_zero(pair):
    return pair[0] > 0 or pair[1] < 0


def _significant(effect, alpha):
    return effect.p_holm <= alpha and _excludes_zero(effect.ci95)


def _inside_floor(effect):
    low, high = effect.floor
    return low <= effect.estimate <= high


def judge(effect: Effect, words: Sequence[str], comparisons: int,
          alpha: float = ALPHA) -> tuple[str, str]:
    """(verdict, reason) of one effect among so many comparisons.

    words: what a significant change is called, (up, down).
    """
    n = len(effect.d)
    if n < FEWEST_PAIRS:
        return "no verdict", (f"{count_pairs(n)} cannot reach p <= {alpha} "
                              f"(smallest p is {paired.smallest_p(n):.3g}): "
                              "use 20")
    if effect.tost_p <= alpha:
        return "equivalent", f"{100 - 200 * alpha:.3g}% CI inside +-2%"
    if _significant(effect, alpha) and not _inside_floor(effect):
        up, down = words
        return (up if effect.estimate > 0 else down), f"p {effect.p_holm:.2g}"
    return "inconclusive", _why_not(effect, comparisons, alpha)


def _why_not(effect, comparisons, alpha):
    n = len(effect.d)
    if paired.smallest_p(n) * comparisons > alpha:
        return (f"{n} pairs cannot reach p <= {alpha} in {comparisons} "
                "comparisons: use 20")
    if _significant(effect, alpha):
        return "inside the A/A noise floor"
    seen = paired.percent(paired.detectable(effect.d))
    return f"smallest detectable effect about {seen:.1f}%"


def judge_all(effects: Sequence[Effect], words: Mapping[str, Sequence[str]],
              alpha: float = ALPHA) -> None:
    """Correct p over the whole report, then set every verdict.

    words: {metric: what a significant change is called, (up, down)}
    """
    for effect, p in zip(effects, paired.holm([e.p for e in effects])):
        effect.p_holm = p
        effect.verdict, effect.reason = judge(
            effect, words[effect.metric], len(effects), alpha)


def withhold(effects: Iterable[Effect]) -> None:
    """Of a campaign that ended before its time.

    Whoever stops when the figures please looks after every pair, which is
    wrong far more often than alpha says.
    """
    for effect in effects:
        effect.verdict, effect.reason = "no verdict", EARLY

# SPDX-License-Identifier: GPL-2.0-only
# From the statistics to words.  The rules, fixed before any run:
#   faster/slower  p, corrected, <= alpha, the 95% interval excludes 0 and the
#                  effect is outside the A-against-A noise floor
#   equivalent     else, the 90% interval lies inside +-2% (one-sided tests);
#                  of what ends with that, the 99% interval: else of effects of
#                  1.5%, which are to be found, one in eight would end so
#   inconclusive   else, with the smallest effect these pairs could detect
# alpha is 0.05 for all that a report says.  Where it has secondary effects,
# they have a fifth of it, so that the primary ones pay little for them; Holm
# corrects each of these families.  Sequential effects are of campaigns that
# stop when they please: p and intervals then hold at every pair
# (sequential.py); the others are of a number of pairs fixed in advance.
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
import math

import numpy as np

from . import paired, sequential

MARGIN = 0.02
ALPHA = 0.05
FEWEST_PAIRS = 6
AT_ONCE = 1 << 22       # differences squared, for the memory's sake
ENDS = 0.1              # the share that equivalence has which ends a cell
SECONDARY = 0.2         # the share of alpha that secondary effects have
EARLY = "stopped before the planned number of pairs"
INFINITE = (-math.inf, math.inf)


def smallest_p(n: int, anytime: bool = False) -> float:
    """The smallest two-sided p that n pairs can reach."""
    return (sequential if anytime else paired).smallest_p(n)


def fewest_pairs(comparisons: float, alpha: float = ALPHA,
                 anytime: bool = False) -> int:
    """The fewest pairs with which Holm's p can reach alpha."""
    n = FEWEST_PAIRS
    while smallest_p(n, anytime) * comparisons > alpha:
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
    anytime: bool = False       # may whoever measures stop at any pair?
    estimate: float = math.nan
    ci95: tuple = INFINITE
    ci90: tuple = INFINITE
    floor_estimate: float = math.nan
    floor: tuple = INFINITE
    p: float = 1.0
    tost_p: float = 1.0
    secondary: bool = field(default=False, init=False)
    p_holm: float = field(default=1.0, init=False)
    verdict: str = field(default="", init=False)
    reason: str = field(default="", init=False)

    def __post_init__(self):
        if math.isnan(self.estimate):
            found, = _figures([self.d], [self.floor_d], self.anytime)
            self.__dict__.update(found)
        self.p_holm = self.p

    @property
    def detectable(self) -> float:
        """The smallest effect that so many such pairs detect."""
        return paired.detectable(self.d, _level(0.95, len(self.d),
                                                self.anytime))


def _level(confidence, n, anytime):
    """Of the interval after n pairs."""
    return sequential.level(confidence, n) if anytime and n else confidence


def _pairs(bounds):
    """[(low, high), ...] of arrays of lows and highs."""
    return list(zip(*(array.tolist() for array in bounds)))


def _figures(d, floor_d, anytime):
    """The figures of many effects of equally many pairs, a dictionary each."""
    averages, floor = paired.walsh(d), paired.walsh(floor_d)
    n, m = np.shape(d)[-1], np.shape(floor_d)[-1]
    tests = sequential if anytime else paired

    def bounds(averages, level, count):
        return _pairs(paired.bounds(averages, count,
                                    _level(level, count, anytime)))
    columns = {
        "estimate": paired.middle(averages).tolist(),
        "ci95": bounds(averages, 0.95, n), "ci90": bounds(averages, 0.90, n),
        "floor_estimate": paired.middle(floor).tolist(),
        "floor": bounds(floor, 0.95, m),
        "p": tests.p_value(d).tolist(),
        "tost_p": tests.tost_p(d, MARGIN).tolist()}
    return [dict(zip(columns, row)) for row in zip(*columns.values())]


def many(metrics: Sequence[str], d: Sequence[Sequence[float]],
         floor_d: Sequence[Sequence[float]],
         anytime: bool = False) -> list[Effect]:
    """Effects of many comparisons at once: rows of d and floor_d."""
    step = max(1, AT_ONCE // (len(d[0]) ** 2 or 1)) if len(d) else 1
    figures = [found for i in range(0, len(d), step)
               for found in _figures(
                   d[i:i + step], floor_d[i:i + step], anytime)]
    return [Effect(metric, one, floor, anytime, **found)
            for metric, one, floor, found in zip(metrics, d, floor_d,
                                                 figures)]


def _excludes_zero(pair):
    return pair[0] > 0 or pair[1] < 0


def _significant(effect, alpha):
    return effect.p_holm <= alpha and _excludes_zero(effect.ci95)


def _inside_floor(effect):
    low, high = effect.floor
    return low <= effect.estimate <= high


def judge(effect: Effect, words: Sequence[str], comparisons: float,
          alpha: float = ALPHA) -> tuple[str, str]:
    """(verdict, reason) of one effect, p of which so many corrected.

    words: what a significant change is called, (up, down).
    """
    n = len(effect.d)
    if n < FEWEST_PAIRS:
        least = smallest_p(n, effect.anytime)
        return "no verdict", (f"{count_pairs(n)} cannot reach p <= {alpha} "
                              f"(smallest p is {least:.3g}): {_more(effect)}")
    within = effect.tost_p <= alpha
    if _significant(effect, alpha) and not _inside_floor(effect):
        up, down = words
        small = ", yet within +-2%" if within else ""
        return (up if effect.estimate > 0 else down,
                f"p {effect.p_holm:.2g}{small}")
    enough = alpha * ENDS if effect.anytime else alpha
    if effect.tost_p <= enough:
        return "equivalent", f"{100 - 200 * enough:.3g}% CI inside +-2%"
    return "inconclusive", _why_not(effect, comparisons, alpha)


def _more(effect):
    return "give a longer --max-time" if effect.anytime else "use 20"


def _why_not(effect, comparisons, alpha):
    n = len(effect.d)
    if smallest_p(n, effect.anytime) * comparisons > alpha:
        return (f"{n} pairs cannot reach p <= {alpha} in so many "
                f"comparisons: {_more(effect)}")
    if _significant(effect, alpha):
        return "inside the A/A noise floor"
    seen = paired.percent(effect.detectable)
    return f"smallest detectable effect about {seen:.1f}%"


def _families(effects):
    """[(the primary or the secondary effects, their share of alpha)]"""
    both = [[e for e in effects if e.secondary == kind]
            for kind in (False, True)]
    shares = (1 - SECONDARY, SECONDARY) if all(both) else (1, 1)
    return zip(both, shares)


def judge_all(effects: Sequence[Effect], words: Mapping[str, Sequence[str]],
              alpha: float = ALPHA) -> None:
    """Correct p over the whole report, then set every verdict.

    words: {metric: what a significant change is called, (up, down)}
    """
    for family, share in _families(effects):
        for effect, p in zip(family, paired.holm([e.p for e in family])):
            effect.p_holm = min(1.0, p / share)
            effect.verdict, effect.reason = judge(
                effect, words[effect.metric], len(family) / share, alpha)


def decided(effect: Effect) -> bool:
    return effect.verdict not in ("inconclusive", "no verdict", "")


def withhold(effects: Iterable[Effect]) -> None:
    """Of a campaign of so many pairs that ended before it had them.

    Whoever stops when the figures please looks after every pair, which is
    wrong far more often than alpha says, unless that was allowed for.
    """
    for effect in effects:
        effect.verdict, effect.reason = "no verdict", EARLY

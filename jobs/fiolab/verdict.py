# SPDX-License-Identifier: GPL-2.0-only
# From the statistics to words.  The rules, fixed before any run:
#   equivalent     the 90% interval lies inside +-2% (two one-sided tests)
#   faster/slower  else, Holm's p <= 0.05, the 95% interval excludes 0 and the
#                  effect is outside the A-against-A noise floor
#   inconclusive   else, with the smallest effect these pairs could detect
from dataclasses import dataclass, field
import math

from . import stats

MARGIN = 0.02
ALPHA = 0.05
FEWEST_PAIRS = 6


def fewest_pairs(comparisons):
    """The fewest pairs with which Holm's p can reach ALPHA."""
    n = FEWEST_PAIRS
    while stats.smallest_p(n) * comparisons > ALPHA:
        n += 1
    return n


def count_pairs(n):
    return f"{n} pair" if n == 1 else f"{n} pairs"


@dataclass
class Effect:
    """B against A on one metric in one cell; floor is A against A."""
    metric: str
    d: list
    floor_d: list
    estimate: float = field(init=False)
    ci95: tuple = field(init=False)
    ci90: tuple = field(init=False)
    floor: tuple = field(init=False)
    p: float = field(init=False)
    p_holm: float = field(init=False)
    verdict: str = field(default="", init=False)
    reason: str = field(default="", init=False)

    def __post_init__(self):
        self.estimate = stats.hodges_lehmann(self.d)
        self.ci95 = stats.interval(self.d, 0.95)
        self.ci90 = stats.interval(self.d, 0.90)
        self.floor = stats.interval(self.floor_d, 0.95)
        self.p = stats.p_value(self.d)
        self.p_holm = self.p


# What a significant change is called: (up, down).
WORDS = {"iops": ("faster", "slower"), "cpu_us": ("more CPU", "less CPU"),
         "p50_us": ("longer", "shorter"), "wall_s": ("later", "sooner")}


def _equivalent(effect):
    low, high = (math.expm1(x) for x in effect.ci90)
    return -MARGIN < low and high < MARGIN


def _significant(effect):
    low, high = effect.ci95
    return effect.p_holm <= ALPHA and (low > 0 or high < 0)


def floor_excludes_zero(effect):
    low, high = effect.floor
    return low > 0 or high < 0


def _inside_floor(effect):
    low, high = effect.floor
    return low <= effect.estimate <= high


def judge(effect, comparisons):
    """(verdict, reason) of one effect among so many comparisons."""
    n = len(effect.d)
    if n < FEWEST_PAIRS:
        return "no verdict", (f"{count_pairs(n)} cannot reach p <= {ALPHA} "
                              f"(smallest p is {stats.smallest_p(n):.3g}): "
                              "use 20")
    if _equivalent(effect):
        return "equivalent", "90% CI inside +-2%"
    if _significant(effect) and not _inside_floor(effect):
        up, down = WORDS[effect.metric]
        return (up if effect.estimate > 0 else down), f"p {effect.p_holm:.2g}"
    return "inconclusive", _why_not(effect, comparisons)


def _why_not(effect, comparisons):
    n = len(effect.d)
    if stats.smallest_p(n) * comparisons > ALPHA:
        return (f"{n} pairs cannot reach p <= {ALPHA} in {comparisons} "
                "comparisons: use 20")
    if _significant(effect):
        return "inside the A/A noise floor"
    seen = stats.percent(stats.detectable(effect.d))
    return f"smallest detectable effect about {seen:.1f}%"


def judge_all(effects):
    """Correct p over the whole report, then set every verdict."""
    for effect, p in zip(effects, stats.holm([e.p for e in effects])):
        effect.p_holm = p
        effect.verdict, effect.reason = judge(effect, len(effects))

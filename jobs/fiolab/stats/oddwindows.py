# SPDX-License-Identifier: GPL-2.0-only
# Which windows of time stand out from the others: those with a latency far
# beyond what is longest in most of them, and those in which far less was done.
# By medians, so that up to half of the time may be disturbed.
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

TIMES = 5           # the median of the windows' longest
SHARE = 0.5         # of the median of the windows' I/Os
FEWEST = 5          # windows, for "most of them" to mean anything


class Usual(NamedTuple):
    """Of most windows."""
    longest: float
    ios: float


def usual(counts: Sequence[int], longest: Sequence[float]) -> Usual | None:
    """None: there are too few, or in most nothing was done."""
    if len(counts) < FEWEST or median(counts) <= 0:
        return None
    return Usual(median(longest), median(counts))


def spans(counts: Sequence[int], longest: Sequence[float],
          whole: Sequence[bool]) -> list[tuple[int, int]]:
    """[(first, last)] of neighbouring windows that stand out; whole: of each,
    was it measured from its begin to its end, so that its count counts?"""
    known = usual(counts, longest)
    found: list[tuple[int, int]] = []
    if not known:
        return []
    for i, (n, ns) in enumerate(zip(counts, longest)):
        late = ns > TIMES * known.longest
        if not late and not (whole[i] and n < SHARE * known.ios):
            continue
        if found and found[-1][1] == i - 1:
            found[-1] = (found[-1][0], i)
        else:
            found.append((i, i))
    return found

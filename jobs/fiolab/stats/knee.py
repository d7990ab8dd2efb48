# SPDX-License-Identifier: GPL-2.0-only
# The knee of a load curve: the depth beyond which more I/Os in flight buy
# waiting and no throughput.  Kleinrock's power, throughput / latency, is
# largest there: for a device that serves p I/Os at a time it is at depth p,
# as up to p only the throughput grows, and beyond it only the latency.
from collections.abc import Sequence
from dataclasses import dataclass

TIE = 0.05          # powers nearer than this are the same
MOST = 0.95         # of the largest throughput
Point = tuple[int, float | None, float | None]


@dataclass(frozen=True)
class Knee:
    depth: int | None       # None: there is none in the range
    why: str                # a sentence
    enough: int | None      # the least depth with MOST of the throughput


def _clean(points):
    """In order of depth, without those that measured nothing."""
    return sorted(p for p in points if p[1] and p[2] and min(p[1:]) > 0)


def _first(points, values, share):
    """The least depth whose value reaches a share of the largest."""
    floor = share * max(values)
    return next(p[0] for p, value in zip(points, values) if value >= floor)


def find(points: Sequence[Point]) -> Knee:
    """The Knee of [(depth, I/Os per second, mean latency in us)]."""
    known = _clean(points)
    if len(known) < 3:
        return Knee(None, "fewer than three depths gave figures", None)
    rates = [rate for _, rate, _ in known]
    powers = [rate / latency for _, rate, latency in known]
    depth = _first(known, powers, 1 - TIE)
    enough = _first(known, rates, MOST)
    low, high = known[0][0], known[-1][0]
    if depth == high:
        return Knee(None, f"no knee up to depth {high}: each further depth "
                    "still bought more throughput than waiting", enough)
    if depth == low:
        return Knee(depth, f"the knee is at depth {low} or below: more I/Os "
                    "in flight only wait longer", enough)
    at = next(p for p in known if p[0] == depth)
    return Knee(depth, f"the knee is at depth {depth} ({at[1]:,.0f} IOPS at "
                f"{at[2]:,.1f} us)", enough)


def text(points: Sequence[Point]) -> str:
    """Sentences for a report."""
    knee = find(points)
    first = knee.why[:1].upper() + knee.why[1:] + "."
    if knee.enough is None:
        return first
    return f"{first} {MOST:.0%} of the most IOPS takes depth {knee.enough}."

# SPDX-License-Identifier: GPL-2.0-only
# What `ab compare` prints: for each cell that both campaigns have, B against A
# in either, and how much that has changed.
from collections.abc import Sequence
import math

from ...fio.metrics import METRICS
from ...stats import paired

ROW = "  {:<15} {:>10} {:>10} {:>8} {:>16}  {}"


def _percent(d):
    return "n/a" if math.isinf(d) else f"{paired.percent(d):+.1f}%"


def _row(change):
    name = METRICS[change.metric].label
    middles = [_percent(paired.hodges_lehmann(d))
               for d in (change.old, change.new)]
    low, high = map(_percent, change.ci95)
    span = "n/a" if low == "n/a" else f"{low[:-1]}..{high}"
    return ROW.format(name if len(name) < 16 else change.metric, *middles,
                      _percent(change.estimate), span, change.verdict)


def lines(found: Sequence[tuple]) -> list[str]:
    made = []
    for (a, b, job, _, label, *_), changes in found:
        made += ["", ascii(f"{job}: {b} against {a}, {label}")[1:-1][:79],
                 ROW.format("", "B:A in OLD", "in NEW", "change", "95% CI",
                            "verdict"), *map(_row, changes)]
    count = sum(len(changes) for _, changes in found)
    return made + ["", "Hodges-Lehmann shift of two samples, Mann-Whitney; p "
                   f"by Holm over {count} comparisons."]

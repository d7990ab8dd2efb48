# SPDX-License-Identifier: GPL-2.0-only
# "over_time" of a cell: how its latencies went, second by second, in few
# enough numbers for a picture, and which seconds stand out.  All numbers are
# with the runs (runs/, lat_windows).
import math

import numpy as np

from ...stats import oddwindows
from .windows import Window, alike, joined

COLUMNS = 160               # of a picture
PER_DECADE = 8              # its rows
NONE = ("only the engine kaio of this version, on this machine, tells the "
        "latencies of each second")


def _edges(windows):
    """Of the rows, in ns, from below the shortest to the longest."""
    every = [ns for one in windows for ns in one.bins]
    low, high = min(every), max(every)
    first = math.floor(PER_DECADE * math.log10(low) - 1e-9)
    last = math.ceil(PER_DECADE * math.log10(high) + 1e-9)
    return [round(10 ** (k / PER_DECADE)) for k in range(first, last + 1)]


def _counts(one, edges):
    if not one.bins:
        return [0] * (len(edges) - 1)
    found, _ = np.histogram(list(one.bins), edges,
                            weights=list(one.bins.values()))
    return [int(n) for n in found]


def _span(windows, first, last, before):
    """A row of "outliers"."""
    part = windows[first:last + 1]
    seconds = sum(one.seconds for one in part)
    return {"after_s": before[first], "seconds": seconds,
            "begin": part[0].begin, "end": part[-1].begin + part[-1].seconds,
            "max_ns": max(one.max_ns for one in part),
            "iops": sum(one.count for one in part) / seconds}


def _outliers(windows):
    counts, longest = ([getattr(one, name) for one in windows]
                       for name in ("count", "max_ns"))
    before = np.concatenate([[0], np.cumsum([one.seconds for one in windows])])
    known = oddwindows.usual(counts, longest)
    width = windows[0].seconds
    return {"usual": known and {"max_ns": known.longest,
                                "iops": known.ios / width},
            "outliers": [_span(windows, first, last, before.tolist())
                         for first, last in oddwindows.spans(
                             counts, longest,
                             [one.whole for one in windows])]}


def of(latencies):
    """Of the latencies of a cell's runs (values.py, with "seconds" and
    "windows"); None where none was kept."""
    kept = [one for one in latencies if one and "seconds" in one]
    if not kept:
        return None
    seconds = sum(one["seconds"] for one in kept)
    windows = alike([list(map(Window.of, one["windows"])) for one in kept])
    if not any(one.bins for one in windows):
        return {"seconds": seconds, "why": NONE}
    edges = _edges(windows)
    drawn = joined(windows, COLUMNS)
    return {"seconds": seconds, "why": None,
            "width_s": drawn[0].seconds, "edges_ns": edges,
            "counts": [_counts(one, edges) for one in drawn],
            "max_ns": [one.max_ns for one in drawn], **_outliers(windows)}

# SPDX-License-Identifier: GPL-2.0-only
"""Campaigns of one cell and one metric out of differences that were measured
or invented, ended as jobs/ab ends them: by its verdicts and its looks."""
import numpy as np

from fiolab.fio.metrics import CHANGES
from fiolab.stats import sequential, verdict

METRIC = "cpu_us"


def ended(d, floor_d, most):
    """(verdict, pairs) where a campaign ends that has at most so many."""
    for n in (*sequential.looks(most), most):
        effect, = verdict.many([METRIC], [d[:n]], [floor_d[:n]], anytime=True)
        verdict.judge_all([effect], CHANGES)
        if verdict.decided(effect):
            break
    return effect.verdict, n


def cut(d, floor_d, seconds, within, count, rng):
    """[(verdict, pairs, seconds)] of so many campaigns, each a stretch of a
    series from somewhere on, which has as many pairs as fit within a time."""
    made = []
    for start in rng.integers(0, len(d), count):
        order = np.arange(start, start + len(d)) % len(d)
        most = int(np.searchsorted(np.cumsum(seconds[order]), within))
        word, n = ended(d[order], floor_d[order], min(most, len(d)))
        made.append((word, n, float(seconds[order][:n].sum())))
    return made

# SPDX-License-Identifier: GPL-2.0-only
# How far the mean of a few rounds can be trusted: one-sided bounds by
# Student's t.  They take rounds as independent of each other.  Of 5 rounds the
# lower and the upper bound at 0.95 each hold in 95%; if rounds follow one
# another with a lag-1 correlation of 0.5, each holds in about 85% (simulated
# in tests/qualify/test_bounds.py), so that a limit wants some reserve.
from collections.abc import Sequence
import math

import numpy as np
from scipy.special import stdtrit


FEWEST = 2                          # rounds, for a bound
CONFIDENCE = 0.95                   # where nobody asks for another


def mean_bounds(values: Sequence[float | None],
                confidence: float) -> tuple[float | None, float | None]:
    """(low, high): the mean of what was sampled is at least low, and at most
    high, each with the given confidence; (None, None) with fewer than FEWEST
    values or with one that is no number.  Of figures that are all at least 0,
    as all here are, low is, too."""
    known = [value for value in values
             if value is not None and math.isfinite(value)]
    if len(known) < max(FEWEST, len(values)):
        return None, None
    mean = math.fsum(known) / len(known)
    reach = (float(stdtrit(len(known) - 1, confidence))
             * float(np.std(known, ddof=1)) / math.sqrt(len(known)))
    low = mean - reach
    return (max(low, 0.0) if min(known) >= 0 else low), mean + reach

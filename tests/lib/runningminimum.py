# SPDX-License-Identifier: GPL-2.0-only
"""The null distribution behind stats/sequential.py: how often p n^TAPER, p the
one-sided exact signed-rank p after n pairs, is anywhere, from the FIRST to the
last pair, as small as x.

By importance sampling: sizes u are uniform, signs positive with the chance
1/(1 + exp(-2tu)) for one of several t, so that small p are common; a crossing
counts by the inverse of its likelihood ratio to fair signs, at the pair at
which it happened.  Each x, however small, so has an error of the same size.

    python3 tests/lib/runningminimum.py 1000000 1 > the table
"""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../jobs"))
from fiolab.stats import paired, sequential     # noqa: E402

TILTS = np.geomspace(0.1, 8, 11)[:, None]
SAMPLES = 2000          # campaigns at once
EXPONENTS = (*np.arange(-12, -4, 0.5), *np.arange(-4, 0.5, 0.1))


class Samples:
    """Campaigns under way, as long as they have a level left to cross."""

    def __init__(self, rng, levels):
        self.rng, self.levels = rng, levels     # falling
        self.weights = np.zeros((SAMPLES, len(levels)))
        self.live = np.arange(SAMPLES)
        self.tilt = rng.choice(TILTS[:, 0], (SAMPLES, 1))
        self.sizes = np.zeros((SAMPLES, 0))
        self.signs = np.zeros((SAMPLES, 0), dtype=bool)
        self.rank_sum = np.zeros(SAMPLES, dtype=int)
        self.log_ratio = np.zeros((len(TILTS), SAMPLES))
        self.crossed = np.zeros(SAMPLES, dtype=int)     # how many levels

    def _draw(self):
        sizes = self.rng.random((len(self.live), 32))
        signs = self.rng.random(sizes.shape) * (
            1 + np.exp(-2 * self.tilt * sizes)) < 1
        self.sizes = np.hstack([self.sizes, sizes])
        self.signs = np.hstack([self.signs, signs])

    def step(self, n):
        """The n-th pair."""
        if n > self.sizes.shape[1]:
            self._draw()
        size, sign = self.sizes[:, n - 1], self.signs[:, n - 1]
        above = self.sizes[:, :n - 1] > size[:, None]
        self.rank_sum += ((above & self.signs[:, :n - 1]).sum(axis=1)
                          + sign * (n - above.sum(axis=1)))
        self.log_ratio += (np.where(sign, 1, -1) * TILTS * size
                           - np.log(np.cosh(TILTS * size)))

    def look(self, n):
        ranks = tuple(range(2, 2 * n + 1, 2))
        p = n**sequential.TAPER * paired._tails(ranks, 2 * self.rank_sum)[1]
        reached = np.searchsorted(-self.levels, -p * (1 - 1e-9), side="right")
        for i in np.flatnonzero(reached > self.crossed):
            self.weights[self.live[i], self.crossed[i]:reached[i]] = \
                1 / np.exp(self.log_ratio[:, i]).mean()
        self.crossed = np.maximum(self.crossed, reached)

    def drop(self):
        """Those that have crossed every level."""
        left = self.crossed < len(self.levels)
        if left.mean() < 0.9:
            self.log_ratio = self.log_ratio[:, left]
            for name in ("live", "tilt", "sizes", "signs", "rank_sum",
                         "crossed"):
                setattr(self, name, getattr(self, name)[left])


def chances(exponents, count, seed, last=sequential.LAST):
    """(chances, their standard errors) of levels 10**exponent, rising."""
    levels, rng = 10.0 ** np.array(exponents)[::-1], np.random.default_rng(seed)
    found = []
    for _ in range(count // SAMPLES):
        samples = Samples(rng, levels)
        for n in range(1, last + 1):
            samples.step(n)
            if n >= sequential.FIRST:
                samples.look(n)
                samples.drop()
            if not len(samples.live):
                break
        found.append(samples.weights)
    found = np.concatenate(found)[:, ::-1]
    return found.mean(axis=0), found.std(axis=0) / len(found)**0.5


if __name__ == "__main__":
    made, errors = chances(EXPONENTS, *map(int, sys.argv[1:]))
    for row in zip(EXPONENTS, np.log10(made), errors / made):
        print("    (%.4f, %.4f),    # +- %.1e" % row)

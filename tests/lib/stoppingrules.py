#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Rules by which a campaign may end, beside each other: that of
stats/sequential.py, and those that it was chosen among.

    tests/lib/stoppingrules.py [--pairs 120] [--count 1000] [REPORT...]

Campaigns of one cell, of invented noise, or of stretches of recorded ones (see
campaigns.py record), at three sizes of noise and four effects.  Each line: how
often a rule claims an effect, how often equivalence, and the pairs that it takes
(median, 95th of 100; who decides nothing takes all).  Without an effect at most
5% may claim one."""
import argparse
from functools import lru_cache, partial
import json
import math
from pathlib import Path
import sys

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, stdtr

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "jobs")]
from fiolab.ab.twocampaigns import differences  # noqa: E402
from fiolab.stats import paired, sequential     # noqa: E402
from fiolab.stats.verdict import ALPHA, ENDS, MARGIN    # noqa: E402

# What runningminimum.py finds of p alone (TAPER 0), for these errors.
PLAIN = {0.025: 1.1e-3, 0.005: 1.8e-4}
SPREADS, EFFECTS = (0.01, 0.02, 0.03), (0, 0.015, 0.03, 0.17)
SEEN_LAG = 0.2      # above all that were recorded (-0.01 to 0.16)
GRID = 500


# One-sided p after each pair; d: campaigns, pairs

def signed_rank_p(d):
    """The exact one, from the number of Walsh averages above 0."""
    found, above = np.empty(d.shape), np.zeros(len(d), dtype=int)
    for n in range(1, d.shape[1] + 1):
        above += (d[:, :n] + d[:, n - 1:n] > 0).sum(axis=1)
        found[:, n - 1] = paired._tails(tuple(range(2, 2 * n + 1, 2)),
                                        2 * above)[1]
    return found


def _moments(d):
    """(n, mean, variance) after each pair."""
    n = np.arange(1, d.shape[1] + 1)
    mean = d.cumsum(axis=1) / n
    variance = ((d**2).cumsum(axis=1) - n * mean**2) / np.maximum(n - 1, 1)
    return n, mean, np.maximum(variance, 1e-12)


def t_p(d):
    n, mean, variance = _moments(d)
    return stdtr(np.maximum(n - 1, 1), -mean * np.sqrt(n / variance))


# Rules: (d, one-sided error) -> where they claim that it is above 0

def signed_rank(d, error):
    """That of jobs/ab."""
    limits = [sequential.nominal(error, n) if n >= sequential.FIRST else 0
              for n in range(1, d.shape[1] + 1)]
    return signed_rank_p(d) <= limits


def plain_signed_rank(d, error):
    found = signed_rank_p(d) <= PLAIN[round(error, 4)]
    found[:, :sequential.FIRST - 1] = False
    return found


def fixed(count, d, error):
    """The t test has no more after so many pairs, nor less before."""
    found = np.zeros(d.shape, dtype=bool)
    found[:, count - 1] = signed_rank_p(d)[:, count - 1] <= error
    return found


def mixture(d, error, prior=1.0):
    """The exact one of t: effects of normal size, so many SD."""
    n, mean, variance = _moments(d)
    degrees, t2 = np.maximum(n - 1, 1), mean**2 * n / variance
    grown = 1 + n * prior**2
    evidence = (np.log1p(t2 / degrees) - np.log1p(t2 / degrees / grown)
                ) * n / 2 - np.log(grown) / 2
    return (evidence >= -math.log(2 * error)) & (mean > 0) & (n > 1)


def plug_in_mixture(d, error, least=10):
    """Robbins' for a known SD, with that of the pairs; tightest near least."""
    n, mean, variance = _moments(d)
    far = np.sqrt(variance * (n + least) * np.log(
        (n + least) / (least * 4 * error**2))) / n
    return (mean > far) & (n >= sequential.FIRST)


def obrien_fleming(error, share):
    return 2 * ndtr(ndtri(error / 2) / math.sqrt(share))


def pocock(error, share):
    return error * math.log(1 + (math.e - 1) * share)


@lru_cache(maxsize=32)
def levels(spent, error, shares):
    """Nominal one-sided p of looks at these shares of the most, by numerical
    integration over the paths that have crossed no boundary."""
    found, before, gone = [], 0.0, 0.0
    places, weights = np.zeros(1), np.ones(1)
    for share in shares:
        step = math.sqrt(share - before)

        def crossing(z, share=share, step=step):
            return weights @ ndtr((places - z * math.sqrt(share)) / step)
        part = spent(error, share) - gone
        z = (brentq(lambda z: crossing(z) - part, 0, 9)
             if crossing(9) < part else 9)
        grid = np.linspace(-7 * math.sqrt(share), z * math.sqrt(share), GRID)
        density = weights @ np.exp(-((grid - places[:, None]) / step)**2 / 2)
        density *= (grid[1] - grid[0]) / step / math.sqrt(2 * math.pi)
        density[[0, -1]] /= 2
        places, weights, before = grid, density, share
        gone = spent(error, share)
        found.append(float(ndtr(-z)))
    return found


def spending(spent, every, d, error):
    """t tests at looks after so many pairs each, up to all."""
    looks = np.arange(every, d.shape[1] + 1, every)
    limits = np.zeros(d.shape[1])
    limits[looks - 1] = levels(spent, error, tuple(
        (looks / d.shape[1]).tolist()))
    return t_p(d) <= limits


def rules(pairs):
    """{name: (rule, the error at which it claims equivalence, its pairs)}"""
    ends = ALPHA * ENDS
    found = {"signed rank, p n^%g" % sequential.TAPER: (signed_rank, ends),
            "signed rank, p alone": (plain_signed_rank, ends),
            "normal mixture of t": (mixture, ends),
            "normal mixture, SD as found": (plug_in_mixture, ends),
            "O'Brien-Fleming, each 5": (partial(
                spending, obrien_fleming, 5), ends),
            "Pocock, each 5": (partial(spending, pocock, 5), ends),
            "20 pairs": (partial(fixed, 20), ALPHA, 20),
            f"{pairs} pairs": (partial(fixed, pairs), ALPHA)}
    return {name: (*rule, pairs)[:3] for name, rule in found.items()}


def ended(rule, ends, d):
    """(which claim an effect, which equivalence, pairs of each)"""
    claims = rule(d, ALPHA / 2) | rule(-d, ALPHA / 2)
    same = (rule(d - math.log1p(-MARGIN), ends) &
            rule(math.log1p(MARGIN) - d, ends))
    every, last = claims | same, d.shape[1]
    at = np.where(every.any(axis=1), every.argmax(axis=1), last - 1)
    mine = np.arange(len(d)), at
    return claims[mine], same[mine] & ~claims[mine], at + 1


# Noise of SD 1

def _neighbours(rng, shape):
    """Each like the one before it."""
    found = rng.normal(size=shape)
    for i in range(1, shape[1]):
        found[:, i] = (SEEN_LAG * found[:, i - 1] +
                       math.sqrt(1 - SEEN_LAG**2) * found[:, i])
    return found


def _two_values(rng, shape):
    """As of pages or a clock that are one way or the other."""
    return rng.choice([-1.0, 1.0], shape) + 0.05 * rng.normal(size=shape)


def _stretches(series, rng, shape):
    """Of what was recorded, around its median, from somewhere on."""
    series = (series - paired.hodges_lehmann(series)) / series.std()
    starts = rng.integers(0, len(series), (shape[0], 1))
    return series[(starts + np.arange(shape[1])) % len(series)]


def noises(reports):
    yield "normal", lambda rng, shape: rng.normal(size=shape)
    yield "t3", lambda rng, shape: rng.standard_t(3, shape) / math.sqrt(3)
    yield f"neighbours {SEEN_LAG}", _neighbours
    yield "two values", _two_values
    for path in reports:
        cell = json.loads(Path(path).read_text())["cells"][0]
        yield path, partial(_stretches, np.array(differences(
            cell, "cpu_us", "B")))


def main(words=None):
    new = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    new.add_argument("report", nargs="*")
    new.add_argument("--pairs", type=int, default=120)
    new.add_argument("--count", type=int, default=1000)
    args = new.parse_args(words)
    for name, noise in noises(args.report):
        for spread in SPREADS:
            for effect in EFFECTS:
                rng = np.random.default_rng(round(1e5 * (spread + effect)))
                d = math.log1p(effect) + spread * noise(
                    rng, (args.count, args.pairs))
                print(f"{name}, SD {spread}, effect {effect:.1%}")
                for rule, (function, ends, most) in rules(args.pairs).items():
                    claims, same, at = ended(function, ends, d[:, :most])
                    print(f"  {rule:<28} claimed {claims.mean():6.1%}, "
                          f"equivalent {same.mean():6.1%}; "
                          f"{np.median(at):4.0f} {np.percentile(at, 95):4.0f}",
                          flush=True)


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: GPL-2.0-only
# The order and the seeds of a campaign's runs, which follow from its seed.
import numpy as np

ROLES = ("A'", "A", "B")
SEQUENCES = {"AB": ("A'", "A", "B"), "BA": ("B", "A", "A'")}


def orders(pairs, rng):
    """AB and BA equally often (an odd one by chance), in random order."""
    odd = [("AB", "BA")[rng.integers(2)]] if pairs % 2 else []
    plan = ["AB", "BA"] * (pairs // 2) + odd
    rng.shuffle(plan)
    return plan


def planned_orders(seed, cell, pairs, looks=()):
    """The orders of a cell, balanced up to each look."""
    rng, found = np.random.default_rng([seed, cell]), []
    for look in looks or (pairs,):
        found += orders(look - len(found), rng)
    return found


def pair_seed(seed, cell, pair):
    """fio's randseed for all runs of a pair."""
    rng = np.random.default_rng([seed, cell, pair])
    return int(rng.integers(1, 2**31))

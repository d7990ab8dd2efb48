# SPDX-License-Identifier: GPL-2.0-only
# The order and the seeds of a campaign's runs, which follow from its seed.
from collections.abc import Sequence

import numpy as np

ROLES = ("A'", "A", "B")
SEQUENCES = {"AB": ("A'", "A", "B"), "BA": ("B", "A", "A'")}


def orders(pairs: int, rng: np.random.Generator) -> list[str]:
    """AB and BA equally often (an odd one by chance), in random order."""
    odd = [("AB", "BA")[rng.integers(2)]] if pairs % 2 else []
    plan = ["AB", "BA"] * (pairs // 2) + odd
    rng.shuffle(plan)
    return plan


def planned_orders(seed: int, cell: int, pairs: int,
                   looks: Sequence[int] = ()) -> list[str]:
    """The orders of a cell, balanced up to each look."""
    rng = np.random.default_rng([seed, cell])
    found: list[str] = []
    for look in looks or (pairs,):
        found += orders(look - len(found), rng)
    return found


def pair_seed(seed: int, cell: int, pair: int) -> int:
    """fio's randseed for all runs of a pair."""
    rng = np.random.default_rng([seed, cell, pair])
    return int(rng.integers(1, 2**31))

# SPDX-License-Identifier: GPL-2.0-only
# The order and the seeds of a campaign's runs, which follow from its seed.
import numpy as np

from .sequential import LAST

ROLES = ("A'", "A", "B")
SEQUENCES = {"AB": ("A'", "A", "B"), "BA": ("B", "A", "A'")}


def orders(pairs: int, rng: np.random.Generator) -> list[str]:
    """AB and BA equally often (an odd one by chance), in random order."""
    odd = [("AB", "BA")[rng.integers(2)]] if pairs % 2 else []
    plan = ["AB", "BA"] * (pairs // 2) + odd
    rng.shuffle(plan)
    return plan


def planned_orders(seed: int, cell: int, pairs: int) -> list[str]:
    """The orders of a cell: of so many pairs, or with 0 of as many as a
    sequential campaign may have, balanced after each second one."""
    rng = np.random.default_rng([seed, cell])
    if pairs:
        return orders(pairs, rng)
    return [order for first in rng.integers(2, size=LAST // 2)
            for order in (("AB", "BA"), ("BA", "AB"))[first]]


def pair_seed(seed: int, cell: int, pair: int) -> int:
    """fio's randseed for all runs of a pair."""
    rng = np.random.default_rng([seed, cell, pair])
    return int(rng.integers(1, 2**31))

# SPDX-License-Identifier: GPL-2.0-only
# What a campaign has measured so far, cell by cell, from run files or from the
# running campaign alike.  Only whole pairs count; their latency bins are
# pooled at once, so that ten thousand runs need little memory.
from collections import Counter
import math

import numpy as np

from ..fio.metrics import METRICS, PERCENTILES, enough
from ..stats.pairing import ROLES, SEQUENCES, pair_seed, planned_orders


class Pool:
    """All latencies of one side of a cell in one direction."""

    def __init__(self):
        self.n, self.total_ns, self.bins = 0, 0.0, Counter()

    def add(self, latency):
        self.n += latency["n"]
        self.total_ns += latency["n"] * latency["mean_ns"]
        bins = self.bins
        for ns, count in latency["bins"]:
            bins[ns] += count

    def data(self):
        bins = sorted(self.bins.items())
        if not self.n:
            return None
        values = np.array([ns for ns, _ in bins] or [0])
        counts = np.cumsum([count for _, count in bins] or [0])
        at = np.searchsorted(counts, np.array([
            float(name) for name in PERCENTILES]) / 100 * counts[-1])
        at = np.minimum(at, len(values) - 1)
        return {"n": self.n, "mean_ns": self.total_ns / self.n,
                "percentiles": {name: int(values[i])
                                for name, i in zip(PERCENTILES, at)
                                if bins and enough(self.n, name)},
                "bins": [[ns, count] for ns, count in bins]}


class CellResults:
    def __init__(self, number, order):
        self.number, self.orders = number, order
        self.pairs, self.discarded, self.partial = {}, {}, {}
        self.pools, self.hosts = {}, {}
        self.steal, self.repeats = [], 0
        self.options = None

    def done(self, pair):
        return pair in self.pairs or pair in self.discarded

    def add(self, run):
        """Of a run; a pair counts when all of its three runs are there."""
        pair = run["pair"]
        sound(run)
        if "failed" in run:
            self.partial.pop(pair, None)
            self.discarded[pair] = {"pair": pair, **run["failed"]}
            return
        runs = self.partial.setdefault(pair, {})
        runs[run["role"]] = run
        if len(runs) == len(ROLES):
            self._complete(pair, self.partial.pop(pair))

    def _complete(self, pair, runs):
        """Count a pair; one that is damaged raises before it counts."""
        values = {role: values_of(runs[role]["values"]) for role in ROLES}
        hosts = {host: {role: values_of(runs[role]["hosts"][host])
                        for role in ROLES}
                 for host in runs["A"].get("hosts", {})}
        latencies = [(direction, role, latency) for role in "AB" for
                     direction, latency in runs[role]["latency"].items()]
        steal = [float(run["steal"]) for run in runs.values()
                 if run["steal"] is not None]       # of other machines
        repeats = sum(run["repeats"] for run in runs.values())
        start = min(run["start"] for run in runs.values())
        for direction, role, latency in latencies:
            self.pools.setdefault(direction, {}).setdefault(
                role, Pool()).add(latency)
        self.steal += steal
        self.repeats += repeats
        self.options = self.options or runs["A"].get("options")
        self.pairs[pair] = {"pair": pair, "order": self.orders[pair],
                            "start": start, "seed": runs["A"]["seed"],
                            "values": values}
        for host, found in hosts.items():
            self.hosts.setdefault(host, {})[pair] = found

    def ordered(self):
        return [self.pairs[pair] for pair in sorted(self.pairs)]

    def latency(self):
        """Of the directions that both sides had."""
        return {direction: {role: pool.data() for role, pool in both.items()}
                for direction, both in sorted(self.pools.items())
                if len(both) == 2}


def _whole(number):
    return type(number) is int and number >= 0


def sound(run):
    """ValueError, TypeError or KeyError for what jobs/ab does not write."""
    if "failed" in run:
        if {"host", "why"} != set(run["failed"]):
            raise ValueError("failed")
        return
    if not all(isinstance(line, str) for line in run.get("options", [])):
        raise ValueError("options")
    for latency in run["latency"].values():
        if not (_whole(latency["n"]) and 0 <= latency["mean_ns"] < math.inf
                and all(_whole(ns) and _whole(count)
                        for ns, count in latency["bins"])):
            raise ValueError("latency")


def values_of(figures):
    """The metrics among a run's figures; None where one was not measured."""
    found = {name: figures.get(name) for name in METRICS}
    for name, value in found.items():
        if value is not None and (value is True or not 0 < value < math.inf):
            raise ValueError(f"{name} is {value}")
    return found


class Results:
    """Those of all cells of a plan (a campaign.json)."""

    def __init__(self, plan):
        self.seed, self.count = plan["seed"], len(plan["cells"])
        self.planned = plan["pairs"]
        self.campaign = plan["id"]
        self.cells = [CellResults(cell["id"], planned_orders(
            self.seed, cell["id"], self.planned, plan["looks"] or ()))
            for cell in plan["cells"]]

    def number(self, cell, pair, position):
        """The name of a run: runs are numbered as they are made."""
        return (pair * self.count + cell) * len(ROLES) + position

    def belongs(self, number, run):
        """Is this run what the plan has at this number?"""
        pair, rest = divmod(number, self.count * len(ROLES))
        cell, position = divmod(rest, len(ROLES))
        if pair >= self.planned:
            return False
        expected = {"campaign": self.campaign, "cell": cell, "pair": pair,
                    "role": SEQUENCES[self.cells[cell].orders[pair]][position],
                    "seed": pair_seed(self.seed, cell, pair)}
        return all(run.get(key) == value for key, value in expected.items())

    def load(self, folder):
        """All runs of a folder; what does not belong is left out, named."""
        for number, run in folder.runs():
            try:
                if not self.belongs(number, run):
                    raise ValueError
                self.cells[run["cell"]].add(run)
            except (KeyError, TypeError, ValueError, AttributeError):
                folder.disown(f"{number:06d}.json",
                              "it is not a run of this campaign")

    def whole_pairs(self):
        return sum(len(cell.pairs) for cell in self.cells)

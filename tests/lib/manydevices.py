# SPDX-License-Identifier: GPL-2.0-only
"""The qualify.json of many devices at once, of which some are slow."""
import copy

import numpy as np

import finishedrun
from fiolab.qualify.fleet import batch, interference


def fleet_of(rng, count, cells, slow=(), factor=0.5, spread=0.02):
    """A run of devices that are alike, but for the slow ones."""
    made = copy.deepcopy(finishedrun.DATA)
    made["limits"], first = [], made["targets"][0]
    values = np.exp(rng.normal(10, spread, (count, cells)))
    values[list(slow)] *= factor
    made["targets"] = [{
        **first, "name": f"/dev/nvme{i}n1", "sample": str(100 + i), "tests": [{
            **first["tests"][0], "checks": [], "phases": [], "tables": [],
            "grids": [], "cells": [{
                **first["tests"][0]["cells"][0], "name": f"cell {j}",
                "latency": None, "values": {"iops": {
                    "mean": float(values[i, j]), "n": 1, "low": None,
                    "high": None, "values": [float(values[i, j])],
                    "sources": []}}} for j in range(cells)]}]}
        for i in range(count)]
    return made


def slow_one():
    """Of eight, marked and disturbed, with what a report has of them."""
    data = fleet_of(np.random.default_rng(4), 8, 3, slow=(5,))
    found = {"4k": [{"source": f"runs/t00-fleet-{i}.json",
                     "alone": [1e5 + i] * 8, "together": [
                         1e5 + 2 * i] * 7 + [6e4 + i]} for i in range(9)]}
    names = [one["name"] for one in data["targets"]]
    data["interference"] = interference.summary(
        names, found, interference.Plan(9, ("4k",), 2.0))
    return {**data, "fleet": batch.summary([(None, data)])}

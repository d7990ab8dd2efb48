# SPDX-License-Identifier: GPL-2.0-only
"""Tests of tails and of pace in a qualify.json, of an invented device: one that
is slow for some seconds, and one whose latency goes up as its load does."""
import qualifydata
from inventeddevice import DONE
from fiolab.fio.metrics import percentiles
from fiolab.qualify.limits import orderbound
from fiolab.qualify.tails import outlierlist, overtime

MS = 1_000_000
BEGAN = 1_790_000_000.0


def latency(throttled=range(20, 40), seconds=60, fast=(200_000, 40_000),
            slow=(300 * MS, 100)):
    """A run of which some seconds are slow: (ns, I/Os) of each second, of
    which a tenth is quicker, and one takes a tenth longer."""
    windows, bins = [], {}
    for i in range(seconds):
        ns, count = slow if i in throttled else fast
        each = [[ns * 3 // 10, count // 10], [ns, count - count // 10 - 1],
                [ns + ns // 10, 1]]
        for one, n in each:
            bins[one] = bins.get(one, 0) + n
        windows.append([BEGAN + i, 1.0, ns + ns // 10, each,
                        0 < i < seconds - 1])
    count = sum(bins.values())
    found = {"n": count, "mean_ns": sum(k * n for k, n in bins.items()) / count,
             "max_ns": max(bins), "bins": sorted(map(list, bins.items()))}
    found["percentiles"] = {q: ns for q, ns in percentiles(
        found["bins"], count).items() if ns}
    return {**found, "seconds": float(seconds), "windows": windows}


def value(*numbers):
    return {"mean": sum(numbers) / len(numbers), "n": len(numbers),
            "values": list(numbers), "low": min(numbers), "high": max(numbers),
            "sources": ["runs/a.json#x"] * len(numbers)}


def stimulus(read=100):
    return {"rw": "randread", "bs": "4k", "read_percent": read, "threads": 4,
            "depth": 32}


def cell(one, name="4K 0/100"):
    """Of a latency()."""
    kept = {key: one[key] for key in ("n", "mean_ns", "max_ns", "percentiles",
                                      "bins")}
    return {"name": name, "stimulus": stimulus(), "steady": None,
            "window": None, "over_time": overtime.of([one]),
            "values": {"iops": value(one["n"] / one["seconds"]),
                       "lat_max_us": value(one["max_ns"] / 1000)},
            "latency": {**kept, "bounds": orderbound.bounds(kept, 0.95),
                        "longer": orderbound.longer(kept["n"], 0.95)}}


def line(at, text, level="err", device=True):
    return {"sequence": 7, "level": level, "seconds": max(0.0, at), "text": text,
            "at": BEGAN + at, "device": device}


def kernel(*lines):
    return {**DONE["kernel"], "lines": list(lines)}


def tails(*lines, cells=None):
    test = {**DONE, "name": "tails", "title": "Tails over time",
            "group": "queue", "kernel": kernel(*lines), "tables": [],
            "cells": cells or [cell(latency()), cell(latency(()), "4K 100/0")]}
    outlierlist.add(test)
    return test


def pace(most=420_000.0):
    """A server whose latency is service / (1 - load)."""
    def one(name, load):
        us = 80 / (1 - load)
        return {"name": f"4K 100/0 {name}", "stimulus": stimulus(),
                "steady": None, "window": None, "latency": None, "values": {
                    "iops": value(most * load, most * load * 1.01),
                    "due_p50_us": value(us, us), "due_p99_us": value(4 * us),
                    "due_p99_9_us": value(7 * us), "behind_us": value(us)}}
    cells = [one(f"{share}%", share / 101)
             for share in (5, 10, 25, 50, 65, 75, 85, 90, 95, 100)]
    fastest = {**one("closed loop", 0.99), "values": {"iops": value(most)}}
    highest = {**one("highest", 0.8), "paces": [{
        "p99_us": 2000.0, "iops": 352_800.0, "missed_iops": 365_000.0,
        "confidence": 0.95, "n": 3, "sources": ["runs/a.json#x"],
        "tried": [[352_800.0, 1900.0, True], [365_000.0, 2400.0, False]]}]}
    return {**DONE, "name": "pace", "title": "Latency at set rates",
            "group": "queue", "tables": [], "cells": [fastest, *cells, highest]}


def report():
    data = qualifydata.report()
    data["targets"][0]["neighbour"] = {
        "path": "/dev/nvme0n2", "size_bytes": 3_840_755_982_336,
        "active_bytes": 3_840_755_982_336, "model": "X400",
        "serial": "S4U00017"}
    data["targets"][0]["tests"] += [
        tails(line(30.0, "nvme nvme0: I/O 12 QID 3 timeout, reset controller")),
        pace()]
    return data

# SPDX-License-Identifier: GPL-2.0-only
# What do writes do to the latency of reads?  Reads alone, and reads as 70% of
# a mixed load, in turn, at the profile's depth; of both only the reads count.
from statistics import fmean

from ...base.problem import Problem
from ...fio.metrics import PERCENTILES, figures, rate
from ...stats import bounds
from .. import cells, estimate, values
from .model import Stimulus
from .verifying import section

ROUNDS, SECONDS = 3, 60
CELLS = ("reads alone", "reads in 70/30")
LOADS = (("alone", Stimulus(CELLS[0], "randread", "4k", 100, threads=1)),
         ("mixed", Stimulus(CELLS[1], "randrw", "4k", 70, threads=1)))


def seconds(profile, size):
    return size / profile.write_speed + ROUNDS * len(LOADS) * (
        profile.duration(SECONDS) + 0.2)


def _name(key, number):
    return f"{key}-{number}"


def _jobs(context):
    # Blocks that nobody wrote are read from no medium.
    lines = [section("fill", stonewall=1, rw="write", bs="128k", iodepth=32,
                     size=context.target.size, thread=1, refill_buffers=1)]
    for number in range(1, ROUNDS + 1):
        for key, load in LOADS:
            lines.append(section(
                _name(key, number), stonewall=1, rw=load.rw, bs="4k",
                size=context.target.size, thread=1, norandommap=1,
                rwmixread=load.read if load.rw == "randrw" else None,
                refill_buffers=1, randrepeat=0, time_based=1,
                runtime=f"{round(context.scaled(SECONDS) * 1000)}ms",
                iodepth=context.profile.depth,
                randseed=context.seed + number))
    return "\n".join(lines)


def reads(jobs):
    """(values, latency) of the reads of a job alone."""
    found = figures(jobs)["latency"].get("read")
    if not found:
        raise Problem("no read was completed: the target hangs, or the time "
                      "is too short for it.")
    latency = values.pool([{
        **found,
        "max_ns": max(job["read"]["lat_ns"]["max"] for job in jobs)}])
    iops = rate(jobs, directions=("read",))
    return {"iops": iops, "read_iops": iops, **values.us(latency)}, latency


def _value(rounds, sources, metric):
    numbers = [one[metric] for one in rounds]
    low, high = bounds.mean_bounds(numbers, bounds.CONFIDENCE)
    return {"mean": fmean(numbers), "n": len(numbers), "values": numbers,
            "low": low, "high": high, "sources": sources}


def _cell(context, ran, key, load):
    names = [_name(key, number) for number in range(1, ROUNDS + 1)]
    found = [reads(ran.named(name)[0]) for name in names]
    rounds = [one for one, _ in found]
    sources = [f"{ran.source}#{name}" for name in names]
    return {"name": load.name, "stimulus": cells.shape(load, context.profile),
            "steady": None, "window": None, "values": {
                metric: _value(rounds, sources, metric)
                for metric in rounds[0]
                if None not in [one[metric] for one in rounds]},
            "latency": values.pool(latency for _, latency in found)}


def _table(alone, mixed):
    """Of all rounds pooled."""
    rows = [["mean", *(one["latency"]["mean_ns"] / 1000
                       for one in (alone, mixed))]]
    found = [one["latency"]["percentiles"] for one in (alone, mixed)]
    rows += [[f"p{share}", *(one[share] / 1000 for one in found)]
             for share in PERCENTILES
             if all(share in one for one in found)]
    fewest = min(one["latency"]["n"] for one in (alone, mixed))
    return {"title": "Latency of reads, us", "columns": [
        "", *CELLS, "ratio"], "rows": [[*row, row[2] / row[1]]
                                       for row in rows if row[1]],
            "note": f"at depth {alone['stimulus']['depth']}, {ROUNDS} rounds "
            f"pooled, at least {fewest:,} reads each; without the percentiles "
            "that so many do not support"}


def run(context):
    context.progress("reads alone and beside writes")
    ran = context.fio(_jobs(context), "mixed", seconds(
        context.profile, 0) + context.target.size / estimate.SLOWEST)
    found = [_cell(context, ran, *load) for load in LOADS]
    return {"cells": found, "tables": [_table(*found)]}

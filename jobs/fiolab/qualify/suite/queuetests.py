# SPDX-License-Identifier: GPL-2.0-only
# The queue as a user of asynchronous I/O meets it: what more I/Os in flight
# bring, whether io_submit blocks, which way to find completions is best, and
# what writes beside them do to reads.  Those that are tables of stimuli run as
# SNIA's tests do, in a fixed number of rounds, each round all of them.
import os
from statistics import median

from ...fio.sidespec import ENGINE_FILE
from ...stats import knee
from ..tails import beside, burst, neighbour, pace
from . import devicefull, mixedload, pts
from .derive import column, middle, values
from .kinds import Procedure, Table
from .model import Phase, Stimulus
from .verifying import unknown

GROUP = "queue"
DEPTHS = tuple(1 << power for power in range(11))
ROUNDS = 3
SWEEP_SECONDS = 30          # of each depth
SHOWN = ("iops", "lat_mean_us", "lat_p99_us")
BLOCKING = 0.1              # share of the run inside io_submit
WAYS = ("ring", "syscall", "eventfd")
WAY_ROUNDS = 4
# Blocks that nobody wrote are read from no medium: whatever was run before.
FILL = Phase("fill", "All of the range is written once",
             (pts.sequential("128K", 0, capacity=1),), keep=False)


def _measuring(phases):
    """The phase after FILL; one without rounds, if it was not begun."""
    return phases[1] if len(phases) > 1 else {"rounds": [], "steady": None}


# Depths

def _sweep_points(phases):
    """[(depth, IOPS, mean us, p99 us, share inside io_submit)]"""
    phase = _measuring(phases)
    return [(depth, *(middle(phase, f"QD {depth}", metric)
                      for metric in (*SHOWN, "submit_share")))
            for depth in DEPTHS if values(phase, f"QD {depth}", "iops")]


def blocking_text(points):
    """What a large share inside io_submit means, if any depth has it."""
    known = [(depth, share) for depth, *_, share in points
             if share is not None]
    if not known:
        return "The engine does not tell how long io_submit blocks."
    blocked = [(depth, share) for depth, share in known if share > BLOCKING]
    if not blocked:
        depth, share = max(known, key=lambda one: one[1])
        return (f"io_submit took at most {share:.1%} of the run (at depth "
                f"{depth}).")
    depth, share = max(blocked, key=lambda one: one[1])
    return (f"io_submit took up to {share:.1%} of the run (at depth {depth}; "
            f"more than {BLOCKING:.0%} at {_depths(blocked)}): there the "
            "depth that fio prints is not the depth that the device saw, as no "
            "I/O was added while io_submit blocked.")


def _depths(blocked):
    names = [str(depth) for depth, _ in blocked]
    return f"depth{'s' if len(names) > 1 else ''} {', '.join(names)}"


def sweep(phases):
    """The table of a sweep, with its knee."""
    points = _sweep_points(phases)
    note = knee.text([point[:3] for point in points])
    return {"tables": [{
        "title": "Depth and throughput", "rows": [list(p) for p in points],
        "note": f"Medians of {ROUNDS} rounds.  {note} "
        f"{blocking_text(points)}",
        "columns": ["depth", *map(column, SHOWN),
                    "share inside io_submit"]}]}


def _sweep_test(name, rw, read, what):
    return Table(
        name, f"Depth sweep, 4K random {what}", None,
        (FILL, Phase(
            "sweep", f"depths 1 to {DEPTHS[-1]}, 4K random {what}, one thread",
            tuple(Stimulus(f"QD {depth}", rw, "4k", read, threads=1,
                           depth=depth, seconds=SWEEP_SECONDS)
                  for depth in DEPTHS), ROUNDS)), GROUP, sweep)


# Ways to find completions

def _ways_rows(phase, metrics):
    """Medians and spread: (lowest, highest) of the rounds."""
    rows = []
    for name in dict.fromkeys(r["stimulus"] for one in phase["rounds"]
                              for r in one["results"]):
        iops = values(phase, name, "iops")
        rows.append([name, len(iops), *(middle(phase, name, metric)
                                        for metric in metrics),
                     (max(iops) - min(iops)) / median(iops)
                     if iops else None])
    return rows


def ways(phases):
    return {"tables": [{
        "title": "Ways to find completions",
        "note": f"medians of {WAY_ROUNDS} rounds, each of which runs all; "
        "spread: (highest - lowest) / median of the IOPS.  Differences within "
        "the spread are none.",
        "columns": ["reap=", "rounds", *map(column, SHOWN), "spread"],
        "rows": _ways_rows(_measuring(phases), SHOWN)}]}


def _within(test, why):
    """A table that not every target can do; why: of a context, why it cannot,
    or None."""
    def run(context):
        reason = why(context)
        if reason:
            return {"checks": [unknown((test.name, test.title), reason)]}
        found = test.entry()
        test.run(context.bench, found)
        return {key: found[key] for key in (
            "phases", "cells", "checks", "tables", "state", "why")}
    return Procedure(test.name, test.title, GROUP, lambda profile, size:
                     test.estimate(profile, size).longest, run,
                     tuple(sorted(test.cell_names())))


WAYS_TEST = Table(
    "reap", "Completion paths: ring, system call, eventfd", None,
    (FILL, Phase("ways", "4K random reads, each way in turn", tuple(
        Stimulus(f"{way} QD {depth}", "randread", "4k", 100, threads=1,
                 depth=depth, seconds=10, options=(f"reap={way}",))
        for depth in (1, 32) for way in WAYS), WAY_ROUNDS),), GROUP, ways)


def _no_ways(context):
    """The options are of the engine kaio alone."""
    return None if os.path.basename(context.side.ioengine) == ENGINE_FILE \
        else "only the engine kaio has a choice of them"


NEIGHBOUR = Table(neighbour.NAME, neighbour.TITLE, None, (
    *neighbour.PHASES, neighbour.TRIMMED), GROUP, neighbour.derive,
    neighbours=True)
BURST_TRIMS = Table(
    "burst-trims", "Reads after a burst of trims", None,
    (FILL, *burst.phases("randtrim", "1m")), GROUP, burst.derive)
TESTS = (
    _sweep_test("qd-read", "randread", 100, "reads"),
    _sweep_test("qd-write", "randwrite", 0, "writes"),
    _within(WAYS_TEST, _no_ways),
    Procedure("mixed-latency", "Read latency beside writes", GROUP,
              mixedload.seconds, mixedload.run, mixedload.CELLS),
    Table("tails", "Tails over time", None,
          (FILL, Phase("tails", "4K random, each mix for half an hour", tuple(
              pts.cell("4K", read, seconds=1800) for read in pace.READS),
              histogram=True)), GROUP),
    Procedure(pace.NAME, pace.TITLE, GROUP, pace.seconds, pace.run,
              pace.CELLS),
    *(Procedure(kind.name, kind.title, GROUP, beside.seconds,
                beside.perform(kind), beside.CELLS) for kind in beside.KINDS),
    _within(NEIGHBOUR, pace.no_due_times),
    Table("burst-writes", "Reads after a burst of writes", None,
          (FILL, *burst.phases("randwrite", "64k")), GROUP, burst.derive),
    _within(BURST_TRIMS, beside.no_trims),
    Procedure("device-full", "The end of the device", GROUP,
              devicefull.seconds, devicefull.run),
)

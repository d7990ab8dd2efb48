# SPDX-License-Identifier: GPL-2.0-only
# The benchmark of the library: A is the distribution's libaio.so.1, B is ours.
# Both under fio's built-in libaio engine on targets in memory, and in a loop
# without fio (jobs/loops/callloop.c).  Pairs, statistics and verdicts are those
# of jobs/ab; in the loop the metric is speed, calls per second.
import argparse
import math
import os
import statistics

import numpy as np

from ..base import commandline, version
from ..fio.metrics import CHANGES
from ..stats import pairing
from ..stats.verdict import fewest_pairs, judge_all
from . import (callkinds, callloop, inmemory, librun, libtargets, loops,
               textreport)

SIDES = callloop.SIDES

TAKES = ("take_one", "take_many")
IOPS_GOAL, CALLS_GOAL, TAKE_GOAL = 1.20, 0.05, 5

ABOUT = """Compare our libaio.so.1 with the distribution's: fio's built-in
libaio engine (4K random read, depth 64, one CPU) on memory, and the cost of
each call in a call loop.  About two minutes."""
MORE = """parts: shm   fio on a file in /dev/shm
       zram  fio on /dev/zram0, if root may and nothing uses it; reads only
       loop  the call loop (jobs/loops/callloop.c), without fio"""
NOTE = """Where none waits and the time is 0 s (so in io_queue_run, too) the
distribution's library looks at whatever ctx points to (a stale ctx crashes
it); ours makes sure that ctx is a live context and keeps out of io_destroy()'s
way."""
ROW = "{:<13} {:<19}{:>8}{:>8}{:>6} {:>10} {}"


def parser():
    new = argparse.ArgumentParser(
        "bench-lib", description=ABOUT, epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    version.add_option(new)
    add = new.add_argument
    add("--only", action="append", choices=libtargets.PARTS, metavar="PART",
        help="shm, zram or loop; may be repeated (all that work)")
    add("--pairs", type=commandline.number(int, 1, 10000, "a number"),
        metavar="N", help="pairs of runs (20; with --quick 10, the fewest that "
        "can reach a verdict)")
    add("--quick", action="store_true", help="short runs: less than a minute")
    common(new)
    return new


def common(new):
    """The switches of every benchmark."""
    add = new.add_argument
    add("--size", type=commandline.size, metavar="N", help="of a target (256M)")
    add("--build", default=commandline.BUILD, metavar="DIR",
        help="the build folder (environment O, else ../build)")
    add("--fio", default=os.environ.get("FIO") or "fio", metavar="PATH",
        help="fio (environment FIO, else PATH's)")
    add("--cpu", type=commandline.cpu, default=max(os.sched_getaffinity(0)),
        metavar="N", help="pin to this CPU (the last one)")
    add("--seed", type=commandline.number(int, 0, 2**63 - 1, "a number"),
        metavar="N",
        help="repeat the order and the I/O of an earlier comparison")
    add("--json", metavar="FILE", help="write every run and result to FILE")


def _settings(args):
    """What make_plan() wants beside, and the length of everything."""
    args.a, args.b = SIDES
    args.job = None
    args.pairs = args.pairs or (10 if args.quick else 20)
    args.runtime, args.ramp, args.loop_ms = (
        (0.2, 0.05, 8) if args.quick else (0.4, 0.1, 15))
    args.parts = args.only or libtargets.PARTS


# Under fio

def _fio_cells(args, plan, jobs, stack):
    return [inmemory.Cell(jobs[0], each, pairing.orders(args.pairs, plan.rng))
            for each in libtargets.targets(args, stack)]


def _measure_fio(plan, cells):
    """Fills the cells; the kinds of calls of both sides of each."""
    found = []

    def count(*what):
        found.append(callkinds.kinds_per_io(*what))
        return found[-1].get("all")
    librun.measure(plan, cells, count=count)
    return [{"A": a, "B": b} for a, b in zip(found[::2], found[1::2])]


# The report

def _ns(values):
    middle = statistics.median(values)
    return f"{middle:,.0f}" if middle >= 100 else f"{middle:.2f}"


def _loop_row(cell, kind, effect):
    return ROW.format(*callloop.KINDS[kind], _ns(cell.series("A", kind)),
                      _ns(cell.series("B", kind)),
                      textreport.ratio(effect.estimate),
                      textreport.span(effect.ci95),
                      effect.verdict)


def loop_lines(cell, effects):
    floor = [bound for e in effects.values() for bound in e.floor]
    return ["", "call loop: ns per call (least of the batches' means); speed "
            "of B, where A is 1",
            ROW.format("call", "", "A", "B", "speed", "95% CI", "verdict on B"),
            *[_loop_row(cell, kind, e) for kind, e in effects.items()],
            "A against A, 95% CI, all calls: "
            f"{textreport.span((min(floor), max(floor)))}",
            *textreport.wrapped(NOTE)]


def _fio_goals(cell, kinds):
    name, iops = cell.target.label, cell.effects[0]
    ratio = math.exp(iops.estimate)
    found = [textreport.goal(
        f"IOPS at least {IOPS_GOAL:.2f}x, {name}", ratio,
        f"{ratio:.3f}x (95% CI {textreport.span(iops.ci95)})",
        ratio >= IOPS_GOAL)]
    text = f"io_getevents calls per I/O at most {CALLS_GOAL}, {name}"
    if not kinds["B"]:
        return [*found, textreport.goal(text, None, "not counted", None)]
    calls = sum(kinds["B"][reader] for reader in callkinds.READERS)
    return [*found, textreport.goal(text, calls, f"{calls:.4f}",
                                    calls <= CALLS_GOAL)]


def _loop_goals(effects, comparisons):
    speed = math.exp(min(effects[k].estimate for k in TAKES))
    slower = [" ".join(callloop.KINDS[kind]) for kind, e in effects.items()
              if e.verdict == "slower"]
    enough = len(effects["prep"].d) >= fewest_pairs(comparisons)
    judged = not slower if enough else None
    text = f"io_getevents with events waiting at least {TAKE_GOAL}x"
    return [textreport.goal(text, speed, f"{speed:.3g}x", speed >= TAKE_GOAL),
            textreport.goal("no call slower", slower,
                            "; ".join(slower) or "none found", judged)]


# The command

def _bench_loop(args, loop):
    """(cell, effects) of the call loop; (None, {}) without it."""
    if loop is None:
        return None, {}
    cell = loop.measure(args.pairs, np.random.default_rng([args.seed, 1]))
    return cell, callloop.speeds(cell)


def _loop_data(loop, cell, effects):
    return {"libraries": loop.libraries, "runs": cell.runs, "effects": {
        kind: {**textreport.effect_data(e), "metric": "speed"}
        for kind, e in effects.items()}}


def _head(args, loop, plan, cells, others):
    if cells:
        return textreport.table(plan, cells, others).rstrip("\n").splitlines()
    return textreport.side_lines(loop.sides, loop.libraries, loops.CALL)


def bench(args, stack):
    commandline.step_aside(args.cpu)
    args.seed = commandline.seed(args.seed)
    _settings(args)
    loop = callloop.Loop(args) if "loop" in args.parts else None
    plan, cells, kinds = None, [], []
    file = commandline.output(args.json, 3 * args.pairs * len(args.parts),
                              stack)
    if set(args.parts) - {"loop"}:
        plan, jobs = librun.make_plan(args, SIDES, stack)
        cells = _fio_cells(args, plan, jobs, stack)
        kinds = _measure_fio(plan, cells)
    loop_cell, effects = _bench_loop(args, loop)
    comparisons = [*inmemory.evaluate(cells), *effects.values()]
    judge_all(comparisons, CHANGES)
    goals = [goal for cell, found in zip(cells, kinds)
             for goal in _fio_goals(cell, found)]
    lines = _head(args, loop, plan, cells, len(effects))
    for cell, found in zip(cells, kinds):
        lines += callkinds.kinds_lines(cell, found)
    if loop:
        goals += _loop_goals(effects, len(comparisons))
        lines += loop_lines(loop_cell, effects)
    print("\n".join([*lines, *textreport.end(goals, args.seed)]))
    if file:
        data = textreport.data(plan, cells, args.seed) if plan else {
            "sides": textreport.side_data(loop.sides, loop.libraries),
            "seed": args.seed, "pairs": args.pairs, "cells": []}
        file.save({"version": version.VERSION, **data, "calls_by_kind": kinds,
                   "goals": goals,
                   "loop": loop and _loop_data(loop, loop_cell, effects)})


def main(arguments=None):
    commandline.main(arguments, parser(), bench)

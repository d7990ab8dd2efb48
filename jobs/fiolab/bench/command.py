# SPDX-License-Identifier: GPL-2.0-only
# The benchmark of the engine: kaio against fio's built-in engines, itself with
# other options, and a loop without fio (jobs/loops/bareloop.c).  Pairs,
# statistics and verdicts are those of jobs/ab; the rows go round in turn.  What
# is no pair (CPU by depth, memory) is in costs.py.
import argparse
from contextlib import ExitStack
import sys
import tempfile

import numpy as np

from ..ab import runner
from ..base import commandline, progress, version
from ..base.problem import Problem
from ..fio import asking, fiorun, sidespec, streams
from ..fio.metrics import CHANGES
from ..report.terminal import fitted
from ..stats import pairing
from ..stats.verdict import Effect, count_pairs, judge_all
from ..target import loopdevice, scratchfile
from . import (costs, goalset, inmemory, libbench, libtargets, loops, rowset,
               speclist, textreport)

LONG_PARTS = ("cells",)
PARTS = ("defaults", "adaptive", "spin", "batch", "cpu", "jobs", "memory")
QUICK_PAIRS, PAIRS = 3, 10
SWEEP = (1, 16, 64, 256, 1024, 4096)
LONGER = {"spin": 1.0}      # seconds: spin=auto tries both ways for a while
CHECK_RUNS = 6              # runs that the checks of a row are as long as

ABOUT = """Compare the engine kaio with fio's built-in engines (4K random read,
depth 64 unless said, one CPU), with a loop of io_submit without fio, with the
most that any engine can reach (that loop and fio's own time), and with itself
under other options; say which goals are met.  About eight minutes."""
MORE = """\
parts: defaults  kaio : libaio, io_uring and the bare loop, on zram and tmpfs
       adaptive  submit=adaptive : libaio, and : immediate on a loop device
                 and a disk (a scratch file in the build folder)
       spin      spin= at depth 1 on a loop device and a disk, beside a bare
                 loop that polls; spin=auto at depth 64
       batch     kaio : libaio, both with iodepth_batch=16
       cpu       CPU per I/O at depth 1 to 4096
       jobs      64 jobs start, run and end: kaio : libaio
       memory    memory for each unit of depth
       cells     rw x {4K, 128K} x depth {1, 8, 64, 1024} x {direct, buffered}

Devices are only read.  zram (/dev/zram0) and the loop device need root; without
it, what needs them is left out, with a sentence.  10 pairs are the fewest that
can reach a verdict on all rows together (12 with cells); 20 are better, and
take twice as long.
"""


def parser():
    new = argparse.ArgumentParser(
        "bench", description=ABOUT, epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    version.add_option(new)
    add = new.add_argument
    add("--only", action="append", choices=PARTS + LONG_PARTS, metavar="PART",
        help="one of the parts below; may be repeated (all but cells)")
    add("--cells", action="store_true", help="the part cells, too: 64 rows "
        "more, two minutes for each pair")
    add("--pairs", type=commandline.number(int, 1, 10000, "a number"),
        metavar="N", help=f"pairs of runs of each row ({PAIRS}; with --quick "
        f"{QUICK_PAIRS})")
    add("--quick", action="store_true", help="few and short runs: two minutes, "
        "and no verdicts")
    add("--runtime", type=commandline.number(float, 0.2, 86400, "seconds"),
        metavar="S", help="timed seconds of each run (0.25; with --quick 0.2)")
    libbench.common(new)
    return new


def _settings(args):
    args.pairs = args.pairs or (QUICK_PAIRS if args.quick else PAIRS)
    args.runtime = args.runtime or (0.2 if args.quick else 0.25)
    args.ramp = 0.05
    args.parts = list(args.only or PARTS)
    if args.cells and "cells" not in args.parts:
        args.parts.append("cells")


# Targets

def _disk(args, stack):
    made = scratchfile.scratch(args.build, args.size, stack)
    if made.ram:
        raise Problem(f"the build folder {args.build} is in memory.")
    return made


def _tmpfs(args, stack):
    return scratchfile.scratch(commandline.MEMORY, args.size, stack)


def _loop(args, stack):
    device = loopdevice.make(_tmpfs(args, stack).path, stack)
    return scratchfile.prepare(device, [], None, False, stack)


TARGETS = {"zram": libtargets.zram, "tmpfs": _tmpfs, "loop": _loop,
           "disk": _disk}


def _without(what, problem):
    print(f"bench: without {what}: {problem}", file=sys.stderr)


def _targets(wanted, args, stack):
    """{name: Target} of those that are to be had."""
    made = {}
    for name in wanted:
        try:
            with ExitStack() as trial:
                made[name] = TARGETS[name](args, trial)
                stack.push(trial.pop_all())
        except Problem as problem:
            _without(name, problem)
    return made


# The command

def _usable(plan, row):
    """Whether A works here; that B does not is the user's to know."""
    try:
        for each in plan.sides:
            if each.ioengine:
                asking.check(plan.fio, (each,), [row.job], row.target.size)
                streams.limited(plan.fio, each, row.job, row.target, 64)
    except Problem as problem:
        if each is plan.sides[1]:
            raise
        _without(row.name, problem)
        return False
    return True


def _plan(args, fio_, spec):
    sides = tuple(rowset.LOOP_SIDES.get(text) or
                  sidespec.parse(text, args.build) for text in (spec.a, spec.b))
    least = 0 if args.quick else LONGER.get(spec.part, 0)
    return rowset.Plan(fio_, sides, args.pairs, max(args.runtime, least),
                       args.ramp, args.rng,
                       bareloop=loops.path(loops.BARE, args.build))


def _rows(args, fio_, made, wanted):
    """(rows that can run, names of those that cannot)"""
    rows, skipped, known = [], [], {}
    for spec in wanted:
        if spec.on not in made:
            skipped.append(rowset.title(spec))
            continue
        row = rowset.Row(spec.job, made[spec.on], pairing.orders(
            args.pairs, args.rng), spec=spec, plan=_plan(args, fio_, spec))
        pair = (spec.a, spec.b)
        if pair not in known:
            known[pair] = _usable(row.plan, row)
        if known[pair]:
            rows.append(row)
        else:
            skipped.append(row.name)
    return rows, skipped


def _check(rows, tick):
    """Fairness and system calls, of the defaults against libaio alone."""
    for row in rows:
        if (row.spec.part, row.spec.a) == ("defaults", "libaio"):
            runner.check(row.plan, [row], tick, costs.calls_per_io)


def _measure(args, rows, sweep):
    each = args.ramp + args.runtime + commandline.STEP_OVERHEAD
    runs = 3 * args.pairs * len(rows) + (sweep.count() if sweep else 0)
    longer = sum(row.plan.runtime - args.runtime for row in rows)
    shown = progress.Progress(
        runs + CHECK_RUNS,
        (runs + CHECK_RUNS) * each + 3 * args.pairs * longer)
    try:
        _check(rows, shown.tick)
        for number in range(args.pairs):
            for row in rows:
                inmemory.block(row.plan, row, number, shown.tick, row.one_run)
        if sweep:
            sweep.run(shown.tick)
    finally:
        shown.clear()


def _judge(rows):
    effects = []
    for row in rows:
        row.effects = [Effect(metric, row.differences("B", metric),
                              row.differences("A'", metric))
                       for metric in row.metrics()]
        effects += row.effects
    judge_all(effects, CHANGES)
    return len(effects)


def _head(args, fio_, made):
    pin = "not pinned" if args.cpu is None else f"CPU {args.cpu}"
    lines = [f"{fio_.version}, {pin}; {count_pairs(args.pairs)} of "
             f"{args.runtime:g} s runs after {args.ramp:g} s ramp",
             "B : A is the ratio of B to A: Hodges-Lehmann, 95% CI; A/A is the "
             "noise floor."]
    for name, each in made.items():
        lines += fitted(f"{name}: {each.describe()}", "")
        for text in each.doubts():
            lines += fitted(f"warning: {text}", "")
    return lines


def _sweep(args, fio_, made):
    if "cpu" not in args.parts or "tmpfs" not in made:
        return None
    spec = rowset.Spec("cpu", "libaio", "kaio", "tmpfs", None, ())
    return costs.Sweep(_plan(args, fio_, spec), made["tmpfs"], SWEEP)


def _memory(args, fio_, made):
    if "memory" not in args.parts or "tmpfs" not in made:
        return {}
    return costs.memory(fio_, args.build, made["tmpfs"])


def _wanted(args):
    """(the rows asked for, the names of the targets that they need)"""
    rows = [spec for spec in speclist.specs() if spec.part in args.parts]
    names = dict.fromkeys(spec.on for spec in rows)
    if {"cpu", "memory"} & set(args.parts):
        names["tmpfs"] = None
    return rows, [name for name in TARGETS if name in names]


def bench(args, stack):
    _settings(args)
    commandline.step_aside(args.cpu)
    args.seed = commandline.seed(args.seed)
    args.rng = np.random.default_rng(args.seed)
    wanted, names = _wanted(args)
    folder = stack.enter_context(
        tempfile.TemporaryDirectory(prefix="kaio-bench-"))
    fio_ = fiorun.Fio(commandline.find_fio(args.fio), args.cpu, folder)
    asking.check(fio_, (sidespec.parse("kaio", args.build),), [], args.size)
    if {"defaults", "spin", "cpu"} & set(args.parts):
        loops.program(loops.BARE, args.build)
    file = commandline.output(
        args.json, 3 * args.pairs * (len(wanted) + len(SWEEP)), stack)
    made = _targets(names, args, stack)
    rows, skipped = _rows(args, fio_, made, wanted)
    sweep = _sweep(args, fio_, made)
    if not made:
        raise Problem("nothing is left to measure: see above.")
    _measure(args, rows, sweep)
    memory = _memory(args, fio_, made)
    goals = goalset.goals(rows, sweep, skipped, _judge(rows))
    lines = [*_head(args, fio_, made), *rowset.lines(rows)]
    lines += sweep.lines() if sweep else []
    lines += costs.memory_lines(memory) if memory else []
    print("\n".join([*lines, *textreport.end(goals, args.seed)]))
    if file:
        file.save({"version": version.VERSION, "fio": fio_.version,
                   "cpu": args.cpu, "seed": args.seed, "pairs": args.pairs,
                   "runtime": args.runtime,
                   "rows": [row.data() for row in rows], "goals": goals,
                   "cpu_by_depth": sweep and sweep.data(), "memory": memory})


def main(arguments=None):
    commandline.main(arguments, parser(), bench)

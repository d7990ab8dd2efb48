# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark of the engine: kaio against fio's built-in engines, itself with
other options, and a loop without fio (jobs/loops/bareloop.c).  It is a campaign
of jobs/ab whose cells are the rows of presets.py.  What is no pair (CPU by
depth, memory) is in costs.py."""
import argparse
from collections.abc import Sequence
from contextlib import ExitStack
import sys
import tempfile

from ..ab import evaluation, runner
from ..base import commandline, progress, version
from ..base.problem import Problem
from ..fio import asking, fiorun, streams
from ..report.terminal import fitted
from ..stats.verdict import count_pairs
from ..target import loopdevice, scratchfile
from . import (costs, goalset, libbench, libtargets, loops, presets, rowset,
               textreport)

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


def parser() -> argparse.ArgumentParser:
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


def _parts(args):
    found = list(args.only or PARTS)
    if args.cells and "cells" not in found:
        found.append("cells")
    return found


# Targets

def _disk(asked, stack):
    made = scratchfile.scratch(asked.build, asked.size, stack)
    if made.ram:
        raise Problem(f"the build folder {asked.build} is in memory.")
    return made


def _tmpfs(asked, stack):
    return scratchfile.scratch(commandline.MEMORY, asked.size, stack)


def _loop(asked, stack):
    device = loopdevice.make(_tmpfs(asked, stack).path, stack)
    return scratchfile.prepare(device, [], None, False, stack)


TARGETS = {"zram": libtargets.zram, "tmpfs": _tmpfs, "loop": _loop,
           "disk": _disk}


def _without(what, problem):
    print(f"bench: without {what}: {problem}", file=sys.stderr)


def _targets(wanted, asked, stack):
    """{name: Target} of those that are to be had."""
    made = {}
    for name in wanted:
        try:
            with ExitStack() as trial:
                made[name] = TARGETS[name](asked, trial)
                stack.push(trial.pop_all())
        except Problem as problem:
            _without(name, problem)
    return made


# The rows

def wanted(parts: Sequence[str]) -> tuple[list[rowset.Spec], list[str]]:
    """(the rows of these parts, the names of the targets that they need)"""
    rows = [spec for spec in presets.specs() if spec.part in parts]
    names = dict.fromkeys(spec.on for spec in rows)
    if {"cpu", "memory"} & set(parts):
        names["tmpfs"] = None
    return rows, [name for name in TARGETS if name in names]


def _usable(campaign, row):
    """Whether A works here; that B does not is the user's to know."""
    for role in "AB":
        side = campaign.side(row, role)
        try:
            if side.ioengine:
                asking.check(campaign.fio, (side,), [row.job], row.target.size)
                streams.limited(campaign.fio, side, row.job, row.target, 64)
        except Problem as problem:
            if role == "B":
                raise
            _without(row.name, problem)
            return False
    return True


def _fill(campaign, specs, made):
    """Make the rows that can run the campaign's cells; the names of those that
    cannot."""
    asked, skipped, known = campaign.asked, [], {}
    sides = [side.text for side in campaign.sides]
    for spec in specs:
        if spec.on not in made:
            skipped.append(rowset.title(spec))
            continue
        longer = 0 if asked.quick else LONGER.get(spec.part, 0)
        row = rowset.row(asked, len(campaign.cells), spec, made[spec.on],
                         sides, max(asked.runtime, longer))
        if (row.a, row.b) not in known:
            known[row.a, row.b] = _usable(campaign, row)
        if known[row.a, row.b]:
            campaign.cells.append(row)
        else:
            skipped.append(row.name)
    return skipped


# The command

def _progress(campaign, sweep):
    asked, rows = campaign.asked, campaign.cells
    each = asked.ramp + asked.runtime + commandline.STEP_OVERHEAD
    steps = CHECK_RUNS + 3 * asked.pairs * len(rows) + (
        sweep.count() if sweep else 0)
    longer = sum(row.runtime - asked.runtime for row in rows)
    return progress.Progress(steps, steps * each + 3 * asked.pairs * longer)


def _measure(campaign, sweep):
    """The system calls are counted of the defaults against libaio alone."""
    shown = _progress(campaign, sweep)
    try:
        runner.check(campaign, [
            row for row in campaign.cells
            if (row.spec.part, row.spec.a) == ("defaults", "libaio")],
            shown.tick, costs.calls_per_io)
        runner.run(campaign, lambda *_: None, shown.tick, loops.one_run)
        if sweep:
            sweep.run(shown.tick)
    finally:
        shown.clear()


def _head(campaign, made):
    asked = campaign.asked
    pin = "not pinned" if asked.cpu is None else f"CPU {asked.cpu}"
    lines = [f"{campaign.fio.version}, {pin}; {count_pairs(asked.pairs)} of "
             f"{asked.runtime:g} s runs after {asked.ramp:g} s ramp",
             "B : A is the ratio of B to A: Hodges-Lehmann, 95% CI; A/A is the "
             "noise floor."]
    for name, each in made.items():
        lines += fitted(f"{name}: {each.describe()}", "")
        for text in each.doubts():
            lines += fitted(f"warning: {text}", "")
    return lines


def _begin(args, specs, stack):
    """The Campaign of what was asked for, before its targets are made."""
    asked = libbench.request(
        args, args.pairs or (QUICK_PAIRS if args.quick else PAIRS),
        args.runtime or (0.2 if args.quick else 0.25), 0.05)
    campaign = presets.campaign(asked, specs)
    campaign.fio = fiorun.Fio(asked.fio, asked.cpu, stack.enter_context(
        tempfile.TemporaryDirectory(prefix="kaio-bench-")))
    asking.check(campaign.fio, campaign.sides[1:2], [], asked.size)
    return campaign


def bench(args: argparse.Namespace, stack: ExitStack) -> None:
    parts = _parts(args)
    specs, names = wanted(parts)
    campaign = _begin(args, specs, stack)
    asked, rows = campaign.asked, campaign.cells
    if {"defaults", "spin", "cpu"} & set(parts):
        loops.program(loops.BARE, asked.build)
    file = commandline.output(
        args.json, 3 * asked.pairs * (len(specs) + len(SWEEP)), stack)
    made = _targets(names, asked, stack)
    skipped = _fill(campaign, specs, made)
    sweep = (costs.Sweep(campaign, made["tmpfs"], SWEEP)
             if "cpu" in parts and "tmpfs" in made else None)
    if not made:
        raise Problem("nothing is left to measure: see above.")
    _measure(campaign, sweep)
    memory = (costs.memory(campaign.fio, asked.build, made["tmpfs"])
              if "memory" in parts and "tmpfs" in made else {})
    comparisons = len(evaluation.evaluate(rows))
    goals = goalset.goals(rows, sweep, skipped, comparisons)
    lines = [*_head(campaign, made), *rowset.lines(rows)]
    lines += sweep.lines() if sweep else []
    lines += costs.memory_lines(memory) if memory else []
    print("\n".join([*lines, *textreport.end(goals, asked.seed)]))
    if file:
        file.save({"version": version.VERSION, "fio": campaign.fio.version,
                   "cpu": asked.cpu, "seed": asked.seed, "pairs": asked.pairs,
                   "runtime": asked.runtime,
                   "rows": [row.data() for row in rows], "goals": goals,
                   "cpu_by_depth": sweep and sweep.data(), "memory": memory})


def main(arguments: Sequence[str] | None = None) -> None:
    commandline.main(arguments, parser(), bench)

# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark of the engine: kaio against fio's built-in engines, itself with
other options, and a loop without fio (jobs/loops/bareloop.c).  It is a campaign
of jobs/ab whose cells are the rows of presets.py.  What is no pair (CPU by
depth, memory) is in costs.py."""
import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
import os
import sys
import tempfile

from ..ab import evaluation, runner
from ..base import commandline, progress, version
from ..base.problem import Problem
from ..fio import asking, fiorun, returnstack, streams
from ..report.terminal import fitted
from ..stats.verdict import count_pairs
from ..target import loopdevice, scratchfile
from . import (costs, goalset, libbench, libtargets, loops, presets, rowset,
               textreport)

LONG_PARTS = ("polling", "scaling", "depth1", "fio-loop", "null", "cells")
PARTS = ("defaults", "adaptive", "spin", "batch", "cpu", "jobs", "memory")
QUICK_PAIRS, PAIRS = 3, 10
SWEEP = (1, 16, 64, 256, 1024, 4096)
# Seconds: spin=auto tries both ways for a while, fio's loop counts whole ones.
LONGER = {"spin": 1.0, "depth1": 1.0, "fio-loop": 1.0}
CHECK_RUNS = 6              # runs that the checks of a row are as long as

ABOUT = """Compare the engine kaio with fio's built-in engines (4K random read,
depth 64 unless said, one CPU), with a loop of io_submit without fio, with the
most that any engine can reach (that loop and fio's own time), and with itself
under other options; say which goals are met.  About eight minutes, with --all
twenty."""
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
and, with --only or --all, as more rows need more pairs:
       polling   kaio : libaio, both with iodepth_batch_complete_min=0
       scaling   kaio : libaio, 1, 2 and 4 jobs on the CPU and one more
       depth1    kaio : libaio, and with spin= : without, on a loop device and
                 a disk: latency and CPU
       fio-loop  libaio and kaio : fio's t/io_uring -a1 -s1 -c1, and adaptive :
                 -s32 -c32, on tmpfs.  `make bench` builds it from the source
                 tree of fio.  IOPS/CPU is the IOPS of a whole CPU, so that it
                 compares at an equal share of one.
       null      on the null_blk device of --target, however it was made
       cells     rw x {4K, 128K} x depth {1, 8, 64, 1024} x {direct, buffered};
                 not in --all

Devices are only read.  zram (/dev/zram0) and the loop device need root; without
it, what needs them is left out, with a sentence.  Latencies are from submission
to completion, as only these compare between engines.  10 pairs are the fewest
that can reach a verdict on all rows together (12 with --all or cells); 20 are
better, and take twice as long.
"""


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(
        commandline.called("bench"), description=ABOUT, epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    version.add_option(new)
    add = new.add_argument
    add("--only", action="append", choices=PARTS + LONG_PARTS, metavar="PART",
        help="one of the parts below; may be repeated (defaults to memory)")
    add("--all", action="store_true", help="all parts but cells")
    add("--target", metavar="DEV", help="a null_blk device, such as "
        "/dev/nullb0, for the part null, which it adds")
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
    if args.all:
        found += LONG_PARTS[:-1]
    found += ["null"] if args.target else []
    found += ["cells"] if args.cells else []
    return list(dict.fromkeys(found))


def two_cpus(cpu: int | None) -> str:
    """fio's CPU and the next, as cpus_allowed= has them; "" with one alone."""
    others = os.sched_getaffinity(0) - {cpu}
    near = sorted(others, key=lambda one: abs(one - (cpu or 0)))
    found = near[:2] if cpu is None else [cpu, *near[:1]]
    return ",".join(map(str, sorted(found))) if len(found) == 2 else ""


# Targets

def _disk(asked, stack):
    folder = commandline.disk(asked.build)
    made = scratchfile.scratch(folder, asked.size, stack)
    if made.ram:
        raise Problem(f"the folder {folder} is in memory.")
    return made


def _tmpfs(asked, stack):
    return scratchfile.scratch(commandline.MEMORY, asked.size, stack)


def _loop(asked, stack):
    device = loopdevice.make(_tmpfs(asked, stack).path, stack)
    return scratchfile.prepare(device, [], None, False, stack)


TARGETS = {"zram": libtargets.zram, "tmpfs": _tmpfs, "loop": _loop,
           "disk": _disk, "null": libtargets.null}


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

def wanted(parts: Sequence[str],
           cpus: str) -> tuple[list[rowset.Spec], list[str]]:
    """(the rows of these parts, the names of the targets that they need)"""
    if "scaling" in parts and not cpus:
        _without("scaling", "this process may use one CPU alone.")
    rows = [spec for spec in presets.specs(cpus) if spec.part in parts]
    names = dict.fromkeys(spec.on for spec in rows)
    if {"cpu", "memory"} & set(parts):
        names["tmpfs"] = None
    return rows, [name for name in TARGETS if name in names]


def _usable(campaign, row):
    """Whether both work here; that ours does not is the user's to know."""
    for role in "AB":
        side = campaign.side(row, role)
        try:
            if side in loops.FIO_LOOPS:
                loops.check_fio_loop(campaign)
            elif side.ioengine:
                asking.check(campaign.fio, (side,), [row.job], row.target.size)
                streams.limited(campaign.fio, side, row.job, row.target, 64)
        except Problem as problem:
            if side.text.split(",")[0] == "kaio":
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
    longer = sum(3 * (row.runtime - asked.runtime) + 2 * loops.more_seconds(
        campaign.side(row, "A")) for row in rows)
    return progress.Progress(steps, steps * each + asked.pairs * longer)


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
             "noise floor.",
             "return stack refilled after system calls (kaio, bare loop): " +
             ("yes" if os.environ[returnstack.VARIABLE] == "1" else "no")]
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
    asked = replace(asked, target=[args.target] if args.target else None)
    campaign = presets.campaign(asked, specs)
    campaign.fio = fiorun.Fio(asked.fio, asked.cpu, stack.enter_context(
        tempfile.TemporaryDirectory(prefix="kaio-bench-")))
    asking.check(campaign.fio, campaign.sides[1:2], [], asked.size)
    asking.check_libraries(campaign.fio, campaign.sides[:1])
    return campaign


def bench(args: argparse.Namespace, stack: ExitStack) -> None:
    parts = _parts(args)
    specs, names = wanted(parts, two_cpus(args.cpu))
    campaign = _begin(args, specs, stack)
    asked, rows = campaign.asked, campaign.cells
    if {"defaults", "spin", "cpu"} & set(parts):
        loops.program(loops.BARE, asked.build)
    # For all that is measured, the bare loop included.
    os.environ[returnstack.VARIABLE] = returnstack.decision(
        asked.build, os.environ)
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
                   "refill": int(os.environ[returnstack.VARIABLE]),
                   "cpu": asked.cpu, "seed": asked.seed, "pairs": asked.pairs,
                   "runtime": asked.runtime,
                   "rows": [row.data() for row in rows], "goals": goals,
                   "cpu_by_depth": sweep and sweep.data(), "memory": memory})


def main(arguments: Sequence[str] | None = None) -> None:
    commandline.main(arguments, parser(), bench)

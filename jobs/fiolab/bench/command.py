# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark of the engine: kaio against fio's built-in engines, itself with
other options, and a loop without fio (jobs/loops/bareloop.c).  It is a campaign
of jobs/ab whose cells are the rows of presets.py.  What is no pair (CPU by
depth, memory) is in costs.py."""
import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
import math
import os
import sys
import tempfile

from ..ab import duets, evaluation, runner
from ..base import commandline, machine, progress, version
from ..base.problem import Problem
from ..fio import asking, fiorun, returnstack, streams
from ..report.terminal import fitted
from ..stats.verdict import count_pairs
from ..target import loopdevice, scratchfile
from . import (cli, costs, cpuset, duetrows, gate, goalset, libbench,
               libtargets, loops, presets, rowset, textreport)

SWEEP = (1, 16, 64, 256, 1024, 4096)
# Seconds: spin=auto tries both ways for a while; of fio's loop the first second
# is no measurement, and it counts whole ones.
LONGER = {"spin": 1.0, "depth1": 1.0, "fio-loop": 2.0}
RAMPS = {"fio-loop": 1.0}
DUET_RUNTIME = 0.5          # at least: a CPU goes round in some ms
GATE_BLOCK = 1.2            # seconds, about
URING = "io_uring"
CHECK_RUNS = 6              # runs that the checks of a row are as long as


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


def _duet_here(campaign, row, group):
    sides = [campaign.side(row, role) for role in "AB"]
    why = duets.why_not(campaign.asked, sides, row.job, row.target)
    if why:
        raise Problem(f"{why}.")
    if URING in [side.ioengine for side in sides]:
        row.group = group()


def _usable(campaign, row, group):
    """Whether both work here; that ours does not is the user's to know."""
    try:
        if row.pairing == duets.DUET:
            _duet_here(campaign, row, group)
    except Problem as problem:
        _without(row.name, problem)
        return False
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


def _row(campaign, number, spec, target, sides):
    asked, longer = campaign.asked, 0
    if not asked.quick:
        longer = LONGER.get(spec.part, 0)
    if spec.part in RAMPS:      # it counts whole seconds
        longer = max(longer, 1.0)
    elif spec.pairing == duets.DUET and not asked.quick:
        longer = DUET_RUNTIME
    return rowset.row(asked, number, spec, target, sides, max(
        asked.runtime, longer), RAMPS.get(spec.part))


def _fill(campaign, specs, made, stack):
    """Make the rows that can run the campaign's cells; the names of those that
    cannot."""
    skipped, known = [], {}
    group = cache(lambda: cpuset.make(campaign.asked.cpu, stack))
    sides = [side.text for side in campaign.sides]
    for spec in specs:
        if spec.on not in made:
            skipped.append(rowset.title(spec))
            continue
        row = _row(campaign, len(campaign.cells), spec, made[spec.on], sides)
        if (row.a, row.b) not in known:
            known[row.a, row.b] = _usable(campaign, row, group) and row
        if known[row.a, row.b]:
            row.group = known[row.a, row.b].group
            campaign.cells.append(row)
        else:
            skipped.append(row.name)
    return skipped


# The command

def _block_seconds(campaign, row):
    each = ((row.ramp or campaign.ramp) + row.runtime +
            commandline.STEP_OVERHEAD)
    return each if row.pairing == duets.DUET else 3 * each


def _progress(campaign, sweep):
    asked, rows = campaign.asked, campaign.cells
    each = asked.ramp + asked.runtime + commandline.STEP_OVERHEAD
    steps = CHECK_RUNS + 3 * asked.pairs * len(rows) + (
        sweep.count() if sweep else 0)
    return progress.Progress(steps, each * (CHECK_RUNS + (
        sweep.count() if sweep else 0)) + asked.pairs * sum(
            _block_seconds(campaign, row) for row in rows))


def _measure(campaign, sweep):
    """The sweep, if it was made.  The system calls are counted of the defaults
    against libaio alone."""
    shown = _progress(campaign, sweep)
    try:
        runner.check(campaign, [
            row for row in campaign.cells
            if (row.spec.part, row.spec.a) == ("defaults", "libaio")],
            shown.tick, costs.calls_per_io)
        whole = duetrows.run(campaign, shown.tick, one_run=loops.one_run)
        if sweep and whole:
            sweep.run(shown.tick)
        return sweep if whole else None
    finally:
        shown.clear()


def _head(campaign, made):
    asked = campaign.asked
    pin = "not pinned" if asked.cpu is None else f"CPU {asked.cpu}"
    pairs = count_pairs(asked.pairs) if asked.pairs else "pairs"
    lines = [f"{campaign.fio.version}, {pin}; {pairs} of {asked.runtime:g} s "
             f"runs after {asked.ramp:g} s ramp",
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
    asked = libbench.request(args, cli.pairs(args), args.runtime or (
        0.2 if args.quick else 0.25), 0.05)
    asked = replace(asked, target=[args.target] if args.target else None,
                    max_time=args.max_time or gate.SECONDS)
    campaign = presets.campaign(asked, specs)
    campaign.fio = fiorun.Fio(asked.fio, asked.cpu, stack.enter_context(
        tempfile.TemporaryDirectory(prefix="kaio-bench-")))
    asking.check(campaign.fio, campaign.sides[1:2], [], asked.size)
    asking.check_libraries(campaign.fio, campaign.sides[:1])
    return campaign


def _data(campaign, goals, **more):
    """What the JSON of either has."""
    asked = campaign.asked
    return {"version": version.VERSION, "fio": campaign.fio.version,
            "machine": machine.describe(asked.cpu),
            "refill": int(os.environ[returnstack.VARIABLE]),
            "cpu": asked.cpu, "seed": asked.seed, "pairs": asked.pairs,
            "runtime": asked.runtime,
            "rows": [row.data() for row in campaign.cells], "goals": goals,
            **more}


def _ready(args, specs, names, stack):
    """(the Campaign with its rows, targets by name, names of rows left out)"""
    campaign = _begin(args, specs, stack)
    if any(loops.BARE_LOOP.text in spec.a for spec in specs):
        loops.program(loops.BARE, campaign.asked.build)
    # For all that is measured, the bare loop included.
    os.environ[returnstack.VARIABLE] = returnstack.decision(
        campaign.asked.build, os.environ)
    made = _targets(names, campaign.asked, stack)
    skipped = _fill(campaign, specs, made, stack)
    if not made:
        raise Problem("nothing is left to measure: see above.")
    return campaign, made, skipped


def _gate(campaign, made, skipped, file):
    asked = campaign.asked
    shown = progress.Progress(
        3 * math.ceil(asked.max_time / GATE_BLOCK), asked.max_time)
    try:
        gate.run(campaign, shown.tick)
    finally:
        shown.clear()
    evaluation.evaluate(campaign.cells, anytime=True)
    goals = gate.goals(campaign.cells, skipped)
    print("\n".join([*_head(campaign, made), *rowset.lines(campaign.cells),
                     *textreport.end(goals, asked.seed)]))
    if file:
        file.save(_data(campaign, goals))
    print(gate.end(goals))


def _bench(campaign, made, skipped, parts, file):
    asked, rows = campaign.asked, campaign.cells
    sweep = (costs.Sweep(campaign, made["tmpfs"], SWEEP)
             if "cpu" in parts and "tmpfs" in made else None)
    sweep = _measure(campaign, sweep)
    memory = (costs.memory(campaign.fio, asked.build, made["tmpfs"])
              if "memory" in parts and "tmpfs" in made else {})
    comparisons = len(evaluation.evaluate(rows))
    goals = goalset.goals(rows, sweep, skipped, comparisons)
    lines = [*_head(campaign, made), *rowset.lines(rows)]
    lines += sweep.lines() if sweep else []
    lines += costs.memory_lines(memory) if memory else []
    print("\n".join([*lines, *textreport.end(goals, asked.seed)]))
    if file:
        file.save(_data(campaign, goals, memory=memory,
                        cpu_by_depth=sweep and sweep.data()))


def bench(args: argparse.Namespace, stack: ExitStack) -> None:
    parts = cli.parts(args)
    specs, names = wanted(parts, cli.two_cpus(args.cpu))
    pairs = cli.pairs(args) or gate.SECONDS
    file = commandline.output(args.json, 3 * pairs * (len(specs) + len(SWEEP)),
                              stack)
    campaign, made, skipped = _ready(args, specs, names, stack)
    if args.gate:
        _gate(campaign, made, skipped, file)
    else:
        _bench(campaign, made, skipped, parts, file)


def main(arguments: Sequence[str] | None = None) -> None:
    commandline.main(arguments, cli.parser(), bench)

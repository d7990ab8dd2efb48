# SPDX-License-Identifier: GPL-2.0-only
"""The benchmark of the library: A is the distribution's libaio.so.1, B is ours.
It is a campaign of jobs/ab: both under fio's built-in libaio engine on targets
in memory, and in a loop without fio (jobs/loops/callloop.c), of which the
metric is speed, calls per second."""
import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
import math
import os
import statistics
import tempfile

from ..ab import duets, evaluation, planning, runner
from ..ab.campaign import Campaign, Request
from ..base import commandline, progress, version
from ..base.problem import Problem
from ..fio import asking, fiorun, returnstack, sidespec
from ..fio.jobs import jobgroups
from ..stats.verdict import fewest_pairs
from . import (callkinds, callloop, goalset, libreport, libtargets, rowset,
               textreport)
from .bounds import GOALS, LIBRARY

SIDES = ("libaio", LIBRARY)
TAKES = ("take_one", "take_many")
CPU_GOAL, CALLS_GOAL, TAKE_GOAL = GOALS[SIDES], 0.05, 5

ABOUT = """Compare our libaio.so.1 with the distribution's: fio's built-in
libaio engine (4K random read, depth 64) on memory, side by side on one CPU (a
duet), and the cost of each call in a call loop.  About two minutes."""
MORE = """parts: shm   fio on a file in /dev/shm
       zram  fio on /dev/zram0, if root may and nothing uses it; reads only
       loop  the call loop (jobs/loops/callloop.c), without fio"""
NOTE = """Where none waits and the time is 0 s (so in io_queue_run, too) the
distribution's library looks at whatever ctx points to (a stale ctx crashes
it); ours makes sure that ctx is a live context and keeps out of io_destroy()'s
way."""
ROW = "{:<13} {:<19}{:>8}{:>8}{:>6} {:>10} {}"


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(
        commandline.called("bench-lib"), description=ABOUT, epilog=MORE,
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


def common(new: argparse.ArgumentParser) -> None:
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


def request(args: argparse.Namespace, pairs: int, runtime: float,
            ramp: float) -> Request:
    """What was asked for, of every benchmark; leaves fio its CPU."""
    commandline.step_aside({args.cpu})
    return Request(build=args.build, fio=commandline.find_fio(args.fio),
                   pairs=pairs, runtime=runtime, ramp=ramp, cpu=args.cpu,
                   size=args.size, quick=args.quick,
                   seed=commandline.seed(args.seed))


# The campaign

def _begin(args):
    """(campaign, its loop; None without)"""
    short = args.quick
    asked = request(args, args.pairs or (10 if short else 20),
                    *((0.2, 0.05) if short else (0.4, 0.1)))
    sides = returnstack.decided(
        [sidespec.parse(text, asked.build) for text in SIDES], asked.build)
    loop = (callloop.Loop(asked.build, asked.cpu, 8 if short else 15)
            if "loop" in _parts(args) else None)
    if loop:
        loop.check(sides)
    return Campaign(asked, sides, jobgroups.load("randread")), loop


def _parts(args):
    return args.only or libtargets.PARTS


def _ask_fio(campaign, stack):
    """Find mistakes before any writing."""
    asked = campaign.asked
    campaign.fio = fiorun.Fio(asked.fio, asked.cpu, stack.enter_context(
        tempfile.TemporaryDirectory(prefix="kaio-ab-")))
    asking.check(campaign.fio, campaign.sides, campaign.jobs, asked.size)
    campaign.binary = {"path": asked.fio, "version": campaign.fio.version}
    libraries = asking.check_libraries(campaign.fio, campaign.sides)
    campaign.sides = tuple(replace(side, library=library) for side, library in
                           zip(campaign.sides, libraries))


def _fio_cells(campaign, made):
    found = [planning.cell_of(
        campaign.asked, number, campaign.jobs[0], target, kind=rowset.Row,
        metrics=duets.CPU, pairing=duets.DUET)
        for number, target in enumerate(made)]
    for cell in found:
        why = duets.why_not(campaign.asked, campaign.sides, cell.job,
                            cell.target)
        if why:
            raise Problem(f"{why}: leave out all but --only loop.")
    return found


def _progress(campaign, fio_cells, loop):
    asked, cells = campaign.asked, len(fio_cells)
    checks, runs = 3 * cells, 3 * asked.pairs * cells
    seconds = (asked.pairs * cells * (asked.ramp + asked.runtime +
                                      commandline.STEP_OVERHEAD)
               + checks * commandline.CHECK_SECONDS)
    if loop:
        runs += 3 * asked.pairs
        seconds += 3 * asked.pairs * loop.seconds()
    return progress.Progress(runs + checks, seconds)


def _measure(campaign, fio_cells, loop):
    """The kinds of calls of both sides of each cell under fio."""
    found = []

    def count(*what):
        found.append(callkinds.kinds_per_io(*what))
        return found[-1].get("all")

    def one_run(campaign, cell, role, seed):
        how = runner.timed if cell.target else loop.one_run
        return how(campaign, cell, role, seed)
    shown = _progress(campaign, fio_cells, loop)
    try:
        runner.check(campaign, fio_cells, shown.tick, count)
        runner.run(campaign, lambda *_: None, shown.tick, one_run)
    finally:
        shown.clear()
    return [{"A": a, "B": b} for a, b in zip(found[::2], found[1::2])]


# The report of the loop

def _ns(values):
    middle = statistics.median(values)
    return f"{middle:,.0f}" if middle >= 100 else f"{middle:.2f}"


def _loop_row(cell, kind, effect):
    return ROW.format(*callloop.KINDS[kind], _ns(cell.figures("A", kind)),
                      _ns(cell.figures("B", kind)),
                      textreport.ratio(effect.estimate),
                      textreport.span(effect.ci95),
                      effect.verdict)


def loop_lines(cell: callloop.LoopRow) -> list[str]:
    floor = [bound for e in cell.effects.values() for bound in e.floor]
    return ["", "call loop: ns per call (least of the batches' means); speed "
            "of B, where A is 1",
            ROW.format("call", "", "A", "B", "speed", "95% CI", "verdict on B"),
            *[_loop_row(cell, kind, e) for kind, e in cell.effects.items()],
            "A against A, 95% CI, all calls: "
            f"{textreport.span((min(floor), max(floor)))}",
            *textreport.wrapped(NOTE)]


def _fio_goals(cell, kinds):
    name, cpu = cell.target.label, cell.effects.get("cpu_us")
    text = f"CPU us per I/O at most {CPU_GOAL:.2f}x, {name}"
    found = [textreport.goal(text, None, "not measured", None)]
    if cpu:
        ratio = math.exp(cpu.estimate)
        found = [textreport.goal(
            text, ratio, f"{ratio:.3f}x (95% CI {textreport.span(cpu.ci95)})",
            goalset.beyond(cpu.ci95, goalset.MOST, CPU_GOAL))]
    text = f"io_getevents calls per I/O at most {CALLS_GOAL}, {name}"
    if not kinds["B"]:
        return [*found, textreport.goal(text, None, "not counted", None)]
    calls = sum(kinds["B"][reader] for reader in callkinds.READERS)
    return [*found, textreport.goal(text, calls, f"{calls:.4f}",
                                    calls <= CALLS_GOAL)]


def _loop_goals(effects, comparisons):
    slowest = min((effects[k] for k in TAKES), key=lambda e: e.estimate)
    speed = math.exp(slowest.estimate)
    slower = [" ".join(callloop.KINDS[kind]) for kind, e in effects.items()
              if e.verdict == "slower"]
    enough = len(effects["prep"].d) >= fewest_pairs(comparisons)
    judged = not slower if enough else None
    text = f"io_getevents with events waiting at least {TAKE_GOAL}x"
    shown = f"{speed:.3g}x (95% CI {textreport.span(slowest.ci95)})"
    return [textreport.goal(text, speed, shown, goalset.beyond(
                slowest.ci95, goalset.LEAST, TAKE_GOAL)),
            textreport.goal("no call slower", slower,
                            "; ".join(slower) or "none found", judged)]


def _goals(fio_cells, kinds, loop_cell, comparisons):
    found = [goal for cell, counted in zip(fio_cells, kinds)
             for goal in _fio_goals(cell, counted)]
    return found + (_loop_goals(loop_cell.effects, comparisons)
                    if loop_cell else [])


# The command

def bench(args: argparse.Namespace, stack: ExitStack) -> None:
    campaign, loop = _begin(args)
    asked, parts, fio_cells = campaign.asked, _parts(args), []
    file = commandline.output(args.json, 3 * asked.pairs * len(parts), stack)
    if set(parts) - {"loop"}:
        _ask_fio(campaign, stack)
        fio_cells = _fio_cells(campaign, libtargets.targets(
            asked, parts, bool(args.only), stack))
    loop_cell = callloop.row(asked, len(fio_cells)) if loop else None
    campaign.cells = [*fio_cells, *([loop_cell] if loop else [])]
    kinds = _measure(campaign, fio_cells, loop)
    comparisons = len(evaluation.evaluate(campaign.cells))
    goals = _goals(fio_cells, kinds, loop_cell, comparisons)
    lines = (libreport.lines(campaign, fio_cells, kinds, comparisons)
             if fio_cells else libreport.sides(loop.sides))
    lines += loop_lines(loop_cell) if loop_cell else []
    print("\n".join([*lines, *textreport.end(goals, asked.seed)]))
    if file:
        file.save({"version": version.VERSION, **libreport.data(
            campaign, fio_cells, loop), "calls_by_kind": kinds, "goals": goals,
            "loop": loop and loop_cell and libreport.loop_data(
                loop, loop_cell)})


def main(arguments: Sequence[str] | None = None) -> None:
    commandline.main(arguments, parser(), bench)

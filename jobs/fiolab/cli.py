# SPDX-License-Identifier: GPL-2.0-only
# The command line of jobs/ab: reads it, prepares the targets, runs the
# comparison and prints the verdict.  Whatever ends it, fio is stopped and
# everything it created is removed.
import argparse
from contextlib import ExitStack
import os
import re
import secrets
import shutil
import signal
import sys
import tempfile

import numpy as np

from . import campaign, fio as fio_runs, jobfile, probe, progress, report, side
from . import target as targets
from .problem import Problem
from .verdict import count_pairs, fewest_pairs, judge_all

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.environ.get("O") or os.path.join(HERE, "..", "..", "build")
MEMORY = "/dev/shm"
STEP_OVERHEAD = 0.35        # seconds that fio takes to start and to end
CHECK_SECONDS = 0.8

ABOUT = """Compare two fio I/O engines by paired, interleaved runs and say
whether B is faster, slower, equivalent, or not distinguishable from A."""
MORE = """engines: libaio, io_uring or any other engine built into fio;
kaio = external:BUILD/fio-kaio.so; external:/path/to/engine.so.
Engine options follow after commas: kaio,opt=value,opt=value
(fio --enghelp=ENGINE lists them); other options belong in the job file.
ENGINE,options@our-library runs that side on BUILD/libaio.so.1 instead of the
distribution's libaio, and makes sure that fio really uses it.

Without --target there are two: a file in /dev/shm (no device: shows the
engine's own cost) and a scratch file in the build folder (a disk: the device
sets the pace, so it hides the engines' difference).  With the defaults that
takes about two minutes.  Files that do not exist are created and removed
again.

The default runtime is short, so that 20 pairs fit into two minutes; give
--runtime 3 or more for a device whose speed varies over seconds."""


def number(kind, low, high, what):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"'{text}' is not {what} from {low} to {high}")
        return value
    return parse


def size(text):
    """Bytes of '256M' and the like, a multiple of 1 MiB."""
    match = re.fullmatch(r"(\d{1,6})([mMgG])(i?[bB])?", text)
    value = match and int(match[1]) << (20 if match[2] in "mM" else 30)
    if not value:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a size: write 256M or 4G")
    return value


def cpu(text):
    allowed = sorted(os.sched_getaffinity(0))
    if text == "all":
        return None
    if not text.isascii() or not text.isdigit() or int(text) not in allowed:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a CPU that may be used here ({allowed}), "
            "nor 'all'")
    return int(text)


def parser():
    new = argparse.ArgumentParser(
        "ab", description=ABOUT, epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    _what(new)
    _how(new)
    return new


def _what(new):
    new.add_argument("--a", default="libaio", metavar="ENGINE",
                     help="the engine to compare against (libaio)")
    new.add_argument("--b", default="kaio", metavar="ENGINE",
                     help="the engine to judge (kaio)")
    new.add_argument("--job", action="append", metavar="FILE",
                     help="a job file, or the name of one here (randread); "
                     "may be repeated")
    new.add_argument("--target", action="append", metavar="PATH",
                     help="a file or block device; may be repeated")
    new.add_argument("--size", type=size, metavar="N",
                     help="how much of each target to use (256M)")
    new.add_argument("--destroy-data", action="store_true",
                     help="existing targets may be overwritten, and will be; "
                     "a device that is mounted or in use never is")
    new.add_argument("--build", default=BUILD, metavar="DIR",
                     help="the build folder (environment O, else ../build)")
    new.add_argument("--fio", default=os.environ.get("FIO") or "fio",
                     metavar="PATH", help="fio (environment FIO, else PATH's)")


def _how(new):
    new.add_argument("--pairs", type=number(int, 1, 10000, "a number"),
                     default=20, metavar="N",
                     help="pairs of runs per job and target (20); faster or "
                     "slower needs at least 7 for one job on one target, 8 "
                     "for two, 10 for eight")
    new.add_argument("--runtime", default=0.5, metavar="S",
                     type=number(float, 0.2, 86400, "seconds"),
                     help="timed seconds of each run (0.5)")
    new.add_argument("--ramp", default=0.1, metavar="S",
                     type=number(float, 0.05, 86400, "seconds"),
                     help="seconds before the timed part of each run (0.1)")
    new.add_argument("--cpu", type=cpu, metavar="N",
                     default=max(os.sched_getaffinity(0)),
                     help="pin all of fio, an engine's own threads included, "
                     "to this CPU (the last one), so that no side can borrow "
                     "another; 'all' does not pin")
    new.add_argument("--seed", type=number(int, 0, 2**63 - 1, "a number"),
                     metavar="N", help="repeat the order and the I/O of an "
                     "earlier comparison")
    new.add_argument("--json", metavar="FILE",
                     help="write every run and result to FILE")


def find_fio(name):
    """An absolute path where there is one: runs have folders of their own."""
    found = shutil.which(name)
    return os.path.abspath(found) if found else name


def step_aside(fio_cpu):
    """Leave fio's CPU to fio, where there is another."""
    others = os.sched_getaffinity(0) - {fio_cpu}
    if others:
        os.sched_setaffinity(0, others)


def _memory(args, stack):
    """The scratch file in memory, as a list; empty where there is no room."""
    try:
        with ExitStack() as trial:
            made = targets.scratch(MEMORY, args.size, trial)
            stack.push(trial.pop_all())
            return [made]
    except Problem as problem:
        print(f"ab: comparing on the disk alone, as memory is out of reach: "
              f"{problem}", file=sys.stderr)
        return []


def _scratch_targets(args, stack):
    disk = args.build if os.path.isdir(args.build) else os.getcwd()
    return [*_memory(args, stack), targets.scratch(disk, args.size, stack)]


def _targets(args, jobs, stack):
    if not args.target:
        return _scratch_targets(args, stack)
    writes = [job.name for job in jobs if job.writes()]
    paths = dict.fromkeys(os.path.realpath(path) for path in args.target)
    return [targets.prepare(path, writes, args.size, args.destroy_data, stack)
            for path in paths]


def _warn_of_few_pairs(pairs, cells):
    comparisons = cells * len(campaign.METRICS)
    need = fewest_pairs(comparisons)
    if pairs < need:
        print(f"ab: {count_pairs(pairs)} cannot tell faster from slower: "
              f"with {comparisons} comparisons that takes at least {need} "
              "pairs.", file=sys.stderr)


def output(args, runs, stack):
    """The JSON file, open before the runs; None without --json."""
    if not args.json:
        return None
    if not os.path.isdir(os.path.dirname(args.json) or "."):
        raise Problem(f"there is no folder for {args.json}: create it first.")
    made = report.Output(args.json, runs)
    stack.callback(made.close)
    return made


def make_plan(args, stack):
    """What to run and on which jobs; finds mistakes before any writing."""
    sides = tuple(side.parse(text, args.build) for text in (args.a, args.b))
    jobs = [jobfile.load(path) for path in args.job or ["randread"]]
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kaio-ab-"))
    fio = fio_runs.Fio(find_fio(args.fio), args.cpu, folder)
    probe.check(fio, sides, jobs, args.size)
    libraries = probe.check_libraries(fio, sides)
    plan = campaign.Plan(fio, sides, args.pairs, args.runtime, args.ramp,
                         np.random.default_rng(args.seed), libraries)
    return plan, jobs


def _cells(args, plan, jobs, stack):
    """Prepares (and so may write) the targets."""
    cells = [campaign.Cell(job, target, campaign.orders(args.pairs, plan.rng))
             for target in _targets(args, jobs, stack) for job in jobs]
    _warn_of_few_pairs(args.pairs, len(cells))
    return cells


def measure(plan, cells, **how):
    """Check and run the cells; how: of campaign.check()."""
    runs = 3 * plan.pairs * len(cells)
    checks = 3 * len(cells)
    seconds = (runs * (plan.ramp + plan.runtime + STEP_OVERHEAD) +
               checks * CHECK_SECONDS)
    shown = progress.Progress(runs + checks, seconds)
    try:
        campaign.check(plan, cells, shown.tick, **how)
        campaign.run(plan, cells, shown.tick)
    finally:
        shown.clear()


def prepare(args):
    """Leave fio its CPU, and choose the seed that was not given."""
    step_aside(args.cpu)
    args.seed = secrets.randbits(31) if args.seed is None else args.seed


def compare(args, stack):
    prepare(args)
    plan, jobs = make_plan(args, stack)
    targets_planned = len(args.target or (MEMORY, args.build))
    file = output(args, 3 * args.pairs * len(jobs) * targets_planned, stack)
    cells = _cells(args, plan, jobs, stack)
    measure(plan, cells)
    judge_all(campaign.evaluate(cells))
    print(report.table(plan, cells), end="")
    print(f"To repeat the order and the I/O: --seed {args.seed}")
    if file:
        file.save(report.data(plan, cells, args.seed))


def _stop(number, _frame):
    """First signal: unwind.  Later ones must not interrupt the clean-up."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main(arguments=None, new=None, action=compare):
    """Run the command of a parser: action(args, exit stack)."""
    new = new or parser()
    args = new.parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        with ExitStack() as stack:
            action(args, stack)
    except Problem as problem:
        sys.exit(f"{new.prog}: {problem}")
    except BrokenPipeError:
        os._exit(1)

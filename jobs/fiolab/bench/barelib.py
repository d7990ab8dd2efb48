# SPDX-License-Identifier: GPL-2.0-only
# The bare loop (jobs/bareloop.c): the nanoseconds of each call of the library,
# without fio, on two libraries in pairs.
import contextlib
import math
import os
import shlex
import subprocess
import tempfile

from ..ab import campaign
from ..base import commandline, process, progress
from ..base.problem import Problem
from ..fio import asking, fiorun, sidespec
from ..stats import pairing
from ..stats.verdict import Effect

SIDES = ("libaio", "libaio@our-library")
HEADERS = os.path.join(commandline.JOBS, "..", "aio")
LOOP_PATIENCE = 60
LOOP_SHARES = 18            # milliseconds of a loop run, in those of a kind
LEAST_NS = 0.01             # less is not told from the empty loop

# What bareloop measures: its name there -> (call, what the calls do).
KINDS = {
    "submit": ("io_submit", "1 read of 0 bytes"),
    "take_one": ("io_getevents", "1 of those waiting"),
    "take_many": ("io_getevents", "16 of those waiting"),
    "poll_empty": ("io_getevents", "none waits, 0 s"),
    "time_out": ("io_getevents", "none waits, 1 ns"),
    "run_events": ("io_queue_run", "per waiting event"),
    "run_empty": ("io_queue_run", "none waits"),
    "wait_events": ("io_queue_wait", "one waits"),
    "wait_empty": ("io_queue_wait", "none waits, 0 s"),
    "setup": ("io_setup", "+ io_destroy, CPU"),
    "prep": ("io_prep_pread", "inline, no library")}


def build(name, linked, folder):
    """Compile NAME.c with what it is linked to; the program's path."""
    program = os.path.join(folder, name)
    source = os.path.join(commandline.JOBS, name + ".c")
    compiler = os.environ.get("CC") or "gcc"
    try:
        done = subprocess.run(
            [*shlex.split(compiler), "-std=gnu11", "-D_GNU_SOURCE", "-O2",
             f"-I{HEADERS}", source, "-o", program, *linked], text=True,
            errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, check=False)
    except (OSError, ValueError) as error:
        raise Problem(f"cannot run the compiler {compiler} ({error}): name one "
                      "with CC.") from None
    if done.returncode:
        raise Problem(f"cannot compile {name}.c: "
                      f"{fiorun.words(done.stdout)}")
    return program


def printed(command, parse_it, cpu, env, who):
    """What parse_it (ValueError: nothing good) makes of a program's output."""
    with tempfile.TemporaryFile("w+", encoding="utf-8",
                                errors="replace") as out:
        with process.Child(command, cpu=cpu, env=env, stdout=out,
                           stderr=subprocess.STDOUT) as child:
            child.wait(LOOP_PATIENCE)
        out.seek(0)
        text = out.read()
    try:
        if child.status != 0:
            raise ValueError
        return parse_it(text)
    except ValueError:
        raise Problem(f"{who} (exit status {child.status}): "
                      f"{fiorun.words(text)}") from None


def parse(text):
    """(library, {kind: figures}) of what bareloop printed.

    ns is the least batch's mean: other users of the machine only add to it.
    """
    first, *lines = text.splitlines()
    costs = {}
    for name, *figures in map(str.split, lines):
        least, median, batches = map(float, figures)
        if not math.isfinite(least + median):
            raise ValueError(name)
        costs[name] = {"ns": max(least, LEAST_NS), "median_ns": median,
                       "batches": int(batches)}
    if set(costs) != set(KINDS):
        raise ValueError(text)
    return first.removeprefix("library "), costs


class Loop:
    """The program on both libraries: one run, and all of them in pairs."""

    def __init__(self, args, folder):
        self.sides = tuple(sidespec.parse(text, args.build) for text in SIDES)
        linked = [f"-L{os.path.realpath(args.build)}",
                  f"-l:{sidespec.LIBRARY_FILE}", "-ldl"]
        self.program = build("bareloop", linked, folder)
        self.cpu, self.milliseconds = args.cpu, args.loop_ms
        self.libraries = tuple(self.run(one, 1)[0] for one in self.sides)
        for one, library in zip(self.sides, self.libraries):
            asking.check_library(one, library, "bareloop")

    def run(self, one, milliseconds):
        """parse() of one run on the library of a side."""
        return printed([self.program, str(milliseconds)], parse, self.cpu,
                       fiorun.side_environment(one),
                       f"bareloop failed on side {one.text}")

    def measure(self, pairs, rng):
        """A Cell whose metrics are the nanoseconds of the KINDS."""
        cell = campaign.Cell(None, None, pairing.orders(pairs, rng))
        seconds = self.milliseconds * LOOP_SHARES / 1000 + 0.15
        shown = progress.Progress(pairs, 3 * pairs * seconds)
        with contextlib.ExitStack() as stack:
            stack.callback(shown.clear)
            for block, order in enumerate(cell.orders):
                shown.tick(f"bare loop, pair {block + 1} of {pairs}")
                cell.runs += self._block(block, order)
        return cell

    def _block(self, block, order):
        for role in campaign.SEQUENCES[order]:
            _, costs = self.run(self.sides[role == "B"], self.milliseconds)
            ns = {kind: cost["ns"] for kind, cost in costs.items()}
            yield {"block": block, "order": order, "role": role,
                   "costs": costs, **ns}


def speeds(cell):
    """{kind: Effect} on the speed of our library: + is faster."""
    return {kind: Effect("iops", [-d for d in cell.differences("B", kind)],
                         [-d for d in cell.differences("A'", kind)])
            for kind in KINDS}

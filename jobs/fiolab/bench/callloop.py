# SPDX-License-Identifier: GPL-2.0-only
# The call loop (jobs/loops/callloop.c): the nanoseconds of each call of the
# library, without fio, on two libraries in pairs.
import contextlib
import math

from ..base import progress
from ..fio import asking, fiorun, sidespec
from ..stats import pairing
from ..stats.verdict import Effect
from . import inmemory, loops

SIDES = ("libaio", "libaio@our-library")
LOOP_SHARES = 18            # milliseconds of a loop run, in those of a kind
LEAST_NS = 0.01             # less is not told from the empty loop

# What it measures: its name there -> (call, what the calls do).
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


def parse(text):
    """(library, {kind: figures}) of what it printed.

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

    def __init__(self, args):
        self.sides = tuple(sidespec.parse(text, args.build) for text in SIDES)
        self.program = loops.program(loops.CALL, args.build)
        self.cpu, self.milliseconds = args.cpu, args.loop_ms
        self.libraries = tuple(self.run(one, 1)[0] for one in self.sides)
        for one, library in zip(self.sides, self.libraries):
            asking.check_library(one, library, loops.CALL)

    def run(self, one, milliseconds):
        """parse() of one run on the library of a side."""
        return loops.printed([self.program, str(milliseconds)], parse, self.cpu,
                             fiorun.side_environment(one),
                             f"{loops.CALL} failed on side {one.text}")

    def measure(self, pairs, rng):
        """A Cell whose metrics are the nanoseconds of the KINDS."""
        cell = inmemory.Cell(None, None, pairing.orders(pairs, rng))
        seconds = self.milliseconds * LOOP_SHARES / 1000 + 0.15
        shown = progress.Progress(pairs, 3 * pairs * seconds)
        with contextlib.ExitStack() as stack:
            stack.callback(shown.clear)
            for block, order in enumerate(cell.orders):
                shown.tick(f"call loop, pair {block + 1} of {pairs}")
                cell.runs += self._block(block, order)
        return cell

    def _block(self, block, order):
        for role in pairing.SEQUENCES[order]:
            _, costs = self.run(self.sides[role == "B"], self.milliseconds)
            ns = {kind: cost["ns"] for kind, cost in costs.items()}
            yield {"block": block, "order": order, "role": role,
                   "costs": costs, **ns}


def speeds(cell):
    """{kind: Effect} on the speed of our library: + is faster."""
    return {kind: Effect("iops", [-d for d in cell.differences("B", kind)],
                         [-d for d in cell.differences("A'", kind)])
            for kind in KINDS}

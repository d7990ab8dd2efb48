# SPDX-License-Identifier: GPL-2.0-only
# The two kinds of tests: tables of phases, and procedures.  Either runs itself
# on a target, says how long it takes, and tells a changed one from what it was.
from collections.abc import Callable
import contextlib
from dataclasses import dataclass
import hashlib
import time

from ...base.problem import Problem
from .. import cells, estimate, jobtext
from ..context import Context
from ..execute import Stopped
from ..phaserun import PhaseRun
from ..watch import presence
from .model import Phase
from .verifying import Unfinished


def _why(error):
    """A Problem says it itself."""
    return (f"I/O outside of fio failed: {error}"
            if isinstance(error, OSError) else str(error))


@contextlib.contextmanager
def outcome(found):
    """The state of a test by how it ends, unless the body says another;
    Stopped goes on up."""
    clock, found["state"] = time.monotonic(), None
    try:
        yield
        found["state"] = found["state"] or "done"
    except Stopped:
        found.update(state="stopped", why="the command was asked to end")
        raise
    except Unfinished as one:
        found.update(one.found, state="failed", why=_why(one.error))
    except (Problem, OSError) as error:
        found.update(state="failed", why=_why(error))
    finally:
        found["state"] = found["state"] or "failed"
        found["seconds"] += time.monotonic() - clock


class Test:
    """What each has: a name, a title, a group and a section."""
    provokes = False            # errors of the kernel about the device
    writes = purges = True      # is its target written, or purged?

    @property
    def file(self):
        """Its name in those of files."""
        return self.name

    def said(self):
        """Lines of the plan, beside its row."""
        return []

    def entry(self):
        """A test in qualify.json, before anything of it was run."""
        return {"name": self.name, "title": self.title, "group": self.group,
                "section": self.section, "state": "not run", "why": None,
                "seconds": 0.0, "phases": [], "cells": [], "checks": [],
                "tables": [], "grids": [], "part": 0, "kernel": None,
                "health": None}

    def run(self, bench, found):
        """All of it on a target (a Bench), into its entry; what is finished
        comes from disk."""
        raise NotImplementedError

    def estimate(self, profile, size):
        """The Estimate of it on so many bytes."""
        raise NotImplementedError

    def cell_names(self):
        """The cells that it may have: what a spec may name."""
        raise NotImplementedError

    def digest(self):
        """Of what it does, where that is data: another after a change."""
        return None


@dataclass(frozen=True)
class Table(Test):
    """Phases of stimuli, one after the other."""
    name: str
    title: str
    section: str | None         # of the specification, or what it rests on
    phases: tuple[Phase, ...]
    group: str = "pts"
    # (phases so far) -> {"tables": [...], "grids": [...], "checks": [...]}
    derive: Callable | None = None
    neighbours: bool = False    # part 2 is that of --neighbour, if there is one

    def run(self, bench, found):
        made = []
        try:
            with outcome(found):
                why = self._impossible(bench.target)
                self._run_phases(bench, found, made, bool(why))
                if why:
                    found.update(state="not run", why=why)
        finally:
            self._conclude(found, made)
            if found["state"] == "done":
                # Of this and earlier commands.
                found["seconds"] = sum(
                    r["seconds"] for phase in found["phases"]
                    for r in phase["rounds"])

    def _impossible(self, target):
        """Why a target can do no load of it, but for those that prepare it;
        None where it can do one."""
        left = [jobtext.left_out(one, target.logical_block)
                for phase in self.phases if phase.keep and not phase.prepares
                and not callable(phase.stimuli) for one in phase.stimuli]
        return (f"the device can do none of its loads: {left[0]}"
                if left and all(left) else None)

    def phase_run(self, bench, number, phase, earlier):
        """The PhaseRun of a phase of that number."""
        return PhaseRun(bench, self, number, phase, earlier)

    def _run_phases(self, bench, found, made, only_plan):
        kept = True
        for number, phase in enumerate(self.phases):
            one = self.phase_run(bench, number, phase, found["phases"])
            made.append(one)
            found["phases"].append(one.entry())
            try:
                kept = only_plan or one.run(kept)
            finally:
                found["phases"][-1] = one.entry()

    def _conclude(self, found, made):
        """What follows from the phases: cells, tables, grids, checks."""
        found["cells"] = cells.of(made)
        for phase in made:
            found["cells"] += [cells.omitted(stimulus, why, phase)
                               for stimulus, why in phase.omitted
                               if stimulus.record]
        if self.derive and any(one["rounds"] for one in found["phases"]):
            more = self.derive(found["phases"])
            for key in ("tables", "grids", "checks"):
                found[key] += more.get(key, [])

    def estimate(self, profile, size):
        return estimate.of_phases(self.name, self.phases, profile, size)

    def cell_names(self):
        return {one.name for phase in self.phases if phase.keep
                for one in phase.foreseen() if one.record}

    def digest(self):
        told = [[phase.name, phase.rounds, phase.purge, phase.capacity,
                 phase.tracked, phase.foreseen()] for phase in self.phases]
        return hashlib.sha256(repr(told).encode()).hexdigest()


@dataclass(frozen=True)
class Procedure(Test):
    """One that is no table of stimuli, as a power cut is."""
    name: str
    title: str
    group: str                  # integrity or queue
    seconds: Callable           # (profile, bytes) -> seconds it will take
    perform: Callable           # (context) -> part of a test in qualify.json
    cells: tuple = ()           # the names of its cells
    provokes: bool = False
    section = None

    def run(self, bench, found):
        def make():
            with outcome(found):
                found["part"] = bench.folder.part
                with bench.sampled(often=not self.provokes):
                    found.update(self.perform(Context(bench, self)))
                # Else what was found is not kept.
                presence.demand(bench.target)
            bench.covered = False   # it may have discarded some of the range
            return found
        found.update(bench.folder.once(
            bench.label(self.name), make,
            finished=lambda: found["state"] == "done"))

    def estimate(self, profile, size):
        return estimate.timed(self.name, self.seconds(profile, size))

    def cell_names(self):
        return set(self.cells)

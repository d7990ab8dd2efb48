# SPDX-License-Identifier: GPL-2.0-only
"""A qualification: what was asked for, what it is made of (profile, tests,
engine, limits and targets), and what came of it.  It is made from the command
line (command.py) or from its plan.json (resume.py); from there on both are the
same."""
from dataclasses import dataclass, replace
import os
import sys
import threading

from ..base import privatefolder
from ..base.problem import Problem
from ..fio import asking, fiorun, sidespec
from . import engines, planning, readings
from .limits import specfile
from .report import schema
from .suite.profiles import PROFILES

SPEC = "spec.toml"      # the copy in the folder


def say(text):
    print(f"qualify: {text}", file=sys.stderr)


@dataclass(frozen=True)
class Request:
    """What the user asked for: the options of which the run is made, in the
    order of --help; "arguments" of plan.json."""
    profile: str = "pts-e"
    tests: str | None = None
    spec: str | None = None
    engine: str = "kaio"
    against: str | None = None
    ab: bool = False
    seed: int | None = None
    reading: str | None = None
    rounds: int | None = None
    target: list | None = None
    scratch: bool = False
    client: str | None = None
    size: int | None = None
    power_cut: str | None = None
    build: str = ""


class Qualification:
    def __init__(self, asked, fio, stack, destroy=False):
        """fio: its path; destroy: may what is on the targets be overwritten?
        """
        self.asked, self.stack = asked, stack
        self.destroy = destroy or asked.scratch
        self.pdf = True
        self.profile = self.tests = None
        self._choose_tests()
        self.side = sidespec.parse(asked.engine, asked.build)
        self.spec = self.other = self.folder = self.plan = None
        self.targets, self.workers = [], []
        self.warnings, self.stop = [], threading.Event()
        self.fio = fiorun.Fio(fio, None, privatefolder.folder(stack))
        self.has_stats = self.ask_engine(self.side)
        self.other_side, self.other_has_stats = None, False
        if asked.ab:            # asked for before anything is written
            self.other_side = sidespec.parse(engines.other_text(asked.engine),
                                             asked.build)
            self.other_has_stats = self.ask_engine(self.other_side)

    @property
    def seed(self):
        return self.asked.seed

    def _choose_tests(self):
        asked = self.asked
        self.profile = readings.chosen(PROFILES[asked.profile], asked.reading,
                                       asked.rounds)
        self.tests = planning.tests_of(self.profile, asked.tests)

    def more_rounds(self, rounds):
        """The operator goes on with a search for a steady state."""
        if rounds <= self.profile.last:
            raise Problem(f"the run has up to {self.profile.last} rounds "
                          "already: give --rounds more.")
        self.asked = replace(self.asked, rounds=rounds)
        self._choose_tests()

    def ask_engine(self, one):
        """Does it take its options, and tell its statistics?"""
        known = asking.engine_options(self.fio, one)
        for option in one.options:
            name = option.partition("=")[0]
            if name not in known:
                raise Problem(f"'{name}' in '{one.text}' is not an option of "
                              "that engine: leave it out.")
        return {"stats_file", "engine_stats"} <= known

    def load_spec(self, path):
        """The limits, whose tests and cells must be known."""
        if path:
            self.spec = specfile.load(path)
            specfile.check_names(self.spec, {
                test.name: test.cell_names()
                for test in planning.all_tests(self.profile)})
            self._warn_of_limits()
        if self.asked.against:
            self.other = schema.load(_json_of(self.asked.against))
            _refuse_another_profile(self.other, self.profile)

    def _warn_of_limits(self):
        """Those that this run cannot measure, before it takes days."""
        known = {test.name: test.group for test in self.tests}
        for name in dict.fromkeys(limit.test for limit in self.spec.limits):
            why = ("it is not among --tests" if name not in known else
                   "it has checks and no figures"
                   if known[name] == "integrity" else None)
            if why and name != "device":
                say(f"the limits on {name} will not be measured: {why}.")


def _refuse_another_profile(other, profile):
    """Before a day of tests; against.py looks at the rest."""
    if other["profile"]["name"] != profile.name:
        raise Problem("the run of --against has the profile "
                      f"{ascii(other['profile']['name'])[1:-1]:.40}: give "
                      "--profile the same.")


def _json_of(path):
    return os.path.join(path, "qualify.json") if os.path.isdir(path) else path

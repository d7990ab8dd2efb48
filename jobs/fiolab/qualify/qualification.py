# SPDX-License-Identifier: GPL-2.0-only
"""A qualification: what was asked for, what it is made of (profile, tests,
engine, limits and targets), and the run of all tests on all targets.  It is
made from the command line (command.py) or from its plan.json (resume.py); from
there on both are the same."""
from dataclasses import dataclass, replace
import os
import sys
import threading

from ..base import privatefolder
from ..base.problem import Problem
from ..fio import asking, clientrun, clienttarget, fiorun, sidespec
from ..target import identity, purge, writecache
from . import engines, planning, readings, targetset, worker
from .limits import specfile
from .report import schema
from .suite.profiles import PROFILES

WAIT = 0.5              # seconds between looks at the workers
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

    # Targets

    def make_targets(self):
        """[Target]: claimed where they may be overwritten."""
        asked = self.asked
        if asked.client is not None:
            return targetset.hosts(asked, self.profile)
        if asked.scratch:
            made = [targetset.scratch(self.profile, asked.size, self.stack)]
        elif self.destroy:
            made = [targetset.local(path, self.profile, asked.size, self.stack)
                    for path in _unlike(asked.target)]
        else:
            made = [targetset.planned(path, self.profile, asked.size)
                    for path in _unlike(asked.target)]
        self.warnings += [text for one in made for text in one.warnings]
        return made

    def look_at_hosts(self, made):
        for target in made:
            if target.clients:
                clientrun.check(target.clients, [self.side], [], True)
                clienttarget.check(self.fio, target, lambda *_: False)

    def describe(self, target):
        """What plan.json keeps of a target that may be overwritten."""
        found = ({**identity.EMPTY, "kind": "remote"} if target.clients
                 else identity.describe(target.path))
        health, why = worker.smart(target)
        return {"target": target, "identity": found, "smart": health,
                "smart_why": why, "write_cache": self.look_at_cache(target),
                "purge": purge.plan(target)}

    def look_at_cache(self, target):
        """How it is now, for the report; None on another host."""
        found = None if target.clients else writecache.look(target.path)
        said = found and writecache.contradiction(target.name, found)
        self.warnings += [said] if said else []
        return found

    def caches(self, made):
        """How the write caches are, where they can be set."""
        return [None if target.clients or target.created
                else writecache.now(target.path) for target in made]

    def set_caches(self, made, before):
        """before: what they were when the run began."""
        for target, known in zip(made, before):
            if not target.clients and not target.created:
                said = writecache.set(target.path, self.profile.write_cache,
                                      self.stack, known)
                self.warnings += [said] if said else []

    # Runs

    def run(self, made):
        """All tests on all targets; (workers, what ended it or None)."""
        watch = worker.Watch(len(self.tests) * len(made),
                             [target.name for target in made])
        workers = [worker.Worker(self, number, target, known["purge"]["method"],
                                 watch) for number, (target, known) in
                   enumerate(zip(made, self.plan["targets"]))]
        ending = None
        try:
            for one in workers:
                one.start()
            _await(workers, watch)
        except SystemExit as error:
            ending = error
            self.stop.set()
            _await(workers, watch)
        finally:
            self.stop.set()
            watch.clear()
        return workers, ending


def _await(workers, watch):
    for one in workers:
        while not one.ended.wait(WAIT):
            watch.again()


def _unlike(paths):
    return list(dict.fromkeys(map(os.path.realpath, paths)))


def _refuse_another_profile(other, profile):
    """Before a day of tests; against.py looks at the rest."""
    if other["profile"]["name"] != profile.name:
        raise Problem("the run of --against has the profile "
                      f"{ascii(other['profile']['name'])[1:-1]:.40}: give "
                      "--profile the same.")


def _json_of(path):
    return os.path.join(path, "qualify.json") if os.path.isdir(path) else path

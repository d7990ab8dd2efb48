# SPDX-License-Identifier: GPL-2.0-only
"""A qualification: what was asked for, what it is made of (profile, tests,
engine, limits and targets), and what came of it.  It is made from the command
line (command.py) or from its plan.json (resume.py); from there on both are the
same."""
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
import os
import sys
import threading
from typing import Any

from ..base import privatefolder
from ..base.problem import Problem
from ..fio import asking, fiorun, returnstack, sidespec
from ..fio.jobfile import Job
from ..fio.sidespec import Side
from ..report import wording
from . import engines, planning, readings
from .endurance import soaktest
from .limits import specfile
from .own import owntest, sources, speclimits
from .report import schema
from .shorter import figuremarks
from .suite import integrity, machinecut
from .suite.model import Profile
from .suite.profiles import PROFILES

ONE_READ = Job("read", "[read]\nrw=read\nbs=4k\n")
SPEC = "spec.toml"      # the copy in the folder


def say(text):
    print(f"qualify: {wording.line(text)}", file=sys.stderr)


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
    time: float | None = None       # seconds
    write_speed: float | None = None    # MB/s
    job: list | None = None
    suite: list | None = None
    replay: list | None = None
    unpaced: bool = False
    steady: str | None = None
    repeat: int | None = None
    target: list | None = None
    scratch: bool = False
    client: str | None = None
    operator: str | None = None
    sample: list | None = None      # one for each target
    no_pin: bool = False
    size: int | None = None
    neighbour: str | None = None
    allow: list | None = None
    power_cut: str | None = None
    cycles: int | None = None
    soak: float | None = None       # days
    ack_log: str | None = None
    build: str = ""


@dataclass
class Qualification:
    asked: Request
    profile: Profile        # as --reading and --rounds have it
    tests: tuple            # of suite.kinds.Test
    side: Side              # the engine
    stack: ExitStack        # unwound when the command ends
    destroy: bool = False   # may what is on the targets be overwritten?
    pdf: bool = True
    forms: list = field(default_factory=list)   # of --format
    key: Any = None         # of --sign: records.signature.Key
    fio: Any = None         # fiorun.Fio
    has_stats: bool = False     # does the engine tell statistics?
    other_side: Side | None = None      # of --ab
    other_has_stats: bool = False
    spec: Any = None        # limits.specfile.Spec
    other: dict | None = None   # the qualify.json of --against
    targets: list = field(default_factory=list)     # of target.Target
    neighbour: Any = None   # likewise, of --neighbour
    folder: Any = None      # folder.Folder
    plan: dict | None = None    # plan.json
    warnings: list = field(default_factory=list)    # that are not in it
    workers: list = field(default_factory=list)     # what came of it
    sources: list = field(default_factory=list)     # of own.sources.Source
    only_plan: bool = False     # nothing is run, and so nothing opened
    interference: dict | None = None    # of several devices, likewise
    time: dict | None = None    # what --time cut: shorter/budget.py
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def seed(self):
        return self.asked.seed

    @property
    def writes(self):
        """Is anything written to its targets?"""
        return self.asked.ab or any(test.writes for test in self.tests)

    def more_rounds(self, rounds):
        """The operator goes on with a search for a steady state."""
        if self.time:
            raise Problem("the run was planned for a time (--time), so it ends "
                          "sooner: leave out --rounds.")
        if rounds <= self.profile.last:
            raise Problem(f"the run has up to {self.profile.last} rounds "
                          "already: give --rounds more.")
        self.asked = replace(self.asked, rounds=rounds)
        self.profile, self.tests = _tests(self.asked, self.sources)

    def load_spec(self, path):
        """The limits, whose tests and cells must be known."""
        if path:
            self.spec = speclimits.resolved(specfile.load(path), self.tests)
            specfile.check_names(self.spec, {
                test.name: test.cell_names()
                for test in planning.all_tests(self.profile)
            } | speclimits.known(self.spec, self.tests))
            self._warn_of_limits()
        if self.asked.against:
            self.other = schema.load(_json_of(self.asked.against))
            _refuse_another_profile(self.other, self.profile)

    def _warn_of_limits(self):
        """Those that this run cannot measure, before it takes days."""
        known = {test.name: test for test in self.tests}
        for name in dict.fromkeys(limit.test for limit in self.spec.limits):
            why = (f"it is not among {speclimits.option(name)}"
                   if name not in known else
                   "it has checks and no figures"
                   if known[name].group == "integrity" and not
                   known[name].cell_names() else None)
            if why and name != "device":
                say(f"the limits on {name} will not be measured: {why}.")


def _tests(asked, found):
    """(profile, tests); found: the Sources of loads of the user's own, which
    are all there is, unless other tests or a soak were asked for."""
    profile = readings.chosen(PROFILES[asked.profile], asked.reading,
                              asked.rounds, asked.cycles, asked.write_speed,
                              asked.soak)
    mine = owntest.made(asked, profile, found)
    names = soaktest.asked(asked.tests, profile)
    others = () if mine and names is None else planning.tests_of(
        profile, names)
    return profile, (*others, *mine)


def _has_stats(fio, side):
    """Does an engine tell its statistics?  One that does not take its options
    is refused, before anything is written."""
    known = asking.engine_options(fio, side)
    for option in side.options:
        name = option.partition("=")[0]
        if name not in known:
            raise Problem(f"'{name}' in '{side.text}' is not an option of "
                          "that engine: leave it out.")
    if side.options:                # and are their values taken?
        asking.check(fio, [side], [ONE_READ], None)
    return {"stats_file", "engine_stats"} <= known


def sides(asked, refill=None):
    """The engine and, with --ab, the other one.  refill: what a resumed run has
    decided about the return stack; hosts decide for themselves."""
    texts = [asked.engine]
    if asked.ab:
        texts.append(engines.other_text(asked.engine))
    found = tuple(sidespec.parse(text, asked.build) for text in texts)
    for one in found:
        for name in one.own.given():
            raise Problem(f"@{name}= of {one.text} is for sides of jobs/ab: "
                          "leave it out.")
    return found if asked.client else returnstack.decided(found, asked.build,
                                                          refill)


def _refuse_cuts(asked, tests):
    """Of power that nobody would cut."""
    for name, given in (("power-cut", asked.power_cut),
                        ("cycles", asked.cycles)):
        if given and integrity.POWER_CUT not in {test.name for test in tests}:
            raise Problem(f"--{name} is for the test {integrity.POWER_CUT}: "
                          "name that among --tests, or leave it out.")


def begun(asked, fio, stack, destroy=False, refill=None, found=None):
    """The Qualification that was asked for, without targets yet; fio: its
    path; refill: see sides(); found: the Sources of a run that goes on."""
    if asked.ack_log:
        machinecut.check_folder(asked.ack_log)
    side, *others = sides(asked, refill)
    found = sources.listed(asked) if found is None else found
    made = Qualification(asked, *_tests(asked, found), side, stack,
                         destroy or asked.scratch, sources=found)
    _refuse_cuts(asked, made.tests)
    made.fio = fiorun.Fio(fio, None, privatefolder.folder(stack))
    made.has_stats = _has_stats(made.fio, made.side)
    for other in others:
        made.other_side = other
        made.other_has_stats = _has_stats(made.fio, other)
    return made


def _refuse_another_profile(other, profile):
    """Before a day of tests; against.py looks at the rest."""
    if figuremarks.profile(other)["name"] != profile.name:
        raise Problem("the run of --against has the profile "
                      f"{ascii(other['profile']['name'])[1:-1]:.40}: give "
                      "--profile the same.")


def _json_of(path):
    return os.path.join(path, "qualify.json") if os.path.isdir(path) else path

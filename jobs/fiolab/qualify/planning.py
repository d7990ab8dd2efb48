# SPDX-License-Identifier: GPL-2.0-only
# The plan of a qualification: which tests, for how long, in words before
# anything is destroyed; and as the content of plan.json, which holds all that
# decides the runs, so that --resume makes the same ones.
from dataclasses import asdict
import secrets
import sys

from ..base import machine
from ..base.files import fingerprint
from ..base.problem import Problem
from ..fio import returnstack
from ..report import wording
from ..report.terminal import fitted
from ..target.target import PLAN
from . import engines, estimate, folder, readings, targetset
from .endurance import soaktest
from .fleet import interference, seats
from .shorter import budget, figuremarks
from .suite import integrity, pts, queuetests
from .tails import neighbourtarget

NEW = "begin a new run"


def all_tests(profile):
    return (*pts.tests(profile), *integrity.TESTS, *queuetests.TESTS,
            *soaktest.tests(profile))


def tests_of(profile, names):
    """The tests of --tests, in the order in which they are run."""
    tests = all_tests(profile)
    if names is None:
        return tests
    asked = [name.strip() for name in names.split(",")]
    for name in asked:
        if not any(name in (one.name, one.group) for one in tests):
            raise Problem(f"there is no test {name!r}: choose from "
                          f"{', '.join(one.name for one in tests)}, or the "
                          "groups pts, integrity, queue, endurance.")
    return tuple(one for one in tests
                 if one.name in asked or one.group in asked)


# In words

def _rounds(one):
    if one.least is None:
        return ""
    return (f"{one.least}" if one.least == one.most else
            f"{one.least}-{one.most}")


def _time(one):
    short, long = (estimate.clock(x) for x in (one.shortest, one.longest))
    return short if short == long else f"{short} to {long}"


def _written(one):
    parts = [wording.decimal_size(round(one.amount))] if one.amount else []
    parts += ["throughout"] if one.writes else []
    return ", ".join(parts) or "nothing"


def _row(name, rounds, time, written, figures=""):
    return (f"  {name:<20} {rounds:>6}  {time:<17} {figures:<9} "
            f"{written}").rstrip()


def _estimates(target, qualification):
    """[(Estimate, what its figures will be)]"""
    profile = qualification.profile
    found = [(test.estimate(profile, target.size),
              figuremarks.planned(test, profile, figuremarks.part_of(
                  target, profile)))
             for test in qualification.tests]
    if qualification.other_side:
        found.append((estimate.timed(
            f"beside {qualification.other_side.text}",
            engines.seconds(profile, target.size)), ""))
    return found


def _target_lines(target, qualification):
    found = _estimates(target, qualification)
    short, long = (estimate.clock(sum(getattr(one, name) for one, _ in found))
                   for name in ("shortest", "longest"))
    whole, used = map(wording.decimal_size, (target.whole, target.size))
    lines = [*fitted(f"{target.name}: {whole}, of which {used} are used", ""),
             _row("test", "rounds", "time", "writes", "figures")]
    lines += [_row(one.name, _rounds(one), _time(one), _written(one), figures)
              for one, figures in found]
    return [*lines, _row("total", "", short if short == long else
                         f"{short} to {long}", "")]


def _together(qualification):
    """Of several targets."""
    targets = qualification.targets
    if len(targets) < 2:
        return []
    found = [f"The {len(targets)} targets are tested at the same time."]
    found += [f"fio of {one.name}: {seats.said(vars(one))}."
              for one in targets if one.seat]
    planned = interference.plan(qualification.profile, targets)
    return found + ([
        "How much they disturb each other is measured after all tests, for "
        f"{estimate.clock(interference.seconds(planned, len(targets)))}."]
        if planned else [])


def _beside(neighbour):
    return [f"The test neighbour loads {neighbour.name}, of which "
            f"{wording.decimal_size(neighbour.size)} are overwritten."] if (
                neighbour) else []


def _before(qualification):
    """What is run, in sentences."""
    profile = qualification.profile
    found = [f"Profile {profile.name} ({profile.title}), engine "
             f"{qualification.side.text}; {profile.threads} threads at depth "
             f"{profile.depth} unless a test says otherwise."]
    if any(test.group == "pts" for test in qualification.tests):
        found += [f"{one[:1].upper()}{one[1:]}."
                  for one in readings.said(profile)]
    return found + [line for test in qualification.tests
                    for line in test.said()]


def _after(qualification):
    speed = qualification.profile.write_speed / 1e6
    return [*_together(qualification), *_beside(qualification.neighbour),
            *budget.lines(qualification), *_uncut(qualification),
            f"{_destroyed(qualification)} Writing an amount is reckoned at "
            f"{speed:,.0f} MB/s (--write-speed); a purge is not reckoned."]


def lines(qualification):
    """The plan in words, as wide as a terminal."""
    return [*(line for one in _before(qualification)
              for line in fitted(one, "")),
            *(line for target in qualification.targets
              for line in _target_lines(target, qualification)),
            *(line for one in _after(qualification)
              for line in fitted(one.strip(), one[:-len(one.lstrip())]))]


def _uncut(qualification):
    """Of a test that cannot be measured, which is known before days of others
    are."""
    name = integrity.POWER_CUT
    if qualification.asked.power_cut or qualification.profile.thin or \
            name not in {test.name for test in qualification.tests}:
        return []
    return [f"The test {name} will not be measured, so that the run ends with "
            "2 even if all else passes: give --power-cut COMMAND, or name the "
            "other tests with --tests."]


def _destroyed(qualification):
    if not qualification.writes:
        return "Nothing is written to a target."
    if any(test.purges for test in qualification.tests):
        return "Each target is purged, and all data on it is destroyed."
    return "What is on each target is overwritten where its jobs write."


# As plan.json

def _tests(tests):
    return [{"name": test.name, "digest": test.digest()} for test in tests]


def _costs(target, qualification):
    """What each part is reckoned to take."""
    return [{"part": one.name, "shortest_s": one.shortest,
             "longest_s": one.longest, "bytes": one.amount,
             "figures": figures or None}
            for one, figures in _estimates(target, qualification)]


def _engine(side):
    if side is None:
        return None
    path = side.ioengine.removeprefix("external:")
    return {"text": side.text, "ioengine": side.ioengine,
            "options": list(side.options),
            "sha256": fingerprint(path) if path.startswith("/") else None}


def tests_and_profile(qualification):
    """The part of plan.json that --rounds changes in a resumed run."""
    return {"profile": asdict(qualification.profile),
            "tests": _tests(qualification.tests)}


def new(qualification, before):
    """The content of plan.json; before: how the write caches were."""
    fio = qualification.fio
    planned = interference.plan(qualification.profile, qualification.targets)
    return {"schema": folder.Folder.SCHEMA.version, "id": secrets.token_hex(8),
            "created": machine.moment(),
            "command": ["jobs/qualify", *sys.argv[1:]],
            "arguments": asdict(qualification.asked),
            "seed": qualification.seed, **tests_and_profile(qualification),
            "time": qualification.time,
            "engine": _engine(qualification.side),
            "other_engine": _engine(qualification.other_side),
            "refill": returnstack.in_force(filter(None, (
                qualification.side, qualification.other_side))),
            "fio": {"path": fio.path, "version": fio.version,
                    "sha256": fingerprint(fio.path)},
            "targets": [
                {**target.data(PLAN), "write_cache_before": known,
                 "costs": _costs(target, qualification),
                 **targetset.describe(qualification, target)}
                for target, known in zip(qualification.targets, before)],
            "neighbour": neighbourtarget.planned(qualification.neighbour),
            "own": [one.data() for one in qualification.sources],
            "interference": planned and asdict(planned),
            "environment": machine.describe(),
            "warnings": list(qualification.warnings)}


def same(qualification, known):
    """Refuse to go on with another fio, engine or table of tests."""
    fio, now = qualification.fio, fingerprint(qualification.fio.path)
    if fio.version != known["fio"]["version"] or \
            known["fio"]["sha256"] not in (None, now):
        raise Problem(f"{fio.path} is not the fio that the run began with "
                      f"({known['fio']['version']}): name that with --fio, or "
                      f"{NEW}.")
    for one, before in ((qualification.side, known["engine"]),
                        (qualification.other_side, known["other_engine"])):
        if _engine(one) != before:
            raise Problem(f"the engine {before['text']} has changed since the "
                          f"run began: {NEW}.")
    if _tests(qualification.tests) != known["tests"] or \
            asdict(qualification.profile) != known["profile"]:
        raise Problem("this jobs/qualify has other tests than the one that "
                      f"the run began with: {NEW}, or use that one.")

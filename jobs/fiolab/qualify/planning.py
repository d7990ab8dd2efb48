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
from ..target.target import PLAN
from . import engines, estimate, folder, readings
from .suite import integrity, pts, queuetests

NEW = "begin a new run"


def all_tests(profile):
    return (*pts.tests(profile), *integrity.TESTS, *queuetests.TESTS)


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
                          "groups pts, integrity, queue.")
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
    parts = [f"{one.amount / 1e9:,.1f} GB"] if one.amount else []
    parts += ["all the time"] if one.writes else []
    return " + ".join(parts) or "nothing"


def _row(name, rounds, time, written):
    return f"  {name:<22} {rounds:>9}  {time:<20} {written}"


def _estimates(target, session):
    profile = session.profile
    found = [test.estimate(profile, target.size) for test in session.tests]
    if session.other_side:
        found.append(estimate.timed(f"beside {session.other_side.text}",
                                    engines.seconds(profile, target.size)))
    return found


def _target_lines(target, session):
    found = _estimates(target, session)
    short, long = (estimate.clock(sum(getattr(one, name) for one in found))
                   for name in ("shortest", "longest"))
    lines = [f"{target.name}: {target.whole / 1e9:,.1f} GB, of which "
             f"{target.size / 1e9:,.1f} GB are used",
             _row("test", "rounds", "time", "writes")]
    lines += [_row(one.name, _rounds(one), _time(one), _written(one))
              for one in found]
    return [*lines, _row("total", "", short if short == long else
                         f"{short} to {long}", "")]


def lines(targets, session):
    """The plan in words."""
    profile = session.profile
    found = [f"Profile {profile.name} ({profile.title}), engine "
             f"{session.side.text}; {profile.threads} threads at depth "
             f"{profile.depth} unless a test says otherwise."]
    found += [f"{one[:1].upper()}{one[1:]}." for one in readings.said(profile)]
    for target in targets:
        found += _target_lines(target, session)
    if len(targets) > 1:
        found.append(f"The {len(targets)} targets are tested at the same "
                     "time.")
    found.append("Each target is purged, and all data on it is destroyed. "
                 "Writing an amount is reckoned at "
                 f"{estimate.WRITE_SPEED / 1e6:,.0f} MB/s; a purge is not "
                 "reckoned.")
    return found


# As plan.json

def _tests(tests):
    return [{"name": test.name, "digest": test.digest()} for test in tests]


def _engine(side):
    if side is None:
        return None
    path = side.ioengine.removeprefix("external:")
    return {"text": side.text, "ioengine": side.ioengine,
            "options": list(side.options),
            "sha256": fingerprint(path) if path.startswith("/") else None}


def _target(one):
    return {**one["target"].data(PLAN), "identity": one["identity"],
            "write_cache_before": one["cache"],
            "write_cache": one["write_cache"],
            "smart": one["smart"], "smart_why": one["smart_why"],
            "purge": {"method": one["purge"][0], "why": one["purge"][1]}}


def tests_and_profile(session):
    """The part of plan.json that --rounds changes in a resumed run."""
    return {"profile": asdict(session.profile),
            "tests": _tests(session.tests)}


def new(session, targets):
    """The content of plan.json."""
    fio = session.fio
    return {"schema": folder.Folder.SCHEMA.version, "id": secrets.token_hex(8),
            "created": machine.moment(),
            "command": ["jobs/qualify", *sys.argv[1:]],
            "arguments": asdict(session.asked),
            "seed": session.seed, **tests_and_profile(session),
            "engine": _engine(session.side),
            "other_engine": _engine(session.other_side),
            "fio": {"path": fio.path, "version": fio.version,
                    "sha256": fingerprint(fio.path)},
            "targets": [_target(one) for one in targets],
            "environment": machine.describe(),
            "warnings": list(session.warnings)}


def same(session, known):
    """Refuse to go on with another fio, engine or table of tests."""
    fio, now = session.fio, fingerprint(session.fio.path)
    if fio.version != known["fio"]["version"] or \
            known["fio"]["sha256"] not in (None, now):
        raise Problem(f"{fio.path} is not the fio that the run began with "
                      f"({known['fio']['version']}): name that with --fio, or "
                      f"{NEW}.")
    for one, before in ((session.side, known["engine"]),
                        (session.other_side, known["other_engine"])):
        if _engine(one) != before:
            raise Problem(f"the engine {before['text']} has changed since the "
                          f"run began: {NEW}.")
    if _tests(session.tests) != known["tests"] or \
            asdict(session.profile) != known["profile"]:
        raise Problem("this jobs/qualify has other tests than the one that "
                      f"the run began with: {NEW}, or use that one.")

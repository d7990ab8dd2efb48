# SPDX-License-Identifier: GPL-2.0-only
# jobs/qualify from its arguments to its report.  A new run is planned into
# plan.json, a resumed one is read from it; from there on both are the same.
import argparse
from dataclasses import dataclass
import datetime
import os
import secrets
import sys
import threading

from .. import cli as common, fio as fio_runs, plan as ab_plan, probe, scratch
from .. import hosttarget, side, store
from ..clients import check as check_hosts
from ..problem import Problem
from . import cache, cli, engines, estimate, identity, limits, places, plan
from . import purge, result, schema, spec as specs, worker
from .execute import Place
from .folder import Folder
from .profiles import PROFILES

WAIT = 0.5              # seconds between looks at the workers
SPEC = "spec.toml"      # the copy in the folder


def say(text):
    print(f"qualify: {text}", file=sys.stderr)


@dataclass
class HostPlan:
    """What hosttarget.py takes."""
    fio: object
    clients: list


class Session:
    def __init__(self, args, stack):
        self.args, self.stack = args, stack
        self.profile = PROFILES[args.profile]
        self.tests = plan.tests_of(self.profile, args.tests)
        self.side = side.parse(args.engine, args.build)
        self.spec = self.other = self.folder = self.plan = None
        self.warnings, self.stop = [], threading.Event()
        self.fio = fio_runs.Fio(args.fio, None, scratch.folder(stack))
        self.has_stats = self.ask_engine(self.side)
        self.other_side, self.other_has_stats = None, False
        if args.ab:
            engines.prepare(self)

    def ask_engine(self, one):
        """Does it take its options, and tell its statistics?"""
        known = probe.engine_options(self.fio, one)
        for option in one.options:
            name = option.partition("=")[0]
            if name not in known:
                raise Problem(f"'{name}' in '{one.text}' is not an option of "
                              "that engine: leave it out.")
        return {"stats_file", "engine_stats"} <= known

    def load_spec(self, path):
        """The limits, whose tests and cells must be known."""
        if path:
            self.spec = specs.load(path)
            specs.check_names(self.spec, {
                test.name: estimate.cell_names(test)
                for test in plan.all_tests(self.profile)})
            self._warn_of_limits()
        if self.args.against:
            self.other = schema.load(_json_of(self.args.against))
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

    def make_places(self):
        """[Place]: claimed where they may be overwritten."""
        args = self.args
        if args.client is not None:
            return places.hosts(args, self.profile)
        if args.scratch:
            made = [places.scratch(self.profile, args.size, self.stack)]
        elif args.destroy_data and not args.plan:
            made = [places.local(path, self.profile, args.size, True,
                                 self.stack) for path in _unlike(args.target)]
        else:
            made = [places.planned(path, self.profile, args.size)
                    for path in _unlike(args.target)]
        self.warnings += [text for _, more in made for text in more]
        return [place for place, _ in made]

    def look_at_hosts(self, made):
        for place in made:
            if place.client:
                check_hosts([place.client], [self.side], [], True)
                hosttarget.check(HostPlan(self.fio, [place.client]), place,
                                 lambda *_: False)

    def describe(self, place):
        """What plan.json keeps of a target that may be overwritten."""
        found = ({**identity.EMPTY, "kind": "remote"} if place.client
                 else identity.describe(place.path))
        health, why = worker.smart(place)
        return {"place": place, "identity": found, "smart": health,
                "smart_why": why,
                "purge": purge.plan(place.claim or place)}

    def caches(self, made):
        """How the write caches are, where they can be set."""
        return [None if place.client or self.args.scratch
                else cache.now(place.path) for place in made]

    def set_caches(self, made, before):
        """before: what they were when the run began."""
        for place, known in zip(made, before):
            if place.client is None and not self.args.scratch:
                said = cache.set(place.path, self.profile.write_cache,
                                 self.stack, known)
                self.warnings += [said] if said else []

    # Runs

    def run(self, made):
        """All tests on all targets; (workers, what ended it or None)."""
        watch = worker.Watch(len(self.tests) * len(made),
                             [place.name for place in made])
        workers = [worker.Worker(self, number, place, known["purge"]["method"],
                                 watch) for number, (place, known) in
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


def _folder(args):
    if args.out:
        return Folder(args.out)
    return store.fresh(os.path.join(
        ab_plan.disk(args), datetime.datetime.now().strftime(
            "qualify-%Y%m%d-%H%M%S")), Folder)


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _show(session, made):
    lines = plan.lines(made, session)
    print("\n".join(lines), flush=True,
          file=sys.stdout if session.args.plan else sys.stderr)
    for text in session.warnings:
        say(text)


def _begin(args, stack):
    """(session, places) of a new run; (_, None) where it is only planned."""
    cli.settle(args)
    if args.seed is None:
        args.seed = secrets.randbits(31)
    session = Session(args, stack)
    session.load_spec(args.spec)
    made = session.make_places()
    _show(session, made)
    if args.plan:
        return session, None
    if not args.destroy_data and not args.scratch:
        raise Problem("nothing was written: give --destroy-data to overwrite "
                      f"{', '.join(place.name for place in made)}.")
    session.look_at_hosts(made)
    session.folder = _folder(args)
    session.folder.create(stack)
    kept = {key: value for key, value in vars(args).items()
            if key not in cli.OTHER}
    before = session.caches(made)
    session.set_caches(made, before)
    content = plan.new(session, [
        {**session.describe(place), "cache": known}
        for place, known in zip(made, before)], kept)
    session.warnings = []       # they are in the plan
    session.folder.save_plan(content)
    session.plan = content
    if args.spec:
        session.folder.save_result(SPEC, _read(args.spec))
    return session, made


# Going on

def _arguments(known, given):
    try:
        args = argparse.Namespace(**{**cli.DEFAULTS, **known["arguments"]})
        args.resume, args.out, args.plan = given.resume, None, False
        args.destroy_data, args.no_pdf = given.destroy_data, given.no_pdf
        args.fio = (known["fio"]["path"] if given.fio is cli.UNSET
                    else common.find_fio(given.fio))
        return args
    except (KeyError, TypeError) as error:
        raise Problem(f"the run in {given.resume} lacks {error}: it was not "
                      "written by this jobs/qualify.") from None


def _finished(folder, known):
    """Was all of it run?"""
    return all(folder.load_round(f"t{number:02d}-complete")
               for number in range(len(known["targets"])))


def _as_planned(one):
    """A Place that needs no target any more."""
    return Place(one["name"], one["path"], one["size"], one["total"],
                 one["logical_block"], one["physical_block"], one["kind"],
                 {"name": one["host"]} if one["host"] else None,
                 writable=False)


def _same_targets(session, made):
    """Refuse another device under the old name."""
    for place, known in zip(made, session.plan["targets"]):
        if (place.size, place.total, place.logical_block) != (
                known["size"], known["total"], known["logical_block"]):
            raise Problem(f"{place.name} is not the target that the run began "
                          "with (its size or its block size differs): begin a "
                          "new run.")
        why = None if place.client or session.args.scratch else identity.same(
            known["identity"], identity.describe(place.path))
        if why:
            raise Problem(f"{place.name} is not as it was when the run began: "
                          f"{why}")


def _go_on(given, stack):
    folder = Folder(given.resume)
    known = folder.open(stack)
    args = _arguments(known, given)
    session = Session(args, stack)
    session.folder, session.plan = folder, known
    plan.same(session, known)
    session.load_spec(folder.file(SPEC) if args.spec else None)
    if _finished(folder, known):
        return session, [_as_planned(one) for one in known["targets"]]
    if not args.destroy_data and not args.scratch:
        raise Problem("--resume writes to the targets again: give "
                      "--destroy-data.")
    made = session.make_places()
    _same_targets(session, made)
    session.look_at_hosts(made)
    session.set_caches(made, [one["write_cache_before"]
                              for one in known["targets"]])
    if args.scratch:
        session.warnings.append("the scratch target is a new one since the "
                                "run was resumed.")
    return session, made


def _end(session, workers, ending):
    """The report, whole or not, and the exit status."""
    fault = next((one.fault for one in workers if one.fault), None)
    finished = ending is None and fault is None
    data = result.make(session, workers, finished)
    result.compare_engines(session, workers, data)
    result.judge(session, data)
    try:
        result.publish(session, data)
    finally:
        if not finished:
            say("what was measured is kept; go on with --resume "
                f"{session.folder.shown}")
    if fault:
        raise fault
    raise ending or SystemExit(limits.exit_status(data["result"]))


def qualify(args, stack):
    cli.refuse(args)
    if args.resume is not cli.UNSET:
        session, made = _go_on(args, stack)
    else:
        session, made = _begin(args, stack)
    if made is None:
        return
    workers, ending = session.run(made)
    _end(session, workers, ending)


def main(arguments=None):
    common.main(arguments, cli.parser(), qualify, failure=2)

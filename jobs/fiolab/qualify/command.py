# SPDX-License-Identifier: GPL-2.0-only
# jobs/qualify from its arguments to its report.  A new run is planned into
# plan.json, a resumed one is read from it; from there on both are the same.
import datetime
import os
import sys

from ..base import commandline, runfolder
from ..base.problem import Problem
from ..report import forms, wording
from . import cli, planning, result, targetset, worker
from .folder import Folder
from .endurance import soaktest
from .fleet import fleetcommand, seats
from .limits import judging
from .own import fitting, sources
from .qualification import SPEC, begun, say
from .records import commands, signature
from .resume import go_on
from .shorter import budget
from .tails import neighbourtarget


def _folder(build, path):
    """The Folder at a path, or a new one in the build folder."""
    if path:
        return Folder(path)
    return runfolder.fresh(os.path.join(
        commandline.disk(build), datetime.datetime.now().strftime(
            "qualify-%Y%m%d-%H%M%S")), Folder)


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _show(qualification, file):
    print("\n".join(map(wording.line, planning.lines(qualification))),
          flush=True, file=file)
    for text in qualification.warnings:
        say(text)


def _only_plan(qualification):
    _show(qualification, sys.stdout)
    if any(one and one.refused for one in (*qualification.targets,
                                           qualification.neighbour)):
        raise SystemExit(2)         # as the command itself would end


def _begin(given, stack):
    """A new run, up to its plan.json; None where it is only planned."""
    asked, plan = cli.request(given), "plan" in given
    qualification = begun(
        asked, commandline.find_fio(given.get("fio", commandline.FIO)), stack,
        "destroy_data" in given and not plan)
    qualification.only_plan = plan
    qualification.load_spec(asked.spec)
    targetset.make(qualification)
    qualification.neighbour = neighbourtarget.make(qualification)
    fitting.check(qualification)
    soaktest.refuse(qualification.profile, qualification.targets)
    if not asked.no_pin:
        seats.take(qualification.targets)
        qualification.warnings += seats.warnings(
            qualification.targets, qualification.profile.threads)
    budget.shorten(qualification)
    qualification.warnings += budget.warnings(qualification)
    if plan:
        return _only_plan(qualification)
    _show(qualification, sys.stderr)
    if qualification.writes and not qualification.destroy:
        names = ", ".join(one.name for one in (
            *qualification.targets, qualification.neighbour) if one)
        raise Problem("nothing was written: give --destroy-data to overwrite "
                      f"{names}.")
    targetset.look_at_hosts(qualification)
    fitting.rehearse(qualification)
    qualification.folder = _folder(asked.build, given.get("out"))
    qualification.folder.create(stack)
    before = targetset.caches(qualification)
    targetset.set_caches(qualification, before)
    qualification.plan = planning.new(qualification, before)
    qualification.warnings = []       # they are in the plan
    qualification.folder.save_plan(qualification.plan)
    qualification.sources = sources.keep(qualification.sources,
                                         qualification.folder)
    if asked.spec:
        qualification.folder.save_result(SPEC, _read(asked.spec))
    return qualification


def _end(qualification, ending):
    """The report, whole or not, and the exit status."""
    fault = next((one.fault for one in qualification.workers
                  if one.fault), None)
    finished = ending is None and fault is None
    data = result.make(qualification, finished)
    try:
        result.publish(qualification, data)
    finally:
        if not finished:
            say("what was measured is kept; go on with "
                f"{result.going_on(qualification)}")
    if fault:
        raise fault
    raise ending or SystemExit(judging.exit_status(data["result"]))


def qualify(args, stack):
    given = vars(args)
    cli.refuse(given)
    forms.check(given.get("format", ()), given.get("out"))
    if "sign" in given:
        signature.check(given["sign"])
    qualification = (go_on if "resume" in given else _begin)(given, stack)
    if qualification:
        qualification.pdf = "no_pdf" not in given
        qualification.forms = given.get("format", ())
        qualification.key = given.get("sign")
        _end(qualification, worker.run(qualification))


def main(arguments=None):
    """jobs/qualify: a run, or what is done with those that there are."""
    words = sys.argv[1:] if arguments is None else arguments
    others = {"verify": commands.verify, "sign": commands.sign,
              "export": commands.export, "summary": fleetcommand.main}
    if words and words[0] in others:
        others[words[0]](words[1:])
    else:
        commandline.main(words, cli.parser(), qualify, failure=2)

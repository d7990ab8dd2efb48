# SPDX-License-Identifier: GPL-2.0-only
# jobs/qualify from its arguments to its report.  A new run is planned into
# plan.json, a resumed one is read from it; from there on both are the same.
import datetime
import os
import sys

from ..base import commandline, runfolder
from ..base.problem import Problem
from . import cli, planning, result
from .folder import Folder
from .limits import judging
from .qualification import SPEC, Qualification, say
from .resume import go_on


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


def _show(session, made, file):
    print("\n".join(planning.lines(made, session)), flush=True, file=file)
    for text in session.warnings:
        say(text)


def _begin(given, stack):
    """(session, targets) of a new run; (_, None) where it is only planned."""
    asked, plan = cli.request(given), "plan" in given
    session = Qualification(
        asked, commandline.find_fio(given.get("fio", commandline.FIO)), stack,
        "destroy_data" in given and not plan)
    session.load_spec(asked.spec)
    made = session.make_targets()
    _show(session, made, sys.stdout if plan else sys.stderr)
    if plan:
        if any(target.refused for target in made):
            raise SystemExit(2)     # as the command itself would end
        return session, None
    if not session.destroy:
        raise Problem("nothing was written: give --destroy-data to overwrite "
                      f"{', '.join(target.name for target in made)}.")
    session.look_at_hosts(made)
    session.folder = _folder(asked.build, given.get("out"))
    session.folder.create(stack)
    before = session.caches(made)
    session.set_caches(made, before)
    session.plan = planning.new(session, [
        {**session.describe(target), "cache": known}
        for target, known in zip(made, before)])
    session.warnings = []       # they are in the plan
    session.folder.save_plan(session.plan)
    if asked.spec:
        session.folder.save_result(SPEC, _read(asked.spec))
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
    raise ending or SystemExit(judging.exit_status(data["result"]))


def qualify(args, stack):
    given = vars(args)
    cli.refuse(given)
    session, made = (go_on if "resume" in given else _begin)(given, stack)
    if made is None:
        return
    session.pdf = "no_pdf" not in given
    workers, ending = session.run(made)
    _end(session, workers, ending)


def main(arguments=None):
    commandline.main(arguments, cli.parser(), qualify, failure=2)

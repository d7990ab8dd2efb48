# SPDX-License-Identifier: GPL-2.0-only
# jobs/qualify from its arguments to its report.  A new run is planned into
# plan.json, a resumed one is read from it; from there on both are the same.
import datetime
import os
import secrets
import sys

from ..base import commandline, runfolder
from ..base.problem import Problem
from . import cli, planning, result
from .folder import Folder
from .limits import judging
from .resume import go_on
from .session import SPEC, Session, say


def _folder(args):
    if args.out:
        return Folder(args.out)
    return runfolder.fresh(os.path.join(
        commandline.disk(args.build), datetime.datetime.now().strftime(
            "qualify-%Y%m%d-%H%M%S")), Folder)


def _read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def _show(session, made):
    lines = planning.lines(made, session)
    print("\n".join(lines), flush=True,
          file=sys.stdout if session.args.plan else sys.stderr)
    for text in session.warnings:
        say(text)


def _begin(args, stack):
    """(session, targets) of a new run; (_, None) where it is only planned."""
    cli.settle(args)
    if args.seed is None:
        args.seed = secrets.randbits(31)
    session = Session(args, stack)
    session.load_spec(args.spec)
    made = session.make_targets()
    _show(session, made)
    if args.plan:
        if any(target.refused for target in made):
            raise SystemExit(2)     # as the command itself would end
        return session, None
    if not args.destroy_data and not args.scratch:
        raise Problem("nothing was written: give --destroy-data to overwrite "
                      f"{', '.join(target.name for target in made)}.")
    session.look_at_hosts(made)
    session.folder = _folder(args)
    session.folder.create(stack)
    kept = {key: value for key, value in vars(args).items()
            if key not in cli.OTHER}
    before = session.caches(made)
    session.set_caches(made, before)
    content = planning.new(session, [
        {**session.describe(target), "cache": known}
        for target, known in zip(made, before)], kept)
    session.warnings = []       # they are in the plan
    session.folder.save_plan(content)
    session.plan = content
    if args.spec:
        session.folder.save_result(SPEC, _read(args.spec))
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
    cli.refuse(args)
    if args.resume is not cli.UNSET:
        session, made = go_on(args, stack)
    else:
        session, made = _begin(args, stack)
    if made is None:
        return
    workers, ending = session.run(made)
    _end(session, workers, ending)


def main(arguments=None):
    commandline.main(arguments, cli.parser(), qualify, failure=2)

# SPDX-License-Identifier: GPL-2.0-only
# --resume: from plan.json to the session and the targets that the run began
# with; anything else under the old names is refused.
from ..base import commandline, machine
from ..base.problem import Problem
from ..target import identity
from ..target.target import PLAN, Target
from . import cli, planning
from .folder import Folder
from .qualification import SPEC, Qualification, Request


def asked(known):
    """The Request of a plan.json."""
    return Request(**{name: value for name, value
                      in known["arguments"].items() if name in cli.KEPT})


def _begun(known, given, stack):
    """The Qualification that a plan.json is of."""
    fio = (commandline.find_fio(given["fio"]) if "fio" in given
           else known["fio"]["path"])
    return Qualification(asked(known), fio, stack, "destroy_data" in given)


def _finished(folder, known):
    """Was all of it run?"""
    return all(folder.load_round(f"t{number:02d}-complete")
               for number in range(len(known["targets"])))


def _same_targets(session, made):
    """Refuse another device under the old name."""
    for target, known in zip(made, session.plan["targets"]):
        if (target.size, target.whole, target.logical_block) != (
                known["size"], known["total"], known["logical_block"]):
            raise Problem(f"{target.name} is not the target that the run "
                          "began with (its size or its block size differs): "
                          "begin a new run.")
        why = None if target.clients or target.created else identity.same(
            known["identity"], identity.describe(target.path))
        if why:
            raise Problem(f"{target.name} is not as it was when the run "
                          f"began: {why}")


def _keep_more_rounds(session, known):
    """In the plan; and the end of the run is not its end any more."""
    known.update(planning.tests_and_profile(session))
    known["arguments"]["rounds"] = session.asked.rounds
    for number in range(len(known["targets"])):
        session.folder.forget_round(f"t{number:02d}-complete")


def go_on(given, stack):
    """(session, targets) of --resume; given: {option: value}."""
    folder = Folder(given["resume"])
    known = folder.open(stack)
    session = _begun(known, given, stack)
    session.folder, session.plan = folder, known
    planning.same(session, known)
    more = "rounds" in given
    if more:
        session.more_rounds(given["rounds"])
    session.load_spec(folder.file(SPEC) if session.asked.spec else None)
    if not more and _finished(folder, known):
        return session, [Target.of(one, PLAN) for one in known["targets"]]
    if not session.destroy:
        raise Problem("--resume writes to the targets again: give "
                      "--destroy-data.")
    made = session.make_targets()
    _same_targets(session, made)
    session.look_at_hosts(made)
    session.set_caches(made, [one["write_cache_before"]
                              for one in known["targets"]])
    for target, one in zip(made, known["targets"]):
        one["write_cache"] = session.look_at_cache(target)
    if more:
        _keep_more_rounds(session, known)
    folder.resume(known, machine.moment())
    if session.asked.scratch:
        session.warnings.append("the scratch target is a new one since the "
                                "run was resumed.")
    return session, made

# SPDX-License-Identifier: GPL-2.0-only
# --resume: from plan.json to the qualification that the run began as; anything
# else under the old names is refused.
from ..base import commandline, machine
from ..base.problem import Problem
from ..target import identity
from ..target.target import PLAN, Target
from . import cli, planning, targetset
from .fleet import interference, seats
from .folder import Folder
from .own import fitting, sources
from .records import manifest
from .qualification import SPEC, Request, begun
from .shorter import budget
from .tails import neighbourtarget


def asked(known):
    """The Request of a plan.json."""
    return Request(**{name: value for name, value
                      in known["arguments"].items() if name in cli.KEPT})


def _begun(folder, known, given, stack):
    """The Qualification that the plan.json of a folder is of."""
    fio = (commandline.find_fio(given["fio"]) if "fio" in given
           else known["fio"]["path"])
    made = begun(asked(known), fio, stack, "destroy_data" in given,
                 known.get("refill"), sources.again(folder,
                                                    known.get("own", ())))
    budget.again(made, known.get("time"))
    return made


def _finished(folder, known):
    """Was all of it run?"""
    names = [f"t{number:02d}-complete"
             for number in range(len(known["targets"]))]
    if known.get("interference"):
        names.append(interference.COMPLETE)
    return all(map(folder.load_round, names))


def _same_targets(targets, planned):
    """Refuse another device under the old name."""
    for target, known in zip(targets, planned):
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


def _claim(qualification, known):
    """All targets, if they are those that they were."""
    targetset.make(qualification)
    qualification.neighbour = neighbourtarget.make(qualification)
    fitting.check(qualification)
    _same_targets(qualification.targets, known["targets"])
    if qualification.neighbour:
        _same_targets([qualification.neighbour], [known["neighbour"]])


def _keep_more_rounds(qualification, known):
    """In the plan; and the end of the run is not its end any more."""
    known.update(planning.tests_and_profile(qualification))
    known["arguments"]["rounds"] = qualification.asked.rounds
    for number in range(len(known["targets"])):
        qualification.folder.forget_round(f"t{number:02d}-complete")


def _warn_of_another_kernel(known):
    """Its figures are of two; kept in the plan."""
    before, now = known["environment"]["kernel"], machine.describe()["kernel"]
    if before != now:
        known["warnings"].append(
            f"the run was begun on the kernel {before} and resumed on {now}, "
            f"so that its figures are not of one (at {machine.moment()}).")


def go_on(given, stack):
    """The Qualification of --resume; given: {option: value}."""
    folder = Folder(given["resume"])
    if manifest.is_there(folder.path):
        manifest.refuse_changed(folder.path, folder.shown)
    known = folder.open(stack)
    qualification = _begun(folder, known, given, stack)
    qualification.folder, qualification.plan = folder, known
    planning.same(qualification, known)
    more = "rounds" in given
    if more:
        qualification.more_rounds(given["rounds"])
    qualification.load_spec(folder.file(SPEC)
                            if qualification.asked.spec else None)
    if not more and _finished(folder, known):
        qualification.targets = [Target.of(one, PLAN)
                                 for one in known["targets"]]
        return qualification
    if qualification.writes and not qualification.destroy:
        raise Problem("--resume writes to the targets again: give "
                      "--destroy-data.")
    _claim(qualification, known)
    seats.take_again(qualification.targets, known["targets"])
    targetset.look_at_hosts(qualification)
    targetset.set_caches(qualification, [one["write_cache_before"]
                                         for one in known["targets"]])
    for target, one in zip(qualification.targets, known["targets"]):
        one["write_cache"] = targetset.look_at_cache(qualification, target)
    if more:
        _keep_more_rounds(qualification, known)
    _warn_of_another_kernel(known)
    qualification.warnings += (*sources.changed(qualification.sources),
                               *budget.resumed(qualification))
    folder.resume(known, machine.moment())
    if qualification.asked.scratch:
        qualification.warnings.append("the scratch target is a new one since "
                                      "the run was resumed.")
    return qualification

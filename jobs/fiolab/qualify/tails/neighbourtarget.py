# SPDX-License-Identifier: GPL-2.0-only
# The other namespace, partition or device of --neighbour: claimed as a target
# is, as its user must give it away as well, and used by the test of noisy
# neighbours alone.
import os

from ...base.problem import Problem
from ...report import wording
from ...target import identity
from ...target.target import PLAN
from .. import targetset
from . import neighbour


def make(qualification):
    """Its Target, of which no more is used than of the target; None: there is
    none."""
    asked, profile = qualification.asked, qualification.profile
    if not asked.neighbour:
        return None
    if not any(test.name == neighbour.NAME for test in qualification.tests):
        raise Problem("--neighbour is for the test "
                      f"{neighbour.NAME}: name that among --tests, or leave it "
                      "out.")
    path, target = os.path.realpath(asked.neighbour), qualification.targets[0]
    if path == target.path:
        raise Problem(f"{path} cannot be the neighbour of itself: name another "
                      "namespace or partition, or leave --neighbour out, which "
                      "makes two of the target's halves.")
    if qualification.destroy:
        made = targetset.local(path, profile, None, qualification.stack,
                               asked.allow or ())
    else:
        made = targetset.planned(path, profile, None, asked.allow or ())
    made.size = min(made.size, target.size)
    qualification.warnings += made.warnings
    return made


def planned(target):
    """What plan.json keeps of it."""
    return target and {**target.data(PLAN),
                       "identity": identity.describe(target.path)}


def data(known):
    """What qualify.json tells of it; known: of plan.json."""
    return known and {"path": known["path"], "size_bytes": known["total"],
                      "active_bytes": known["size"],
                      **{name: known["identity"].get(name)
                         for name in ("model", "serial")}}


def said(target):
    """In words, of a target of qualify.json; "" where there is none."""
    found = target.get("neighbour")
    if not found:
        return ""
    named = ", ".join(filter(None, (found["path"], found["model"],
                                    found["serial"] and
                                    f"serial {found['serial']}")))
    return (f"noisy neighbour: {named}, of which "
            f"{wording.decimal_size(found['active_bytes'])} were used")

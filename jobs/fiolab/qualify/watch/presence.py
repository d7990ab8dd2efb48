# SPDX-License-Identifier: GPL-2.0-only
# A device that drops off the bus fails the qualification, whatever else was
# measured: the check that says so, with the time and what the kernel said.
import re
import time

from ...base import kernellog, machine
from ...target import claim, sysfs
from ..suite.verifying import judged

PRESENT = ("present", "The device stayed present")
BEFORE, AFTER = 120, 5      # seconds around the moment at which it was missed
LOST_IO = re.compile(r"I/O error|i/o error|critical \w+ error")


def _log():
    """[(time.time(), text)]"""
    boot = time.time() - time.monotonic()
    return [(boot + one.seconds, one.text) for one in kernellog.whole()]


def chosen(lines, folder, moment):
    """(when, text) of the line that best tells why a device went, or None:
    the last about it that is no I/O that it failed, else the first of those.
    """
    named = sysfs.naming(sysfs.names(folder))
    about = [line for line in lines if named(line[1]) and
             moment - BEFORE <= line[0] <= moment + AFTER]
    told = [line for line in about if not LOST_IO.search(line[1])]
    return told[-1] if told else about[0] if about else None


def _kernel(folder, moment):
    if not folder:
        return "it is a file, so the kernel has no line about it"
    try:
        line = chosen(_log(), folder, moment)
    except OSError as error:
        return f"the kernel's log cannot be read ({error.strerror})"
    return (f"the kernel said at {machine.moment(line[0])}: {line[1]}"
            if line else "the kernel's log has no line about it")


def demand(target):
    """claim.Gone where the target is not there any more, as far as that is for
    us to see."""
    if target.descriptor >= 0:      # not let go of for a power cut
        claim.check_same(target)


def gone(target):
    """The check of a target that is not there any more; None while it is."""
    try:
        demand(target)
        return None
    except claim.Gone as problem:
        return judged(PRESENT, None, f"{problem} It was missed at "
                      f"{machine.moment(problem.at)}; "
                      f"{_kernel(target.folder, problem.at)}", wrong=True)

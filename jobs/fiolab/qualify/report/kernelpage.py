# SPDX-License-Identifier: GPL-2.0-only
# What the kernel's log had during a test: one line of words for page and
# terminal, and the lines themselves for the appendix.
from ..watch import kernelerrors


def said(test):
    """A sentence; None where the test was not begun."""
    found = test.get("kernel")
    if not found:
        return None
    if found["why"]:
        return f"Errors of the kernel: not known, as {found['why']}."
    mine, others = (kernelerrors.said(found["counts"][kind]) for kind in (
        kernelerrors.DEVICE, kernelerrors.OTHER))
    lost = (f"; {found['lost']:,} records were written over before they were "
            "read" if found["lost"] else "")
    if not found["names"]:
        return (f"The kernel's log: {others}; the target lies on no device "
                f"that they would name{lost}.")
    return (f"The kernel's log: {mine} named the device, {others} did "
            f"not{lost}.")


def is_quiet(test):
    """Nothing to tell on the terminal: no line, or it is a warning already."""
    found = test.get("kernel")
    return not found or bool(found["why"]) or not (
        found["lines"] or found["lost"])


def are_quiet(tests):
    """The log was read in all tests that were begun, and had no line."""
    begun = [test["kernel"] for test in tests if test.get("kernel")]
    return bool(begun) and not any(one["why"] or one["lines"]
                                   for one in begun)


def lines(test):
    """{"start", "rows", "left"} for the appendix; None without lines."""
    found = test.get("kernel")
    if not found or not found["lines"]:
        return None
    return {"start": found["start"], "left": found["left"], "rows": found[
        "lines"]}

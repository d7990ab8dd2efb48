# SPDX-License-Identifier: GPL-2.0-only
# What became of a run, or of one device in it, in a word.
from .judging import overall


def result(limits, checks, tests):
    """overall(), but: what was left undone has not passed, nor has a device of
    which nothing was judged but that nothing happened to it meanwhile."""
    word = overall(limits, checks)
    judged = limits or any(test["checks"] for test in tests)
    if word == "pass" and (not judged or any(test["state"] != "done"
                                             for test in tests)):
        return "not measured"
    return word

# SPDX-License-Identifier: GPL-2.0-only
# The check that a device's own health log reports no failure, of what it said
# before and after the tests.
from ...target.drive import smartlog
from ..suite.verifying import judged, unknown

CHECK = ("smart", "The device's health log reports no failure")


def _said(row):
    """'media errors 0, then 3: data was lost ...'"""
    note = f": {row['note']}" if row["note"] else ""
    title = row["title"][:1].lower() + row["title"][1:]
    before, after = (("failed", "passed")[value] if isinstance(value, bool)
                     else value for value in (row["before"], row["after"]))
    return f"{title} {before}, then {after}{note}"


def check(before, after, why):
    """The check of two logs; None without the first; why: the second is not
    there."""
    if not before:
        return None
    if not after:
        return unknown(CHECK, why or "there is no log after the tests")
    rows = smartlog.rows(before, after)
    of = {word: [row for row in rows if row["judgement"] == word]
          for word in (smartlog.GOOD, smartlog.NOTED, smartlog.BAD)}
    noted = "; ".join(map(_said, of[smartlog.NOTED]))
    count = sum(map(len, of.values()))
    few = None if count else "it has none that is known here"
    return judged(CHECK, None, f"{count} attributes tell of failures, and none "
                  f"does{'; noted: ' if noted else ''}{noted}",
                  "; ".join(map(_said, of[smartlog.BAD])) or None, few)

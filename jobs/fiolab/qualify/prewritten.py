# SPDX-License-Identifier: GPL-2.0-only
# Before reads are measured: what of the range was never written, or was given
# back since, would be read without the medium.  In a file of the target's own,
# which a purge has made a hole of, it is found and filled; of a device it is
# only known whether all of the range was written since the last purge.
from ..target import extents
from ..target.purge import NONE

NAMED = 3               # targets, in a warning


def follow(bench, stimuli, purged):
    """After a round, of this command or an earlier one."""
    if purged and purged["method"] != NONE:
        bench.covered = False
    if any(one.rw == "write" and one.capacity >= 1 for one in stimuli):
        bench.covered = True


def _look(bench):
    target = bench.target
    found = extents.look(target.path, target.size)
    if not found.known and bench.covered:
        return extents.Written(target.size)
    return found


def before_reads(bench, tell):
    """The "written" of a round that reads; tell: of (text)."""
    if bench.target.clients:
        return {"share": 1.0 if bench.covered else None, "filled_bytes": 0}
    found, missing = _look(bench), 0
    if found.missing and bench.target.writable and \
            bench.target.descriptor >= 0:
        missing = extents.total(found.missing)
        extents.fill(bench.target.descriptor, found.missing,
                     lambda share: tell(f"filling holes: {share:.0%}"))
        found = _look(bench)
    return {"share": found.share, "filled_bytes": missing}


def summary(tests):
    """The "written" of a target; None where no reads were measured."""
    found = [one["written"] for test in tests for phase in test["phases"]
             for one in phase["rounds"] if one.get("written")]
    if not found:
        return None
    shares = [one["share"] for one in found]
    return {"share": None if None in shares else min(shares),
            "filled_bytes": sum(one["filled_bytes"] for one in found)}


def said(target):
    """In words, of a target of qualify.json; "" where there is nothing."""
    written = target.get("written")
    if not written:
        return ""
    share, filled = written["share"], written["filled_bytes"]
    if share is None:
        return ("how much of the range was written when it was read is not "
                "known")
    text = (f"{share:.4g} of the range" if share < 1 else
            "all of the range") + " was written when it was read"
    return text + (f" ({filled / 1e6:,.0f} MB of holes were filled)"
                   if filled else "")


def warnings(targets):
    """One, of targets of qualify.json, however many."""
    names = [target["name"] for target in targets if target.get("written")
             and target["written"]["share"] is None]
    more = len(names) - NAMED
    of = ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
    return [f"of {of}, {extents.UNKNOWN}: not all of the range was written "
            "after the last purge before reads were measured."] if names else []

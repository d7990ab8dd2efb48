# SPDX-License-Identifier: GPL-2.0-only
# What --time may cut, in the order in which it does: first what leaves the
# figures those of PTS, then what harms them least.  All of it is data: a cut
# changes one field of the profile that a test is made and run with.
from dataclasses import dataclass
from typing import Any

from . import fills

STEADY = ("iops", "throughput", "latency", "hir", "dirth")
FILLED = ("iops", "hir", "dirth")   # random writes, when all is written
QUEUE = ("qd-read", "qd-write", "reap", "mixed-latency", "tails", "pace",
         "beside-writes", "beside-trims", "neighbour", "burst-writes",
         "burst-trims")
THIN = ("pace", "beside-writes", "beside-trims", "overlap", "backlog", "soak")
MINUTES = ("iops", "throughput", "dirth")
FILL, SHARED = "fill", "shared"


@dataclass(frozen=True)
class Cut:
    """One step; of several of one field the last counts."""
    field: str              # of the profile
    value: Any              # of it; with times, that share of its own
    tests: tuple            # in which it is made
    said: str
    times: bool = False
    keeps: bool = False     # PTS, where steady state is reached all the same
    needs: str = ""         # the field of one that must be made before it


def _rounds(count, tests=STEADY, needs=""):
    return Cut("most", count, tests, "the search for a steady state ends with "
               f"round {count}", keeps=True, needs=needs)


def _minutes(share, said, tests=MINUTES, needs=FILL):
    return Cut("minute", share, tests, f"each load runs for {said} of its time",
               times=True, needs=needs)


# One after the other, until the plan fits; a name: that test is left out, but
# not if it was asked for by its name.
# - A fill is by amount, so that what comes after it may be short: rounds that
#   are both short and the only random writes find a steady state above the
#   cliff.
# - SNIA's latency test has no shorter loads: whether it ends before the cliff
#   or after it is a matter of how much it has written.
STEPS = (
    _rounds(15), _rounds(10),
    Cut("wsat_hours", 6, ("wsat",), "it ends after 6 h at the latest",
        keeps=True),
    _minutes(1 / 4, "a quarter", QUEUE, ""),
    Cut(SHARED, True, STEADY, "no purge and no preconditioning of its own"),
    Cut(FILL, fills.RANDOM, FILLED, ""),        # said by the chooser
    Cut("thin", True, ("iops", "dirth"), "fewer cells", needs=FILL),
    _minutes(1 / 2, "half"),
    Cut("recoveries", 1 / 4, ("hir", "xsr"), "a quarter of the samples of its "
        "recovery", times=True),
    Cut("thin", True, THIN, "fewer cells, or less of the range"),
    _minutes(1 / 4, "a quarter"),
    "endurance-client", "endurance-enterprise",
    "beside-trims", "beside-writes", "neighbour", "burst-trims",
    "burst-writes", "soak", "pace", "tails", "reap", "qd-write",
    "mixed-latency", "xsr", "hir",
    _rounds(7, (*FILLED, "throughput"), FILL),
    Cut("passes", 1, ("throughput", "latency"), "preconditioning writes the "
        "capacity once"),
    _minutes(1 / 12, "a twelfth"), _minutes(1 / 12, "a twelfth", QUEUE, ""),
    "backlog", "overlap", "dirth", "wsat", "qd-read", "write-verify",
    "throughput", "latency")

# The order of SNIA's tests once some share a preconditioning: after which test
# another finds the device as its own would have left it, but for what that
# test has written since.
ORDER = ("throughput", "latency", "iops", "hir", "dirth", "wsat", "xsr")
AFTER = {"latency": ("throughput",), "iops": ("throughput", "latency"),
         "hir": ("iops", "dirth", "wsat"), "dirth": ("iops", "hir", "wsat")}

# SPDX-License-Identifier: GPL-2.0-only
# SNIA's composite workload (CBW, DIRTH): demand intensity against response
# time over a grid of threads and depths, then a long look at three of its
# points.  The pre-write stands before each row of the grid (one thread count).
from ..shorter import fills
from . import derive
from .kinds import Table
from .model import Phase, Stimulus, tracked

BLOCKS = ("512/4:1k/1:1536/1:2k/1:2560/1:3k/1:3584/1:4k/67:8k/10:16k/7:32k/3:"
          "64k/3")
ZONES = "random_distribution=zoned:50/5:30/15:20/80"
AXIS, THIN_AXIS = (32, 16, 8, 6, 4, 2, 1), (32, 8, 1)
MIXED = 40                  # percent of reads
MINUTE = 60
POINTS = ("Max", "Mid", "Min")


def _load(name, read, threads, depth, **more):
    return Stimulus(name, "randrw" if read else "randwrite", BLOCKS, read,
                    threads, depth, options=(ZONES,), **more)


def _pre_write(minutes):
    return _load("pre-write", 0, 32, 32, seconds=minutes * MINUTE,
                 record=False)


def _row(threads, depths):
    cells = tuple(_load(f"T{threads} QD{depth}", MIXED, threads, depth)
                  for depth in depths)
    return Phase(f"T{threads}", f"{threads} threads, each depth",
                 (_pre_write(5), *cells))


def _at(name, threads, depth):
    return (_pre_write(60), _load(f"{name} IOPS point", MIXED, threads, depth,
                                  seconds=10 * MINUTE))


def _point(name):
    def stimuli(phases):
        """The point of that name, once the grid is known; () if none is."""
        found = derive.points(phases).get(name)
        return _at(name, *found) if found else ()
    return Phase(f"{name} point", f"Latency histogram at the {name} IOPS "
                 "point", stimuli, histogram=True, planned=_at(name, 32, 32))


def _fill(profile):
    """(stimulus of the preconditioning, what it is)"""
    if profile.dirth_fill == "wsat":
        return Stimulus("4K 0/100, T32 QD32", "randwrite", "4k", 0, 32, 32,
                        seconds=30 * MINUTE), "4K random write"
    return _load("T32 QD32 0/100", 0, 32, 32,
                 seconds=30 * MINUTE), "composite write"


def test(profile):
    axis = THIN_AXIS if profile.thin else AXIS
    before, what = _fill(profile)
    return Table(
        "dirth", "Composite workload, demand intensity",
        "PTS 2.0.2, CBW and DIRTH tests",
        (*fills.after_purge(profile), Phase(
            "preconditioning", f"{what[:1].upper()}{what[1:]}, T32 QD32",
            (before,), profile.last, (tracked(before.name, "iops", what),),
            profile.most, purge=fills.purges(profile), prepares=True),
         *(_row(threads, axis) for threads in axis),
         *map(_point, POINTS)), derive=derive.demand)

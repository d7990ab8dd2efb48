# SPDX-License-Identifier: GPL-2.0-only
"""kaio beside fio's built-in libaio engine, with the same seed: a matrix of jobs
and options, how a cell of it is run with each engine, and what has to be alike.
tests/engine/test_conformance.py runs it here, tests/vm elsewhere."""
import itertools
import os
from pathlib import Path

import fiorun
from iolog import stream

SIZE = 4 << 20	 # of each job's part of the target
BLOCK = 2048	 # more I/Os than the greatest depth
TOGETHER = 24	 # jobs in one fio: its start takes longer than they do
SEED = 4	 # of the jobs, and of a choice by chance

RW = {
    "read": {"rw": "read"},
    "write": {"rw": "write"},
    "randread": {"rw": "randread"},
    "randwrite": {"rw": "randwrite"},
    "randrw": {"rw": "randrw"},
    "randtrim": {"rw": "randtrim"},
    "fsync1": {"rw": "randwrite", "fsync": 1},
    "fdatasync4": {"rw": "randrw", "fdatasync": 4},
    "sync_file_range": {"rw": "write", "sync_file_range": "write:8"},
}
BATCH = {
    "one": {},
    "b16": {"iodepth_batch": 16},
    "b16min4": {"iodepth_batch": 16, "iodepth_batch_complete_min": 4,
                "iodepth_batch_complete_max": 16},
    "min0": {"iodepth_batch_complete_min": 0},
}
# nowait: what cannot be had without waiting, fio is to ignore.
HOW = {
    "plain": {},
    "vectored": {"libaio_vectored": 1},
    "nowait": {"nowait": 1, "ignore_error": "EAGAIN,EAGAIN", "invalidate": 0},
}
IGNORED = (0, 11)  # EAGAIN
# fio's reference run knows the axes of the first line only.
BASE = {
    "rw": list(RW), "depth": [1, 4, 64, 1024], "batch": list(BATCH),
    "as": ["process", "thread"], "io": ["direct", "buffered"],
    "on": ["tmpfs", "loop", "ext4"],
}
AXES = {
    **BASE, "how": list(HOW), "reap": ["ring", "syscall", "eventfd"],
    "spin": ["0", "50us", "auto"], "submit": ["immediate", "adaptive"],
}
# Trims need a block device, and take no flags.  On tmpfs all completes inside
# io_submit, on the loop device later; neither takes nowait, which ext4 is for,
# but not for buffered writes.
EXCLUDED = [
    {"rw": "randtrim", "on": "tmpfs"}, {"rw": "randtrim", "on": "ext4"},
    {"how": "nowait", "on": "tmpfs"}, {"how": "nowait", "on": "loop"},
    {"how": "plain", "on": "ext4"}, {"how": "vectored", "on": "ext4"},
    *({"on": "ext4", "io": "buffered", "rw": rw}
      for rw in RW if "read" not in rw),
]
WAYS = ("read", "write", "trim")
TOTALS = ("total_ios", "io_bytes", "short_ios", "drop_ios")


def title(cell):
    return "-".join(map(str, cell.values()))


def fill(path, forget):
    """Make the file of a Place."""
    with open(path, "wb") as file:
        file.write(bytes(SIZE))
        os.fsync(file.fileno())
        if forget:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Where:
    """Where the jobs of one fio work, in blocks: each has a part of its own, of
    size bytes, which target(cell, slot) has as options."""
    size, block = SIZE, BLOCK

    def __init__(self, fio):
        self.fio = fio

    def log(self, slot):
        return os.path.join(self.fio.cwd, "log%d" % slot)


class Place(Where):
    """tmpfs, a device of TOGETHER * SIZE bytes, and ext4.  fill(path, forget)
    makes each file of SIZE bytes, written, so that overwriting it allocates
    nothing; forget: and not in the page cache, where direct I/O with nowait
    would meet it."""

    def __init__(self, fio, shm, device, mounted, fill=fill):
        super().__init__(fio)
        self.device = device
        self.directory = {"tmpfs": shm, "ext4": mounted}
        for slot, io in itertools.product(range(TOGETHER), BASE["io"]):
            fill(self.path("tmpfs", slot, io), False)
            fill(self.path("ext4", slot, io), io == "direct")

    def path(self, on, slot, io):
        return os.path.join(self.directory[on], "%s%d" % (io, slot))

    def target(self, cell, slot):
        if cell["on"] == "loop":
            return {"filename": self.device, "offset": slot * SIZE}
        return {"filename": self.path(cell["on"], slot, cell["io"])}


def job(cell, slot, place, ours):
    """The options of one job; ours: kaio's own, too."""
    how = dict(HOW[cell["how"]])
    if not ours:
        how.pop("libaio_vectored", None)  # younger than fio 3.33
    options = {
        "name": "slot%d" % slot, "size": place.size, "bs": place.block,
        "randseed": SEED, "write_iolog": "log%d" % slot,
        "verify_state_save": 0,
        "thread": cell["as"] == "thread", "direct": cell["io"] == "direct",
        "iodepth": cell["depth"], **place.target(cell, slot),
        **RW[cell["rw"]], **BATCH[cell["batch"]], **how}
    if "read" not in cell["rw"] and "trim" not in cell["rw"] and \
            cell["how"] != "nowait":
        options["verify"] = "crc32c"
    if ours:
        options.update({key: cell[key] for key in ("reap", "spin", "submit")})
    return options


def once(ios):
    """A request that the engine puts off (BUSY) is logged again when it comes
    again, at once.  None of our jobs does the same I/O twice running."""
    return [io for io, _ in itertools.groupby(ios)]


def run(place, cells, ours):
    """[(report, stream)] of the cells as jobs of one fio, side by side."""
    args = ["--output-format=json"]
    for slot, cell in enumerate(cells):
        args += place.fio.job_args(job(cell, slot, place, ours),
                                   None if ours else "libaio")
        if os.path.exists(place.log(slot)):
            os.unlink(place.log(slot))
    result = place.fio.raw(*args, timeout=600)
    assert result.rc in (0, 1) and "got signal" not in result.text, result.text
    assert len(result.jobs) == len(cells), result.text
    return [(report, once(stream(Path(place.log(slot)))))
            for slot, report in enumerate(result.jobs)]


def rounds(cells):
    """The cells in lists of lists: each inner list is one fio's jobs, and
    those of an outer list have the same reference.  fio makes a job's seed of
    its number, so that each keeps its place; where there is nothing left for
    a place, a cell comes again."""
    groups = {}
    for cell in cells:
        base = (*(cell[axis] for axis in BASE), cell["how"] == "nowait")
        groups.setdefault(base, []).append(cell)
    groups = sorted(groups.values(), key=len)
    for first in range(0, len(groups), TOGETHER):
        chunk = groups[first:first + TOGETHER]
        yield [[group[turn % len(group)] for group in chunk]
               for turn in range(max(map(len, chunk)))]


# --- comparing ---

def at_once(cell):
    """Is every I/O complete when io_submit returns?"""
    return cell["on"] == "tmpfs" or cell["rw"] == "randtrim" or \
        (cell["on"], cell["io"]) == ("ext4", "buffered")


def syncs(cell):
    return any("sync" in option for option in RW[cell["rw"]])


def settled(cell):
    """Do the options settle the depth at each I/O?  They do when fio takes one
    completion at a time, or finds all complete when it looks."""
    return at_once(cell) or cell["batch"] == "one"


def ios(cell, log):
    """The stream; without syncs where their place depends on the depth, with
    the built-in engine, too: it puts them off while others are queued."""
    return log if settled(cell) else \
        [io for io in log if "sync" not in io[1]]


def totals(cell, report):
    """All of fio's; but not what differs from run to run of one engine: what
    would have waited, and the "short" I/Os that fio counts beside syncs."""
    keys = TOTALS[:1] if cell["how"] == "nowait" else \
        TOTALS if settled(cell) or not syncs(cell) else TOTALS[:2]
    return {"sync": settled(cell) and report["sync"]["total_ios"],
            **{way: {key: report[way][key] for key in keys} for way in WAYS}}


def depths(cell, report, queues):
    """fio's distributions.  I/Os per io_submit are another matter than the
    depth: submit=adaptive is there to change them, and the built-in engine
    splits a batch at the end of its array, where syncs have shifted it.
    queues: it has syncs of ranges in flight, which are done at once here."""
    alike = settled(cell) and not (queues and cell["rw"] == "sync_file_range")
    keys = ("iodepth_level",) * alike + \
        ("iodepth_complete",) * (at_once(cell) and settled(cell)) + \
        ("iodepth_submit",) * (at_once(cell) and not syncs(cell) and
                               cell["submit"] == "immediate")
    return {key: report[key] for key in keys}


def adds_up(cell, report, block):
    """Each I/O is done or counted as an error, of the kinds that may be."""
    done = sum(report[way]["io_bytes"] for way in WAYS) // block
    issued = sum(report[way]["total_ios"] for way in WAYS)
    assert done + report.get("total_err", 0) == issued, "lost I/Os"
    assert report["error"] in IGNORED[:2 if cell["how"] == "nowait" else 1]


def compare(place, cell, ours, theirs, exactly, queues):
    assert len(ours[1]) > place.size // place.block, "no stream"
    assert ios(cell, ours[1]) == ios(cell, theirs[1]), \
        "another stream: %r" % [both for both in itertools.zip_longest(
            ios(cell, ours[1]), ios(cell, theirs[1]))
            if both[0] != both[1]][:3]
    for view, *more in (totals,), (depths, queues):
        a, b = view(cell, ours[0], *more), view(cell, theirs[0], *more)
        assert a == b, "%s: %r" % (view.__name__, [
            (key, a[key], b[key]) for key in a if a[key] != b[key]])
    adds_up(cell, ours[0], place.block)
    for way in WAYS[:2]:
        if 0 < ours[0][way]["lat_ns"]["N"] == ours[0][way]["slat_ns"]["N"]:
            fiorun.latency_adds_up(ours[0][way], exactly)


def outcome(place, turns, *built):
    """{title: what is wrong with it, or None} of one item of rounds()."""
    theirs = run(place, turns[0], False)
    found = {}
    for cells in turns:
        for cell, a, b in zip(cells, run(place, cells, True), theirs):
            try:
                compare(place, cell, a, b, *built)
                found.setdefault(title(cell), None)
            except AssertionError as why:
                found[title(cell)] = str(why)
    return found

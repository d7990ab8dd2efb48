# SPDX-License-Identifier: GPL-2.0-only
# Is every write there, after a power cut under load, that was acknowledged and
# synced?  Does each other block hold what was once written to it, and is no
# write torn that the device promises not to tear?  Cut after cut: each is a
# round, so that who resumes goes on with the next.
#
# A real device needs the user's command (realcut.py).  The quick profile cuts a
# scratch disk for real, and does so without syncs as well: if then nothing is
# lost, the drill proves nothing, and fails.
import contextlib
import itertools
from statistics import fmean, median

from ...base.problem import Problem
from ...report.wording import several
from ...target.volatiledisk import VolatileDisk, missing
from . import realcut
from .cutruns import BLOCK, LARGEST, LEAST, SYNCS, Writer
from .verifying import FAIL, Unfinished, judged, too_few, unknown

DRILL = 32 << 20            # bytes
READY = "ready"             # the cell: how long the device took to return
SYNCED, CONTENTS, TORN, LOADED, REAL = (
    ("power-cut synced", "Every acknowledged and synced write is there"),
    ("power-cut contents", "Each block holds what was once written to it"),
    ("power-cut torn", "No write is torn that must not be"),
    ("power-cut load", "Each cut came under load"),
    ("power-cut is real", "Without syncs, acknowledged writes are lost"))
ROWS = (("acknowledged writes", "acknowledged"), ("of these synced", "synced"),
        ("blocks in flight", "in_flight"),
        ("unsynced blocks lost", "unsynced_lost"),
        ("larger writes torn", "torn_larger"),
        ("seconds until ready", "ready_s"))


def seconds(profile, _size):
    return profile.cycles * (8 if profile.thin else 60)


# What came of it

def _first(cuts, what):
    """Where the first of them was, in words."""
    for number, cut in enumerate(cuts, 1):
        if cut[what]:
            at = cut[f"first_{what}"]
            return f"; the first at byte {at} in cut {number}"
    return ""


def checks(context, cuts, atomic=0):
    """Of all cuts, the last of which may be none, and says why: that passes
    nothing, but what was lost then is lost."""
    source = context.store("cuts", {"cuts": cuts})
    good = [cut for cut in cuts if not cut["why"]]
    seen = [cut for cut in cuts if "lost" in cut]
    sums = {name: sum(cut[name] for cut in seen) for name in (
        "synced", "lost", "broken", "unreadable", "torn_block", "torn_atomic",
        "torn_larger")}
    why = next((cut["why"] for cut in cuts if cut["why"]), None)
    gone = next((cut["why"] for cut in cuts if cut.get("gone")), None)
    after = f"after {several(len(seen), 'cut')}"
    idle = sum(not cut["in_flight"] and not cut["failed"] for cut in good)
    return [
        judged(SYNCED, source, f"{sums['lost']:,} blocks of "
               f"{sums['synced']:,} acknowledged and synced writes were lost "
               f"{after}{_first(seen, 'lost')}", gone or sums["lost"] > 0,
               why or too_few(sums["synced"], LEAST, "synced writes")),
        judged(CONTENTS, source, f"{sums['broken']:,} blocks held what was "
               f"never written to them, or could not be read "
               f"({sums['unreadable']:,}), {after}{_first(seen, 'broken')}",
               sums["broken"] > 0, why),
        judged(TORN, source, f"{sums['torn_block']:,} writes were torn inside "
               f"a logical block ({context.target.logical_block} bytes), "
               f"{sums['torn_atomic']:,} though of no more than "
               f"{atomic:,} bytes, which the device says are atomic, and "
               f"{sums['torn_larger']:,} larger ones, which may be, {after}",
               sums["torn_block"] + sums["torn_atomic"] > 0, why),
        judged(LOADED, source, f"{several(len(good), 'cut')}, of which "
               f"{len(good) - idle} found I/O in flight",
               few=why or (f"{idle} did not" if idle else None))]


def table(cuts):
    """Least, median and most of the cuts that were."""
    good = [cut for cut in cuts if not cut["why"]]
    series = [(name, [cut[key] for cut in good if cut[key] is not None])
              for name, key in ROWS]
    return {"title": "Power cuts", "columns": ["", "least", "median", "most"],
            "note": f"{several(len(good), 'cut')}, each at a random moment "
            f"among random writes of one to {LARGEST} blocks, synced in turn "
            "by O_DSYNC, fsync and fdatasync, each second time of trimmed "
            "blocks, where the device can", "rows": [
                [name, min(found), median(found), max(found)]
                for name, found in series if found]}


def ready(context, cuts, source):
    """The cell of the time until the device was ready; [] without one."""
    found = [cut["ready_s"] for cut in cuts if cut["ready_s"] is not None]
    if not found:
        return []
    unit = max(BLOCK, context.target.logical_block) >> 10
    return [{"name": READY, "stimulus": {
        "rw": "randwrite", "bs": f"{unit}k-{unit * LARGEST}k",
        "read_percent": 0, "threads": 1, "depth": context.profile.depth},
        "steady": None, "window": None, "latency": None, "values": {"ready_s": {
            "mean": fmean(found), "n": len(found), "values": found,
            "low": min(found), "high": max(found), "sources": [source]}}}]


def _name(context, number):
    return context.bench.label(context.test.name, f"cut-{number:05d}")


def kept(context):
    """The cuts that are on disk, from the first on."""
    found = map(context.bench.folder.load_round, (
        _name(context, number) for number in range(context.profile.cycles)))
    return list(itertools.takewhile(bool, found))


def series(context, once):
    """The cuts, each as once(number, how to sync) makes it, up to the first
    that is none; those that an earlier command made are on disk."""
    cuts = kept(context)
    for number in range(len(cuts), context.profile.cycles):
        context.progress(f"cut {number + 1} of {context.profile.cycles}")
        one = once(number, SYNCS[number % len(SYNCS)])
        cuts.append(one)
        if one["why"]:
            break
        context.bench.folder.save_round(_name(context, number), one)
    return cuts


# The drill

def _is_real(context, cut):
    count, lost = cut["acknowledged"], cut["unsynced_lost"]
    text = f"without syncs, {lost:,} blocks of {count:,} acknowledged " \
        "writes were lost"
    return judged(REAL, context.store("unsynced", cut), text, None if lost or
                  cut["why"] else f"{text}: the drill proves nothing",
                  cut["why"])


def drill(context):
    """Cuts with syncs, and one without."""
    disk = VolatileDisk(context.folder, DRILL)
    with contextlib.ExitStack() as stack:
        stack.callback(disk.remove)
        writer = Writer(context, DRILL)
        with disk.attached() as (path, _):
            writer.fill(path)

        def once(number, sync):
            with disk.attached() as (path, cut):
                writer.prepare(path, number)
                # ext4's shutdown lets a sync succeed that it overtakes.
                one = writer.load(path, number, sync,
                                  lambda: writer.log.stop() or cut())
            with disk.attached() as (path, _):
                return {**writer.look(path, one)[0], "ready_s": None}
        cuts = series(context, once)
        context.progress("the same without syncs")
        unsynced = once(0, {})
    found = [*checks(context, cuts), _is_real(context, unsynced)]
    for one in found:
        one["text"] = f"On a scratch disk, not on the target: {one['text']}"
    return {"checks": found, "tables": [table(cuts)]}


def device(context, command):
    """Cuts of the target itself."""
    path = context.target.path
    atomic = realcut.atomic_write(path)
    one = realcut.Device(context, command, atomic)
    try:
        cuts = series(context, one.once)
    except (Problem, OSError) as error:     # what was lost before is lost
        raise Unfinished(error, {"checks": [
            check for check in checks(context, kept(context), atomic)
            if check["result"] == FAIL]}) from None
    found = checks(context, cuts, atomic)
    good = sum(not cut["why"] for cut in cuts)
    return {"checks": [*found, *one.checks(good)], "tables": [table(cuts)],
            "cells": ready(context, cuts, found[0]["source"])}


def run(context):
    command = context.power_cut
    if not context.local:
        why = "the target is on another host"
    elif command:
        return device(context, command)
    elif context.profile.thin:
        why = missing()
        if not why:
            return drill(context)
    else:
        why = "give --power-cut COMMAND, which cuts and gives back its power"
    return {"checks": [unknown(SYNCED, why)]}

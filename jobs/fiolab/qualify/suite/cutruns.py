# SPDX-License-Identifier: GPL-2.0-only
# What fio runs before, during and after a power cut, and what is made of the
# blocks that are there then.
import os

import numpy as np

from ...fio import fiorun
from . import generations
from .generations import BLOCK, NEW, OLD
from .verifying import fault, judged, mismatches, patience, too_few, verified

LEAST = 100                 # acknowledged writes, to speak of a test
SYNCED, OTHERS, FIO = (
    ("power-cut synced", "Every acknowledged synced write is there"),
    ("power-cut others", "Blocks that nobody wrote are unharmed"),
    ("power-cut verify_state", "fio's verify_state agrees"))


def _fio(context, path, size, tag, name, options, more=0, **how):
    """A run on a device that may be another than the target: fio would add a
    second filename= to the first, so the usual lines in front are left out."""
    front = ["[global]", "ioengine=${ENGINE}", *fiorun.KEEP_FILES,
             *context.side.options, ""]
    job = verified("power", filename=path.replace(":", "\\:"), direct=1,
                   size=size, bs=BLOCK,
                   verify_pattern=generations.pattern(tag),
                   randrepeat=0, allrandrepeat=0,
                   randseed=context.seed,
                   **{"iodepth": context.profile.depth, **options})
    return context.fio("\n".join(front) + job, name,
                       patience(size) + more, base=False, **how)


def prepare(context, path, size):
    """With another checksum than the second: fio would take an old block for
    a new one, as each is consistent in itself."""
    _fio(context, path, size, OLD, "old", {"rw": "write", "end_fsync": 1,
                                           "verify": "md5"})


def _log(context, name):
    return os.path.join(context.folder, f"acknowledged-{name}")


def second(context, path, size, name, sync, extra=(), away=0, **options):
    """The run that the cut hits; away: so many seconds longer it may take."""
    return _fio(context, path, size, NEW, name, {
        "rw": "randwrite", "sync": sync, "write_lat_log": _log(context, name),
        "log_offset": 1, "disable_slat": 1, "disable_clat": 1,
        "verify_state_save": 1, **options}, away, tolerant=True,
        extra=(f"--aux-path={context.folder}", *extra))


def _fio_agrees(context, path, size, acked, few):
    """fio's verify_state: it looks at the writes in their order, up to the
    first of the last ones that was still in flight.  One read at a time, as
    it would else have begun to read what lies beyond; and by reading in the
    same order, as verify_only of fio 3.41 has no number of each write to stop
    by.  It takes for complete what failed, or is older than the last iodepth
    writes: what it blames of these is no loss."""
    ran = _fio(context, path, size, NEW, "verify_state", {
        "rw": "randread", "iodepth": 1, "verify_state_load": 1,
        "verify_fatal": 0, "continue_on_error": "verify"}, tolerant=True,
        extra=(f"--aux-path={context.folder}",))
    wrong = sorted({at // BLOCK for at in mismatches(ran.messages)})
    lost = sum(1 for block in wrong if acked[block])
    others = len(wrong) - lost
    # Not every version counts those that it found wrong as read.
    read = max(len(wrong), sum(job["read"]["total_ios"] for job in ran.jobs))
    # Where the cut came too early or too late it has little to go by.
    why = None if wrong or few else fault(ran)
    beyond = ("it did not stop behind the last write"
              if others > context.profile.depth else None)
    return judged(
        FIO, ran.source, f"it read {read:,} blocks, up to the first that it "
        f"takes for in flight, and {lost:,} that were acknowledged were "
        "wrong" + (f" (and {others:,} that were not)" if others else ""),
        why or lost > 0, few or beyond or too_few(read, LEAST, "block"))


# What came of it

def judge(context, name, ran, path, size, when=None):
    """The checks of a run that was cut; when: in words, else under load."""
    depth = context.profile.depth
    when = when or f"with {depth} in flight"
    acked = generations.acknowledged(_log(context, name) + "_lat.1.log", size)
    old, new = generations.look(path, size)
    count, lost = int(acked.sum()), int((acked & ~new).sum())
    # Of those in flight, any part may have arrived.
    begun = int((~acked & ~old).sum())
    source = context.store(f"{name} found", {
        "run": ran.source, "blocks": len(acked), "acknowledged": count,
        "lost": lost, "neither": int((~old & ~new).sum()),
        "new but not acknowledged": int((new & ~acked).sum()),
        "first lost": int(np.argmax(acked & ~new)) * BLOCK if lost else None})
    few = ("the cut came too early or too late"
           if count < LEAST or count == len(acked) else None)
    return [
        judged(SYNCED, source, f"{lost:,} of {count:,} acknowledged writes "
               f"were lost, {when}", lost > 0, few),
        judged(OTHERS, source, f"{begun:,} blocks changed that were not "
               f"acknowledged, {when}", begun > depth, few),
        _fio_agrees(context, path, size, acked, few)]

# SPDX-License-Identifier: GPL-2.0-only
# Is every write there, after a power cut, that was acknowledged as synced?
# Blocks of one generation are written over a region and flushed; then a second
# generation at random with O_DSYNC, several in flight, while fio logs each
# write that completed; then the power goes.  Afterwards each acknowledged
# block must be of the second generation to its last byte, and no other block
# may be of neither.  fio's own verify_state looks at the same region, too.
#
# A real device needs the user's command (realcut.py).  The quick profile cuts a
# scratch disk for real, under load, and does so without syncs as well: if then
# nothing is lost, the drill proves nothing, and fails.
import contextlib
import threading
import time

from ...target import blockdevice, sysfs
from ...target.volatiledisk import VolatileDisk, missing
from . import realcut
from .cutruns import SYNCED, judge, prepare, second
from .generations import BLOCK
from .verifying import FAIL, UNKNOWN, fault, judged, unknown

DRILL = 32 << 20            # bytes
CUT_AT = 4                  # a drill is cut at 1/4 of the blocks
REAL = ("power-cut is real", "Without syncs, acknowledged writes are lost")


def seconds(profile, _size):
    return 15 if profile.thin else 60


class Cutter(threading.Thread):
    """Cuts once the device has completed so many writes."""

    def __init__(self, path, cut, count):
        super().__init__(daemon=True)
        self.folder = sysfs.of(blockdevice.device_number(path))
        self.cut, self.last = cut, self._writes() + count
        self.ended = threading.Event()
        self.was = False

    def _writes(self):
        return sysfs.counted(self.folder, sysfs.WRITES)

    def run(self):
        while not self.ended.is_set():
            if self._writes() >= self.last:
                self.cut()
                self.was = True
                return
            time.sleep(0.001)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


def _drill(context, disk, name, sync):
    """(the run that was cut, its checks), after the disk is back."""
    with disk.attached() as (path, cut):
        prepare(context, path, DRILL)
        with Cutter(path, cut, DRILL // BLOCK // CUT_AT) as cutter:
            ran = second(context, path, DRILL, name, sync)
    if not cutter.was:
        return [unknown(SYNCED, "fio ended before the cut: "
                        f"{fault(ran) or 'it was too fast'}", ran.source)]
    with disk.attached() as (path, _):
        return judge(context, name, ran, path, DRILL)


def _is_real(found):
    """Without syncs both we and fio have to miss something."""
    bare, fio = found[0], found[-1]
    results = {bare["result"], fio["result"]}
    text = (bare["text"] if fio is bare else
            f"{bare['text']}, and of fio's verify_state {fio['text']}")
    few = "so it is not known whether the cut is real"
    return judged(REAL, bare["source"], text, None if UNKNOWN in results or
                  results == {FAIL} else f"{text}: the drill proves nothing",
                  few if UNKNOWN in results else None)


def drill(context):
    """A cut with syncs, and one without."""
    disk = VolatileDisk(context.folder, DRILL)
    with contextlib.ExitStack() as stack:
        stack.callback(disk.remove)
        context.progress("cutting the power of a scratch disk under load")
        found = _drill(context, disk, "synced", "dsync")
        context.progress("the same without syncs")
        found.append(_is_real(_drill(context, disk, "unsynced", None)))
    for one in found:
        one["text"] = f"On a scratch disk, not on the target: {one['text']}"
    return found


def run(context):
    command = context.power_cut
    if not context.local:
        why = "the target is on another host"
    elif command:
        return {"checks": realcut.cut(context, command)}
    elif context.profile.thin:
        why = missing()
        if not why:
            return {"checks": drill(context)}
    else:
        why = "give --power-cut COMMAND, which cuts and gives back its power"
    return {"checks": [unknown(SYNCED, why)]}

# SPDX-License-Identifier: GPL-2.0-only
# The end of the device: its last blocks can be written and read back, a write
# behind them fails with ENOSPC and does not hang, and then nothing else has
# changed.  fio itself would not write there; a replayed log of I/Os makes it.
import errno
import os

from ...fio.fiorun import KEEP_FILES, words
from ...target import blockdevice
from .verifying import fault, judged, unknown, verified

TAIL = 1 << 20                      # bytes that are looked at afterwards
BEHIND = 8                          # writes behind the end
LIMIT = 60                          # seconds, or it hangs
LAST, ERROR, AROUND = (
    ("full last", "The last blocks are written and read back"),
    ("full error", "A write behind the end fails with ENOSPC"),
    ("full around", "Nothing else is written"))


def seconds(_profile, _size):
    return 3


def _block(context):
    return max(512, context.target.logical_block)


def _area(context, name, rw, offset, size, block):
    return verified(name, stonewall=1, rw=rw, bs=block, offset=offset,
                    size=size, iodepth=context.profile.depth,
                    randseed=context.seed)


def _around(context, rw, end):
    """(jobs, bytes that each way means) at both ends of the device."""
    tail, block = min(TAIL, end // 4), _block(context)
    tail = tail // 4096 * 4096
    return (_area(context, "tail", rw, end - tail, tail, block) +
            _area(context, "head", rw, 0, tail, 4096)), 2 * tail


def replay(path, end, block, reads):
    """A log of I/Os for fio's read_iolog=: writes behind the end, and reads
    before it, as fio forgets the errors of the last I/Os of a log."""
    ios = [f"write {end + i * block} {block}" for i in range(BEHIND)]
    ios += [f"read {i * block} {block}" for i in range(reads)]
    return "\n".join(["fio version 2 iolog", *(
        f"{path} {what}" for what in ("add", "open", *ios, "close")), ""])


def _behind(context, end):
    """Writes that begin at the end, and further behind it."""
    log, depth = os.path.join(context.folder, "behind.log"), \
        context.profile.depth
    with open(log, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(replay(context.target.path, end, _block(context),
                          4 * depth))
    front = ["[global]", "ioengine=${ENGINE}", "direct=1",
             *KEEP_FILES, *context.side.options, "[behind]",
             f"read_iolog={log}", f"iodepth={depth}", "ignore_error=,ENOSPC",
             ""]
    return context.fio("\n".join(front), "behind", LIMIT, tolerant=True,
                       base=False)


def error_check(ran):
    first = {job.get("first_error") or job["error"] for job in ran.jobs}
    count = sum(job.get("total_err", 0) for job in ran.jobs)
    wrote = sum(job["write"]["io_bytes"] for job in ran.jobs)
    good = first == {errno.ENOSPC} and count == BEHIND and not wrote
    names = ", ".join(errno.errorcode.get(number, str(number))
                      for number in sorted(first)) or "no result"
    return judged(ERROR, ran.source, f"{count} of {BEHIND} writes behind the "
                  f"end failed, the first with {names}; {wrote:,} bytes were "
                  "reported as written", bool(ran.jobs) and not good,
                  None if ran.jobs else f"fio failed: {words(ran.messages)}")


def why_not(context):
    if not context.local:
        return "the target is on another host, whose end is not known here"
    if blockdevice.node_number(context.target.path) is None:
        return "a file has no end: a write behind it makes it longer"
    if context.target.given < blockdevice.size(context.target.path):
        return "--size keeps the tests off the end of the device"
    if any(c in context.target.path for c in " \t"):
        return "its name has a blank, which fio's log of I/Os cannot hold"
    return None


def run(context):
    why = why_not(context)
    if why:
        return {"checks": [unknown(name, why)
                           for name in (LAST, ERROR, AROUND)]}
    end = blockdevice.size(context.target.path)
    write, _ = _around(context, "write", end)
    read, wanted = _around(context, "read", end)
    ran = context.fio(write, "write", LIMIT, tolerant=True)
    why = fault(ran)
    if not why:
        ran = context.fio(read, "read", LIMIT, tolerant=True)
        why = fault(ran, wanted)
    found = [judged(LAST, ran.source, f"{wanted // 2:,} bytes up to the last "
                    f"one, {end - 1:,}, read back with 0 mismatches", why)]
    found.append(error_check(_behind(context, end)))
    after, size = context.fio(read, "after", LIMIT, tolerant=True), \
        blockdevice.size(context.target.path)
    why = fault(after, wanted)
    if not why and size != end:
        why = f"the device is now of {size:,} bytes, and was of {end:,}"
    found.append(judged(AROUND, after.source, f"the first and the last "
                        f"{wanted // 2:,} bytes still read back with 0 "
                        "mismatches, and the size is the same", why))
    return {"checks": found}

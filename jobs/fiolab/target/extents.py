# SPDX-License-Identifier: GPL-2.0-only
# What of a target was ever written?  Reads of a hole, and of space that is only
# preallocated, end in the file system: their figures are none of the device.
# Two witnesses, and what either calls unwritten is: SEEK_HOLE, which tmpfs has,
# too, and FIEMAP, which marks preallocated extents.  FIEMAP writes what is
# dirty out first, so that no extent waits for its place.  Other extents count
# as written: shared ones (a reflink) are read from the medium as any, and what
# lies in the inode is smaller than any target; an overlay passes both questions
# on to the file below; compressed extents are told apart, as fewer bytes of
# them are read than fio counts.  A loop device is judged by the file that it is
# on; of other devices nothing can be asked.
from collections.abc import Callable, Iterable
import contextlib
from dataclasses import dataclass
import errno
import fcntl
import os
import struct

from ..base.problem import Problem
from . import blockdevice, sysfs

FIEMAP, SYNC, LAST = 0xC020660B, 1, 1           # <linux/fiemap.h>
ENCODED, UNWRITTEN = 0x8, 0x800
HEAD, EXTENT, BATCH = "QQIIII", "QQQ2QI3I", 256
CHUNK = 1 << 20
UNKNOWN = ("what was never written, or was discarded, is read without the "
           "medium, and how much that is cannot be seen from here")
ABSENT = ("{} has {} MiB of {} MiB that were never written (holes, or space "
          "that is only allocated), and their reads end in the file system, "
          "not on the device")


@dataclass(frozen=True)
class Written:
    """Of the first size bytes of a target."""
    size: int
    missing: tuple = ()         # (start, end) of what was never written
    encoded: int = 0            # bytes that are stored compressed
    known: bool = True          # False: more may be missing

    @property
    def share(self) -> float | None:
        """0 to 1; None where it is not known."""
        if not self.known:
            return None
        return 1 - total(self.missing) / self.size if self.size else 1.0


def total(ranges: Iterable[tuple[int, int]]) -> int:
    return sum(end - start for start, end in ranges)


def _seek(descriptor, place, how):
    """None where there are no more data."""
    try:
        return os.lseek(descriptor, place, how)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise


def _holes(descriptor, size):
    """[(start, end)] by SEEK_HOLE; [] where the file system has none."""
    found, place = [], 0
    with contextlib.suppress(OSError):
        while place < size:
            data = _seek(descriptor, place, os.SEEK_DATA)
            data = size if data is None else min(data, size)
            if data > place:
                found.append((place, data))
            if data < size:
                data = _seek(descriptor, data, os.SEEK_HOLE)
            place = size if data is None else data
    return found


def _batch(descriptor, start, size):
    """[(start, length, flags)] of the next extents."""
    room = struct.calcsize(HEAD) + BATCH * struct.calcsize(EXTENT)
    asked = bytearray(room)
    struct.pack_into(HEAD, asked, 0, start, size - start, SYNC, 0, BATCH, 0)
    fcntl.ioctl(descriptor, FIEMAP, asked, True)
    count = struct.unpack_from(HEAD, asked)[3]
    extents = [struct.unpack_from(EXTENT, asked, struct.calcsize(HEAD) +
                                  i * struct.calcsize(EXTENT))
               for i in range(count)]
    return [(one[0], one[2], one[5]) for one in extents]


def _extents(descriptor, size):
    """[(start, end, flags)] by FIEMAP; None where the file system has none."""
    found, place = [], 0
    try:
        while place < size:
            batch = _batch(descriptor, place, size)
            found += [(start, start + length, flags)
                      for start, length, flags in batch]
            if not batch or batch[-1][2] & LAST:
                break
            place = found[-1][1]
    except OSError:
        return None
    return found


def _gaps(extents, size):
    """[(start, end)] of [0, size) that no written extent covers."""
    found, place = [], 0
    for start, end, flags in sorted(extents):
        if flags & UNWRITTEN:
            continue
        if start > place:
            found.append((place, min(start, size)))
        place = max(place, end)
        if place >= size:
            break
    return found + ([(place, size)] if place < size else [])


def _union(ranges):
    found = []
    for start, end in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)


def of_file(descriptor: int, size: int, tells_all: bool = False) -> Written:
    """Written, of an open file; tells_all: SEEK_HOLE suffices, as on tmpfs."""
    extents = _extents(descriptor, size)
    missing = _holes(descriptor, size)
    missing += _gaps(extents, size) if extents is not None else []
    encoded = sum(min(end, size) - start for start, end, flags
                  in extents or () if flags & ENCODED)
    return Written(size, _union(missing), encoded,
                   bool(missing) or tells_all or extents is not None)


def _in_tmpfs(descriptor):
    number = os.fstat(descriptor).st_dev
    return any(row[0] == number and row[2] == "tmpfs"
               for row in blockdevice.mounts())


def _of_path(path, start, size):
    """Of a part of a file, whose own first byte is its byte 0."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = of_file(descriptor, start + size, _in_tmpfs(descriptor))
    finally:
        os.close(descriptor)
    missing = [(max(a - start, 0), b - start) for a, b in found.missing
               if b > start]
    return Written(size, tuple(missing), min(found.encoded, size), found.known)


def _backing(number):
    """(file, first byte) below a loop device or a part of it; (None, 0) of
    others."""
    own = sysfs.of(number)
    loop = sysfs.whole(own) + "/loop"
    start = (sysfs.number(own, "start") or 0) * 512
    return (sysfs.path(loop, "backing_file"),
            start + (sysfs.number(loop, "offset") or 0))


def look(path: str, size: int) -> Written:
    """Written, of the first bytes of a file or block device."""
    number = blockdevice.device_number(path)
    if number is None:
        return _of_path(path, 0, size)
    path, start = _backing(number)
    with contextlib.suppress(OSError):      # the file may be out of reach
        return _of_path(path or "", start, size)
    return Written(size, known=False)


def absent(path: str, found: Written) -> str:
    """The beginning of a sentence; "" where nothing is missing."""
    if not found.missing:
        return ""
    return ABSENT.format(path, f"{total(found.missing) / CHUNK:.4g}",
                         f"{found.size / CHUNK:.4g}")


def refuse(path: str, found: Written) -> None:
    """Before reads are measured of what is not ours to fill."""
    text = absent(path, found)
    if text:
        raise Problem(f"{text}: write all of it first (cp --sparse=never makes "
                      "a whole copy), give --destroy-data to have it "
                      "overwritten, or name a file that does not exist yet.")


def warnings(path: str, found: Written) -> list[str]:
    """A sentence each, of what the figures may be instead."""
    texts = []
    if found.encoded:
        texts.append(f"{path} is stored compressed for "
                     f"{found.encoded / found.size:.0%}: fewer bytes are read "
                     "from the device than the figures say.")
    if not found.known:
        texts.append(f"of {path}, {UNKNOWN}: write all of it once before its "
                     "reads are measured.")
    return texts


def joined(each: Iterable[Written]) -> Written:
    """Of several files, as if one lay behind the other."""
    size, missing, encoded, known = 0, [], 0, True
    for one in each:
        missing += [(size + start, size + end) for start, end in one.missing]
        size, encoded = size + one.size, encoded + one.encoded
        known = known and one.known
    return Written(size, tuple(missing), encoded, known)


def data(found: Written) -> dict:
    """The field "written" of a report."""
    return {"share": found.share, "bytes": found.size,
            "compressed": found.encoded / found.size if found.size else 0.0}


def again(field: dict | None, size: int) -> Written | None:
    """Written, of that field; where in the target is not known any more."""
    if field is None:
        return None
    if field["share"] is None:
        return Written(size, known=False)
    missing = round((1 - field["share"]) * size)
    return Written(size, ((0, missing),) if missing else (),
                   round(field["compressed"] * size))


def said(written: dict | None) -> str:
    """'all of it was written', of that field."""
    if written is None:                 # of an earlier version
        return ""
    share = written["share"]
    if share is None:
        return "how much of it was written is not known"
    text = ("all of it was written" if share == 1 else
            f"{min(share, 0.999):.1%} of it was written")
    packed = written["compressed"]
    return text + (f", {packed:.0%} is stored compressed" if packed else "")


def fill(descriptor: int, ranges: Iterable[tuple[int, int]],
         tell: Callable[[float], None] = lambda share: None) -> None:
    """Write what is missing, with data that do not compress, and sync."""
    from numpy import random    # whose import takes its time
    made, done = random.default_rng(0), 0
    for start, end in ranges:
        for place in range(start, end, CHUNK):
            piece = made.bytes(min(CHUNK, end - place))
            while piece:
                count = os.pwrite(descriptor, piece, place)
                piece, place = piece[count:], place + count
                done += count
            tell(done / total(ranges))
    os.fsync(descriptor)

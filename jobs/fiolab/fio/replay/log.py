# SPDX-License-Identifier: GPL-2.0-only
"""A log of I/Os (fio's iolog, or blktrace) as a load: what is in it, and the
log that is replayed, in which every I/O lies in the bytes of a target that are
used.  It is written in fio's own format with times, whatever it was, so that
what is replayed is what was looked at here.  Several files or devices of a log
are laid one behind the other.
"""
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
import math
from typing import Any, Self

from ...base.problem import Problem
from ..jobs.amounts import Values, base_of, size_of
from . import blktrace, iolog
from .entry import DATA, IO

TIMES = (3, 31)         # of fio: from here on its logs have times
# From here on fio reaps completions while it waits for the next I/O; before,
# their latencies last until then.
REAPS = (3, 36)
KEYS = ("replay_no_stall", "replay_time_scale", "replay_scale", "replay_align",
        "replay_skip", "replay_redirect", "kb_base")
# Options of a section that a log takes the place of.
GONE = {"read_iolog", "read_iolog_chunked", "merge_blktrace_file",
        "merge_blktrace_scalars", "merge_blktrace_iters", *KEYS[:-1]}
ROUND = 1 << 20         # places of files
FIRST = 1               # microseconds; to fio 0 is no time
NAME = "target"


def _number(values, key, default):
    text = values.get(key) or str(default)
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10):
        raise Problem(f"{key}={ascii(text[:40])[1:-1]} in the job file is no "
                      "number: write it plainly.")
    return int(text)


def _on(values, key):
    return values.get(key, "0") != "0"


@dataclass(frozen=True)
class Way:
    """How a job replays a log."""
    paced: bool = True
    percent: int = 100          # of the pace of the log
    scale: int = 1              # offsets are divided by it
    align: int = 0              # bytes
    skip: frozenset = frozenset()
    one: bool = False           # all files of it are one

    @classmethod
    def of(cls, values: Values) -> Self:
        """Of a section, KEYS as in force."""
        skip = frozenset(filter(None, values.get("replay_skip", "").split(",")))
        if not skip <= {"read", "write", "trim", "sync"}:
            raise Problem(f"replay_skip={','.join(sorted(skip))[:40]} in the "
                          "job file is no list of read, write, trim and sync.")
        align = values.get("replay_align", "0")
        return cls(not _on(values, "replay_no_stall"),
                   _number(values, "replay_time_scale", 100) or 100,
                   _number(values, "replay_scale", 1) or 1,
                   size_of(align, "replay_align", base_of(values)), skip,
                   bool(values.get("replay_redirect")))

    def takes(self, one: IO) -> IO | None:
        """An I/O as it is asked for; None: it is left out."""
        if one.kind in self.skip:       # of sync, fio keeps datasync
            return None
        offset, length = one.offset // self.scale, one.length
        if self.align:
            offset -= offset % self.align
            length = -(-length // self.align) * self.align
        return one._replace(offset=offset, length=length,
                            file="" if self.one else one.file)


@dataclass
class Log:
    """What is in one, as a job replays it."""
    path: str                   # to read it from
    name: str                   # as the user calls it
    way: Way
    counts: dict = field(default_factory=dict)      # I/Os by kind
    bytes: dict = field(default_factory=dict)       # by kind
    ends: dict = field(default_factory=dict)        # of each file
    lengths: set = field(default_factory=set)       # of I/Os, a few of them
    unit: int = 0               # of which all places and lengths are multiples
    longest: int = 0
    seconds: float = 0.0        # from the first I/O to the last

    def ios(self) -> Iterator[IO]:
        """As the job asks for them."""
        for one in _read(self.path, self.name):
            taken = self.way.takes(one)
            if taken:
                yield taken

    def _add(self, one):
        self.counts[one.kind] = self.counts.get(one.kind, 0) + 1
        if one.kind in DATA:
            self.bytes[one.kind] = self.bytes.get(one.kind, 0) + one.length
            self.ends[one.file] = max(self.ends.get(one.file, 0),
                                      one.offset + one.length)
            self.unit = math.gcd(self.unit, one.offset, one.length)
            self.longest = max(self.longest, one.length)
            if len(self.lengths) < 100:
                self.lengths.add(one.length)

    @classmethod
    def of(cls, path: str, name: str, way: Way) -> Self:
        """Read, with a Problem for what is none."""
        found, first, last = cls(path, name, way), None, 0.0
        for one in found.ios():
            first, last = one.us if first is None else first, one.us
            found._add(one)
        if not found.bytes:
            raise Problem(f"{name} has no I/O that is replayed: give another "
                          "log.")
        found.seconds = max(0.0, last - (first or 0)) / 1e6 if way.paced else 0
        return replace(found, seconds=found.seconds * 100 / way.percent)

    @property
    def ios_of_data(self) -> int:
        """How many that are no syncs."""
        return sum(self.counts.get(kind, 0) for kind in DATA)

    @property
    def writes(self) -> bool:
        return bool({"write", "trim"} & set(self.bytes))

    @property
    def trims(self) -> bool:
        return "trim" in self.bytes

    @property
    def extent(self) -> int:
        """Bytes that its files need."""
        return sum(self.begins()[1])

    def begins(self) -> tuple[dict[str, int], list[int]]:
        """({file: its place}, the bytes of each), of the log itself."""
        found, at, sizes = {}, 0, []
        for name, end in self.ends.items():
            found[name] = at
            size = end if len(self.ends) == 1 else -(-end // ROUND) * ROUND
            sizes.append(size)
            at += size
        return found, sizes

    # On a target

    def check(self, size: int, block: int, fit: bool) -> None:
        """Refuse a target of so many bytes, in blocks of so many; fit: places
        are put into it in proportion."""
        if self.unit % block:
            raise Problem(f"{self.name} has I/Os of {self.unit} bytes, and the "
                          f"blocks of the target have {block}: replay it with "
                          f"replay_align={block} in a job file.")
        if fit and self.longest <= size or self.extent <= size:
            return
        scale = -(-self.extent // size) * self.way.scale
        raise Problem(f"{self.name} goes up to byte {self.extent:,}, outside "
                      f"of the {size:,} bytes of the target: name a larger "
                      f"target, or replay it with replay_scale={scale} in a "
                      "job file.")

    def _placed(self, size, block):
        """I/Os in size bytes."""
        begins, _ = self.begins()
        share = 1.0
        if self.extent > size:
            share = (size - self.longest) / (self.extent - self.longest)
        for one in self.ios():
            offset = begins.get(one.file, 0) + one.offset
            if share < 1:
                offset = int(offset * share) // block * block
            yield one._replace(offset=offset if one.kind in DATA else 0)

    def lines(self, size: int, block: int, pace: float) -> Iterable[str]:
        """The lines of the log for fio; pace: seconds for one of the log's."""
        yield "fio version 3 iolog"
        yield f"{FIRST} {NAME} add"
        yield f"{FIRST} {NAME} open"
        now, before = float(FIRST), None
        for one in self._placed(size, block):
            if self.way.paced and before is not None:
                now += max(0.0, one.us - before) * pace * (
                    100 / self.way.percent)
            before = one.us
            if not (one.kind not in DATA or
                    0 <= one.offset <= size - one.length):
                raise Problem(f"{self.name} has an I/O outside of the target, "
                              "and had none: it has changed meanwhile.")
            yield f"{int(now)} {NAME} {one.kind} {one.offset} {one.length}"
        yield f"{int(now)} {NAME} close"

    def write(self, path: str, *how: Any) -> None:
        """lines() into a file."""
        with open(path, "w", encoding="utf-8") as file:
            for line in self.lines(*how):
                file.write(f"{line}\n")


def is_log(path: str) -> bool:
    """Does a file look like one?"""
    with open(path, "rb") as file:
        begin = file.read(64)
    return bool(blktrace.order(begin) or iolog.version(
        begin.decode("utf-8", "replace")))


def _read(path, name):
    try:
        if not is_log(path):
            raise Problem(f"{name} is neither an iolog of fio (version 2 or "
                          "3) nor a blktrace file (blkparse -d makes one): "
                          "give one of these.")
        with open(path, "rb") as file:
            if blktrace.order(file.read(64)):
                file.seek(0)
                yield from blktrace.ios(file, name)
                return
        with open(path, encoding="utf-8", errors="replace",
                  newline="\n") as text:
            yield from iolog.ios(iter(text), name)
    except OSError as error:
        raise Problem(f"cannot read the log {name}: {error.strerror}: name "
                      "one that can be read.") from None

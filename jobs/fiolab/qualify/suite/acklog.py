# SPDX-License-Identifier: GPL-2.0-only
# What the engine's ack_log= keeps (engine/acklog.h), beside what is on the
# device after a power cut: which writes are lost, torn, or were never made.
# A unit is the smallest write, a sector 512 bytes; each sector is filled with
# the generation of its write and its own place.
import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...target import blockio

MAGIC, SECTOR, CHUNK = 0x676F6C6B63616B31, 512, 4 << 20
HEAD = np.dtype([(name, "=u8") for name in (
    "magic", "key", "start", "unit", "units", "writes", "acks", "synced")])
UNIT = np.dtype([(name, "=u8") for name in (
    "tried", "acked", "at", "durable")])
NUMBER = np.uint64(16)      # bits of a generation below the write's number
UNITS = np.uint64(0xFFFF)   # of a generation: how many the write has
BAD = 256                   # units that cannot be read, before one gives up


class AckLog:
    """The file, mapped; from its first byte on, the device's are logged."""

    def __init__(self, path: str):
        self.path = path
        self.head = np.memmap(path, HEAD, "r+", shape=(1,))
        self.units = np.memmap(path, UNIT, "r+", offset=HEAD.itemsize)
        self.unit = self.count("unit")
        self.end: tuple[np.ndarray, dict[str, int]] | None = None

    @classmethod
    def made(cls, path: str, size: int, unit: int, key: int) -> "AckLog":
        """A new one, of a range at the beginning."""
        head = np.zeros(1, HEAD)
        head[0] = (MAGIC, key, 0, unit, size // unit, 0, 0, 0)
        with open(path, "wb") as file:
            file.write(head.tobytes())
            file.write(bytes(size // unit * UNIT.itemsize))
            file.flush()
            os.fsync(file.fileno())     # that it is there after a crash
        return cls(path)

    def count(self, name: str) -> int:
        return int(self.head[name][0])

    @property
    def size(self) -> int:
        return len(self.units) * self.unit

    def floor(self) -> np.ndarray:
        """The oldest generation that may be in each unit; 0: any."""
        return self.end[0] if self.end else self._floor(self.count("synced"))

    def _floor(self, synced):
        units = np.array(self.units)    # another process writes them
        return np.where(units["at"] <= synced, units["acked"],
                        units["durable"])

    def stop(self) -> None:
        """What is acknowledged from now on promises nothing, until settle():
        the power goes, and not of all layers in the same moment."""
        now = counts(self)
        self.end = self._floor(now["synced"]), now


@dataclass
class Seen:
    """The oldest and the youngest generation in each sector, a row of sectors
    for each unit; 0: it holds what is not of this log, or of another place, or
    cannot be read."""
    oldest: np.ndarray
    youngest: np.ndarray
    unreadable: np.ndarray      # is each unit?

    @property
    def ours(self) -> bool:
        return bool(self.oldest.any())


def _chunk(data, offset, key):
    """(oldest, youngest) of the sectors at an offset."""
    words = np.frombuffer(data, "=u8").reshape(-1, SECTOR // 16, 2)
    first = offset + SECTOR * np.arange(len(words), dtype=np.uint64)
    ours = (words[:, :, 1] == (first ^ key)[:, None]).all(axis=1)
    return [np.where(ours, found, 0) for found in (
        words[:, :, 0].min(axis=1), words[:, :, 0].max(axis=1))]


def _units(raw, at, length, unit, bad):
    """So many bytes, a unit at a time: zeroes where one cannot be read, whose
    number bad is told; OSError, once there are too many."""
    for place in range(at, at + length, unit):
        try:
            yield raw.read(place, unit)
        except OSError:
            bad.append(place // unit)
            if len(bad) > BAD:
                raise
            yield bytes(unit)


def _chunks(path, log, bad) -> Iterator[tuple[bytes, int]]:
    raw = blockio.Raw(path, log.size)
    try:
        for at in range(0, log.size, CHUNK):
            length = min(CHUNK, log.size - at)
            try:
                data = raw.read(at, length)
            except OSError:
                data = b"".join(_units(raw, at, length, log.unit, bad))
            yield data, at
    finally:
        raw.close()


def look(path: str, log: AckLog) -> Seen:
    """All of the range, as it is on the device; OSError where too much of it
    cannot be read."""
    key = np.uint64(log.count("key"))
    bad: list[int] = []         # units
    parts = [_chunk(data, np.uint64(at), key)
             for data, at in _chunks(path, log, bad)]
    shape = (len(log.units), log.unit // SECTOR)
    unreadable = np.zeros(len(log.units), bool)
    unreadable[bad] = True
    oldest, youngest = (np.concatenate(column).reshape(shape)
                        for column in zip(*parts))
    return Seen(oldest, youngest, unreadable)


def _first(log, wrong):
    """Offset of the first such unit; None without one."""
    return int(np.argmax(wrong)) * log.unit if wrong.any() else None


def _torn(log, seen, rows, logical, atomic, last):
    """{kind: writes} of those since the last-th of which a part arrived.  rows:
    units that need not hold what was written to them last.

    A block inside of which there are several generations is torn, whichever
    they are.  A write is torn that is on the device, and of which a unit is
    older: as far as is known of a unit, by the last write that was submitted
    and by the last that was acknowledged.
    """
    oldest, youngest = seen.oldest[rows], seen.youngest[rows]
    first, sectors = last + 1 << int(NUMBER), max(logical // SECTOR, 1)
    blocks = len(oldest), oldest.shape[1] // sectors, sectors
    least, most = (oldest.reshape(blocks).min(axis=2),
                   youngest.reshape(blocks).max(axis=2))
    inside = np.unique(most[(least < most) & (most >= first)])
    there = np.unique(oldest[oldest >= first])
    away = np.concatenate([of[oldest.min(axis=1) < of] for of in (
        log.units[name][rows] for name in ("tried", "acked"))])
    torn = np.setdiff1d(np.intersect1d(there, away), inside)
    small = int(((torn & UNITS) * np.uint64(log.unit) <= atomic).sum())
    return {"torn_block": len(inside), "torn_atomic": small,
            "torn_larger": len(torn) - small}


def judge(log: AckLog, seen: Seen, before: dict[str, int], logical: int,
          atomic: int) -> dict[str, int | None]:
    """What became of the writes since before, as counts() had it; of units, but
    for the writes that are torn.  logical, atomic: bytes that the device says
    are never torn, its logical block and writes of up to so many."""
    units, floor = log.units, log.floor()
    tried, acked = units["tried"], units["acked"]
    known, new = floor > 0, tried >> NUMBER > before["writes"]
    lost = known & (seen.oldest < floor[:, None]).any(axis=1)
    broken = seen.unreadable | known & ((seen.oldest == 0) | (
        seen.youngest > tried[:, None])).any(axis=1)
    unsynced = ((seen.oldest >= floor[:, None]) & (
        seen.oldest < acked[:, None])).any(axis=1)
    return {"lost": int(lost.sum()), "first_lost": _first(log, lost),
            "broken": int(broken.sum()), "first_broken": _first(log, broken),
            "unreadable": int(seen.unreadable.sum()),
            "unsynced_lost": int(unsynced.sum()),
            "in_flight": int((new & (tried > acked)).sum()),
            **_torn(log, seen, new & (tried > floor), logical, atomic,
                    before["writes"])}


def counts(log: AckLog) -> dict[str, int]:
    """As they are, or were when it was stopped."""
    return log.end[1] if log.end else {
        name: log.count(name) for name in ("synced", "acks", "writes")}


def forget(log: AckLog) -> None:
    """Of no unit anything is known any more, as all are trimmed."""
    for name in UNIT.names or ():
        log.units[name] = 0


def settle(log: AckLog, seen: Seen) -> None:
    """From now on what was found is what must be there.  Of what nothing is
    known (it is not ours), nothing must be."""
    log.end = None
    whole = (seen.oldest > 0).all(axis=1)
    log.units["tried"] = np.where(whole, seen.youngest.max(axis=1), 0)
    log.units["acked"] = np.where(whole, seen.oldest.min(axis=1), 0)
    log.units["durable"] = log.units["acked"]
    log.units["at"] = 0

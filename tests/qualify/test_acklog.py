# SPDX-License-Identifier: GPL-2.0-only
# What is made of the engine's log beside a device after a power cut, both made
# up here: each way to lose, tear or damage a write is seen, and nothing else.
import errno
import mmap
import os
import random

import numpy as np
import pytest

from fiolab.qualify.suite import acklog
from fiolab.qualify.suite.acklog import SECTOR, AckLog
from fiolab.target import blockio

UNIT, UNITS, KEY = 4096, 16, 0x1234567890ABCDEF
SIZE = UNIT * UNITS
GOOD = {"lost": 0, "first_lost": None, "broken": 0, "first_broken": None,
        "unreadable": 0, "unsynced_lost": 0, "in_flight": 0, "torn_block": 0,
        "torn_atomic": 0, "torn_larger": 0}


class Lab:
    """A device and its log, of which all is written and synced once."""

    def __init__(self, folder):
        self.path = str(folder / "device")
        self.log = AckLog.made(str(folder / "log"), SIZE, UNIT, KEY)
        self.data = bytearray(SIZE)
        self.number = 0
        for unit in range(UNITS):
            self.arrive(self.write(unit))
        self.sync()
        self.before = acklog.counts(self.log)

    def write(self, unit, count=1, acked=True):
        """(unit, generation) of each unit of a write."""
        self.number += 1
        generation = self.number << 16 | count
        part = self.log.units[unit:unit + count]
        part["tried"] = generation
        self.log.head["writes"] = self.number
        if acked:
            self.log.head["acks"] += 1
            synced = part["at"] <= self.log.head["synced"]
            part["durable"][synced] = part["acked"][synced]
            part["at"] = self.log.head["acks"]
            part["acked"] = generation
        return [(unit + i, generation) for i in range(count)]

    def sync(self):
        self.log.head["synced"] = self.log.head["acks"]

    def arrive(self, written, first=0, sectors=UNIT // SECTOR, place=0):
        """On the device, of each unit so many sectors."""
        for unit, generation in written:
            for at in range(unit * UNIT + first * SECTOR,
                            unit * UNIT + (first + sectors) * SECTOR, SECTOR):
                stamp = np.array([generation, KEY ^ (at + place)], "=u8")
                self.data[at:at + SECTOR] = stamp.tobytes() * (SECTOR // 16)

    def found(self, logical=512, atomic=0, settle=False):
        """What is not as it should be."""
        with open(self.path, "wb") as file:
            file.write(self.data)
        seen = acklog.look(self.path, self.log)
        found = acklog.judge(self.log, seen, self.before, logical, atomic)
        if settle:
            acklog.settle(self.log, seen)
            self.before = acklog.counts(self.log)
        assert found.keys() == GOOD.keys()
        return {name: value for name, value in found.items()
                if value != GOOD[name]}


@pytest.fixture
def lab(tmp_path):
    try:
        os.close(os.open(tmp_path, os.O_TMPFILE | os.O_RDWR | os.O_DIRECT))
    except OSError:
        pytest.skip("no O_DIRECT in the temporary folder")
    assert UNIT % mmap.PAGESIZE == 0
    return Lab(tmp_path)


def test_all_is_there(lab):
    assert lab.found() == {}
    lab.arrive(lab.write(3, 4))
    assert lab.found() == {}
    lab.sync()
    assert lab.found() == {}


def test_what_was_not_synced_may_be_lost(lab):
    lab.write(3, 2)
    assert lab.found() == {"unsynced_lost": 2}


def test_what_was_synced_may_not(lab):
    lab.write(3, 2)
    lab.sync()
    assert lab.found() == {"lost": 2, "first_lost": 3 * UNIT}


def test_an_older_one_of_several_that_were_not_synced(lab):
    """Any but what was there before the sync."""
    first = lab.write(3)
    lab.write(3)
    lab.arrive(first)
    assert lab.found() == {"unsynced_lost": 1}
    lab.sync()
    assert lab.found() == {"lost": 1, "first_lost": 3 * UNIT}


def test_a_sync_covers_what_came_before_it(lab):
    """A later write may be lost, to what the sync has made safe."""
    first = lab.write(5)
    lab.sync()
    lab.write(5)
    assert lab.found() == {"lost": 1, "first_lost": 5 * UNIT}
    lab.arrive(first)
    assert lab.found() == {"unsynced_lost": 1}


def test_what_is_acknowledged_once_the_power_goes(lab):
    """Promises nothing; what was promised before still holds."""
    first = lab.write(5)
    lab.sync()
    lab.log.stop()
    lab.write(5)
    lab.write(6)
    lab.sync()
    assert lab.found() == {"lost": 1, "first_lost": 5 * UNIT,
                           "unsynced_lost": 1}
    lab.arrive(first)
    assert lab.found(settle=True) == {"unsynced_lost": 2}
    lab.write(6)
    lab.sync()
    assert lab.found() == {"lost": 1, "first_lost": 6 * UNIT}


def test_in_flight_any_part_may_be_there(lab):
    written = lab.write(6, 4, acked=False)
    assert lab.found() == {"in_flight": 4}
    lab.arrive(written[1:3])
    assert lab.found() == {"in_flight": 4, "torn_larger": 1}
    lab.arrive(written)
    assert lab.found() == {"in_flight": 4}


@pytest.mark.parametrize("units, atomic, kind", [
    (4, 16384, "torn_atomic"), (4, 12288, "torn_larger"),
    (4, 0, "torn_larger"), (2, 8192, "torn_atomic")])
def test_torn_below_the_atomic_unit(lab, units, atomic, kind):
    """The write's own size counts, though a later one covers a part of it."""
    written = lab.write(6, units, acked=False)
    lab.arrive(written[-1:])
    assert lab.found(atomic=atomic) == {"in_flight": units, kind: 1}
    lab.write(6 + units, 1)
    assert lab.found(atomic=atomic)[kind] == 1


def test_a_write_that_is_partly_overwritten_keeps_its_size(lab):
    """3 of 4 units are left of it: it was no atomic one."""
    written = lab.write(6, 4)
    lab.arrive(lab.write(6))
    lab.arrive(written[1:2])
    assert lab.found(atomic=12288) == {"unsynced_lost": 2, "torn_larger": 1}


@pytest.mark.parametrize("first, sectors, logical, kind", [
    (0, 3, 512, "torn_larger"), (0, 3, 4096, "torn_block"),
    (4, 4, 4096, "torn_block"), (4, 4, 2048, "torn_larger")])
def test_torn_inside_a_logical_block(lab, first, sectors, logical, kind):
    lab.arrive(lab.write(2, acked=False), first, sectors)
    assert lab.found(logical) == {"in_flight": 1, kind: 1}


def test_torn_inside_a_sector(lab):
    old = bytes(lab.data[2 * UNIT:2 * UNIT + 256])
    lab.arrive(lab.write(2, acked=False))
    lab.data[2 * UNIT:2 * UNIT + 256] = old
    assert lab.found() == {"in_flight": 1, "torn_block": 1}


def test_a_block_torn_between_two_earlier_writes(lab):
    """Neither of which is the last, that is in flight and has not arrived."""
    lab.arrive(lab.write(2))
    lab.arrive(lab.write(2), 0, 3)
    lab.write(2, acked=False)
    assert lab.found(4096) == {"in_flight": 1, "unsynced_lost": 1,
                               "torn_block": 1}
    assert lab.found() == {"in_flight": 1, "unsynced_lost": 1,
                           "torn_larger": 1}


def test_torn_where_a_later_write_was_to_be(lab):
    """That has not arrived: what it was to overwrite must be there, or none of
    that write."""
    written = lab.write(6, 2)
    lab.write(7, acked=False)
    assert lab.found(atomic=8192) == {"in_flight": 1, "unsynced_lost": 2}
    lab.arrive(written[:1])
    assert lab.found(atomic=8192) == {"in_flight": 1, "unsynced_lost": 1,
                                      "torn_atomic": 1}
    lab.arrive(written)
    assert lab.found(atomic=8192) == {"in_flight": 1}


@pytest.mark.parametrize("lies", [False, True])
def test_a_cache_that_loses_whole_writes(lab, lies):
    """Cut after cut it is blamed for what it had promised, and for nothing
    else.  One that lies forgets some of what it has synced."""
    rng = random.Random(lies)
    held = {unit: unit + 1 << 16 | 1 for unit in range(UNITS)}
    blamed = 0
    for _ in range(60):
        promised, last, dirty = dict(held), dict(held), []

        def arrive(odds):
            for written in dirty:
                if rng.random() < odds:
                    lab.arrive(written)
                    held.update(written)
            dirty.clear()

        def write(acked=True):
            count = rng.randint(1, 4)
            dirty.append(lab.write(rng.randrange(UNITS - count + 1), count,
                                   acked))
        for _ in range(rng.randrange(16)):
            if rng.random() < 0.7:
                write()
                last.update(dirty[-1])
            else:
                arrive(0.9 if lies else 1)
                promised = dict(last)
                lab.sync()
        write(acked=False)
        arrive(0.5)
        found = lab.found(atomic=SIZE, settle=True)
        assert not found.keys() - {"lost", "first_lost", "unsynced_lost",
                                   "in_flight"}
        assert found.get("lost", 0) == sum(
            held[unit] < promised[unit] for unit in held)
        blamed += "lost" in found
    assert bool(blamed) == lies


DAMAGE = {
    "zeroes": lambda lab: bytes(SECTOR),
    "ones": lambda lab: b"\xff" * SECTOR,
    "a bit": lambda lab: bytes([lab.data[UNIT] ^ 1]) +
    lab.data[UNIT + 1:UNIT + SECTOR],
    "the last bit": lambda lab: lab.data[UNIT:UNIT + SECTOR - 1] +
    bytes([lab.data[UNIT + SECTOR - 1] ^ 128]),
    "of another place": lambda lab: lab.data[0:SECTOR],
    "of another sector": lambda lab: lab.data[UNIT + SECTOR:UNIT + 2 * SECTOR],
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_what_was_never_written_there(lab, kind):
    damaged = bytes(DAMAGE[kind](lab))
    lab.data[UNIT:UNIT + SECTOR] = damaged
    broken = {"broken": 1, "first_broken": UNIT}
    # With another last bit it is an older generation.
    assert lab.found() == {"lost": 1, "first_lost": UNIT,
                           **({} if kind == "a bit" else broken)}


def test_a_generation_that_was_never_submitted(lab):
    lab.arrive([(4, lab.number + 100 << 16 | 1)])
    assert lab.found() == {"broken": 1, "first_broken": 4 * UNIT}


def test_another_log_s_data_are_foreign(lab):
    lab.log.head["key"] ^= 1
    assert lab.found()["broken"] == UNITS


def test_the_next_cut_begins_with_what_was_found(lab):
    """What is lost is lost once; what came of the writes in flight stays."""
    lab.write(3)
    lab.sync()
    torn = lab.write(6, 2, acked=False)
    lab.arrive(torn[:1])
    assert lab.found(settle=True)["lost"] == 1
    assert lab.found() == {}
    lab.arrive(torn[1:])            # later than it could
    assert lab.found() == {"broken": 1, "first_broken": 7 * UNIT}
    lab.arrive(lab.write(7))
    lab.sync()
    assert lab.found() == {}


def test_what_is_torn_stays_so(lab):
    lab.arrive(lab.write(2, acked=False), 0, 3)
    assert lab.found(settle=True) == {"in_flight": 1, "torn_larger": 1}
    assert lab.found() == {}
    lab.write(2)
    lab.sync()
    assert lab.found() == {"lost": 1, "first_lost": 2 * UNIT}


def test_of_what_nothing_is_known_nothing_is_asked(lab):
    lab.data[UNIT:2 * UNIT] = bytes(UNIT)
    assert lab.found(settle=True)["broken"] == 1
    assert lab.found() == {}
    lab.write(1)
    lab.sync()
    assert lab.found()["lost"] == 1


@pytest.fixture
def bad(monkeypatch):
    """Units that cannot be read, as those may be of which the power went while
    they were written."""
    units, read = set(), blockio.Raw.read

    def fails(raw, offset, length):
        if any(unit * UNIT in range(offset, offset + length) for unit in units):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(raw, offset, length)
    monkeypatch.setattr(blockio.Raw, "read", fails)
    return units


def test_what_cannot_be_read_is_lost(lab, bad):
    """And what is beside it is seen."""
    lab.write(6)
    lab.sync()
    bad |= {3, 5}
    assert lab.found(settle=True) == {
        "lost": 3, "first_lost": 3 * UNIT, "broken": 2,
        "first_broken": 3 * UNIT, "unreadable": 2}
    bad.clear()
    assert lab.found() == {}


def test_of_what_nothing_is_known_it_can_be_read(lab, bad):
    acklog.forget(lab.log)
    bad.add(3)
    assert lab.found() == {"broken": 1, "first_broken": 3 * UNIT,
                           "unreadable": 1}


def test_a_device_that_cannot_be_read(lab, bad, monkeypatch):
    """Each block takes its time to fail."""
    monkeypatch.setattr(acklog, "BAD", 4)
    bad |= set(range(1, 6))
    with pytest.raises(OSError):
        lab.found()
    bad.remove(5)
    assert lab.found()["unreadable"] == 4


def test_of_trimmed_blocks_what_is_written_then_counts(lab):
    """They may hold anything else, but nothing that was not yet written."""
    acklog.forget(lab.log)
    lab.data[UNIT:2 * UNIT] = bytes(UNIT)
    assert lab.found() == {}
    lab.write(1)
    assert lab.found() == {"unsynced_lost": 1}
    lab.sync()
    assert lab.found() == {"lost": 1, "first_lost": UNIT, "broken": 1,
                           "first_broken": UNIT}

# SPDX-License-Identifier: GPL-2.0-only
# The parts of the integrity tests that need no device: reading fio's words,
# the places of planted damage, the end of a device.
import ast
import os
import random
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fiolab.base.problem import Problem
from fiolab.qualify.suite import (devicefull, flushes, integrity, planted,
                                  queuetests, verifying)
from fiolab.qualify.suite.profiles import QUICK
from fiolab.target import blockio

# As fio 3.33 and 3.42 print them.
MESSAGES = """\
crc32c: verify failed at file /dev/loop0 offset 39682048, length 0 (requested \
block: offset=39682048, length=4096, flags=88)
verify: bad magic header 0, wanted acca at file /dev/loop0 offset 8192, \
length 4096 (requested block: offset=8192, length=4096)
verify: bad header offset 4096, wanted 40075264 at file /dev/offset 1, \
length 2/x offset 40075264, length 4096 (requested block: offset=40075264)
fio: io_u error on file /dev/loop0: Input/output error: write offset=12, \
buflen=4096
"""


def ran(messages="", status=0, error=0, read=4096, jobs=1):
    return verifying_ran(messages, status, [
        {"error": error, "read": {"io_bytes": read}}] * jobs)


def verifying_ran(messages, status, jobs):
    return SimpleNamespace(messages=messages, status=status, jobs=jobs,
                           source="runs/x.json")


def test_places_in_fios_words():
    assert verifying.mismatches(MESSAGES) == [39682048, 8192, 40075264]
    assert verifying.mismatches("all is well\n") == []


@pytest.mark.parametrize("one,wanted,word", [
    (ran(MESSAGES), None,
     "at least 3 blocks read back wrong, the first at byte 396"),
    (ran(status=1), None, "exit status 1"),
    (ran(error=5), None, "fio failed"),
    (ran(jobs=0), None, "fio failed"),
    (ran(status=None), None, "fio failed"),
    (ran("no such device", 1), None, "no such device"),
    (ran(read=4095), 4096, "4095 bytes were read back instead of 4096"),
    (ran(read=0), 4096, "0 bytes"),
    (ran(), 4096, None),
    (ran(read=1), None, None),
])
def test_what_a_run_is_blamed_for(one, wanted, word):
    found = verifying.fault(one, wanted)
    assert (found is None) if word is None else word in found


def test_a_count_at_which_fio_stopped_is_no_total():
    one = "verify: bad magic header 0, wanted acca at file /dev/x offset 0, "
    assert verifying.fault(ran(one + "length 4096")) == (
        "at least 1 block read back wrong, the first at byte 0")
    assert verifying.fault(ran(MESSAGES), to_the_end=True) == (
        "3 blocks read back wrong, the first at byte 39682048")


def test_runs_stop_at_the_first_fault():
    made = []

    def start(one):
        return lambda: made.append(one) or one
    good, bad = ran(), ran(error=84)
    assert verifying.first_fault([(start(good), 4096), (start(bad), None),
                                  (start(good), None)])[0] is bad
    assert made == [good, bad]
    assert verifying.first_fault([(start(good), 4096)]) == (good, None)


# What passes, what fails, and what is neither

@pytest.mark.parametrize("wrong, few, result, text", [
    (None, None, "pass", "3 of 3"), (False, None, "pass", "3 of 3"),
    ("a bit flipped", None, "fail", "a bit flipped"),
    (True, None, "fail", "3 of 3"),
    ("a bit flipped", "no sync", "fail", "a bit flipped"),
    (None, "no sync", "not measured", "3 of 3: no sync")])
def test_the_rule_of_all_checks(wrong, few, result, text):
    assert verifying.judged(("n", "t"), "s", "3 of 3", wrong, few) == {
        "name": "n", "title": "t", "result": result, "text": text,
        "source": "s"}


def test_no_check_has_a_rule_of_its_own():
    """A result is chosen in one place, so none can take what was not
    measured for failed, or for passed."""
    for path in Path(verifying.__file__).parent.glob("*.py"):
        taken = {name.name for node in ast.walk(ast.parse(path.read_text()))
                 if isinstance(node, ast.ImportFrom)
                 and node.module == "verifying" for name in node.names}
        assert not taken & {"PASS", "check"}, path


@pytest.mark.parametrize("count, least, words", [
    (0, 1, "no sync to judge by"), (1, 1, None), (100, 100, None),
    (99, 100, "99 are too few to judge by, it takes 100")])
def test_what_is_enough(count, least, words):
    assert verifying.too_few(count, least, "sync") == words


def synced(count, status=0, error=0):
    return verifying_ran("", status, [{
        "error": error, "write": {"total_ios": 1}, "read": {"io_bytes": 0},
        "sync": {"lat_ns": {"N": count}}}])


def test_no_sync_on_a_slow_device_is_not_measured():
    assert flushes._answers("fsync", synced(0))["result"] == "not measured"
    assert flushes._answers("fsync", synced(3))["result"] == "pass"
    assert flushes._answers("fsync", synced(0, 1, 5))["result"] == "fail"


def test_a_fio_that_gives_no_result_writes_nothing_behind_the_end():
    found = devicefull.error_check(verifying_ran("gone", 1, []))
    assert found["result"] == "not measured" and "gone" in found["text"]


def test_a_machine_without_aio_contexts_is_no_fault_of_the_device():
    for said in ("kaio: io_setup(64): fs.aio-max-nr is exhausted",
                 "fio: check /proc/sys/fs/aio-max-nr"):
        with pytest.raises(Problem, match="fio could not run: .*aio-max-nr"):
            verifying.fault(ran(said, 1))


# Planted damage

def context(size, seed, logical_block=512):
    return SimpleNamespace(seed=seed, target=SimpleNamespace(
        size=size, logical_block=logical_block))


@pytest.mark.parametrize("seed", range(50))
def test_places_are_inside_and_apart(seed):
    size = random.Random(seed).randrange(64 << 10, 64 << 20, 512)
    given = context(size, seed)
    offset, length = planted._region(given)
    places = planted._places(given, offset, length)
    assert 0 <= offset and offset + length <= size and offset % 4096 == 0
    assert len(set(places)) == 3
    for one in places:
        assert offset < one < offset + length - 4096 and one % 4096 == 0
    ordered = sorted(places)
    assert all(b - a > 4096 for a, b in zip(ordered, ordered[1:]))


def test_plants_change_a_block():
    good, other = os.urandom(4096), os.urandom(4096)
    for name, make in planted.PLANTS:
        bad = make(good, other)
        assert len(bad) == 4096 and bad != good, name
    flip, = (make for name, make in planted.PLANTS if "bit" in name)
    bad = np.frombuffer(flip(good, other), np.uint8) ^ np.frombuffer(
        good, np.uint8)
    assert bad.sum() == 1 and np.argmax(bad) >= 64


@pytest.mark.parametrize("found,status,word", [
    ([4096, 8192], 1, None), ([8192, 4096, 4096], 1, None),
    ([4096], 1, "found it at 4096"), ([], 0, "found it at none"),
    ([4096, 8192, 12288], 1, "4096, 8192, 12288"),
    ([4096, 8192], 0, "reported success")])
def test_exactly_the_planted_places(found, status, word):
    text = "\n".join(f"crc32c: verify failed at file f offset {at}, length 0 "
                     "(requested" for at in found)
    one = verifying_ran(text, status, [{"error": 84 if status else 0}])
    why = planted._wrong(one, [8192, 4096])
    assert (why is None) if word is None else word in why


def test_writes_stay_inside(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(16384))
    raw = blockio.Raw(path, 8192, writable=True)
    try:
        raw.write(4096, b"x" * 4096)
        for offset in (8192, 4608, -4096):
            with pytest.raises(ValueError):
                raw.write(offset, bytes(4096))
        with pytest.raises(OSError):
            raw.read(16384, 4096)
    finally:
        raw.close()
    assert path.read_bytes() == bytes(4096) + b"x" * 4096 + bytes(8192)


# Flushes, the end, blocking

def flushed(count, kind="fsync", syncs=10):
    one = verifying_ran("", 0, [{"sync": {"lat_ns": {"N": syncs}}}])
    return flushes.reaches(kind, one, count, "write back")


def test_fewer_flushes_than_syncs_fail():
    assert flushed(10)["result"] == "pass"
    assert flushed(12)["result"] == "pass"
    assert flushed(9)["result"] == "fail"
    assert flushed(0, syncs=0)["result"] == "not measured"


@pytest.mark.parametrize("name", ["overlap", "backlog", "soak",
                                  "write-verify"])
def test_a_disk_that_seeks_is_not_taken_for_one_that_hangs(name):
    """At 100 random I/Os a second."""
    limits = []

    class Ended(Exception):
        pass

    def fio(job, _name, seconds, **_):
        limits.append((job, seconds))
        raise Ended
    context = SimpleNamespace(
        profile=QUICK, seed=1, fio=fio, progress=lambda _: None,
        target=SimpleNamespace(size=1 << 30, logical_block=512))
    test, = (one for one in integrity.TESTS if one.name == name)
    with pytest.raises(Ended):
        test.perform(context)
    (job, seconds), = limits
    size = int(re.search(r"^size=(\d+)", job, re.M)[1])
    least = int(re.search(r"^bs(?:range)?=(\d+)", job, re.M)[1])
    assert seconds > size / least / 100


def test_nothing_to_flush():
    one = verifying_ran("", 0, [{"sync": {"lat_ns": {"N": 10}}}])
    found = flushes.reaches("fsync", one, 0, "write through")
    assert found["result"] == "pass"
    assert "one without a volatile write cache" in found["text"]


def test_replay_is_fios_format():
    lines = devicefull.replay("/dev/x", 8192, 512, 2).splitlines()
    assert lines[:4] == ["fio version 2 iolog", "/dev/x add", "/dev/x open",
                         "/dev/x write 8192 512"]
    assert lines[10] == "/dev/x write 11776 512"
    assert lines[11:] == ["/dev/x read 0 512", "/dev/x read 512 512",
                          "/dev/x close"]


@pytest.mark.parametrize("shares,words", [
    ((0.01, 0.05, 0.1), ["at most 10.0% of the run (at depth 4)"]),
    ((0.01, 0.11, 0.3), ["up to 30.0%", "at depths 2, 4",
                         "not the depth that the device saw"]),
    ((0.01, 0.02, 0.3), ["at depth 4)"]),
    ((None, None, None), ["does not tell"])])
def test_blocking(shares, words):
    points = [(1 << i, 1, 1, 1, share) for i, share in enumerate(shares)]
    for word in words:
        assert word in queuetests.blocking_text(points)


def test_what_the_engine_notes_is_no_reason():
    """A medium error of a device that blocks in io_submit."""
    said = ("fio: io_u error on file /dev/x: Input/output error: read "
            "offset=0, buflen=4096\n"
            "kaio: job a (b) spent 45% of its run inside io_submit, so the "
            "device never saw the depth that fio prints: the device does its "
            "work there, as RAM disks do\n"
            'kaio: {"job": "a"}\n')
    why = verifying.fault(ran(said, 1))
    assert why == ("fio failed: fio: io_u error on file /dev/x: Input/output "
                   "error: read offset=0, buflen=4096")
    assert "aio-max-nr" in verifying.words("kaio: io_setup(8): aio-max-nr")

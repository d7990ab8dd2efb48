# SPDX-License-Identifier: GPL-2.0-only
# The power cut of jobs/qualify: the drill on a scratch disk, which really
# loses what was not synced, and what is left when it is killed.  A device that
# the user's command cuts: test_realcut.py.
import contextlib
import dataclasses
import itertools
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

import targets
from cutlab import backing, cut, cut_of, device  # noqa: F401
from qualifycontext import results, text
from fiolab.base.problem import Problem
from fiolab.fio import fiorun
from fiolab.qualify import execute
from fiolab.qualify.suite import acklog, cutruns, powercut
from fiolab.qualify.suite.profiles import QUICK
from fiolab.target import blockio, loopdevice
from fiolab.target.volatiledisk import VolatileDisk

ROOT = Path(__file__).resolve().parents[2]

MIB = 1 << 20
DRILL = {"power-cut synced", "power-cut contents", "power-cut torn",
         "power-cut load", "power-cut is real"}


@pytest.fixture
def far_loops(need_root, monkeypatch):
    """The loop devices that the drills of a test get."""
    with targets.far_loops(8) as names:
        monkeypatch.setattr(loopdevice, "_free", itertools.cycle(names).__next__)
        yield names


def left(names, folder):
    """Loop devices and mounts of a drill in a folder."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = [line for line in file if str(folder) in line]
    return mounts + list(filter(targets.is_attached, names))


def await_nothing_left(names, folder):
    end = time.monotonic() + 60
    while left(names, folder) and time.monotonic() < end:
        time.sleep(0.05)
    assert left(names, folder) == []


@pytest.mark.parametrize("engine_name", ["kaio", "io_uring"])
def test_drill(cut, engine_name, far_loops, tmp_path):
    """Synced writes stay, others are lost; nothing is left behind.  Whatever
    engine is tested with: ours writes, as it has the log."""
    found = cut(engine_name, dataclasses.replace(QUICK, cycles=3))
    assert found["state"] == "done", found["why"]
    assert results(found) == dict.fromkeys(DRILL, "pass"), found["checks"]
    assert "0 blocks of " in text(found, "power-cut synced")
    assert "after 3 cuts" in text(found, "power-cut synced")
    assert "not on the target" in text(found, "power-cut synced")
    assert {row[0] for row in found["tables"][0]["rows"]} >= {
        "acknowledged writes", "blocks in flight"}
    assert left(far_loops, tmp_path) == []


def test_a_drill_that_shows_nothing(cut, monkeypatch):
    """Cut before enough was written: nothing passes, nothing fails."""
    monkeypatch.setattr(cutruns, "LEAST", 1 << 40)
    monkeypatch.setattr(cutruns, "RETURN", 1)
    found = cut()
    assert found["state"] == "done", found["why"]
    assert results(found) == dict.fromkeys(DRILL, "not measured")
    assert "fio ended before the cut" in text(found, "power-cut synced")


def test_a_cut_that_takes_nothing_is_no_drill(cut, monkeypatch):
    """It fails, and not the disk."""
    whole = VolatileDisk.attached

    @contextlib.contextmanager
    def attached(disk):
        with whole(disk) as (path, _):
            yield path, lambda: None
    monkeypatch.setattr(VolatileDisk, "attached", attached)
    found = cut()
    assert results(found) == {
        **dict.fromkeys(DRILL, "pass"), "power-cut is real": "fail",
        "power-cut load": "not measured"}, found["checks"]
    assert "proves nothing" in text(found, "power-cut is real")


def test_a_sync_that_succeeds_while_the_power_goes(cut, monkeypatch):
    """As ext4's shutdown has it now and then: all that the engine was told
    by then is said to be synced.  The disk has promised no such thing."""
    whole, made, logs = VolatileDisk.attached, acklog.AckLog.made, []
    monkeypatch.setattr(acklog.AckLog, "made",
                        lambda *words: logs.append(made(*words)) or logs[-1])

    @contextlib.contextmanager
    def attached(disk):
        def late(cut):
            cut()
            logs[-1].head["synced"] = logs[-1].head["acks"]
        with whole(disk) as (path, cut):
            yield path, lambda: late(cut)
    monkeypatch.setattr(VolatileDisk, "attached", attached)
    monkeypatch.setattr(powercut, "SYNCS", ({"fsync": 1 << 20},))
    found = cut()
    assert results(found)["power-cut contents"] == "pass", found["checks"]
    # Without a sync before the cut nothing was to be judged.
    assert results(found)["power-cut synced"] == "not measured"


def test_the_target_is_not_touched(cut, backing):
    cut()
    with open(backing, "rb") as file:
        assert not any(file.read())


@pytest.fixture
def disk(need_root, tmp_path):
    made = VolatileDisk(str(tmp_path), 8 * MIB)
    yield made
    made.remove()


def test_a_cut_loses_what_was_not_synced(disk):
    with disk.attached() as (path, cut):
        file = os.open(path, os.O_RDWR)
        os.pwrite(file, b"A" * 4096, 0)
        os.fsync(file)
        os.pwrite(file, b"B" * 4096, 4096)
        direct = blockio.Raw(path, 8 * MIB, writable=True)
        direct.write(16384, b"D" * 4096)        # O_SYNC
        direct.close()
        os.pwrite(file, b"C" * 4096, 0)
        cut()
        with pytest.raises(OSError):
            os.pwrite(file, b"E" * 4096, 8192)
            os.fsync(file)
        os.close(file)
    with disk.attached() as (path, _), open(path, "rb") as file:
        data = file.read()
    # The O_SYNC write flushed the device, with all that was in its cache; but
    # "B" and "C" were in the cache of the one above it.
    assert len(data) == 8 * MIB
    assert data[:4096] == b"A" * 4096
    assert data[4096:8192] == bytes(4096)
    assert data[16384:20480] == b"D" * 4096
    assert not any(data[20480:])


def test_loop_devices_that_were_said_to_have_no_cache(disk, far_loops):
    """They remember it from an earlier user, and would get no flushes."""
    with contextlib.ExitStack() as stack:
        for name in far_loops:
            stack.enter_context(targets.write_through(name))
        with disk.attached() as (path, cut):
            assert path == far_loops[1]
            with open(path, "r+b") as file:
                file.write(b"A" * 4096)
                file.flush()
                os.fsync(file.fileno())
            cut()
        with disk.attached() as (path, _), open(path, "rb") as file:
            assert file.read(4096) == b"A" * 4096


def test_without_a_cut_all_stays(disk):
    with disk.attached() as (path, _):
        with open(path, "r+b") as file:
            file.write(b"A" * 8192)
    with disk.attached() as (path, _), open(path, "rb") as file:
        assert file.read(8192) == b"A" * 8192


def test_the_disk_goes_after_an_error(disk, far_loops, tmp_path):
    with pytest.raises(ZeroDivisionError):
        with disk.attached():
            1 / 0       # pylint: disable=pointless-statement
    assert left(far_loops, tmp_path) == []
    with pytest.raises(Problem):        # no file system any more
        os.truncate(disk.image, 0)
        os.truncate(disk.image, 40 * MIB)
        with disk.attached():
            pass
    assert left(far_loops, tmp_path) == []


HELD = """
import itertools, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path[:0] = [{jobs!r}]
from fiolab.target import loopdevice
from fiolab.target.volatiledisk import VolatileDisk
loopdevice._free = itertools.cycle({names!r}).__next__
with VolatileDisk({folder!r}, 8 << 20).attached() as (path, cut):
    print(path, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_killed_drill(far_loops, tmp_path, number):
    code = HELD.format(jobs=str(ROOT / "jobs"),
                       folder=str(tmp_path), names=far_loops)
    child = subprocess.Popen([sys.executable, "-c", code], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    device = child.stdout.readline().strip()
    assert device in left(far_loops, tmp_path)
    child.send_signal(number)
    child.wait(300)
    await_nothing_left(far_loops, tmp_path)


def test_a_result_behind_torn_notes():
    """A process of a job that fio has ended leaves the last of them out."""
    said = '{\n  "fio version" : "fio-3.41",\n  "jobs" : [\n    {\n    }\n  ]\n}'
    for notes in ("", "fio: note\n", "verify failed at {\nat file x offset="):
        assert fiorun.parse(notes + said) == {"fio version": "fio-3.41",
                                              "jobs": [{}]}
        assert execute._loosely(notes + said)["jobs"] == [{}]

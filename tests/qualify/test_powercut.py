# SPDX-License-Identifier: GPL-2.0-only
# The power cut of jobs/qualify: the drill on a scratch disk, which really
# loses what was not synced, and what is left when it is killed.  A device that
# the user's command cuts: test_realcut.py.
import contextlib
import itertools
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy
import pytest

import targets
from cutlab import backing, cut, device  # noqa: F401
from qualifycontext import results, text
from fiolab.base.problem import Problem
from fiolab.fio import fiorun
from fiolab.qualify import execute
from fiolab.qualify.suite import cutruns, generations, powercut
from fiolab.qualify.suite.profiles import QUICK
from fiolab.target import blockio, loopdevice
from fiolab.target.volatiledisk import VolatileDisk

ROOT = Path(__file__).resolve().parents[2]

MIB = 1 << 20
DRILL = {"power-cut synced", "power-cut others", "power-cut verify_state",
         "power-cut is real"}


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


@pytest.mark.parametrize("engine_name", ["kaio", "libaio", "io_uring"])
def test_drill(cut, engine_name, far_loops, tmp_path):
    """Synced writes stay, others are lost; and nothing is left behind."""
    found = cut(engine_name)
    assert found["state"] == "done", found["why"]
    assert results(found) == dict.fromkeys(DRILL, "pass"), found["checks"]
    assert "0 of 2," in text(found, "power-cut synced")
    assert "not on the target" in text(found, "power-cut synced")
    assert left(far_loops, tmp_path) == []


@pytest.mark.parametrize("share, said", [
    (2048, "the cut came too early"), (0.1, "fio ended before the cut")])
def test_a_drill_that_shows_nothing(cut, monkeypatch, share, said):
    """Cut after four writes, or not at all: nothing passes, nothing fails.
    (Without syncs enough may be written until the cut to lose some of it; and
    on a busy machine the cut comes so late that what was written would do.)"""
    monkeypatch.setattr(powercut, "CUT_AT", share)
    monkeypatch.setattr(cutruns, "LEAST", 32 * MIB // generations.BLOCK + 1)
    found = cut()
    assert found["state"] == "done", found["why"]
    real = results(found).pop("power-cut is real")
    assert real in (("pass", "not measured") if share > 1 else
                    ("not measured",)), found["checks"]
    for name in results(found).keys() - {"power-cut is real"}:
        assert results(found)[name] == "not measured", found["checks"]
    assert said in text(found, "power-cut synced")


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


def blamed(count, acknowledged):
    """What is made of it that fio's verify_state found so many blocks wrong,
    of which the first were acknowledged."""
    said = "".join("crc32c: verify failed at file /dev/x offset "
                   f"{block * generations.BLOCK}, length 4096\n"
                   for block in range(count))
    ran = SimpleNamespace(messages=said, source="x.json", status=0, jobs=[
        {"read": {"total_ios": 2000, "io_bytes": 2000 << 12}, "error": 0}])
    context = SimpleNamespace(
        side=SimpleNamespace(options=()), profile=QUICK, seed=1, folder="/",
        fio=lambda *_, **__: ran)
    found = cutruns._fio_agrees(context, "/dev/x", 32 * MIB,
                                numpy.arange(8192) < acknowledged, None)
    return found["result"], found["text"]


def test_what_fio_blames_of_the_unacknowledged_is_no_loss():
    """Those in flight, or, as fio 3.41 once did, all behind the last write."""
    assert blamed(0, 0)[0] == blamed(QUICK.depth, 0)[0] == "pass"
    result, said = blamed(QUICK.depth + 1, 0)
    assert result == "not measured" and "did not stop" in said
    assert blamed(1, 1)[0] == blamed(QUICK.depth + 2, 1)[0] == "fail"


def test_a_result_behind_torn_notes():
    """A process of a job that fio has ended leaves the last of them out."""
    said = '{\n  "fio version" : "fio-3.41",\n  "jobs" : [\n    {\n    }\n  ]\n}'
    for notes in ("", "fio: note\n", "verify failed at {\nat file x offset="):
        assert fiorun.parse(notes + said) == {"fio version": "fio-3.41",
                                              "jobs": [{}]}
        assert execute._loosely(notes + said)["jobs"] == [{}]

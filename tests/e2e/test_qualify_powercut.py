# SPDX-License-Identifier: GPL-2.0-only
# The power cut of jobs/qualify: the drill on a scratch disk, which really
# loses what was not synced; the user's command on a device; what is left when
# the drill is killed.
import contextlib
import dataclasses
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest

import qualifycontext
import targets
from fiolab import loopdev
from fiolab.problem import Problem
from fiolab.qualify import blockio, cache, claim, identity, integrity
from fiolab.qualify import realcut, schema
from fiolab.qualify.execute import Stopped
from fiolab.qualify.profiles import QUICK
from fiolab.qualify.volatiledisk import VolatileDisk

pytestmark = pytest.mark.alone      # loop devices are counted
MIB = 1 << 20
TEST, = (test for test in integrity.TESTS if test.name == "power-cut")
DRILL = {"power-cut synced", "power-cut others", "power-cut verify_state",
         "power-cut is real"}


@pytest.fixture
def backing(shm):
    """The file behind device, which keeps all that it is given."""
    path = os.path.join(shm, "backing")
    with targets.sized_file(path, 32 * MIB):
        yield path


@pytest.fixture
def device(need_root, backing):
    with targets.loop(backing) as path:
        yield path


def _is_claimed(device):
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
        return False
    except OSError:
        return True


def _why_not(held):
    """What a test on the target would be told now."""
    try:
        return claim.check_same(held)
    except Problem as problem:
        return str(problem)


@pytest.fixture
def cut(device, tmp_path, fio_binary, build_dir, engine):
    """Runs the test: its entry, and its folder of evidence."""
    def run(engine_name="kaio", profile=QUICK, power_cut=None, claimed=False,
            **hooks):
        with contextlib.ExitStack() as stack:
            bench = qualifycontext.bench(
                device, fio_binary, build_dir, str(tmp_path), stack,
                engine_name, profile, claimed=claimed)
            found, given = qualifycontext.run(bench, TEST,
                                              power_cut=power_cut, **hooks)
            assert not os.path.exists(os.path.join(given.folder,
                                                   "volatile.img"))
            if claimed:
                run.claims = _is_claimed(device), _why_not(bench.place.claim)
        schema.TEST(found, "power-cut")
        return found
    return run


def results(found):
    return {one["name"]: one["result"] for one in found["checks"]}


def text(found, name):
    return next(one["text"] for one in found["checks"] if one["name"] == name)


def left():
    """Loop devices and mounts of a drill."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = [line for line in file if "volatile" in line]
    loops = targets.run("losetup", "--list", "--noheadings", "--output",
                        "NAME,BACK-FILE").splitlines()
    return mounts + [line for line in loops if "volatile.img" in line
                     or line.split()[1:] == ["/disk"]]


@pytest.mark.parametrize("engine_name", ["kaio", "libaio", "io_uring"])
def test_drill(cut, engine_name):
    """Synced writes stay, others are lost; and nothing is left behind."""
    before = left()
    found = cut(engine_name)
    assert found["state"] == "done", found["why"]
    assert results(found) == dict.fromkeys(DRILL, "pass"), found["checks"]
    assert "0 of 2," in text(found, "power-cut synced")
    assert "not on the target" in text(found, "power-cut synced")
    assert left() == before


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


@pytest.fixture
def far_loops(need_root):
    """Four loop devices of numbers that nobody else is given."""
    names = [f"/dev/loop{1000 + os.getpid() % 1000 * 4 + i}" for i in range(4)]
    with targets.added_loops(names):
        yield names


def test_loop_devices_that_were_said_to_have_no_cache(disk, far_loops,
                                                      monkeypatch):
    """They remember it from an earlier user, and would get no flushes."""
    with contextlib.ExitStack() as stack:
        for name in far_loops:
            stack.enter_context(targets.write_through(name))
        monkeypatch.setattr(loopdev, "_free", iter(far_loops).__next__)
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


def test_the_disk_goes_after_an_error(disk):
    before = left()
    with pytest.raises(ZeroDivisionError):
        with disk.attached():
            1 / 0       # pylint: disable=pointless-statement
    assert left() == before
    with pytest.raises(Problem):        # no file system any more
        os.truncate(disk.image, 0)
        os.truncate(disk.image, 40 * MIB)
        with disk.attached():
            pass
    assert left() == before


HELD = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path[:0] = [{jobs!r}]
from fiolab.qualify.volatiledisk import VolatileDisk
with VolatileDisk({folder!r}, 8 << 20).attached() as (path, cut):
    print(path, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_killed_drill(need_root, tmp_path, number):
    before = left()
    code = HELD.format(jobs=str(qualifycontext.ROOT / "jobs"),
                       folder=str(tmp_path))
    child = subprocess.Popen([sys.executable, "-c", code], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    device = child.stdout.readline().strip()
    assert device.startswith("/dev/loop") and len(left()) > len(before)
    child.send_signal(number)
    child.wait(20)
    end = time.monotonic() + 10
    while left() != before and time.monotonic() < end:
        time.sleep(0.05)
    assert left() == before


# A device, and the user's command

def test_without_a_command_nothing_is_measured(cut):
    """Of a profile that is not for trying."""
    found = cut(profile=dataclasses.replace(QUICK, thin=False))
    assert results(found) == {"power-cut synced": "not measured"}
    assert "--power-cut COMMAND" in text(found, "power-cut synced")


def test_a_device_that_keeps_its_word(cut, tmp_path, monkeypatch):
    """fio runs the command, in the middle of the writes, and gives it time."""
    ran, given, second = tmp_path / "ran", [], realcut.second
    monkeypatch.setattr(realcut, "second", lambda *words, **how: (
        given.append(words) or second(*words, **how)))
    found = cut(power_cut=f"touch {ran}", profile=dataclasses.replace(
        QUICK, thin=False))
    assert ran.exists()
    outcome = results(found)
    assert outcome["power-cut synced"] in ("pass", "not measured")
    assert outcome["power-cut others"] == "pass"
    assert outcome["power-cut settings"] == "pass"
    assert given[0][-1] == realcut.RETURN
    assert "0 of " in text(found, "power-cut synced")


def test_a_device_that_loses_data(cut, backing):
    """The power cut takes a part of what was written."""
    found = cut(power_cut=f"dd if=/dev/zero of={backing} bs=1M seek=8 count=1 "
                "conv=notrunc")
    assert results(found)["power-cut synced"] == "fail"
    assert results(found)["power-cut others"] == "fail"


def test_a_device_that_does_not_come_back(cut, device, backing, monkeypatch):
    monkeypatch.setattr(realcut, "RETURN", 1)
    found = cut(power_cut=f"truncate -s 1M {backing}; "
                f"losetup --set-capacity {device}")
    assert results(found) == {"power-cut synced": "fail"}
    assert "did not come back" in text(found, "power-cut synced")


@pytest.mark.parametrize("command, status", [("exit 3", 3), ("none-such", 127)])
def test_a_command_that_fails_is_no_cut(cut, command, status):
    found = cut(power_cut=command)
    assert results(found) == {"power-cut synced": "not measured",
                              "power-cut settings": "pass"}
    assert f"exit status {status}" in text(found, "power-cut synced")


def gone_and_back(device, backing):
    """A command that really takes the device away, which it cannot as long as
    somebody has it open."""
    return (f"losetup -d {device}; i=0; "
            f"until losetup --direct-io=on {device} {backing} || [ $i = 50 ]; "
            "do sleep 0.1; i=$((i+1)); done; "
            f"losetup {device} | grep -q {backing}")


def test_a_device_that_goes_is_claimed_again(cut, device, backing,
                                             monkeypatch):
    """And its write cache is set as it was, which a drive forgets."""
    again = []
    monkeypatch.setattr(cache, "now", lambda path: True)
    monkeypatch.setattr(cache, "again", lambda *a: again.append(a) or "said")
    number = os.stat(f"/sys/block/{os.path.basename(device)}/loop").st_ino
    found = cut(power_cut=gone_and_back(device, backing), claimed=True)
    assert os.stat(f"/sys/block/{os.path.basename(device)}/loop"
                   ).st_ino != number
    assert "fail" not in results(found).values(), found["checks"]
    assert text(found, "power-cut settings") == "said"
    assert results(found)["power-cut settings"] == "not measured"
    assert cut.claims == (True, None) and again == [(device, True)]


@pytest.fixture
def scheduler(device):
    """The file of the device's, which keeps it beyond this test."""
    path = Path(f"/sys/block/{os.path.basename(device)}/queue/scheduler")
    before = identity.describe(device)["scheduler"]
    if "mq-deadline" not in path.read_text():
        pytest.skip("this kernel has one scheduler")
    yield path
    path.write_text(before)


def test_the_queue_is_set_as_before(cut, device, scheduler):
    """A device that comes back has a new one."""
    scheduler.write_text("mq-deadline")
    found = cut(power_cut=f"echo none >{scheduler}", claimed=True)
    assert results(found)["power-cut settings"] == "pass", found["checks"]
    assert identity.describe(device)["scheduler"] == "mq-deadline"
    assert cut.claims == (True, None)


def test_a_run_that_fails_gives_the_claim_back(cut, monkeypatch):
    def fails(*_, **__):
        raise Problem("no room.")
    monkeypatch.setattr(realcut, "second", fails)
    found = cut(power_cut="true", claimed=True)
    assert (found["state"], found["why"]) == ("failed", "no room.")
    assert cut.claims == (True, None)


def test_who_waits_for_the_device_can_be_asked_to_end():
    context = SimpleNamespace(target=SimpleNamespace(path="/dev/none-such"),
                              stop=threading.Event())
    context.stop.set()
    with pytest.raises(Stopped):
        realcut._await_return(context, MIB)


def test_another_device_that_comes_back_is_left_alone(cut, device, shm):
    other = os.path.join(shm, "other")
    with targets.sized_file(other, 32 * MIB):
        with open(other, "r+b") as file:
            file.write(b"precious" * 1000)
        found = cut(power_cut=gone_and_back(device, other), claimed=True)
        with open(other, "rb") as file:
            assert file.read() == b"precious" * 1000 + bytes(32 * MIB - 8000)
    assert found["state"] == "failed" and not found["checks"]
    assert "is not the device that went: its backing file was" in found["why"]
    claimed, why = cut.claims
    assert not claimed and "not claimed any more" in why

# SPDX-License-Identifier: GPL-2.0-only
# The power cut of a device by the user's command: what it proves, and what is
# done with what comes back.
import dataclasses
import os
from pathlib import Path
import threading
from types import SimpleNamespace

import pytest

import targets
from cutlab import backing, cut, device  # noqa: F401
from fiolab.base.problem import Problem
from fiolab.qualify.execute import Stopped
from fiolab.qualify.suite import realcut
from fiolab.qualify.suite.profiles import QUICK
from fiolab.target import identity, writecache
from fiolab.target.target import Target
from qualifycontext import results, text

MIB = 1 << 20


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


@pytest.mark.slow
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
    monkeypatch.setattr(writecache, "now", lambda path: True)
    monkeypatch.setattr(writecache, "again", lambda *a: again.append(a) or "said")
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


def test_a_cache_that_is_another_is_seen(cut, device):
    """Nothing here can set it: it is told."""
    file = Path(f"/sys/block/{os.path.basename(device)}/queue/write_cache")
    try:
        found = cut(power_cut=f"echo write through >{file}", claimed=True)
    finally:
        file.write_text("write back")   # the next user's, too
    assert results(found)["power-cut settings"] == "not measured"
    assert "its write cache was 'write back' and is 'write through'" in text(
        found, "power-cut settings")


def test_a_device_without_a_name_of_its_own(cut, monkeypatch):
    """It must hold what was written before the cut,"""
    monkeypatch.setattr(realcut, "NAMES", ())
    found = cut(power_cut="true", claimed=True)
    assert found["state"] == "done" and cut.claims == (True, None)


def test_such_a_device_that_holds_something_else(cut, backing, monkeypatch):
    """or it is taken for another."""
    monkeypatch.setattr(realcut, "NAMES", ())
    found = cut(power_cut=f"dd if=/dev/zero of={backing} bs=1M count=32 "
                "conv=notrunc", claimed=True)
    assert found["state"] == "failed" and "nothing of ours" in found["why"]
    assert not cut.claims[0]


def test_a_run_that_fails_gives_the_claim_back(cut, monkeypatch):
    def fails(*_, **__):
        raise Problem("no room.")
    monkeypatch.setattr(realcut, "second", fails)
    found = cut(power_cut="true", claimed=True)
    assert (found["state"], found["why"]) == ("failed", "no room.")
    assert cut.claims == (True, None)


def test_both_faults_are_told(cut, monkeypatch):
    """Of the run, and of the device after it."""
    def fails(*_, **__):
        raise Problem("no room.")
    monkeypatch.setattr(realcut, "second", fails)
    monkeypatch.setattr(realcut.claim, "renew", fails)
    found = cut(power_cut="true", claimed=True)
    assert found["why"] == "no room. no room." and not cut.claims[0]


def test_who_waits_for_the_device_can_be_asked_to_end():
    gone = Target("/dev/none-such", MIB)
    context = SimpleNamespace(target=gone, stop=threading.Event())
    context.stop.set()
    with pytest.raises(Stopped):
        realcut._await_return(context)


def test_a_command_that_was_not_run(tmp_path):
    assert "did not run" in realcut._why_no_cut(tmp_path / "none")


def settings(path, **changes):
    """What is said of a device that had other settings before."""
    context = SimpleNamespace(target=SimpleNamespace(path=str(path)))
    found = realcut._settings(context, {**identity.describe(path), **changes},
                              False)
    return found["result"], found["text"]


def test_settings_that_cannot_be_set_back(device):
    assert settings(device)[0] == "pass"
    assert settings(device, scheduler="none-such") == (
        "not measured", "its I/O scheduler was 'none-such' and is 'none'.")


def test_settings_below_a_file_that_nobody_knows(backing):
    """In memory there is no device."""
    assert settings(backing) == (
        "not measured", "The device below the file is not known.")


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

# SPDX-License-Identifier: GPL-2.0-only
# The power cut of a device by the user's command: what it proves, and what is
# done with what comes back.
import contextlib
import dataclasses
import errno
import os
from pathlib import Path
import re
import subprocess
from types import SimpleNamespace

import pytest

import cutlab
import targets
from cutlab import (backing, cut, cut_of, cut_strip, device,  # noqa: F401
                    limited, strip)
from fiolab.base.problem import Problem
from fiolab.qualify import folder
from fiolab.qualify.suite import acklog, cutruns, powercut, realcut
from fiolab.qualify.suite.profiles import QUICK
from fiolab.target import blockio, identity, writecache
from powerstrip import PowerStrip
from qualifycontext import results, text

MIB = 1 << 20


def test_without_a_command_nothing_is_measured(cut):
    """Of a profile that is not for trying."""
    found = cut(profile=dataclasses.replace(QUICK, thin=False))
    assert results(found) == {"power-cut synced": "not measured"}
    assert "--power-cut COMMAND" in text(found, "power-cut synced")


ALL = dict.fromkeys((
    "power-cut synced", "power-cut contents", "power-cut torn",
    "power-cut load", "power-cut settings"), "pass")
MANY = dataclasses.replace(QUICK, thin=False, cycles=3)


def test_a_device_that_keeps_its_word(cut_strip, strip):
    """Cut three times in the middle of the writes, synced in each way; and how
    long it took to return is a figure that a spec can limit."""
    found = cut_strip(profile=MANY, claimed=True)
    assert found["state"] == "done", found["why"]
    assert results(found) == ALL, found["checks"]
    assert strip.cuts == 3 and cut_strip.claims == (True, None)
    assert "0 blocks of " in text(found, "power-cut synced")
    ready, = found["cells"]
    assert ready["name"] == "ready" and ready["values"]["ready_s"]["n"] == 3
    assert limited(found, 100) == "pass" and limited(found, 1e-9) == "fail"
    rows = {row[0]: row[1:] for row in found["tables"][0]["rows"]}
    assert rows["blocks in flight"][2] > 0


def test_a_device_that_lies_about_its_cache(cut_strip, strip):
    """The kernel takes it for one without, and sends no flush."""
    strip.lie()
    found = cut_strip(profile=MANY)
    assert results(found)["power-cut synced"] == "fail", found["checks"]
    assert "the first at byte" in text(found, "power-cut synced")
    assert results(found)["power-cut load"] == "pass"


def zeroes(path, start, count):
    with open(path, "r+b") as file:
        file.seek(start * MIB)
        file.write(bytes(count * MIB))


def test_a_device_that_loses_data(cut_strip, strip):
    """A part of what was written is something else when it is back."""
    strip.then = lambda path: zeroes(path, 8, 1)
    found = cut_strip()
    assert results(found)["power-cut synced"] == "fail"
    assert results(found)["power-cut contents"] == "fail"
    assert f"the first at byte {8 * MIB} in cut 1" in text(
        found, "power-cut contents")


@pytest.fixture
def unreadable(strip, monkeypatch):
    """Bytes that cannot be read once the device is back."""
    found, read = [], blockio.Raw.read

    def fails(raw, offset, length):
        if any(offset < end and start < offset + length
               for start, end in found):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(raw, offset, length)
    monkeypatch.setattr(blockio.Raw, "read", fails)

    def says(start, end):
        strip.then = lambda path: found.append((start, end))
    return says


def test_a_device_that_cannot_read_a_block(cut_strip, unreadable):
    """As one that was written when the power went: it is lost, and the device
    is claimed again all the same."""
    unreadable(8 * MIB, 8 * MIB + 512)
    found = cut_strip(claimed=True)
    assert results(found)["power-cut synced"] == "fail", found
    assert "1 blocks of " in text(found, "power-cut synced")
    assert "could not be read (1), after 1 cut; the first at byte 8388608" in \
        text(found, "power-cut contents")
    assert cut_strip.claims == (True, None)


def test_a_device_that_cannot_be_read(cut_strip, unreadable):
    """But for its last block."""
    unreadable(0, 31 * MIB)
    found = cut_strip(claimed=True)
    assert results(found)["power-cut synced"] == "fail", found
    assert "cannot be read any more after the cut (Input/output error)" in text(
        found, "power-cut synced")
    assert not cut_strip.claims[0]


def test_a_command_that_does_not_bring_it_back(cut_strip, strip, monkeypatch):
    """Is no fault of the device's."""
    monkeypatch.setattr(cutruns, "RETURN", 3)
    strip.between = lambda: True
    monkeypatch.setattr(PowerStrip, "command", f"({strip.command}); exit 3")
    found = cut_strip()
    assert results(found)["power-cut synced"] == "not measured", found
    assert re.search("failed [(]exit status 3[)].*; /dev/loop.* did not come "
                     "back", text(found, "power-cut synced"))


def test_a_device_that_fails_by_itself(cut_strip, strip, monkeypatch):
    """Before any cut: nobody else would say that it does."""
    def fails_(cutter):
        while cutter.log.count("acks") < cutter.least:
            if cutter.ended.wait(0.02):
                return
        strip.cut()
        cutter.ended.wait(60)
        strip.off()
        strip.on()
    monkeypatch.setattr(cutruns.Cutter, "run", fails_)
    found = cut_strip(claimed=True)
    assert results(found)["power-cut synced"] == "fail", found
    assert "fio ended before the cut: fio failed: " in text(
        found, "power-cut synced")
    assert cut_strip.claims == (True, None)


def test_a_device_that_comes_back_smaller(cut, backing, device, monkeypatch):
    monkeypatch.setattr(cutruns, "RETURN", 3)
    monkeypatch.setattr(realcut, "RETURN", 3)
    found = cut(power_cut=f"truncate -s 16M {backing}; losetup -c {device}",
                claimed=True)
    assert results(found)["power-cut synced"] == "fail", found
    assert (f"{device} did not come back in 3 s, or not as it went: its size "
            f"was {32 * MIB} and is ") in text(found, "power-cut synced")


def test_a_device_that_comes_back_larger(cut, backing, device):
    """It is the same one, which has lost its configuration."""
    found = cut(power_cut=f"truncate -s 48M {backing}; losetup -c {device}",
                claimed=True)
    assert results(found)["power-cut synced"] == "fail", found
    assert (f"{device} is not as it went: its size was {32 * MIB} and is "
            f"{48 * MIB}.") in text(found, "power-cut synced")
    assert not cut.claims[0]


def test_a_device_that_comes_back_read_only(cut, device):
    """As a drive does that has found too much wrong with itself."""
    try:
        found = cut(power_cut=f"blockdev --setro {device}", claimed=True)
    finally:
        subprocess.run(["blockdev", "--setrw", device], check=True)
    assert results(found)["power-cut synced"] == "fail", found
    assert f"{device} is not as it went: it is read-only." in text(
        found, "power-cut synced")


def test_a_device_that_takes_no_more_writes(cut_strip, monkeypatch):
    """Though all is there."""
    def fails_(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    monkeypatch.setattr(blockio.Raw, "write", fails_)
    found = cut_strip(claimed=True)
    assert results(found)["power-cut synced"] == "fail", found
    assert "takes no writes any more after the cut (Input/output error)" in \
        text(found, "power-cut synced")


def test_a_log_for_which_there_is_no_room():
    with pytest.raises(Problem, match="cannot be written to /dev/full [(]no "
                       "space left[)]: make room there, 256 KiB"):
        cutruns._log("/dev/full", 32 * MIB, 4096)


def test_what_was_lost_before_a_fault_is_told(cut_strip, strip, monkeypatch):
    """The second cut cannot be made; who resumes goes on with it."""
    once = realcut.Device.once
    monkeypatch.setattr(realcut.Device, "once", lambda device, number, sync:
                        fails() if number else once(device, number, sync))
    strip.lie()
    found = cut_strip(profile=MANY)
    assert (found["state"], found["why"]) == ("failed", "no room.")
    assert set(results(found).values()) == {"fail"}
    assert " after 1 cut;" in text(found, "power-cut synced")


def test_a_device_that_cannot_be_flushed(cut_strip, monkeypatch):
    """Nobody has let go of it yet."""
    def fails_(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    monkeypatch.setattr(cutruns.blockio, "flush", fails_)
    found = cut_strip(profile=MANY, claimed=True)
    assert found["state"] == "failed" and cut_strip.claims == (True, None)
    assert "before cut 2 (Input/output error): look at dmesg." in found["why"]


def test_a_device_that_does_not_come_back(cut_strip, strip, monkeypatch):
    monkeypatch.setattr(cutruns, "RETURN", 3)
    strip.between = lambda: True
    found = cut_strip(profile=MANY)
    assert results(found) == {
        **dict.fromkeys(ALL.keys() - {"power-cut settings"}, "not measured"),
        "power-cut synced": "fail"}
    assert "did not come back" in text(found, "power-cut synced")
    assert strip.cuts == 1


def test_who_goes_on_has_the_cuts_that_were(cut_strip, strip, monkeypatch):
    """The third finds no power; the next command makes that one."""
    kept, once = {}, realcut.Device.once
    monkeypatch.setattr(folder.Folder, "save_round",
                        lambda _, name, one: kept.update({name: one}))
    monkeypatch.setattr(folder.Folder, "load_round",
                        lambda _, name: kept.get(name))

    def fails(device, number, sync):
        if number == 2 and strip.cuts == 2:
            strip.cuts += 1
            raise Problem("no room.")
        return once(device, number, sync)
    monkeypatch.setattr(realcut.Device, "once", fails)
    assert cut_strip(profile=MANY)["why"] == "no room."
    found = cut_strip(profile=MANY)
    assert results(found) == ALL, found["checks"]
    assert strip.cuts == 4 and sum("-cut-0" in name for name in kept) == 3


def test_who_goes_on_counts_all_cuts(cut_strip, strip, monkeypatch):
    """A device that has counted the last one alone."""
    monkeypatch.setattr(identity, "smart", lambda _: (
        {"unsafe_shutdowns": 7 + (strip.cuts == 3)}, None))
    kept = {}
    monkeypatch.setattr(folder.Folder, "save_round",
                        lambda _, name, one: kept.update({name: one}))
    monkeypatch.setattr(folder.Folder, "load_round",
                        lambda _, name: kept.get(name))
    with monkeypatch.context() as patch:
        once = realcut.Device.once
        patch.setattr(realcut.Device, "once", lambda device, number, sync:
                      fails() if number == 2 else once(device, number, sync))
        assert cut_strip(profile=MANY)["why"] == "no room."
    found = cut_strip(profile=MANY)
    assert results(found) == {**ALL, "power-cut counted": "fail"}
    assert "rose by 1 in 3 cuts" in text(found, "power-cut counted")


def test_a_command_that_does_not_cut(cut, tmp_path):
    """fio writes on until it is ended: that is no cut under load."""
    found = cut(power_cut=f"echo $TARGET >{tmp_path / 'ran'}")
    assert (tmp_path / "ran").read_text().startswith("/dev/loop")
    assert results(found) == {**ALL, "power-cut load": "not measured"}


@pytest.mark.slow
@pytest.mark.parametrize("command, status", [("exit 3", 3), ("none-such", 127)])
def test_a_command_that_fails_is_no_cut(cut, command, status):
    found = cut(power_cut=command)
    assert results(found) == {**dict.fromkeys(ALL, "not measured"),
                              "power-cut settings": "pass"}
    assert f"exit status {status}" in text(found, "power-cut synced")


def test_a_device_that_goes_is_claimed_again(cut_strip, strip, monkeypatch):
    """And its write cache is set as it was, which a drive forgets."""
    again = []
    monkeypatch.setattr(writecache, "now", lambda path: True)
    monkeypatch.setattr(writecache, "again", lambda *a: again.append(a) or "said")
    found = cut_strip(claimed=True)
    assert "fail" not in results(found).values(), found["checks"]
    assert text(found, "power-cut settings") == "said"
    assert results(found)["power-cut settings"] == "not measured"
    assert cut_strip.claims == (True, None) and again == [(strip.path, True)]


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


def test_such_a_device_that_has_lost_all(cut_strip, strip, monkeypatch):
    """or may be another, which is not written to."""
    monkeypatch.setattr(realcut, "NAMES", ())
    strip.then = lambda path: zeroes(path, 0, 32)
    found = cut_strip(profile=MANY, claimed=True)
    assert results(found)["power-cut synced"] == "fail" and strip.cuts == 1
    assert "has lost all, or another" in text(found, "power-cut synced")
    claimed, why = cut_strip.claims
    assert not claimed and "not claimed any more" in why


def test_fio_that_writes_on_after_the_cut(cut_strip, strip, monkeypatch, shm):
    """As where the kernel tries again what has failed.  What it wrote then is
    in the cache, and gone after the next cut: nobody had synced it."""
    monkeypatch.setattr(powercut, "SYNCS", ({"fsync": 1 << 20},))
    monkeypatch.setattr(cutruns.Writer, "_trim", lambda *_: False)
    first = os.path.join(shm, "first")
    monkeypatch.setattr(PowerStrip, "command", f"if [ -e {first} ]; then "
                        f"{strip.command}; else touch {first}; fi")
    found = cut_strip(profile=dataclasses.replace(MANY, cycles=2))
    assert strip.cuts == 1 and results(found)["power-cut contents"] == "pass"
    assert "0 blocks of " in text(found, "power-cut synced")
    rows = {row[0]: row[1:] for row in found["tables"][0]["rows"]}
    assert rows["unsynced blocks lost"][2] > 0


def test_a_sync_that_ends_once_there_is_power_again(cut_strip, strip,
                                                    monkeypatch):
    """Whoever sent it, such as a kernel that tries again: what was lost before
    was not synced."""
    made, logs = acklog.AckLog.made, []
    monkeypatch.setattr(acklog.AckLog, "made",
                        lambda *words: logs.append(made(*words)) or logs[-1])
    monkeypatch.setattr(powercut, "SYNCS", ({"fsync": 1 << 20},))
    is_back = realcut.is_back

    def synced(target):
        logs[-1].head["synced"] = logs[-1].head["acks"]
        return is_back(target)
    monkeypatch.setattr(realcut, "is_back", synced)
    found = cut_strip()
    assert strip.cuts == 1 and results(found)["power-cut contents"] == "pass"
    assert "0 blocks of 0 " in text(found, "power-cut synced")


def fails(*_, **__):
    raise Problem("no room.")


def test_a_run_that_fails_gives_the_claim_back(cut, monkeypatch):
    monkeypatch.setattr(cutruns.Writer, "load", fails)
    found = cut(power_cut="true", claimed=True)
    assert (found["state"], found["why"]) == ("failed", "no room.")
    assert cut.claims == (True, None)


def test_both_faults_are_told(cut, monkeypatch):
    """Of the run, and of the device after it."""
    monkeypatch.setattr(cutruns.Writer, "load", fails)
    monkeypatch.setattr(realcut.claim, "renew", fails)
    found = cut(power_cut="true", claimed=True)
    assert found["why"] == "no room. no room." and not cut.claims[0]


def test_a_command_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(realcut, "RETURN", 0.2)
    why = realcut.run_command("sleep 100", "/dev/x", tmp_path / "said")
    assert why == "the command of --power-cut did not end in 0.2 s"


@pytest.mark.parametrize("before, after, cuts, result", [
    (3, 5, 2, "pass"), (3, 9, 2, "pass"), (3, 4, 2, "fail"), (3, 3, 1, "fail"),
    (3, 3, 0, "not measured")])
def test_unsafe_shutdowns(before, after, cuts, result):
    found, = realcut.counted(({"unsafe_shutdowns": before}, None),
                             ({"unsafe_shutdowns": after}, None), cuts, "nvme")
    assert found["result"] == result
    assert found["text"].split(":")[0] == (
        f"unsafe_shutdowns rose by {after - before} in {cuts} cut"
        f"{'' if cuts == 1 else 's'}")


def test_a_device_without_such_a_counter():
    why = (None, "smartctl is missing")
    assert realcut.counted(why, why, 3, "virtio") == []
    found, = realcut.counted(why, why, 3, "nvme")
    assert (found["result"], found["text"]) == ("not measured", why[1])


@pytest.mark.parametrize("space, control, queue, most", [
    ({}, {"awupf": 0}, {}, 512), ({}, {"awupf": 7}, {}, 4096),
    ({"nsfeat": 2, "nawupf": 15}, {"awupf": 7}, {}, 8192),
    ({"nsfeat": 2, "nawupf": 0}, {"awupf": 7}, {}, 4096),
    ({"nawupf": 15, "nabspf": 31}, {"awupf": 7}, {}, 0), ({}, {}, {}, 0),
    ({}, {"awupf": 255}, {}, 65536), ({}, {"awupf": 7}, {"chunk_sectors": 64}, 0)])
def test_what_an_nvme_device_does_not_tear(monkeypatch, space, control, queue,
                                           most):
    """The kernel makes several commands of what is larger than one may be."""
    queue = {"logical_block_size": 512, "max_sectors_kb": 64, "chunk_sectors": 0,
             **queue}
    monkeypatch.setattr(realcut.identity, "describe", lambda _: {"kind": "nvme"})
    monkeypatch.setattr(realcut.tools, "find", lambda _: "/usr/sbin/nvme")
    monkeypatch.setattr(realcut.sysfs, "disk", lambda _: "/sys/block/nvme0n1")
    monkeypatch.setattr(realcut.sysfs, "number",
                        lambda _, where, name: queue[name])
    monkeypatch.setattr(realcut.erase, "json_of", lambda _, what, *__: {
        "id-ns": space, "id-ctrl": control}[what])
    assert realcut.atomic_write("/dev/nvme0n1") == most


def settings(path, **changes):
    """What is said of a device that had other settings before."""
    context = SimpleNamespace(target=SimpleNamespace(path=str(path)))
    found = realcut.settings(context, {**identity.describe(path), **changes},
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


def test_what_comes_into_use_beside_it_is_not_cut_off(cut_strip, strip,
                                                      monkeypatch):
    """A partition or namespace that was mounted since the run began."""
    look, used = realcut.Device._look, [""]

    def looks(*words):
        found = look(*words)
        used[0] = "/dev/x1, which is in use (it is mounted on /x)"
        return found
    monkeypatch.setattr(realcut.Device, "_look", looks)
    monkeypatch.setattr(realcut.claimable, "used_beside", lambda *_: used[0])
    found = cut_strip(profile=MANY, claimed=True)
    assert found["state"] == "failed" and strip.cuts == 1
    assert f"{strip.path} shares a disk with /dev/x1, which is" in found["why"]
    assert cut_strip.claims == (True, None)


def test_what_is_trimmed_is_what_was_claimed(cut, device, monkeypatch):
    """Whatever has its name by then."""
    trim, seen = cutruns.Writer._trim, []

    def sees(writer, path):
        seen.append((path != device, os.stat(path).st_rdev ==
                     os.stat(device).st_rdev, cutlab.is_claimed(device)))
        return trim(writer, path)
    monkeypatch.setattr(cutruns.Writer, "_trim", sees)
    cut(power_cut="true", claimed=True,
        profile=dataclasses.replace(MANY, cycles=2))
    assert seen == [(True, True, True)]


def test_another_device_that_is_claimed_is_let_go_of(cut, monkeypatch):
    """It took the name between the look and the claim."""
    describe, renew, renewed = identity.describe, realcut.claim.renew, []
    monkeypatch.setattr(realcut.claim, "renew",
                        lambda target: renewed.append(renew(target)))
    monkeypatch.setattr(realcut.identity, "describe", lambda path: {
        **describe(path), **({"serial": "another"} if renewed else {})})
    found = cut(power_cut="true", claimed=True)
    assert "is not the device that went: its serial number was" in found["why"]
    claimed, why = cut.claims
    assert not claimed and "not claimed any more" in why


def test_another_device_that_comes_back_is_left_alone(cut_strip, strip, shm):
    other = os.path.join(shm, "other")
    with contextlib.ExitStack() as stack, targets.sized_file(other, 32 * MIB):
        with open(other, "r+b") as file:
            file.write(b"precious" * 1000)
        strip.between = lambda: stack.enter_context(
            targets.loop(other, name=strip.path)) and True
        found = cut_strip(claimed=True)
        with open(other, "rb") as file:
            assert file.read() == b"precious" * 1000 + bytes(32 * MIB - 8000)
    assert found["state"] == "failed" and not found["checks"]
    assert "is not the device that went: its backing file was" in found["why"]
    claimed, why = cut_strip.claims
    assert not claimed and "not claimed any more" in why

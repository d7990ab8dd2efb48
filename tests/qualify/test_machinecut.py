# SPDX-License-Identifier: GPL-2.0-only
# A power cut that takes the machine that the test runs on (--ack-log): the run
# that goes down with it, and the one that is resumed on the next boot.  A real
# machine goes down in tests/vm/test_machine_cuts.py.
import dataclasses
import fcntl
import os
import struct

import pytest

from cutlab import cut_of, cut_strip, strip  # noqa: F401
from fiolab.base import files
from fiolab.base.problem import Problem
from fiolab.qualify import folder
from fiolab.qualify.suite import cutruns, machinecut, realcut
from fiolab.qualify.suite.profiles import QUICK
from fiolab.target import identity, volatiledisk
from qualifycontext import results, text

ALL = dict.fromkeys((
    "power-cut synced", "power-cut contents", "power-cut torn",
    "power-cut load", "power-cut settings"), "pass")


class Machine:
    """memory: the folder that outlives it; the rounds of the run do so, too."""

    def __init__(self, place, monkeypatch):
        self.memory, self.rounds = str(place / "memory"), {}
        self.boot_id, self.patch = place / "boot_id", monkeypatch
        os.mkdir(self.memory)
        self.boots()
        monkeypatch.setattr(machinecut, "BOOT", self.boot_id)
        for name, method in (
                ("save_round", lambda _, *one: self.rounds.update([one])),
                ("load_round", lambda _, name: self.rounds.get(name)),
                ("forget_round", lambda _, name: self.rounds.pop(name, None))):
            monkeypatch.setattr(folder.Folder, name, method)

    def boots(self):
        before = self.boot_id.read_text() if self.boot_id.exists() else ""
        self.boot_id.write_text(before + "again ")

    def goes_down(self, run):
        """Nothing of ours has a turn once the command has cut."""
        command = realcut.run_command

        def cuts(*words):
            command(*words)
            raise Problem("down.")

        def none(*_):
            raise Problem("down.")
        with self.patch.context() as patch:
            patch.setattr(realcut, "run_command", cuts)
            patch.setattr(cutruns.Writer, "look", none)
            assert run(ack_log=self.memory)["why"] == "down."


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


def test_it_is_judged_on_the_next_boot(cut_strip, strip, machine):
    machine.goes_down(cut_strip)
    machine.boots()
    found = cut_strip(ack_log=machine.memory)
    assert results(found) == ALL, found
    assert strip.cuts == 1      # that one alone
    rows = {row[0]: row[1:] for row in found["tables"][0]["rows"]}
    assert rows["blocks in flight"][0] > 0 and rows["of these synced"][0] > 0
    assert found["cells"] == [] and os.listdir(machine.memory) == []


def test_what_it_has_lost_is_seen_then(cut_strip, strip, machine):
    strip.lie()
    machine.goes_down(cut_strip)
    machine.boots()
    found = cut_strip(ack_log=machine.memory)
    assert results(found)["power-cut synced"] == "fail"
    assert "in cut 1" in text(found, "power-cut synced") and strip.cuts == 1


def test_who_is_killed_while_it_is_judged_judges_it_again(
        cut_strip, strip, machine, monkeypatch):
    """Before what it has found is kept; the second time it finds the same."""
    strip.lie()
    machine.goes_down(cut_strip)
    machine.boots()
    with monkeypatch.context() as patch:
        patch.setattr(realcut.Device, "_take_back", killed)
        assert cut_strip(ack_log=machine.memory)["why"] == "killed."
    found = cut_strip(ack_log=machine.memory)
    assert results(found)["power-cut synced"] == "fail" and strip.cuts == 1


def killed(*_):
    raise Problem("killed.")


def test_it_goes_on_with_the_next(cut_strip, strip, machine, monkeypatch):
    """What the device has counted is compared with what it was before all."""
    monkeypatch.setattr(identity, "smart", lambda _: (
        {"unsafe_shutdowns": 7 + strip.cuts}, None))
    several = dataclasses.replace(QUICK, cycles=3)
    machine.goes_down(lambda **how: cut_strip(profile=several, **how))
    machine.boots()
    found = cut_strip(profile=several, ack_log=machine.memory)
    assert results(found) == {**ALL, "power-cut counted": "pass"}
    assert "rose by 3 in 3 cuts" in text(found, "power-cut counted")
    assert found["cells"][0]["values"]["ready_s"]["n"] == 2


def test_a_command_that_was_killed_has_cut_nothing(cut_strip, strip, machine):
    """On the same boot it is made anew."""
    machine.goes_down(cut_strip)
    assert results(cut_strip(ack_log=machine.memory)) == ALL
    assert strip.cuts == 2


@pytest.mark.parametrize("what", ["gone", "of another run"])
def test_without_its_log_nothing_is_known(cut_strip, strip, machine, what):
    machine.goes_down(cut_strip)
    machine.boots()
    name, = os.listdir(machine.memory)
    path = os.path.join(machine.memory, name)
    if what == "gone":
        os.unlink(path)
    else:
        with open(path, "r+b") as file:
            file.seek(8)
            file.write(b"another!")
    found = cut_strip(ack_log=machine.memory)
    assert found["state"] == "failed" and strip.cuts == 1
    assert "cut 1 took this machine and the log" in found["why"]


def test_what_was_written_before_the_cut_is_there_under_its_name(
        need_root, tmp_path):
    """The note of a cut is the last that is written before the machine goes.
    Without it the next command would fill the range, and ask nothing of it."""
    disk = volatiledisk.VolatileDisk(str(tmp_path), 1 << 20)
    with disk._file_system() as mount:
        root = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=mount)
        try:
            for content in ("old", "new"):
                files.write(f"/proc/self/fd/{root}/note", content)
            files.write(f"/proc/self/fd/{root}/another", "one")
            fcntl.ioctl(root, volatiledisk.SHUTDOWN, struct.pack(
                "I", volatiledisk.WITHOUT_LOG))
        finally:
            os.close(root)
    with disk._file_system() as mount:
        for name, content in (("note", b"new"), ("another", b"one")):
            with open(os.open(name, os.O_RDONLY, dir_fd=mount), "rb") as file:
                assert file.read() == content


def test_memory_that_goes_with_the_machine_is_refused(shm):
    with pytest.raises(Problem, match="mounted with DAX"):
        machinecut.check_folder(shm)
    with pytest.raises(Problem, match="No such file or directory"):
        machinecut.check_folder(os.path.join(shm, "none"))

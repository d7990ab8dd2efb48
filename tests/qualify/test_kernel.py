# SPDX-License-Identifier: GPL-2.0-only
# The kernel's log during a test: which lines name the device, what is counted
# and kept, that an error of the device fails the qualification and a log that
# cannot be read is no log without errors; and real errors of a loop device
# whose file became shorter.  Real drivers are in tests/vm.
import os
import time
from types import SimpleNamespace

import pytest

import targets
from fiolab.base import kernellog
from fiolab.qualify import result
from fiolab.qualify.report import kernelpage, phrases
from fiolab.qualify.suite import integrity, kinds
from fiolab.qualify.watch import kernelerrors
from fiolab.target import claim, sysfs
from fiolab.target.target import Target

PCI = "/sys/devices/pci0000:00/0000:00:"
NVME = f"{PCI}1d.0/0000:03:00.0/nvme/nvme1/nvme1n1"
SATA = f"{PCI}17.0/ata3/host2/target2:0:0/2:0:0:0/block/sdb"
MULTIPLIED = f"{PCI}17.0/ata3/host2/target2:1:0/2:1:0:0/block/sdc"


# The log

class Scripted(kernellog.Log):
    """One whose file has these records, or raises."""
    answers: list = []

    def __init__(self):
        self.next, self.lost = None, 0
        self.left = list(self.answers)

    def close(self):
        pass

    def _read(self):
        one = self.left.pop(0) if self.left else BlockingIOError()
        if isinstance(one, Exception):
            raise one
        return one


@pytest.fixture
def log(monkeypatch):
    """A log with these records after it was opened."""
    def make(*answers):
        monkeypatch.setattr(Scripted, "answers", [
            b"6,99,1000,-;before", BlockingIOError(), *answers])
        monkeypatch.setattr(kernellog, "Log", Scripted)
    return make


def record(sequence, level, text, seconds=0.0, facility=0):
    micros = int((time.monotonic() + seconds) * 1e6)
    return (f"{facility << 3 | level},{sequence},{micros},-;{text}\n"
            " SUBSYSTEM=pci\n DEVICE=+pci:0000:03:00.0\n").encode()


def test_records_have_their_number_level_and_time(log):
    log(b"3,100,5000001,-,caller=T1;nvme nvme1: I/O 5 QID 2 timeout\n DEVICE=x")
    one = kernellog.Log()
    assert [r.text for r in one.new()] == ["before"]
    assert one.new() == [kernellog.Record(
        100, 5.000001, "err", "nvme nvme1: I/O 5 QID 2 timeout")]
    assert one.new() == [] and one.lost == 0


def test_what_was_written_over_is_counted(log):
    log(record(100, 3, "a"), BrokenPipeError(), record(105, 3, "b"))
    one = kernellog.Log()
    one.new()
    assert [r.sequence for r in one.new()] == [100, 105] and one.lost == 4


def test_lines_of_programs_are_not_the_kernels(log):
    log(record(100, 3, "systemd[1]: failed", facility=3),
        record(101, 3, "<3>of a shell", facility=1), record(102, 4, "ours"))
    one = kernellog.Log()
    one.new()
    assert [r.text for r in one.new()] == ["ours"] and one.lost == 0


# The names of a device

@pytest.mark.parametrize("folder, text", [
    (SATA, "ata3.00: exception Emask 0x0 SAct 0x0 SErr 0x0 action 0x6 frozen"),
    (SATA, "ata3: hard resetting link"),
    (SATA, "sd 2:0:0:0: [sdb] tag#0 FAILED Result: hostbyte=DID_OK"),
    (SATA, "ahci 0000:00:17.0: port does not support device sleep"),
    (MULTIPLIED, "ata3.01: failed command: READ FPDMA QUEUED"),
    (f"{SATA}/sdb1", "Buffer I/O error on dev sdb1, logical block 0"),
    (f"{SATA}/sdb1", "I/O error, dev sdb, sector 8"),
    (NVME, "nvme1n1: I/O Cmd(0x2) @ LBA 8, 8 blocks, I/O Error (sct 0x2)"),
    (NVME, "pcieport 0000:00:1d.0: AER: Corrected error message received")])
def test_lines_that_name_a_device(folder, text):
    assert sysfs.naming(sysfs.names(folder))(text)


@pytest.mark.parametrize("folder, text", [
    (SATA, "ata3.01: failed command: READ FPDMA QUEUED"),
    (MULTIPLIED, "ata3.00: failed command: READ FPDMA QUEUED"),
    (SATA, "ata31.00: failed command"), (SATA, "I/O error, dev sdbc, sector 8"),
    (NVME, "nvme nvme10: I/O 5 QID 2 timeout"),
    (NVME, "nvme1n10: I/O Cmd(0x2)"), (NVME, "pci_bus 0001:03:00.0: gone")])
def test_lines_that_name_another(folder, text):
    assert not sysfs.naming(sysfs.names(folder))(text)


def test_no_name_is_in_no_line():
    assert not sysfs.naming([])("anything") and sysfs.names("") == []


def test_members_controllers_and_partitions_are_the_devices_too(tmp_path):
    """An md array on a partition and on an NVMe device with multipath."""
    block = tmp_path / "block"
    for name in ("md0/slaves", "sdb/sdb1", "nvme0n1"):
        (block / name).mkdir(parents=True)
    (block / "sdb/sdb1/partition").touch()
    system = tmp_path / "nvme-subsys0"
    (tmp_path / "0000:03:00.0/nvme/nvme0/nvme0c0n1").mkdir(parents=True)
    (tmp_path / "0000:03:00.0/nvme/nvme0/nvme0c0n2").mkdir()
    system.mkdir()
    (system / "nvme0").symlink_to(tmp_path / "0000:03:00.0/nvme/nvme0")
    (block / "nvme0n1/device").symlink_to(system)
    for name in ("sdb/sdb1", "nvme0n1"):
        (block / "md0/slaves" / os.path.basename(name)).symlink_to(
            block / name)
    target = Target("/dev/md0", folder=str(block / "md0"))
    found = kernelerrors.names(target)
    assert {"md0", "sdb1", "sdb", "nvme0n1", "nvme0", "0000:03:00.0",
            "nvme0c0n1"} <= set(found) and "nvme0c0n2" not in found
    named = sysfs.naming(found)
    assert named("nvme0c0n1: I/O Cmd(0x2) @ LBA 16, 32 blocks, I/O Error")
    assert named("critical medium error, dev nvme0c0n1, sector 16 op 0x0")
    assert not named("critical medium error, dev nvme0c0n2, sector 16 op 0x0")


# What is counted

def watch(target=None, known=None):
    saved = []
    made = kernelerrors.Watch(target or Target(
        "/dev/nvme1n1", folder=NVME, writable=True), known, saved.append)
    return made, saved


def test_errors_and_warnings_are_counted_by_level(log):
    log(record(100, 3, "I/O error, dev nvme1n1, sector 8", 0.5),
        record(101, 4, "nvme nvme1: resetting controller", 0.25),
        record(102, 2, "nvme nvme2: dead"), record(103, 6, "nvme nvme1: hello"))
    made, saved = watch()
    with made.during("iops"):
        pass
    found = made.of("iops")
    assert found["counts"] == {"device": {"err": 1, "warning": 1},
                               "other": {"crit": 1}}
    assert [(one["sequence"], one["level"], one["device"])
            for one in found["lines"]] == [
        (100, "err", True), (101, "warning", True), (102, "crit", False)]
    assert 0.4 < found["lines"][0]["seconds"] < 60
    assert found["why"] is None and saved == 2 * [{"iops": found}]
    assert made.of("wsat") is None


def test_no_more_lines_are_kept_than_can_be_read(log, monkeypatch):
    monkeypatch.setattr(kernelerrors, "MOST", 2)
    log(*(record(100 + i, 3, "nvme nvme1: no") for i in range(5)),
        record(105, 3, "sda: other"))
    made, _ = watch()
    with made.during("t"):
        pass
    found = made.of("t")
    assert found["counts"] == {"device": {"err": 5}, "other": {"err": 1}}
    assert [one["sequence"] for one in found["lines"]] == [100, 101, 105]
    assert found["left"] == 3


def test_who_resumes_a_test_adds_to_what_it_had(log):
    """Saved as soon as there is a line, so that a kill forgets none."""
    log(record(100, 3, "nvme nvme1: one"))
    made, saved = watch()
    with made.during("t"):
        made.look()
        assert saved[-1]["t"]["counts"]["device"] == {"err": 1}
    log(record(200, 3, "nvme nvme1: two"))
    made, _ = watch(known=saved[-1])
    with made.during("t"):
        pass
    assert made.of("t")["counts"]["device"] == {"err": 2}
    assert [one["text"] for one in made.of("t")["lines"]] == [
        "nvme nvme1: one", "nvme nvme1: two"]


def test_a_log_that_may_not_be_read_is_said(monkeypatch):
    monkeypatch.setattr(kernellog, "KMSG", "/none/such")
    made, saved = watch()
    with made.during("t"):
        made.look()
    assert made.of("t")["why"] == (
        "the kernel's log cannot be read (No such file or directory)")
    assert made.of("t")["start"] is None and saved == [{"t": made.of("t")}]


def test_a_log_that_fails_half_way_is_not_known(log):
    log(record(100, 4, "nvme nvme1: warned"), BlockingIOError(),
        PermissionError(1, "not any more"))
    made, _ = watch()
    with made.during("t"):
        made.look()
    assert "cannot be read (not any more)" in made.of("t")["why"]


def test_of_a_host_it_is_not_read(log):
    log(record(100, 3, "nvme nvme1: here"))
    made, _ = watch(Target("/dev/nvme1n1", writable=True,
                           clients=({"name": "h"},)))
    with made.during("t"):
        pass
    assert "of a host is not read" in made.of("t")["why"]
    assert made.of("t")["lines"] == []


# The check

def entry(name="iops", why=None, lost=0, names=("nvme1",), **counts):
    return {"name": name, "title": name.upper(), "kernel": {
        "why": why, "start": None, "names": list(names), "counts": {
            "device": counts, "other": {"err": 2}}, "lost": lost, "left": 0,
        "lines": [{"sequence": 1, "level": level, "seconds": 0.0,
                   "device": True, "text": f"nvme1: {level}"}
                  for level in counts]}}


@pytest.mark.parametrize("tests, result, words", [
    ([entry()], "pass", "0 errors and 0 warnings named it in 1 test, 2 errors "
     "and 0 warnings did not"),
    ([entry(warning=4), entry("wsat")], "pass", "0 errors and 4 warnings named "
     "it in 2 tests"),
    ([entry(warning=1, err=2), entry("wsat", crit=1)], "fail", "3 errors and 1 "
     "warning named it in 2 tests (IOPS 2, WSAT 1), 4 errors and 0 warnings "
     "did not; the first: nvme1: err"),
    ([entry(lost=7)], "not measured", "7 of the log's records"),
    ([entry(lost=7, err=1)], "fail", "the first: nvme1: err"),
    ([entry(err=1, name="power-cut"), entry()], "pass", "in 1 test")])
def test_an_error_of_the_device_fails(tests, result, words):
    found = kernelerrors.check(tests, {"power-cut"})
    assert (found["name"], found["result"]) == ("kernel", result)
    assert words in found["text"]


def test_what_was_not_read_is_not_judged():
    assert kernelerrors.check([entry(why="no right")], ()) is None
    assert kernelerrors.check([{"name": "a", "kernel": None}], ()) is None


def test_a_target_that_no_line_can_name_is_not_judged(log, tmp_path):
    """A check that cannot fail is none."""
    assert kernelerrors.check([entry(names=())], ()) is None
    log(record(100, 3, "nvme nvme1: dead"))
    target = Target(str(tmp_path / "file"), writable=True)
    (tmp_path / "file").touch()
    made, _ = watch(target)
    made.names = []
    with made.during("t"):
        pass
    said = kernelpage.said({"kernel": made.of("t")})
    assert said == ("The kernel's log: 1 error and 0 warnings; the target lies "
                    "on no device that they would name.")


@pytest.mark.parametrize("limits, own, watched, word", [
    ([], [], ["pass", "pass"], "not measured"), ([], [], [], "not measured"),
    ([], ["pass"], ["pass"], "pass"), (["pass"], [], ["pass"], "pass"),
    ([], [], ["fail"], "fail"), (["pass"], [], ["fail", "pass"], "fail"),
    (["pass"], ["pass"], ["not measured"], "not measured")])
def test_that_nothing_happened_alone_is_no_pass(limits, own, watched, word):
    limits, own, watched = (
        [{"result": one, "target": "x", "test": "t", "cell": "c", "why": None}
         for one in each] for each in (limits, own, watched))
    data = {"limits": limits, "time": None, "targets": [
        {"name": "x", "checks": watched, "tests": [
            {"name": "t", "checks": own, "state": "done", "cells": [],
             "cuts": []}]}]}
    result._judge(SimpleNamespace(spec=None, other=None), data)
    assert data["result"] == word
    assert phrases.headline(data).startswith(word.capitalize())


def test_only_the_power_cut_may_provoke_errors():
    tests = {test.name for test in integrity.TESTS if test.provokes}
    assert tests == {"power-cut"} and not kinds.Test.provokes


# This kernel's

@pytest.fixture
def need_log():
    try:
        kernellog.Log().close()
    except OSError as error:        # kernel.dmesg_restrict, a container
        pytest.skip(f"{kernellog.KMSG} is not readable here: {error.strerror}")


def test_the_log_of_this_kernel(need_log):
    found = kernellog.whole()
    numbers = [one.sequence for one in found]
    assert numbers == sorted(set(numbers)) and all(
        one.level in kernellog.LEVELS and "\n" not in one.text
        and one.seconds >= 0 for one in found)


def test_real_errors_of_a_real_device(need_log, need_root, tmp_path, stack):
    """A loop device whose file became shorter fails what is read there."""
    with targets.loop_of(str(tmp_path), 16 << 20, written=True) as loop:
        target = claim.prepare(loop, 0, True, stack)
        made, saved = watch(target)
        with made.during("t"):
            file = sysfs.path(target.folder, "loop/backing_file")
            os.truncate(file, 1 << 20)
            descriptor = target.reopen(os.O_RDONLY)
            with pytest.raises(OSError):
                os.pread(descriptor, 4096, 8 << 20)
            os.close(descriptor)
        found = made.of("t")
    assert found["why"] is None and saved
    assert found["counts"]["device"].get("err", 0) >= 1
    mine = [one for one in found["lines"] if one["device"]]
    assert all(os.path.basename(loop) in one["text"] for one in mine)
    check = kernelerrors.check([{"name": "t", "title": "T", "kernel": found}],
                               ())
    assert check["result"] == "fail" and "I/O error" in check["text"]

# SPDX-License-Identifier: GPL-2.0-only
"""All tests of the profile quick, as a user runs them, on each kind of device,
all at once in one guest, group after group; it is killed in the middle of one,
and goes on after the next boot.  No figure of a guest is judged; that each test
ends, finds no fault where there is none, and says why it left something out,
is."""
from dataclasses import dataclass
import errno
import json
import os
import time

import pytest

from fiolab.base import process
from fiolab.qualify import planning
from fiolab.qualify.suite.profiles import QUICK
import vmlab

WORDS = ("--profile", "quick", "--destroy-data", "--no-pdf")
LONG = 9000             # seconds: all devices at once, under emulation
GROUPS = ("integrity", "queue", "pts")
KILLED = "integrity"
BEGIN = """set -e
exec 3>&-
# As udev does: the drill of power cuts wants it.
modprobe -a loop raid1 dm_multipath dm_service_time
"""
MADE = r"""
yes | mdadm --quiet --create /dev/md0 --run --level=1 --assume-clean \
	--bitmap=none --size=16M --raid-devices=2 /dev/lab/one /dev/lab/two
pvcreate -q -y /dev/lab/pv
vgcreate -q labvg /dev/lab/pv
lvcreate -q -y -Zn -n lv -L 16M labvg
"""
# Two ways to one disk, on a bus of its own.
PATHS = r"""
bus=$(readlink -f /sys/block/$(basename $(readlink -f /dev/lab/path))/device)
bus=${bus%/target*}
until [ "$(ls -d $bus/target*/*/block/* | wc -l)" = 2 ]; do sleep 0.1; done
set -- $(ls -d $bus/target*/*/block/* | sed 's!.*/!/dev/!')
echo "0 $(blockdev --getsz $1) multipath 0 0 2 1 service-time 0 1 1 $1 1 \
service-time 0 1 1 $2 1" | dmsetup create --noudevsync --uuid mpath-lab mpath
dmsetup mknodes
"""
# After another boot, in another order: dm-0 is then what was dm-1.
AGAIN = PATHS + r"""
mdadm --quiet --assemble /dev/md0 /dev/lab/one /dev/lab/two
vgchange -q -ay labvg
dmsetup mknodes
"""
SECOND = {"driver": "scsi-hd", "id": "path-again", "drive": "disk-path",
          "bus": "dev-path.0", "scsi-id": 0, "lun": 1, "serial": "path",
          "share-rw": True}


@dataclass(frozen=True)
class Device:
    """path: of the target; kind: in its identity; purge: its method; told: does
    the device itself say that its write cache is on? health: is there a log?
    unknown: the checks that cannot be made of such a one; torn: may EILSEQ end
    a test whose I/O overlaps?"""
    path: str
    kind: str
    block: int = 512
    purge: str = "blkdiscard"
    told: bool | None = True
    health: bool = False
    unknown: tuple = ()
    torn: bool = False


SIZE = "size=16M"
NVME = {"kind": "nvme", "purge": "nvme-format", "health": True}
BIO = ("fsync flushes", "fdatasync flushes")    # which the kernel counts of
                                                # devices with queues alone
# Metadata take their room of the disk.
SPECS = (f"nvme,id=n512,{SIZE}", f"nvme,id=n4k,lba=4096,{SIZE}",
         "nvme,id=npi,ms=8,pi=1,size=17M", f"ahci,id=sata,ncq=0,{SIZE}",
         f"scsi,id=disk,{SIZE}", f"virtio,id=blk,{SIZE}",
         f"null_blk,id=nullb0,{SIZE},irqmode=2,completion_nsec=50000,"
         "cache_size=4,discard=1", "virtio,id=one,size=24M",
         "virtio,id=two,size=24M", "nvme,id=pv,size=24M",
         f"scsi,id=path,share-rw=on,{SIZE}")
DEVICES = {
    "nvme-512": Device("/dev/lab/n512", **NVME),
    "nvme-4096": Device("/dev/lab/n4k", block=4096, **NVME),
    # QEMU writes protection information after the data, so that a read of a block
    # that is being written fails at times, with fio's libaio and psync, too.
    "nvme-pi": Device("/dev/lab/npi", torn=True, **NVME),
    "sata": Device("/dev/lab/sata", "sata", health=True),
    "scsi": Device("/dev/lab/disk", "scsi"),
    "virtio": Device("/dev/lab/blk", "virtio"),
    "null_blk": Device("/dev/nullb0", "null", told=None),
    "md": Device("/dev/md0", "md", told=None, unknown=BIO),
    "lvm": Device("/dev/mapper/labvg-lv", "dm", told=None, health=True,
                  unknown=BIO),
    "multipath": Device("/dev/mapper/mpath", "dm", told=None)}


def await_first(out, running):
    """Until each of the targets has finished a test."""
    names = [test.name for test in planning.tests_of(QUICK, KILLED)]
    end = time.monotonic() + LONG
    while not all(any((out / f"rounds/t{n:02d}-{name}.json").exists()
                      for name in names) for n in range(len(DEVICES))):
        assert time.monotonic() < end and running.status is None, running.err
        time.sleep(0.1)


class Runs:
    """Of each group, made when it is first asked for."""

    def __init__(self, machine, words):
        self.machine, self.words = machine, words
        self.known, self.gone = {}, 0

    def of(self, name, group):
        """(the target in qualify.json, all of it)"""
        if group not in self.known:
            self.known[group] = None
            self.known[group] = self._run(group)
        data = self.known[group]
        assert data, "the run failed: the first test of it says how"
        return data["targets"][list(DEVICES).index(name)], data

    def make(self, text):
        """What is made of the guest's disks."""
        self.machine.check("bash", "-c", BEGIN + text)

    def _run(self, group):
        began, used = time.monotonic(), self._cpu_seconds()
        out = self.machine.shared / group
        running = self.machine.start(
            *self.words, "--out", out, *WORDS, "--tests", group, *(
                word for device in DEVICES.values()
                for word in ("--target", device.path)))
        if group == KILLED:
            running = self._killed(out, running)
        done = running.wait(LONG)
        print(f"\n{self.machine.kernel.version}, {group}: "
              f"{time.monotonic() - began:.0f} s, QEMU's CPU time "
              f"{self._cpu_seconds() - used:.0f} s")
        assert (out / "qualify.json").exists(), done
        return json.loads((out / "qualify.json").read_text())

    def _cpu_seconds(self):
        """QEMU's, and that of the one before that was killed."""
        return self.gone + process.cpu_clock(self.machine.process.pid)

    def _killed(self, out, running):
        await_first(out, running)
        self.gone = self._cpu_seconds()
        self.machine.kill()
        with pytest.raises(vmlab.Died):
            running.wait()
        self.machine.boot()
        self.make(AGAIN)
        return self.machine.start(self.words[0], "--resume", out,
                                  "--destroy-data", "--no-pdf")


@pytest.fixture(scope="module")
def runs(vm_machine, root, build_dir, fio_binary, engine, tmp_path_factory):
    with vm_machine(
            SPECS, memory=3072, folder=tmp_path_factory.mktemp("guest"),
            append=vmlab.FAST["append"],
            extra=(*vmlab.FAST["extra"], "-device", json.dumps(SECOND))) as it:
        made = Runs(it, (root / "jobs/qualify", "--build", build_dir,
                         "--fio", fio_binary))
        made.make(MADE + PATHS)
        yield made


def named(target, word):
    """{check: its text} of those with that result."""
    every = [*target["checks"], *(one for test in target["tests"]
                                  for one in test["checks"])]
    return {one["name"]: one["text"] for one in every if one["result"] == word}


def per_device(*groups):
    """For what uses runs, group by group."""
    return pytest.mark.parametrize("name, group", [
        (name, group) for group in groups for name in DEVICES])


@per_device(*GROUPS)
def test_all_is_run_and_finds_no_fault_where_there_is_none(runs, name, group):
    """And what is not measured says why."""
    (target, data), device = runs.of(name, group), DEVICES[name]
    assert data["finished"] and [test["name"] for test in target["tests"]] == [
        test.name for test in planning.tests_of(QUICK, group)]
    left = {test["name"]: test["why"] for test in target["tests"]
            if test["state"] != "done"}
    # SNIA's composite load has blocks of 512 bytes.
    torn = {name for name, why in left.items()
            if device.torn and os.strerror(errno.EILSEQ) in why}
    assert set(left) - torn == (
        {"dirth"} if group == "pts" and device.block > 512 else set()), left
    assert len(torn) < len(target["tests"]) / 2, left
    assert set(named(target, "fail")) == ({"kernel"} if torn else set())
    assert sorted(named(target, "not measured")) == sorted(
        device.unknown if group == "integrity" else ()), \
        named(target, "not measured")


@per_device("pts", "queue")
def test_each_load_has_figures_or_a_reason(runs, name, group):
    """A device of blocks of 4096 bytes cannot do smaller ones."""
    cells = [cell for test in runs.of(name, group)[0]["tests"]
             for cell in test["cells"]]
    left = {cell["stimulus"]["bs"] for cell in cells if "why" in cell}
    assert len(cells) > 20 and all(cell["values"] for cell in cells
                                   if "why" not in cell)
    assert bool(left) == (group == "pts" and DEVICES[name].block == 4096), left
    assert all("512" in size for size in left)


@per_device("integrity")
def test_the_report_knows_the_device(runs, name, group):
    target, _ = runs.of(name, group)
    device = DEVICES[name]
    assert (target["identity"]["kind"], target["logical_block"]) == (
        device.kind, device.block)
    assert target["purge"]["method"] == device.purge, target["purge"]
    assert target["write_cache"]["device"] is device.told
    assert (target["smart"]["after"] is not None) == device.health, \
        target["smart"]["why"]
    assert all(test["kernel"]["why"] is None for test in target["tests"])
    assert {one["name"] for one in target["checks"]} >= {"kernel"}


def test_members_are_known_on_both_sides_of_the_break(runs):
    """The machine was killed, and the devices are called otherwise since."""
    for name, count in (("md", 2), ("lvm", 1), ("multipath", 2)):
        target, _ = runs.of(name, KILLED)
        assert len(target["identity"]["members"]) == count


@per_device(KILLED)
def test_each_goes_on_where_it_was(runs, name, group):
    target, data = runs.of(name, group)
    resumed, = data["resumed"]
    assert len(resumed["places"]) == len(DEVICES)
    assert {test["part"] for test in target["tests"]} == {0, 1}

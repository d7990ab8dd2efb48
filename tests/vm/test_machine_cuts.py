# SPDX-License-Identifier: GPL-2.0-only
"""The reset button is pressed while the engine writes, and jobs/qualify goes on
on the next boot: with the log of what was acknowledged in memory that outlives
the machine, as a part of a guest's RAM does that the kernel takes for persistent.
QEMU's disks have in the host's memory what they acknowledged, and lose nothing
by themselves; nor does its NVMe count the cut."""
import json
import time

import pytest

import vmlab

# Of the RAM, from 1 GiB on: whole sections of memory, which hold nothing else.
PERSISTENT = "memmap=128M!1G"
MOUNT = """modprobe -a nd_e820 nd_pmem ext4
until [ -b /dev/pmem0 ]; do sleep 0.1; done
blkid /dev/pmem0 || mkfs.ext4 -q -b 4096 /dev/pmem0
mkdir -p /run/kept && mount -o dax /dev/pmem0 /run/kept"""
MIB = 1 << 20


class Lab:
    """Two runs beside each other, one of each disk."""
    DISKS = ("flash", "virtual")

    def __init__(self, guest, root, fio, build):
        self.guest, self.command = guest, root / "jobs/qualify"
        self.options = ["--fio", fio, "--build", build]
        self.running = {}

    def place(self, disk, what):
        return self.guest.shared / f"{disk}-{what}"

    def _start(self, disk, *words):
        self.running[disk] = self.guest.start(
            self.command, *words, "--destroy-data", "--no-pdf")

    def begin(self, disk):
        """Its command hangs until the machine is gone."""
        self._start(
            disk, "--target", f"/dev/lab/{disk}", "--profile", "quick", "--tests",
            "power-cut", "--ack-log", "/run/kept",
            "--power-cut", f"touch {self.place(disk, 'cut')}; sleep 1000",
            "--out", self.place(disk, "out"), *self.options)

    def cut(self):
        """Once both have writes in flight, whose power is to go."""
        end = time.monotonic() + 1500
        marks = [self.place(disk, "cut") for disk in self.DISKS]
        while not all(mark.exists() for mark in marks):
            assert time.monotonic() < end and not any(
                one.status for one in self.running.values()), [
                    one.err for one in self.running.values()]
            time.sleep(0.05)
        self.guest.reset()
        for mark in marks:
            mark.unlink()
        for one in self.running.values():
            with pytest.raises(vmlab.Died):
                one.wait()
        self.guest.check("sh", "-ec", MOUNT)

    def resume(self):
        for disk in self.DISKS:
            self._start(disk, "--resume", self.place(disk, "out"))

    def end(self, disk):
        """(its test in qualify.json, {check: result})"""
        done = self.running[disk].wait(1500)
        assert done.status == 1, done       # both have a check that fails
        report = json.loads((self.place(disk, "out") / "qualify.json")
                            .read_text(encoding="utf-8"))
        test, = report["targets"][0]["tests"]
        assert test["state"] == "done", (test["why"], done)
        return test, {one["name"]: one["result"]
                      for one in test["checks"]}


@pytest.fixture
def lab(boot, root, fio_binary, build_dir, engine):
    guest = boot("nvme,id=flash,size=16M", "virtio,id=virtual,size=16M",
                 cpus=1, append=PERSISTENT)
    guest.check("sh", "-ec", MOUNT)
    return Lab(guest, root, fio_binary, build_dir)


def text(test, name):
    return next(one["text"] for one in test["checks"] if one["name"] == name)


def cuts(lab, disk):
    """What is kept of each."""
    return [json.loads(path.read_text(encoding="utf-8"))["content"]
            for path in sorted(lab.place(disk, "out").glob(
                "rounds/t00-power-cut-cut-*.json"))]


def test_a_reset_while_it_writes(lab):
    """To both disks.  After it the virtual one has lost what its first MiB
    held, which must be seen."""
    for disk in lab.DISKS:
        lab.begin(disk)
    lab.cut()
    with open(lab.guest.disk("virtual"), "r+b") as file:
        file.write(bytes(MIB))
    lab.resume()

    flash, checks = lab.end("flash")
    # QEMU's log has the counter, and a reset does not move it.
    assert checks.pop("power-cut counted") == "fail"
    assert "unsafe_shutdowns rose by 0 in 1 cut" in text(
        flash, "power-cut counted")
    assert set(checks.values()) == {"pass"}, flash["checks"]

    virtual, checks = lab.end("virtual")
    assert (checks["power-cut synced"], checks["power-cut contents"]) == (
        "fail", "fail")
    assert "after 1 cut; the first at byte 0 in cut 1" in text(
        virtual, "power-cut synced")
    assert checks["power-cut load"] == "pass"
    for disk, lost in (("flash", 0), ("virtual", MIB // 4096)):
        one, = cuts(lab, disk)
        assert one["lost"] == lost and one["synced"] and one["in_flight"], one

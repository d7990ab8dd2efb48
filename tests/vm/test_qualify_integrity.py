# SPDX-License-Identifier: GPL-2.0-only
"""All integrity tests of the profile quick, as a user runs them, on several
kinds of devices at once.  Each comes to its end, finds no fault where there is
none, and what it cannot measure says why."""
from dataclasses import dataclass
import json
import time

import pytest

from fiolab.qualify import planning
from fiolab.qualify.suite.profiles import QUICK

WORDS = ("--profile", "quick", "--tests", "integrity", "--destroy-data",
         "--no-pdf")
LONG = 3000             # seconds: several devices at once, under emulation


@dataclass(frozen=True)
class Device:
    """path: of the target; kind: in its identity; purge: its method; told: does
    the device itself say that its write cache is on? health: is there a log?
    unknown: the checks that cannot be made of such a one."""
    path: str
    kind: str
    block: int = 512
    purge: str = "blkdiscard"
    told: bool | None = True
    health: bool = False
    unknown: tuple = ()


SIZE = "size=16M"
NVME = {"kind": "nvme", "purge": "nvme-format", "health": True}
# [(what a guest has, {name: Device})]
GUESTS = (
    ((f"nvme,id=n4k,lba=4096,{SIZE}", f"virtio,id=blk,{SIZE}",
      f"ahci,id=sata,{SIZE}"), {
        "nvme-4096": Device("/dev/lab/n4k", block=4096, **NVME),
        "virtio": Device("/dev/lab/blk", "virtio"),
        "sata": Device("/dev/lab/sata", "sata", health=True)}),)
DEVICES = {name: device for _, found in GUESTS
           for name, device in found.items()}


@pytest.fixture(scope="module")
def qualified(vm_machine, root, build_dir, fio_binary, engine,
              tmp_path_factory):
    """A function: the target of that name in qualify.json, and all of it.  Each
    guest runs once, when it is first asked for."""
    known = {}

    def run(specs, devices):
        with vm_machine(specs, memory=3072, folder=tmp_path_factory.mktemp(
                "guest")) as guest:
            began, out = time.monotonic(), guest.shared / "out"
            # As udev does: the drill of power cuts wants it.
            guest.check("modprobe", "loop")
            done = guest.run(
                root / "jobs/qualify", "--build", build_dir, "--fio",
                fio_binary, "--out", out, *WORDS, *(
                    word for one in devices.values()
                    for word in ("--target", one.path)), seconds=LONG)
            print(f"\n{guest.kernel.version}, {', '.join(devices)}: "
                  f"{time.monotonic() - began:.0f} s")
            assert (out / "qualify.json").exists(), done
            return json.loads((out / "qualify.json").read_text())

    def find(name):
        specs, devices = next(one for one in GUESTS if name in one[1])
        if specs not in known:
            known[specs] = None
            known[specs] = run(specs, devices)
        assert known[specs], "the run failed: the first test of it says how"
        return (known[specs]["targets"][list(devices).index(name)],
                known[specs])
    return find


def named(target, word):
    """{check: its text} of those with that result."""
    every = [*target["checks"], *(one for test in target["tests"]
                                  for one in test["checks"])]
    return {one["name"]: one["text"] for one in every if one["result"] == word}


@pytest.mark.parametrize("name", DEVICES)
def test_all_is_run_and_finds_no_fault_where_there_is_none(qualified, name):
    target, data = qualified(name)
    assert data["finished"] and [test["name"] for test in target["tests"]] == [
        test.name for test in planning.tests_of(QUICK, "integrity")]
    assert {test["name"]: test["why"] for test in target["tests"]
            if test["state"] != "done"} == {}
    assert named(target, "fail") == {}
    assert sorted(named(target, "not measured")) == sorted(
        DEVICES[name].unknown), named(target, "not measured")


@pytest.mark.parametrize("name", DEVICES)
def test_the_report_knows_the_device(qualified, name):
    (target, _), device = qualified(name), DEVICES[name]
    assert (target["identity"]["kind"], target["logical_block"]) == (
        device.kind, device.block)
    assert target["purge"]["method"] == device.purge, target["purge"]
    assert target["write_cache"]["device"] is device.told
    assert (target["smart"]["after"] is not None) == device.health, \
        target["smart"]["why"]
    assert all(test["kernel"]["why"] is None for test in target["tests"])
    assert {one["name"] for one in target["checks"]} >= {"kernel"}

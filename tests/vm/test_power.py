# SPDX-License-Identifier: GPL-2.0-only
"""jobs/qualify cuts the power of null_blk, whose volatile cache is then lost:
one that is flushed keeps what was synced, one that the kernel takes for a
device without a cache does not, in each single cut.  And disks of QEMU's that
are pulled out while they are written, which lose nothing."""
import json
import time

import pytest

SIZE = "size=16M,irqmode=2,completion_nsec=50000,cache_size=4"
# The one that lies cannot trim: soon after that its cache holds all that it has,
# and one that has lost all is not cut again, as it may be another device.
VM = {"specs": [f"null_blk,id=nullb0,{SIZE},discard=1",
                f"null_blk,id=nullb1,{SIZE}",
                "nvme,id=pulled,size=16M", "virtio,id=taken,size=16M"]}
POWER = "/sys/kernel/config/nullb/{0}/power"
CUT = f"echo 0 >{POWER}; echo 1 >{POWER}"
LIE = "echo write through >/sys/block/{0}/queue/write_cache"
# Once its errors have ended fio, the name is free.
FIO_ENDS = "while pidof fio; do sleep 0.1; done"


@pytest.fixture
def begin(vm, root, fio_binary, build_dir, engine):
    """Starts the test on a device."""
    def start(device, count, command):
        return vm.start(
            "/usr/bin/python3", root / "tests/lib/guestcuts.py", device,
            str(count), command, fio_binary, build_dir)
    return start


def ended(running):
    """({check: result}, its cuts, {check: text})"""
    done = running.wait(1500)
    assert done.status == 0, done
    found = json.loads(done.out)
    assert found["state"] == "done", found["why"]
    return ({one["name"]: one["result"] for one in found["checks"]},
            found["cuts"],
            {one["name"]: one["text"] for one in found["checks"]})


@pytest.mark.quick
def test_a_device_that_keeps_its_word(begin):
    """Twenty cuts, all of them under load."""
    checks, found, _ = ended(begin("/dev/nullb0", 20, CUT.format("nullb0")))
    assert set(checks.values()) == {"pass"}, (checks, found)
    assert len(found) == 20 and sum(one["synced"] for one in found) >= 2000
    assert all(one["in_flight"] or one["failed"] for one in found)
    # What nobody synced was in the cache, and is gone.
    assert sum(one["unsynced_lost"] for one in found) > 0


@pytest.mark.quick
def test_a_device_that_lies(vm, begin):
    vm.check("sh", "-c", LIE.format("nullb1"))
    checks, found, _ = ended(begin("/dev/nullb1", 6,
                                   f"{CUT}; {LIE}".format("nullb1")))
    assert checks["power-cut synced"] == "fail"
    assert [one["lost"] > 0 for one in found] == [True] * 6, found


def test_a_drive_that_is_pulled_out(begin):
    """NVMe has its name again once nobody holds the old one.  QEMU's loses
    nothing, and has the counter of unsafe shutdowns, but never moves it: a
    drive that does not count its cuts."""
    pci = "$(readlink -f /sys/class/block/nvme0n1/device/device)"
    checks, found, texts = ended(begin(
        "/dev/nvme0n1", 2, f"d={pci}; echo 1 >$d/remove; {FIO_ENDS}; "
        "echo 1 >/sys/bus/pci/rescan"))
    assert len(found) == 2 and all(one["failed"] for one in found)
    assert checks.pop("power-cut counted") == "fail"
    assert texts["power-cut counted"] == "unsafe_shutdowns rose by 0 in 2 cuts"
    assert set(checks.values()) == {"pass"}, checks


def test_a_disk_that_qemu_takes_away(vm, begin):
    """From outside, and puts back; the command in the guest waits for it."""
    node = vm.check("readlink", "-f", "/dev/lab/taken").strip()
    mark = vm.shared / "taken"
    running = begin(node, 2, f"touch {mark}; while [ -b {node} ]; do sleep 0.1; "
                    f"done; {FIO_ENDS}; rm {mark}; until [ -b {node} ]; do "
                    "sleep 0.1; done")
    for _ in range(2):
        await_(mark.exists, running)
        vm.remove("taken")
        await_(lambda: not mark.exists(), running)
        vm.add("virtio,id=taken,size=16M")
    checks, found, _ = ended(running)
    assert len(found) == 2 and all(one["failed"] for one in found)
    assert all(one["ready_s"] is not None for one in found)
    assert set(checks.values()) == {"pass"}, checks


def await_(happens, running):
    end = time.monotonic() + 600
    while not happens():
        assert time.monotonic() < end and running.status is None, running.err
        time.sleep(0.05)

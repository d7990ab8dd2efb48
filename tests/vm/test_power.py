# SPDX-License-Identifier: GPL-2.0-only
"""jobs/qualify cuts the power of null_blk, whose volatile cache is then lost:
one that is flushed keeps what was synced, one that the kernel takes for a
device without a cache does not, in each single cut."""
import json

import pytest

SIZE = "size=16M,irqmode=2,completion_nsec=50000,cache_size=4,discard=1"
VM = {"specs": [f"null_blk,id=nullb0,{SIZE}", f"null_blk,id=nullb1,{SIZE}",
                "nvme,id=pulled,size=16M"]}
POWER = "/sys/kernel/config/nullb/{0}/power"
CUT = f"echo 0 >{POWER}; echo 1 >{POWER}"
LIE = "echo write through >/sys/block/{0}/queue/write_cache"


@pytest.fixture
def cuts(vm, root, fio_binary, build_dir, engine):
    """The test on a device: (its checks, its cuts)."""
    def run(device, count, command):
        found = json.loads(vm.check(
            "/usr/bin/python3", root / "tests/lib/guestcuts.py", f"/dev/{device}",
            str(count), command.format(device), fio_binary, build_dir,
            seconds=1500))
        assert found["state"] == "done", found["why"]
        return ({one["name"]: one["result"] for one in found["checks"]},
                found["cuts"])
    return run


@pytest.mark.quick
def test_a_device_that_keeps_its_word(cuts):
    """Twenty cuts, all of them under load."""
    checks, found = cuts("nullb0", 20, CUT)
    assert set(checks.values()) == {"pass"}, (checks, found)
    assert len(found) == 20 and sum(one["synced"] for one in found) >= 2000
    assert all(one["in_flight"] or one["failed"] for one in found)
    # What nobody synced was in the cache, and is gone.
    assert sum(one["unsynced_lost"] for one in found) > 0


@pytest.mark.quick
def test_a_device_that_lies(vm, cuts):
    vm.check("sh", "-c", LIE.format("nullb1"))
    checks, found = cuts("nullb1", 6, f"{CUT}; {LIE}")
    assert checks["power-cut synced"] == "fail"
    assert [one["lost"] > 0 for one in found] == [True] * 6, found


def test_a_drive_that_is_pulled_out(cuts):
    """NVMe has its name again once nobody holds the old one.  QEMU's loses
    nothing and counts no unsafe shutdown, so that it was none."""
    pci = "/sys/class/block/{0}/device/device"
    checks, found = cuts("nvme0n1", 2, f'd=$(readlink -f {pci}); '
                         "echo 1 >$d/remove; while pidof fio; do sleep 0.1; "
                         "done; echo 1 >/sys/bus/pci/rescan")
    assert len(found) == 2 and all(one["failed"] for one in found)
    counted = checks.pop("power-cut counted")
    assert counted in ("fail", "not measured")      # without nvme-cli
    assert set(checks.values()) == {"pass"}, checks

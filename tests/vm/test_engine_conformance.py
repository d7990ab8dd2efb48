# SPDX-License-Identifier: GPL-2.0-only
"""The engine beside fio's built-in libaio on real drivers, with each kernel: a
seeded selection of jobs and options in which every two values meet, and what
only some kernels or devices have."""
import re

import pytest

import conformance
import pairwise
from beside import Fio, alike, beside, run
from guestdisks import scsi_debug

BLOCK = 4096
DISKS = ("n4096", "sata", "disk", "blk", "timed")
SPECS = ["nvme,id=n4096,lba=4096,size=32M", "ahci,id=sata,pba=4096,size=32M",
         "scsi,id=disk,size=32M", "virtio,id=blk,size=32M,num-queues=2",
         "null_blk,id=timed,size=32M,blocksize=4096,irqmode=2,discard=1,"
         "completion_nsec=50000,submit_queues=2", "virtio,id=ext,size=64M"]
AXES = {**conformance.AXES, "depth": [1, 4, 64], "on": list(DISKS)}
# Trims take no flags; what buffered I/O takes of nowait is the file system's.
EXCLUDED = [{"how": "nowait", "rw": "randtrim"},
            {"how": "nowait", "io": "buffered"}]
EXT4 = "/mnt/ext4"


class Disks(conformance.Where):
    """The guest's."""
    block, size = BLOCK, 128 * BLOCK

    def target(self, cell, slot):
        return {"filename": "/dev/lab/" + cell["on"],
                "offset": slot * self.size}


@pytest.fixture(scope="module", params=["stable", "newer"])
def vm(request, vm_machine):
    """A guest with each kernel."""
    with vm_machine(SPECS, kernel=request.param) as guest:
        yield guest


@pytest.fixture(scope="module")
def fio(vm, fio_binary, engine):
    return Fio(vm, fio_binary, engine)


def need_kernel(vm, *release):
    have = tuple(map(int, vm.kernel.version.split(".")[:2]))
    if have < release:
        pytest.skip("needs Linux %d.%d" % release)


def test_selection(fio, fio_has, fio_queues_ranges):
    cells = pairwise.all_pairs(AXES, EXCLUDED)
    exactly = fio_has("ioengines.h", "FIO_ASYNCIO_SETS_ISSUE_TIME")
    found = {}
    for turns in conformance.rounds(cells):
        found.update(conformance.outcome(Disks(fio), turns, exactly,
                                         fio_queues_ranges))
    assert len(found) == len(cells) > 40
    wrong = ["%s: %s" % item for item in found.items() if item[1]]
    assert not wrong, "\n".join(wrong)


# --- zones of SCSI ---

def test_zones_of_scsi(vm, fio):
    """fio keeps the order of writes, also beside a zone without one."""
    with scsi_debug(vm, dev_size_mb=64, zbc="managed", zone_size_mb=4,
                    zone_max_open=4, sector_size=4096) as disk:
        zones = {"x": {"filename": disk, "bs": BLOCK, "size": "32m",
                       "io_size": "1m", "zonemode": "zbd",
                       "max_open_zones": 4}}
        alike(beside(fio, zones, {"submit": "adaptive"}, rw="randwrite",
                     verify="crc32c", iodepth=1))
        alike(beside(fio, zones, {"reap": "eventfd"}, rw="read", iodepth=16))


# --- flags of newer kernels ---

@pytest.fixture(scope="module")
def ext4(vm):
    """A file of 4 MiB on ext4."""
    vm.check("sh", "-c", f"mkdir -p {EXT4} && mkfs.ext4 -q /dev/lab/ext && "
             f"mount /dev/lab/ext {EXT4} && head -c 4M /dev/urandom "
             f">{EXT4}/file && sync")
    yield EXT4 + "/file"
    vm.check("umount", EXT4)


def pages(vm, path):
    """Of a file, in the page cache."""
    return int(vm.check("sh", "-c", 'sync; fincore --noheadings --output '
                        'PAGES "$1"', "sh", path))


@pytest.mark.parametrize("rw", ["read", "randwrite"])
def test_uncached(vm, fio, ext4, rw):
    """The same I/O, and of reads nothing is left in the page cache.  (Of blocks
    of ext4 that are overwritten, Linux 7.2 leaves all.)"""
    need_kernel(vm, 6, 14)
    left, ran = [], []
    for engine, own in (("libaio", {}), (None, {"uncached": 1})):
        ran.append(run(fio, {"x": {
            "filename": ext4, "rw": rw, "bs": BLOCK, "size": "4m", "direct": 0,
            "iodepth": 16, "end_fsync": 1, **own}}, engine)[0]["x"])
        left.append(pages(vm, ext4))
    alike([("x", *reversed(ran))])
    assert left[0] == 1024 and (rw != "read" or left[1] <= 16), left


def test_atomic(vm, fio, fio_has):
    """Of SCSI and NVMe, whole; what is larger than the device's unit fails with
    both, and kaio says what the unit is, or that there is none."""
    need_kernel(vm, 6, 11)
    if not fio_has("os/os-linux.h", "FIO_HAVE_RWF_ATOMIC"):
        pytest.skip("this fio has no atomic=1 (3.38 and later do)")
    with scsi_debug(vm, atomic_wr=1) as disk:
        jobs = {"n4096": {}, "x": {"filename": disk}}
        common = {"rw": "randwrite", "size": "2m", "iodepth": 8, "atomic": 1}
        alike(beside(fio, jobs, bs=BLOCK, verify="crc32c", **common))
        jobs = {name: {"bs": "1m", **job} for name, job in jobs.items()}
        for name, ours, theirs in beside(fio, jobs, **common):
            assert ours.errors == theirs.errors, name
            assert ours.report["error"] == 22, name
        jobs["timed"] = {"bs": BLOCK}
        ours, result = run(fio, {name: {**common, **job}
                                 for name, job in jobs.items()})
    units = set(re.findall(r"of two from (\d+) to (\d+) bytes", result.text))
    assert len(units) == 2 and (str(BLOCK), str(BLOCK)) in units, result.text
    assert ours["timed"].report["error"] == 95      # EOPNOTSUPP
    assert "does not take atomic=1 for writes" in result.text

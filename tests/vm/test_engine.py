# SPDX-License-Identifier: GPL-2.0-only
"""The engine beside fio's built-in libaio, with the same seed, on devices of all
kinds and formats."""
import pytest

from beside import Fio, alike, beside, run
from guestdisks import flushes, null_blks

# name -> its block
BLOCKS = {"n512": 512, "n4096": 4096, "pi": 4096, "pi3": 512, "meta": 512,
          "sata": 512, "disk": 4096, "disk-2": 4096, "blk": 512, "timed": 4096,
          "debug": 4096}
SPECS = ["nvme,id=n512,lba=512,size=64M", "nvme,id=n4096,lba=4096,size=64M",
         "nvme,id=pi,lba=4096,ms=8,pi=1,size=64M",
         "nvme,id=pi3,lba=512,ms=8,pi=3,size=64M",
         "nvme,id=meta,lba=512,ms=8,size=64M",
         "nvme,id=zns,zoned=1,zone_size=4M,size=64M,lba=4096,max_open=4,"
         "max_active=4", "ahci,id=sata,pba=4096,size=64M",
         "scsi,id=disk,luns=2,lba=4096,size=64M",
         "virtio,id=blk,size=64M,num-queues=2",
         "null_blk,id=timed,size=64M,blocksize=4096,irqmode=2,discard=1,"
         "completion_nsec=50000,submit_queues=2",
         "null_blk,id=cached,size=64M,irqmode=2,cache_size=4",
         "null_blk,id=nullz,size=64M,zoned=1,zone_size=4",
         "scsi_debug,id=debug,size=64M,sector_size=4096,lbpu=1,max_queue=4"]
ZONED = {"zns": 4096, "nullz": 4096}
TRIMS = {name: BLOCKS[name] for name in ("n512", "n4096", "sata", "disk", "blk",
                                         "timed", "debug")}
CACHED = ("n512", "sata", "disk", "blk", "cached")
# Each value of reap=, submit= and spin=, once.
OWN = [{"reap": "ring", "submit": "adaptive", "spin": "auto"},
       {"reap": "syscall"}, {"reap": "eventfd", "spin": "50us"}]
VM = {"specs": SPECS}


@pytest.fixture(scope="module")
def fio(vm, fio_binary, engine):
    return Fio(vm, fio_binary, engine)


def each(blocks, size=96, **options):
    """The jobs of a table of blocks: of so many blocks each."""
    return {name: {"bs": block, "size": size * block, **options}
            for name, block in blocks.items()}


@pytest.mark.parametrize("own", OWN, ids=lambda own: own["reap"])
def test_what_is_written_is_read(fio, own):
    alike(beside(fio, each(BLOCKS), own, rw="randwrite", iodepth=32,
                 verify="crc32c"))


def test_trims(fio):
    alike(beside(fio, each(TRIMS), rw="randtrim", iodepth=16))
    alike(beside(fio, each(TRIMS), rw="trimwrite", iodepth=16))


@pytest.mark.parametrize("sync", ["fsync", "fdatasync"])
def test_syncs(vm, fio, fio_queues_ranges, sync):
    """Each reaches the device's cache, which sync_file_range does not, but
    where fio's own engine makes a full fsync of it."""
    jobs = {name: {sync: 4} for name in CACHED}
    if not fio_queues_ranges:
        jobs.update({name + "-range": {
            "filename": "/dev/lab/" + name, "offset": "8m", "direct": 0,
            "sync_file_range": "write:8"} for name in CACHED})
    ran, told = {}, []
    for engine, own in (("libaio", {}), (None, OWN[0])):
        before = flushes(vm, CACHED)
        ran[engine], _ = run(fio, {name: {
            "rw": "randwrite", "bs": 4096, "size": 96 * 4096, "iodepth": 16,
            **job, **own} for name, job in jobs.items()}, engine)
        told.append({name: count - before[name]
                     for name, count in flushes(vm, CACHED).items()})
    alike([(name, ran[None][name], ran["libaio"][name]) for name in jobs])
    syncs = {name: sum("sync" in io[1] for io in ran[None][name].stream)
             for name in CACHED}
    assert fio_queues_ranges or told == 2 * [syncs]
    assert all(told[0].values()) and all(told[1].values())


def test_priorities(fio):
    found = beside(fio, each(BLOCKS), rw="randread", iodepth=16,
                   cmdprio_percentage=30, cmdprio_class=2, cmdprio=1)
    alike(found)
    for name, ours, theirs in found:
        counts = [[entry["clat_ns"]["N"] for entry in one.report["read"]["prios"]]
                  for one in (ours, theirs)]
        assert counts[0] == counts[1] and len(counts[0]) == 2, (name, counts)


def test_nowait(fio):
    """debug takes four at a time, so that more would wait: that is an error with
    both, none is lost, and kaio sends it again."""
    found = beside(fio, each(BLOCKS, 128), rw="randread", iodepth=32, nowait=1,
                   ignore_error="EAGAIN,EAGAIN")
    for name, *both in found:
        for one in both:
            total, size, _ = one.counts["read"]
            assert one.report["error"] in (0, 11), name
            assert total == size // BLOCKS[name] + one.errors[1] == 128, name
    assert found[-1][1].errors[1], "nothing would have waited"
    ours, _ = run(fio, each(BLOCKS, 128, rw="randread", iodepth=32,
                            nowait="fallback"))
    assert {name: one.errors for name, one in ours.items()} == dict.fromkeys(
        BLOCKS, (0, 0))


@pytest.mark.parametrize("own", OWN, ids=lambda own: own["reap"])
def test_zones(fio, own):
    """fio keeps the order of writes, one at a time in each zone, and resets
    zones; each write is where libaio's was.  (With more in flight fio chooses
    the zone by what has come back.)"""
    zones = each(ZONED, 2048, io_size="1m", zonemode="zbd", max_open_zones=4)
    alike(beside(fio, zones, own, rw="randwrite", verify="crc32c", iodepth=1))
    for name, *both in beside(fio, zones, own, rw="randwrite", iodepth=16):
        for one in both:
            assert one.errors == (0, 0), (name, one.errors)
            assert one.counts["write"][1] == 1 << 20, name
    alike(beside(fio, zones, own, rw="read", iodepth=16))


def test_zones_without_zonemode(fio):
    """Writes that are not at the write pointer fail, with a sentence."""
    jobs = each(ZONED, 64, offset="1m", rw="write", iodepth=1)
    for engine in ("libaio", None):
        fio.guest.check("sh", "-c", "blkzone reset /dev/lab/nullz; "
                        "blkzone reset /dev/lab/zns")
        found, result = run(fio, jobs, engine)
        assert {one.report["error"] for one in found.values()} == {5}
    assert "zonemode=zbd" in result.text


def test_hundreds_of_targets(vm, fio):
    """Of one job, which has all open, and then few of them at a time.
    (disk_util=0: for each of them fio looks through /sys/block until it finds
    it, which of 256 takes minutes here.)"""
    with null_blks(vm, 256, blocksize=4096, irqmode=2,
                   completion_nsec=50000) as paths:
        job = {"x": {"filename": ":".join(paths), "bs": 4096, "disk_util": 0,
                     "size": len(paths) * 4 * 4096}}
        alike(beside(fio, job, OWN[0], rw="randwrite", iodepth=128,
                     file_service_type="random", verify="crc32c"))
        found = beside(fio, job, {"nowait": "fallback", **OWN[2]},
                       rw="randread", iodepth=16, openfiles=16)
    # Which of them is opened next depends on which is done.
    for _, *both in found:
        for one in both:
            one.stream.sort()
    alike(found)
    assert {io[0] for io in found[0][1].stream} == set(paths)

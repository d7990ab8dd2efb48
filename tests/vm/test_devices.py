# SPDX-License-Identifier: GPL-2.0-only
"""Every kind of device is there under its name, in the format that was asked
for, and keeps what is written to it."""
import json

import pytest

from vmlab import Problem

pytestmark = pytest.mark.quick

# spec -> what /sys/block/DEVICE has of it
DEVICES = {
    "nvme,id=n512,lba=512,size=64M": {
        "queue/logical_block_size": "512", "size": "131072"},
    "nvme,id=n4096,lba=4096,size=64M": {
        "queue/logical_block_size": "4096",
        "queue/physical_block_size": "4096", "size": "131072"},
    "nvme,id=pi,lba=4096,ms=8,pi=1,size=64M": {
        "integrity/format": "T10-DIF-TYPE1-CRC", "integrity/tag_size": "2",
        "queue/logical_block_size": "4096"},
    "nvme,id=meta,lba=512,ms=8,size=64M": {
        "integrity/format": "nop", "queue/logical_block_size": "512"},
    "nvme,id=zns,zoned=1,zone_size=4M,size=64M,lba=4096,max_open=4,"
    "max_active=4": {
        "queue/zoned": "host-managed", "queue/chunk_sectors": "8192",
        "queue/nr_zones": "16", "queue/max_open_zones": "4"},
    "nvme,id=spaces,namespaces=3,size=16M": {"size": "32768"},
    "ahci,id=sata,pba=4096,rotation_rate=7200,size=64M": {
        "queue/logical_block_size": "512", "queue/rotational": "1",
        "queue/physical_block_size": "4096", "device/vendor": "ATA"},
    "ahci,id=single,ncq=0,size=16M": {"device/queue_depth": "1"},
    "scsi,id=luns,luns=3,lba=4096,size=64M,cache=0": {
        "queue/logical_block_size": "4096", "device/vendor": "QEMU",
        "queue/write_cache": "write through"},
    "virtio,id=blk,lba=4096,size=64M,num-queues=2": {
        "queue/logical_block_size": "4096"},
    "null_blk,id=nullb0,size=64M,blocksize=4096,irqmode=2,"
    "completion_nsec=50000,cache_size=8": {
        "queue/logical_block_size": "4096",
        "queue/write_cache": "write back"},
    "null_blk,id=nullz,size=64M,zoned=1,zone_size=4": {
        "queue/zoned": "host-managed", "queue/nr_zones": "16"},
    "scsi_debug,id=debug,size=64M,sector_size=4096,max_luns=2": {
        "queue/logical_block_size": "4096", "device/vendor": "Linux"},
    "zram,id=zram,size=64M": {"size": "131072"},
    "brd,id=ram,size=64M": {"size": "131072"},
    "loop,id=loop,size=64M,sector-size=4096": {
        "queue/logical_block_size": "4096"},
    "dm,id=slow,target=delay,over=blk,after=1": {
        "size": "131072", "dm/name": "slow"},
    "md,id=mirror,level=1,over=spaces-2+spaces-3": {"md/level": "raid1"},
}
VM = {"specs": list(DEVICES), "ram": False}
DISKS = {"spaces": 3, "luns": 3, "debug": 2}


def name_of(spec):
    return dict(word.partition("=")[::2] for word in spec.split(","))["id"]


# Few processes: each takes a tenth of a second, and more on a busy machine.
LOOK = r"""
for name; do
	block=$(readlink "/dev/lab/$name")
	cd "/sys/block/${block##*/}" && echo "$name=:${block##*/}"
	grep -sH . size queue/* integrity/* dm/name md/level device/vendor \
		device/queue_depth |
		sed "s|^|$name |"
done"""
KEEPS = """
head -c 4096 /dev/urandom >/tmp/one
for name; do
	dd if=/tmp/one of="/dev/lab/$name" bs=4096 oflag=direct conv=fsync &&
		dd if="/dev/lab/$name" of=/tmp/two bs=4096 count=1 iflag=direct &&
		cmp /tmp/one /tmp/two && echo "$name keeps it"
done"""


@pytest.fixture(scope="module")
def found(vm):
    """{"ID file": value} of sysfs, and "ID=": the device."""
    names = [*map(name_of, DEVICES), *(f"{name}-{i + 1}" for name, count in
                                       DISKS.items() for i in range(1, count))]
    text = vm.check("sh", "-c", LOOK, "sh", *names, seconds=900)
    return {key: value.strip() for key, _, value in
            (line.partition(":") for line in text.splitlines())}


@pytest.mark.parametrize("spec", DEVICES, ids=name_of)
def test_format(found, spec):
    name = name_of(spec)
    assert {file: found[f"{name} {file}"] for file in DEVICES[spec]} == \
        DEVICES[spec]


def test_all_are_others(vm, found):
    """Of those with several disks, each disk; and there is none more."""
    blocks = [value for key, value in found.items() if key.endswith("=")]
    assert len(blocks) == len(set(blocks)) == len(DEVICES) + sum(
        DISKS.values()) - len(DISKS)
    assert vm.check("sh", "-c", "ls /dev/lab | wc -l").strip() == str(
        len(blocks))


def test_each_keeps_what_is_written(vm):
    names = list(map(name_of, DEVICES))
    done = vm.run("sh", "-c", KEEPS, "sh", *names, seconds=900)
    assert done.out.splitlines() == [name + " keeps it" for name in names], \
        done.err


@pytest.mark.parametrize("name", ["null", "lab"])
def test_name_that_is_taken(vm, name):
    """null_blk's disk would be /dev/null, which is no disk."""
    with pytest.raises(Problem, match=f"has another /dev/{name}: give it"):
        vm.add(f"null_blk,size=4M,id={name}")
    assert vm.check("stat", "-c%F", "/dev/null").startswith("character")


def test_qemu_knows_them(vm):
    """What is on the monitor is what was asked for."""
    nodes = {one["node-name"] for one in vm.monitor.do(
        "query-named-block-nodes", {"flat": True}) if "node-name" in one}
    assert {"disk-n512", "disk-spaces-3", "disk-luns-2"} <= nodes, \
        json.dumps(sorted(nodes))

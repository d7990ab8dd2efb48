# SPDX-License-Identifier: GPL-2.0-only
"""Devices that fail, are full, answer late or go under a running job: what
becomes of it is what becomes of one with fio's built-in libaio."""
import contextlib
import json

import pytest

from beside import Fio, alike, beside, run

VM = {"specs": [
    "virtio,id=vbad,size=16M,bad=64+4096", "nvme,id=nbad,size=16M,bad=64+4096",
    "scsi,id=sbad,size=16M,bad=64+4096", "nvme,id=nvme1,size=16M",
    "nvme,id=nvme2,size=16M", "virtio,id=blk1,size=16M",
    "virtio,id=blk2,size=16M", "scsi,id=lun1,size=16M,luns=2",
    "null_blk,id=null1,size=16M,irqmode=2,completion_nsec=200000",
    "null_blk,id=null2,size=16M,irqmode=2,completion_nsec=200000"]}
BLOCK = 4096
GONE = (5, 6, 19, 28)   # EIO, ENXIO, ENODEV; ENOSPC of one without a size
# Of a medium a device gives EIO or ENODATA; each is to be in fio's output.
GO_ON = {"ignore_error": "EIO:61,EIO:61", "error_dump": 1}
# What takes a device away; of lun1 the others are lun1 and lun1-2.
AWAY = {
    "nvme": lambda vm, name, _: vm.remove(name),
    "blk": lambda vm, name, _: vm.remove(name),
    "lun": lambda vm, _, disk: vm.check(
        "sh", "-c", f"echo 1 >/sys/block/{disk}/device/delete"),
    "null": lambda vm, name, _: vm.check(
        "sh", "-c", f"echo 0 >/sys/kernel/config/nullb/{name}/power"),
}
NAMES = {"lun": ("lun1", "lun1-2")}
OWN = {"nvme": {"submit": "adaptive", "spin": "auto"},
       "blk": {"reap": "syscall"}, "lun": {"reap": "eventfd"},
       "null": {"submit": "adaptive", "nowait": "fallback"}}
DRIVER = "/sys/bus/pseudo/drivers/scsi_debug"


@pytest.fixture(scope="module")
def fio(vm, fio_binary, engine):
    return Fio(vm, fio_binary, engine)


@contextlib.contextmanager
def scsi_debug(vm, timeout=30, **parameters):
    """The name of its disk, which gives up a command after timeout seconds."""
    words = " ".join(f"{key}={value}" for key, value in parameters.items())
    vm.check("sh", "-c", f"modprobe scsi_debug dev_size_mb=16 {words}")
    disk = vm.check("sh", "-c", """
        until d=$(find /sys/block -lname '*/adapter*' -printf %f) && [ "$d" ]
        do sleep 0.1; done; until [ -b /dev/$d ]; do sleep 0.1; done
        echo $1 >/sys/block/$d/device/timeout; echo $d""", "sh", timeout).strip()
    try:
        yield "/dev/" + disk
    finally:
        vm.check("sh", "-c", f"echo 0 >{DRIVER}/opts; modprobe -r scsi_debug")


def test_bad_sectors(fio):
    """The same I/Os fail, and no others."""
    jobs = {name: {} for name in ("vbad", "nbad", "sbad")}
    for name, ours, theirs in beside(
            fio, jobs, rw="randread", bs=BLOCK, size="4m", iodepth=16,
            **GO_ON):
        assert ours.failed == theirs.failed == [
            ("read", sector * 512, BLOCK) for sector in (64, 4096)], name
        assert ours.stream == theirs.stream, name
        assert ours.report["first_error"] == theirs.report["first_error"], name


def test_medium_error(vm, fio):
    """Of a SCSI disk: ENODATA, and kaio says what that is."""
    with scsi_debug(vm, opts=2, medium_error_start=0x100,
                    medium_error_count=4) as disk:
        job = {"x": {"filename": disk, "rw": "randread", "bs": BLOCK,
                     "size": "1m", "iodepth": 8, **GO_ON}}
        theirs, _ = run(fio, job, "libaio")
        ours, result = run(fio, job)
    assert ours["x"].failed == theirs["x"].failed == [
        ("read", 0x100 * 512, BLOCK)]
    assert ours["x"].report["first_error"] == 61
    assert "medium error" in result.text


def test_queue_full(vm, fio):
    """One command at a time, and a device that often takes none."""
    with scsi_debug(vm, max_queue=1, opts=0x8400, every_nth=7) as disk:
        alike(beside(fio, {"x": {"filename": disk}}, {"submit": "adaptive"},
                     rw="randwrite", bs=BLOCK, size="2m", iodepth=64,
                     verify="crc32c"))


def test_no_answer(vm, fio):
    """To some commands, until the kernel gives them up and sends them again;
    kaio names them meanwhile."""
    with scsi_debug(vm, timeout=2) as disk:
        found = {}
        for engine, own in (("libaio", {}), (None, {"stuck": "500ms"})):
            vm.check("sh", "-c",
                     f"echo 40 >{DRIVER}/every_nth; echo 4 >{DRIVER}/opts")
            found[engine] = run(fio, {"x": {
                "filename": disk, "rw": "randread", "bs": BLOCK,
                "size": 100 * BLOCK, "iodepth": 4, **own}}, engine)
            vm.check("sh", "-c", f"echo 0 >{DRIVER}/opts")
    for ran, _ in found.values():
        assert ran["x"].errors == (0, 0)
        assert ran["x"].report["read"]["clat_ns"]["max"] > 1.9e9
    assert found[None][0]["x"].stream == found["libaio"][0]["x"].stream
    assert "kaio: job x: in flight for" in found[None][1].text


BEGUN = """until [ $(($(awk '{print $1 + $5}' /sys/block/$1/stat))) -gt 100 ]
do sleep 0.1; done"""


def removed(vm, fio, kind, name, engine, own):
    """fio's report of a job whose device goes."""
    disk = vm.check("readlink", "-f", "/dev/lab/" + name).strip()[5:]
    job = vm.start(fio.binary, "--output-format=json", *fio.job_args({
        "filename": "/dev/" + disk, "rw": "randrw", "bs": BLOCK, "direct": 1,
        "iodepth": 16, "time_based": None, "runtime": 900, "fsync": 50,
        **own}, engine), cwd="/tmp")
    vm.check("sh", "-c", BEGUN, "sh", disk)
    AWAY[kind](vm, name, disk)
    done = job.wait(200)
    text = done.out[done.out.index("\n{\n" if done.out[0] != "{" else "{"):]
    return done, json.JSONDecoder().raw_decode(text.lstrip())[0]["jobs"][0]


@pytest.mark.parametrize("kind", AWAY)
def test_device_goes(vm, fio, kind):
    """It ends with an error, and each I/O is done or failed."""
    names = NAMES.get(kind, (kind + "1", kind + "2"))
    for name, engine, own in zip(names, ("libaio", None), ({}, OWN[kind])):
        done, job = removed(vm, fio, kind, name, engine, own)
        assert done.status == 1 and job["error"] in GONE, (name, done.err)
        lost = sum(job[way]["total_ios"] - job[way]["io_bytes"] // BLOCK
                   for way in ("read", "write"))
        # In flight, and what fio sends before it looks at the first error.
        assert 0 <= lost <= 32, (name, lost)
    assert any(words in done.err for words in (
        "gone", "the device ends before it")), done.err

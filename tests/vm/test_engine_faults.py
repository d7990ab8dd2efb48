# SPDX-License-Identifier: GPL-2.0-only
"""Devices that fail, are full, answer late or go under a running job: what
becomes of it is what becomes of one with fio's built-in libaio."""
from concurrent.futures import ThreadPoolExecutor
import functools
import json

import pytest

from beside import Fio, alike, beside, run
from guestdisks import DRIVER, NULLB, null_blks, scsi_debug

VM = {"specs": [
    "virtio,id=vbad,size=16M,bad=64+4096,request-merging=off",
    "nvme,id=nbad,size=16M,bad=64+4096",
    "scsi,id=sbad,size=16M,bad=64+4096", "nvme,id=nvme1,size=16M",
    "nvme,id=nvme2,size=16M", "virtio,id=blk1,size=16M",
    "virtio,id=blk2,size=16M", "scsi,id=lun1,size=16M,luns=2",
    "null_blk,id=null1,size=16M,irqmode=2,completion_nsec=200000",
    "null_blk,id=null2,size=16M,irqmode=2,completion_nsec=200000",
    "virtio,id=going1,size=16M", "virtio,id=going2,size=16M"]}
BLOCK = 4096
DEPTH = 16
BAD = ("vbad", "nbad", "sbad")
GONE = (5, 6, 19, 28)   # EIO, ENXIO, ENODEV; ENOSPC of one without a size
GONE_WORDS = ("gone", "the device ends before it")
# Of a medium a device gives EIO or ENODATA; each is to be in fio's output.
GO_ON = {"ignore_error": "EIO:61,EIO:61", "error_dump": 1}
# What takes a device away; of lun1 the others are lun1 and lun1-2.
AWAY = {
    "nvme": lambda vm, name, _: vm.remove(name),
    "blk": lambda vm, name, _: vm.remove(name),
    "lun": lambda vm, _, disk: vm.check(
        "sh", "-c", f"echo 1 >/sys/block/{disk}/device/delete"),
    "null": lambda vm, name, _: vm.check(
        "sh", "-c", f"echo 0 >{NULLB}/{name}/power"),
}
NAMES = {"lun": ("lun1", "lun1-2")}
OWN = {"nvme": {"submit": "adaptive", "spin": "auto"},
       "blk": {"reap": "syscall"}, "lun": {"reap": "eventfd"},
       "null": {"submit": "adaptive", "nowait": "fallback"}}


@pytest.fixture(scope="module")
def fio(vm, fio_binary, engine):
    return Fio(vm, fio_binary, engine)


@pytest.fixture(scope="module")
def unmerged(vm):
    """What is merged with a bad block fails with it, and which blocks are queued
    beside each other, to be merged, is chance.  (QEMU merges, too.)"""
    vm.check("sh", "-c", "for name; do disk=$(readlink -f /dev/lab/$name); "
             "echo 2 >/sys/block/${disk#/dev/}/queue/nomerges || exit; done",
             "sh", *BAD)


def as_bad(rw, ours, theirs):
    """The same I/Os have failed, and no others, and they are counted."""
    assert ours.failed == theirs.failed == [
        (rw[4:], sector * 512, BLOCK) for sector in (64, 4096)]
    assert ours.stream == theirs.stream and ours.counts == theirs.counts
    assert ours.errors == theirs.errors and ours.errors[1] == 2
    assert ours.report["first_error"] == theirs.report["first_error"]


@pytest.mark.usefixtures("unmerged")
@pytest.mark.parametrize("rw", ["randread", "randwrite"])
def test_bad_sectors(fio, rw):
    for _, *both in beside(fio, dict.fromkeys(BAD, {}), {"submit": "adaptive"},
                           rw=rw, bs=BLOCK, size="4m", iodepth=32, **GO_ON):
        as_bad(rw, *both)


@pytest.mark.usefixtures("unmerged")
def test_bad_sectors_with_continue_on_error(fio):
    """With which fio goes on past EIO, but not past the ENODATA of NVMe."""
    rw = "randwrite"
    for name, *both in beside(fio, dict.fromkeys(BAD, {}), rw=rw, bs=BLOCK,
                              size="4m", iodepth=32, error_dump=1,
                              continue_on_error="all"):
        if name == "nbad":
            assert [one.report["error"] for one in both] == [61, 61]
        else:
            as_bad(rw, *both)


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
    with scsi_debug(vm) as disk:
        vm.check("sh", "-c", f"echo 2 >/sys/block/{disk[5:]}/device/timeout")
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


def removed(vm, fio, disk, away, engine, **options):
    """fio's report of a job whose device goes, by away()."""
    job = vm.start(fio.binary, "--output-format=json", *fio.job_args({
        "filename": "/dev/" + disk, "rw": "randrw", "bs": BLOCK, "direct": 1,
        "iodepth": DEPTH, "time_based": None, "runtime": 900, **options},
        engine), cwd="/tmp")
    vm.check("sh", "-c", BEGUN, "sh", disk)
    away()
    done = job.wait(200)
    text = done.out[done.out.index("\n{\n" if done.out[0] != "{" else "{"):]
    report = json.JSONDecoder().raw_decode(text.lstrip())[0]["jobs"][0]
    assert done.status == 1 and report["error"] in GONE, (disk, done)
    return done, sum(report[way]["total_ios"] - report[way]["io_bytes"] //
                     BLOCK for way in ("read", "write"))


@pytest.mark.parametrize("kind", AWAY)
def test_device_goes(vm, fio, kind):
    """It ends with an error, and each I/O is done or failed.  (libaio's reads
    of nothing are in none of both.)"""
    names = NAMES.get(kind, (kind + "1", kind + "2"))
    for name, engine, own in zip(names, ("libaio", None), ({}, OWN[kind])):
        disk = vm.check("readlink", "-f", "/dev/lab/" + name).strip()[5:]
        done, lost = removed(
            vm, fio, disk, functools.partial(AWAY[kind], vm, name, disk),
            engine, fsync=50, **own)
        assert 0 <= lost and (engine or lost <= DEPTH), (name, lost)
    assert any(words in done.err for words in GONE_WORDS), done.err


@pytest.mark.parametrize("own", OWN.values(), ids=OWN)
def test_device_goes_that_is_only_read(vm, fio, own):
    """Which a fio with libaio may not notice: it reads nothing."""
    with null_blks(vm, 1, irqmode=2, completion_nsec=200000) as (path,):
        disk = path[5:]
        done, lost = removed(vm, fio, disk, functools.partial(
            AWAY["null"], vm, disk, disk), None, **{**own, "rw": "randread"})
    assert 0 < lost <= DEPTH
    assert any(words in done.err for words in GONE_WORDS), done.err


BETWEEN = {"stonewall": None, "rw": "randwrite"}


def come_and_gone(vm, fio, number, engine, own):
    """({name: Ran}, Result) of three jobs after one another: while the first
    runs, the second's device is plugged in and the third's pulled out."""
    late, going = f"late{number}", f"going{number}"
    disk = vm.check("readlink", "-f", "/dev/lab/" + going).strip()
    with null_blks(vm, 1, irqmode=2, completion_nsec=200000) as (path,), \
            ThreadPoolExecutor(1) as pool:
        jobs = {"first": {"filename": path, "rw": "randread"},
                late: {**BETWEEN, "create_on_open": 1, "exec_prerun":
                       f"until [ -b /dev/lab/{late} ]; do sleep 0.1; done"},
                going: {**BETWEEN, "exec_prerun":
                        f"while [ -e {disk} ]; do sleep 0.1; done"}}
        ran = pool.submit(run, fio, {
            name: {"bs": BLOCK, "size": "1m", "iodepth": 8, **job, **own}
            for name, job in jobs.items()}, engine)
        vm.check("sh", "-c", BEGUN, "sh", path[5:])
        vm.add(f"nvme,id={late},size=16M")
        vm.remove(going)
        return ran.result()


def test_devices_come_and_go_between_jobs(vm, fio):
    theirs, _ = come_and_gone(vm, fio, 1, "libaio", {})
    ours, result = come_and_gone(vm, fio, 2, None, OWN["nvme"])
    for one in (*ours.values(), *theirs.values()):
        one.stream = [io[1:] for io in one.stream]      # without the name
    pairs = list(zip(ours, ours.values(), theirs.values()))
    alike(pairs[:2])
    assert ours["late2"].counts["write"][1] == 1 << 20
    assert vm.check("readlink", "-f", "/dev/lab/late2").startswith("/dev/nvme")
    assert ours["going2"].errors == theirs["going1"].errors != (0, 0)
    assert "going2" in result.text

# SPDX-License-Identifier: GPL-2.0-only
"""Engines on null_blk with timer completions, a device that works while fio
does: what it has in flight, how many I/Os go into a call, how they are waited
for.  The guest's clock counts instructions, so figures are the same whatever
the host does; what is judged are shapes, with room."""
from collections import namedtuple
import json
import re

import pytest

import enginestats

# name: (queues, us for each I/O).  An I/O takes about 10 us of the CPU, so slow
# keeps up with 64 of them just so, and is idle for want of each that is held.
DEVICES = {"one": (1, 100), "two": (2, 30), "eight": (8, 10),
           "slow": (8, 640)}
VM = {"cpus": 1, "memory": 1500, "icount": True, "specs": [
    f"null_blk,id={name},irqmode=2,queue_mode=2,submit_queues={queues},"
    f"completion_nsec={us}000,size=1G,memory_backed=0"
    for name, (queues, us) in DEVICES.items()]}
SIDES = {
    "libaio": "", "io_uring": "fixedbufs=1\nregisterfiles=1",
    "immediate": "", "adaptive": "submit=adaptive", "spin": "spin=2ms",
    "eventfd": "reap=eventfd"}
MS, LONG_MS = 60, 1500      # of a section; the longer one has a whole trial
BESIDE = ("libaio", "immediate", "adaptive", "eventfd", "io_uring")
READS, MERGED, READ_MS = 0, 1, 3    # fields of the device's stat

# reads, waited: what the device counted, I/Os and the ms of all of them;
# depth: how many it worked on at a time, on average
Cell = namedtuple("Cell", "name reads waited depth job stats")


def asked():
    """[(device, side, depth)], in order."""
    fast = [(side, depth) for depth, sides in (
        (64, ("libaio", "io_uring", "immediate", "adaptive", "eventfd")),
        (8, ("immediate", "adaptive")), (1, ("immediate", "spin", "eventfd")))
        for side in sides]
    return [(name, *one) for name in DEVICES if name != "slow"
            for one in fast] + [("slow", "immediate", 64),
                                ("slow", "adaptive", 64)]


def engine_of(side, name):
    engine = side if side in ("libaio", "io_uring") else (
        f"external:/tmp/fio-kaio.so\nstats_file=/tmp/{name}.stats")
    return f"[{name}]\nioengine={engine}\n{SIDES[side]}"


def section(device, side, depth, ms):
    look = f"cat /sys/block/{device}/stat"
    return "\n".join((
        engine_of(side, f"{device}-{side}-{depth}"),
        f"filename=/dev/lab/{device}", f"iodepth={depth}",
        f"exec_prerun={look}", f"exec_postrun={look}", f"runtime={ms}ms",
        "stonewall", ""))


def duet(side, ms):
    """libaio, and that side at the same time, on the one CPU."""
    return "\n".join(
        f"{engine_of(one, f'duet-{side}-{letter}')}\nfilename=/dev/lab/two\n"
        f"iodepth=64\nruntime={2 * ms}ms\n" + "stonewall\n" * (letter == "A")
        for letter, one in (("A", "libaio"), ("B", side)))


def job(ms, long_ms):
    return "\n".join((
        "[global]", "direct=1", "rw=randread", "bs=4k", "norandommap",
        "randseed=7", "thread", "time_based", "cpus_allowed=0", "new_group",
        "", *(section(*one, long_ms if one[:2] == ("slow", "adaptive") else
                      3 * ms if one[0] == "slow" else ms) for one in asked()),
        *(duet(side, ms) for side in BESIDE)))


# From RAM, and once before, as the device's time goes on while pages come from
# the host.
SCRIPT = """set -e
cp "$1" fio
cp "$2" fio-kaio.so
./fio --eta=never --output=short.json short.fio
rm ./*.stats
./fio --eta=never --output-format=json --output=whole.json whole.fio
tail -n +1 whole.json ./*.stats ./*.prerun.txt ./*.postrun.txt
"""


def cell(one, files, jobs):
    device, side, depth = one
    name = f"{device}-{side}-{depth}"
    before, after = (
        [int(field) for field in files[f"./{name}.{when}.txt"].split()]
        for when in ("prerun", "postrun"))
    counted = [new - old for old, new in zip(before, after)]
    reads = counted[READS] + counted[MERGED]    # neighbours within a batch
    stats = files.get(f"./{name}.stats")
    return Cell(name, reads, counted[READ_MS],
                reads * DEVICES[device][1] / 1000 / jobs[name]["job_runtime"],
                jobs[name], stats and enginestats.check(json.loads(stats)))


@pytest.fixture(scope="module")
def ran(vm, fio_binary, engine, san):
    """({name: its text}, {name: fio's report of the job})"""
    if san:
        pytest.skip("a sanitized engine needs the sanitizer preloaded")
    for name, times in (("short", (5, 5)), ("whole", (MS, LONG_MS))):
        (vm.shared / f"{name}.fio").write_text(job(*times), encoding="utf-8")
    vm.check("cp", vm.shared / "short.fio", vm.shared / "whole.fio", "/tmp")
    out = vm.check("sh", "-c", SCRIPT, "sh", fio_binary, engine, cwd="/tmp",
                   seconds=1200)
    parts = re.split(r"^==> (.*) <==$", out, flags=re.M)
    files = dict(zip(parts[1::2], parts[2::2]))
    said = files["whole.json"]      # and before it, where prerun's output is
    return files, {one["jobname"]: one for one in json.loads(
        said[said.index("{"):])["jobs"]}


@pytest.fixture(scope="module")
def cells(ran):
    """{(device, side, depth): Cell}"""
    return {one: cell(one, *ran) for one in asked()}


def batch(one):
    return one.stats["ios_submitted"] / one.stats["io_submit_calls"]


def pairs(cells, side, other, depth):
    """[(side's Cell, other's)] on each device that has both."""
    return [(cells[name, side, depth], cells[name, other, depth])
            for name in DEVICES if {(name, side, depth), (name, other, depth)}
            <= set(cells)]


def test_no_io_is_lost(cells):
    """The device has counted what fio and the engine have."""
    for one in cells.values():
        assert one.job["error"] == 0, one
        assert one.reads == one.job["read"]["total_ios"] > 0, one
        if one.stats:
            assert one.reads == one.stats["ios_submitted"], one
            assert one.reads == sum(
                one.stats[name] for name in enginestats.FOUND), one


def test_the_device_tells_its_depth(cells):
    """The time of its I/Os is at least what it takes for each: the rest they
    wait to be handed over, with those that are in their call."""
    for one in cells.values():
        assert one.waited >= 0.95 * one.depth * one.job["job_runtime"], one


def test_adaptive_does_not_starve_it(cells):
    """Nor slow, where eight held always would cost 0.08."""
    for depth in (64, 8):
        for held, at_once in pairs(cells, "adaptive", "immediate", depth):
            assert held.depth >= 0.97 * at_once.depth, (held, at_once)


def test_adaptive_holds_an_eighth_of_a_deep_queue(cells):
    """As long as a trial lets it: in the first three of its windows, which is
    what there is time for, once."""
    for held, at_once in pairs(cells, "adaptive", "immediate", 64):
        assert batch(at_once) == 1, at_once
        if not held.name.startswith("slow"):
            assert batch(held) > 1.3, held
            assert held.stats["ios_per_submit"]["5-8"] > 0.25 * held.reads / 8
    for held, at_once in pairs(cells, "adaptive", "immediate", 8):
        assert batch(held) == batch(at_once) == 1, held


def test_nothing_is_held_where_that_is_slower(cells):
    """That is known after a trial, the lesser part of this run."""
    held = cells["slow", "adaptive", 64]
    assert held.stats["ios_per_submit"]["5-8"] > 0.1 * held.reads / 8
    assert held.stats["ios_per_submit"]["1"] > 0.5 * held.reads


def test_ways_to_wait(cells):
    """At depth 1: asleep in io_getevents, in epoll_wait, which is a call more,
    or awake, which sees the completion sooner and takes all of the CPU."""
    for name in ("one", "two", "eight"):
        asleep, spinning, by_eventfd = (
            cells[name, side, 1] for side in ("immediate", "spin", "eventfd"))
        for one, found, calls in (
                (asleep, "ring_events", asleep.stats["io_getevents_calls"]),
                (spinning, "spin_events", spinning.stats["spin_hits"]),
                (by_eventfd, "ring_events",
                 by_eventfd.stats["epoll_and_read_calls"] / 2)):
            # Of the quickest device some are there before anyone waits.
            assert 0.95 * one.reads <= calls <= one.reads, one
            assert one.stats[found] + one.stats["io_getevents_events"] \
                >= 0.95 * one.reads, one
        assert spinning.stats["io_getevents_calls"] == 0
        assert spinning.job["ctx"] < 0.1 * spinning.reads
        for one in (asleep, by_eventfd):
            assert one.job["ctx"] > 0.9 * one.reads, one
        took = [one.job["read"]["lat_ns"]["mean"]
                for one in (spinning, asleep, by_eventfd)]
        assert took == sorted(took), (name, took)


def test_instructions_of_an_io(cells):
    """Where the device is faster than the CPU, the I/Os of a time tell how
    many instructions one takes: with ours no more than with the built-in
    engine, and fewer in batches."""
    for (ours, libaio), (held, _) in zip(
            pairs(cells, "immediate", "libaio", 64),
            pairs(cells, "adaptive", "libaio", 64)):
        assert libaio.reads < ours.reads < held.reads, (libaio, ours, held)


def test_cpu_of_an_io_in_duets(ran):
    """Beside libaio, which takes as long as itself; kaio takes less, and in
    batches still less."""
    _, jobs = ran
    cost = {name: (one["usr_cpu"] + one["sys_cpu"]) / 100 * one["job_runtime"]
            / one["read"]["total_ios"] for name, one in jobs.items()
            if name.startswith("duet-")}
    ratio = {side: cost[f"duet-{side}-B"] / cost[f"duet-{side}-A"]
             for side in BESIDE}
    print("\nCPU per I/O : libaio, in duets:", *(
        f"{side} {found:.3f}" for side, found in ratio.items()))
    assert 0.97 < ratio["libaio"] < 1.03, ratio
    assert ratio["adaptive"] < ratio["immediate"] < ratio["libaio"], ratio

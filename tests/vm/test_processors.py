# SPDX-License-Identifier: GPL-2.0-only
"""The library and the engine on other processors: arm64, whose memory orders are
weak, and s390x, whose bytes are the other way round.  Both are emulated, so that
this shows the layouts, the system calls, the kernels and the compilers, and what
of the programs is for one processor alone; but not the orders: the emulator is a
program for this machine, which reorders less, and puts its fences where arm64 has
ordered accesses, so that a missing one would not show.  test_gate_orders.c is for
these."""
import random

import pytest

from abi_tools import HERE, STATIC, compile_program, run
from answers import (
    EVENTS, MASKED, OLD, WILD, answers, assert_errno_left_alone, results,
)  # fmt: skip
import conformance
import foreign
import pairwise

TARGETS = {"aarch64": "aarch64-linux-gnu", "s390x": "s390x-linux-gnu"}
EVENTS_OF_CONSUMERS = 20_000
# d completes by timers, on the other processor as well.
DISKS = ["null_blk,id=d,size=128M,irqmode=2,completion_nsec=50000,"
         "memory_backed=1,discard=1", "null_blk,id=e,size=300M,memory_backed=1"]
# Whose results no timing decides; each is what it is here without rings.
RULES = [("calls",), ("waiter",), ("early-waiter",), ("fork", "fork"),
         ("fork", "clone"), ("fork", "_Fork"), ("fork", "spawn"), ("longjmp",),
         ("uses",), ("foreign",), ("arguments",)]


@pytest.fixture(scope="module", params=TARGETS)
def machine(request, vm_machine, tmp_path_factory):
    target, folder = TARGETS[request.param], tmp_path_factory.mktemp("made")
    guest = vm_machine(DISKS, arch=request.param,
                       shares=[folder, foreign.cache(target)])
    made = foreign.Foreign(guest, target, folder)
    made.build("lib", "engine")
    with guest:
        yield made


@pytest.fixture(scope="module")
def units(machine):
    machine.build(*[machine.out / "tests" / name for name in foreign.UNITS])


@pytest.mark.usefixtures("units")
@pytest.mark.parametrize("name", foreign.UNITS, ids=str)
def test_unit(machine, name):
    done = machine.run(machine.out / "tests" / name)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name, arguments, expected", [
    ("events", ["file"], EVENTS), ("pgetevents", [], MASKED),
    ("old_symbols", [], OLD)], ids=["events", "pgetevents", "old_symbols"])
def test_same_results(machine, name, arguments, expected):
    found = answers(machine.env, machine.compile(HERE / f"{name}.c"),
                    *arguments, by=machine.run)
    assert results(found) == expected
    assert_errno_left_alone(found)


def test_wild_arguments_are_an_error(machine):
    program = machine.compile(HERE / "errors.c")
    for case, result in WILD.items():
        found = answers(machine.env, program, case, by=machine.run)
        assert results(found) == {case: result}


def test_extension(machine):
    done = machine.run(machine.compile(HERE / "extension.c",
                                       machine.out / "libaio.a"))
    assert (done.returncode, done.stdout[:13]) == (0, "io_setup(7): ")


@pytest.fixture(scope="module")
def rules(machine, tmp_path_factory):
    """(for it, for this machine)"""
    flags = ("-DSTATIC", "-DSEAM_REFILL", "-Wl,--wrap=aiorefill_call", "-ldl")
    here = compile_program(
        HERE / "ring_rules.c", tmp_path_factory.mktemp("rules") / "here",
        "-D_GNU_SOURCE", "-lpthread", STATIC, *flags)
    return machine.compile(HERE / "ring_rules.c", machine.out / "libaio.a",
                           *flags), here


@pytest.mark.parametrize("case", RULES, ids="-".join)
def test_ring_rules_are_those_without_rings(machine, rules, case):
    there, here = rules
    expected = run(here, *case, env={"LIBAIO_RING": "0"})
    found = machine.run(there, *case)
    assert expected.returncode == found.returncode == 0, found
    assert found.stdout == expected.stdout


@pytest.mark.parametrize("reap", ["ring", "syscall", "eventfd"])
def test_what_threads_read_from_their_rings_is_what_they_wrote(machine, reap):
    done = foreign.Fio(machine)(
        "/dev/lab/d", thread=1, numjobs=4, size="16m", offset_increment="16m",
        rw="randwrite", bs="2k", iodepth=32, direct=1, verify="crc32c",
        reap=reap, iodepth_batch_complete_max=8).ok()
    assert sum(job["read"]["total_ios"] for job in done.jobs) == 4 * (16 << 9)


@pytest.mark.parametrize("consumers", [1, 2, 8])
def test_each_event_comes_once(machine, consumers):
    """To threads that call io_getevents() and its kin at once: by the system
    call, as there are no restartable sequences."""
    done = machine.run(machine.compile(HERE / "consumers.c"),
                       EVENTS_OF_CONSUMERS, consumers, 2, timeout=800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"events {EVENTS_OF_CONSUMERS} " in done.stdout


def test_program_of_the_distribution(machine):
    """fio's own libaio engine, on our library."""
    done = machine.run("fio", "--name=x", "--filename=/tmp/x", "--size=1m",
                       "--ioengine=libaio", "--rw=randwrite", "--bs=4k",
                       "--iodepth=16", "--verify=crc32c")
    assert done.returncode == 0, done.stdout + done.stderr


# Before Linux 6.6 there is no direct I/O on tmpfs.
EXCLUDED = [*conformance.EXCLUDED, {"on": "tmpfs", "io": "direct"}]


@pytest.fixture(scope="module")
def turns():
    """Cells, so many that one fio runs them with each engine."""
    every = pairwise.all_pairs(conformance.AXES, EXCLUDED)
    return next(conformance.rounds(
        random.Random(conformance.SEED).sample(every, 14)))


@pytest.fixture(scope="module")
def place(machine, turns):
    """Of the conformance tests, in the guest, with the files of these cells."""
    machine.guest.check("sh", "-c", "mkdir -p /mnt/ext4 && mkfs.ext4 -q "
                        "/dev/lab/e && mount /dev/lab/e /mnt/ext4")
    made = conformance.Place(foreign.Fio(machine), "/dev/shm", "/dev/lab/d",
                             "/mnt/ext4", lambda path, forget: None)
    files = {made.target(cell, slot)["filename"] for cells in turns
             for slot, cell in enumerate(cells)} - {"/dev/lab/d"}
    machine.guest.check(
        "sh", "-c", f"for file; do head -c {conformance.SIZE} /dev/zero "
        ">$file || exit; done; sync; echo 3 >/proc/sys/vm/drop_caches", "sh",
        *sorted(files))
    return made


def test_engine_does_what_the_built_in_one_does(place, turns, fio_has,
                                                fio_queues_ranges):
    found = conformance.outcome(
        place, turns, fio_has("ioengines.h", "FIO_ASYNCIO_SETS_ISSUE_TIME"),
        fio_queues_ranges)
    assert len(found) > 7 and not any(found.values()), found

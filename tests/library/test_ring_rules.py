# SPDX-License-Identifier: GPL-2.0-only
"""When io_getevents() reads the ring and when not, case by case.

Each case of ring_rules.c is a process of its own. It counts the calls that
enter the kernel for events; strace shows their arguments.
"""
import errno
import os
import re
import shutil
from pathlib import Path

import pytest

from abi_tools import (
    BUILD, HERE, SAN, STATIC, compile_program, compile_shared, need, run,
)  # fmt: skip

pytestmark = pytest.mark.long
FLAGS = ["-D_GNU_SOURCE", "-lpthread", "-ldl"]
SOURCE = HERE / "ring_rules.c"
LIBRARIES = ["shared", "static"]
UNTOUCHED = 1234  # errno before each call, in report.h
NOBODY, SOMEBODY = 65534, 1
CROWD = 5000
USES = [("get", 5), ("get-kernel", 0), ("destroy", 0)]
AVOIDS = [("get", 5), ("get-kernel", 1), ("destroy", 0)]


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ring_rules")
    return {
        "shared": compile_shared(SOURCE, directory / "shared", *FLAGS),
        "static": compile_program(
            SOURCE, directory / "static", "-DSTATIC", STATIC, *FLAGS,
            "-DSEAM_REFILL", "-Wl,--wrap=aiorefill_call",
        ),
    }


def results(*command, env=None):
    """(name, result) of each line, in order; errno is left alone everywhere."""
    env = {"LD_LIBRARY_PATH": str(BUILD)} | (env or {})
    done = run(*command, env=env)
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}{done.stderr}"
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {int(left) for *_, left in lines} == {UNTOUCHED}, done.stdout
    return [(name, int(result)) for name, result, _ in lines]


def strace(program, case, log):
    """The system calls for events: (name, min_nr, nr, timeout, result)."""
    found = run(need("strace", "it shows the system calls"), "-f", "-o", log,
                "-e", "trace=io_getevents,io_pgetevents", program, case,
                env={"LD_LIBRARY_PATH": str(BUILD)})  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    call = re.compile(r"(io_p?getevents)\(0x\w+, (-?\d+), (-?\d+), \[.*\], "
                      r"(NULL|{.*?})[,)].* = (-?\d+)")  # fmt: skip
    lines = [line for line in log.read_text().splitlines() if "io_" in line]
    return [call.search(line).groups() for line in lines]


@pytest.mark.parametrize("library", LIBRARIES)
def test_kernel_is_entered_only_for_want_of_events(library, programs, tmp_path):
    assert results(programs[library], "calls") == [
        ("some", 3), ("rest", 5), ("empty", 0), ("nothing-wanted", 0),
        ("zero-timeout", 3), ("no-mask", 1), ("until-here-kernel", 0),
        ("too-few", 1), ("again", 1), ("mask", 1), ("destroy", 0),
    ]  # fmt: skip
    # One event waited for too-few: the kernel gives it, so nothing was taken.
    soon = "{tv_sec=0, tv_nsec=20000000}"
    assert strace(programs[library], "calls", tmp_path / "log") == [
        ("io_getevents", "3", "77", soon, "1"),
        ("io_pgetevents", "1", "66", soon, "1"),
    ]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("case", ["waiter", "early-waiter"])
def test_nobody_takes_from_the_ring_beside_a_sleeper(case, library, programs):
    # But who only looks needs no system call; the first one is the sleeper's.
    assert results(programs[library], case) == [
        ("empty", 0), ("empty", 0), ("waiter-kernel", 1),
        ("beside-kernel", 1), ("waiter", 2), ("all", 5),
        ("afterwards-kernel", 0),
    ]  # fmt: skip


def in_child(name):
    return [(name, -errno.EINVAL)] * 2 + [(f"{name}-kernel", 2)] + USES


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("way", ["fork", "clone", "_Fork", "spawn"])
def test_child_leaves_the_ring_to_its_parent(way, library, programs):
    expected = [("ready", 8), ("seen", 0xFFFF), ("no-more", 0), ("parent-kernel", 0)]
    if way != "spawn":
        expected = in_child("child") + in_child("grandchild") + expected
    assert results(programs[library], "fork", way) == expected


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("threads", [0, 2])
def test_handler_reads_too(threads, library, programs):
    expected = [("missing", 0), ("twice", 0), ("too-many", 0)]
    if not threads:
        expected.append(("readers-that-lost", 1))
    found = results(programs[library], "handler", threads, 30_000)
    assert found == expected


@pytest.mark.parametrize("library", LIBRARIES)
def test_longjmp_out_of_the_kernel_costs_only_speed(library, programs):
    assert results(programs[library], "longjmp") == [
        ("left-kernel", 1), ("empty", 0), ("empty-kernel", 0), ("two", 2), ("one", 1), ("none", 0),
        ("later-kernel", 3), ("destroy", 0),
    ]  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("way", ["clone", "fork"])
def test_handler_that_forks_within_a_reader(way, library, programs):
    """The fork aborts its attempt to take, and the next faults on what it has
    made copy-on-write: a reader that loses its processor there, too, goes to the
    kernel, as after any two attempts."""
    child = [("reader", -errno.EINVAL), ("reader-kernel", 1)] + in_child("child")
    found = results(programs[library], "handler-forks", way)
    assert found in [child + [
        ("reader", 5), ("reader-kernel", calls), ("none", 0),
    ] for calls in (0, 1)]  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
def test_handler_sees_who_called_the_reader(library, programs):
    """As debuggers and profilers do, and what unwinds a cancelled thread."""
    assert results(programs[library], "caller") == [("reader", 5), ("caller-seen", 1)]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("way", ["cancel", "longjmp"])
def test_reader_that_never_comes_back_costs_only_speed(way, library, programs):
    if SAN and way == "cancel":
        pytest.skip("a sanitizer takes a cancelled thread's stack for a broken one")
    # The next call gives its place up, and costs a system call more.
    itself, first = [("itself-kernel", 0)], 1
    if way == "longjmp":
        itself, first = [("itself", 1), ("itself-kernel", 1)], 0
    found = results(programs[library], "lost", way)
    assert found == itself + [
        ("first", 1), ("first-kernel", first), ("second", 1), ("second-kernel", 0),
        ("destroy", 0),
    ] + itself + [("destroy-first", 0), ("naps", 0)]  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
def test_handler_may_wait_for_others(library, programs):
    # The worker has had all events, and a late reader knows that it is late.
    assert results(programs[library], "handler-waits") == [
        ("reader", 0), ("twice", 0), ("head-is-back", 1),
        ("later", 1), ("later-kernel", 0), ("naps", 0),
    ]  # fmt: skip


GONE_UNDER_A_READER = [("destroy", 0), ("reader", -errno.EINVAL), ("naps", 0)]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("way", ["other", "itself"])
def test_context_is_destroyed_while_a_handler_interrupts_its_reader(
    way, library, programs
):
    assert results(programs[library], "destroyed", way) == GONE_UNDER_A_READER


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for userfaultfd")
@pytest.mark.parametrize("library", LIBRARIES)
def test_context_is_destroyed_while_its_reader_faults(library, programs):
    assert results(programs[library], "faulting") == GONE_UNDER_A_READER


@pytest.mark.skipif(bool(SAN), reason="a sanitizer makes system calls of its own")
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("barrier", ["allow", "refuse"])
def test_pollers_in_a_sandbox(barrier, library, programs):
    found = results(programs[library], "sandbox", barrier)
    assert found == [("outside", 0), ("twice", 0)]


@pytest.mark.parametrize("case, expected", [("get", -errno.EINTR), ("pget", 1)])
@pytest.mark.parametrize("library", ["ours", "theirs", "static"])
def test_stopped_and_continued(library, case, expected, programs, library_paths):
    if library == "static":
        found = results(programs["static"], "stopped", case)
    else:
        env = {"LD_LIBRARY_PATH": str(library_paths[library])}
        found = results(programs["shared"], "stopped", case, env=env)
    # Debian 13's gets events by io_pgetevents alone.
    assert found == [("get", expected)] or (
        library == "theirs" and found == [("get", 1)])


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "value, expected",
    [(None, USES), ("0", AVOIDS), ("1", USES), ("", USES), ("00", USES)],
)
def test_environment(value, expected, library, programs):
    env = {} if value is None else {"LIBAIO_RING": value}
    assert results(programs[library], "uses", env=env) == expected


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a set-uid file")
@pytest.mark.skipif(bool(SAN), reason="a sanitizer may refuse to run set-uid")
@pytest.mark.parametrize("mode, expected", [(0o755, AVOIDS), (0o4755, USES)])
def test_environment_is_not_for_setuid(mode, expected, programs, open_directory):
    program = shutil.copy(programs["static"], open_directory)
    os.chown(program, SOMEBODY, SOMEBODY)
    os.chmod(program, mode)
    as_nobody = [need("setpriv", "it runs a program as another user"), "--reuid",
                 NOBODY, "--regid", NOBODY, "--clear-groups"]  # fmt: skip
    assert results(*as_nobody, program, "uses", env={"LIBAIO_RING": "0"}) == expected


def test_switching_it_off(programs):
    assert results(programs["static"], "disable") == [
        ("disable", 1), ("disable-again", 0), ("disable-garbage", 0),
        ("one", 3), ("one-kernel", 1), ("disable-all", 1),
        ("disable-all-again", 0), ("two", 3), ("two-kernel", 0),
        ("three", 3), ("three-kernel", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
def test_foreign_context_is_the_kernel_s(library, programs):
    assert results(programs[library], "foreign") == [
        ("foreign", 2), ("foreign", 1), ("foreign-kernel", 2), ("destroy", 0),
        ("same-address", 1), ("own", 2), ("own-kernel", 0),
    ]  # fmt: skip


@pytest.mark.parametrize("library", LIBRARIES)
def test_garbage_is_an_error_of_every_call(library, programs):
    found = results(programs[library], "garbage")
    assert found.pop()[0] == "garbage-kernel"
    assert {name for name, _ in found} == {
        "get", "get-forever", "pget", "submit", "cancel", "queue-run", "destroy",
    }  # fmt: skip
    assert [pair for pair in found if pair[1] != -errno.EINVAL] == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_arguments_are_judged_as_by_the_kernel(library, programs):
    found = results(programs[library], "arguments")
    assert found == [("many-cases", 1), ("mismatches", 0)]


@pytest.mark.skipif(bool(SAN), reason="valgrind does not run a sanitizer's program")
@pytest.mark.parametrize("library", LIBRARIES)
def test_valgrind_sees_the_system_calls(library, programs):
    valgrind = need("valgrind", "the ring is left alone under it")
    command = [valgrind, "-q", "--error-exitcode=9", programs[library]]
    assert results(*command, "uses") == AVOIDS


def room_for_contexts():
    numbers = (Path("/proc/sys/fs") / name for name in ("aio-max-nr", "aio-nr"))
    most, used = (int(path.read_text()) for path in numbers)
    return (most - used) // 4


def test_a_crowd_of_contexts(programs):
    """Of a part of those that fs.aio-max-nr leaves: others want some, too."""
    crowd = min(CROWD, room_for_contexts())
    if crowd < 1000:
        pytest.skip("fs.aio-max-nr leaves no room for a thousand contexts")
    found = results(programs["static"], "crowd", crowd)
    (name, entered), *rest = found
    assert name == "crowd-kernel" and rest == [("gone", -errno.EINVAL)]
    assert entered < crowd / 100  # who lost the processor just while it read

# SPDX-License-Identifier: GPL-2.0-only
"""What the calls return: ours against the kernel's word and against libaio's.

One binary of each C program here runs with our library and with the
distribution's. Where the two differ on purpose, that is written down.
"""
import errno
import signal

import pytest

from abi_tools import BUILD, HERE, compile_shared, run

UNTOUCHED = 1234  # errno before each call, in report.h
OURS = {"LD_LIBRARY_PATH": str(BUILD)}

# libaio answers these from an empty ring, before any check of the arguments.
SHORTCUT = {"get-empty-negative", "get-empty-min-over", "get-empty-min-negative"}

# Here libaio dies, because it reads the ring or calls back without a check.
WILD = {
    "get-wild": -errno.EINVAL,
    "get-wild-forever": -errno.EINVAL,
    "get-stale": -errno.EINVAL,
    "get-bad-timeout": -errno.EFAULT,
    "queue-run-stale": -errno.EINVAL,
    "queue-run-no-callback": 0,
    "pgetevents-wild": -errno.EINVAL,
}

QUEUE_ERRORS = {
    "queue-init-zero": -errno.EINVAL,
    "queue-init-negative": -errno.EINVAL,
    "queue-init-int-max": -errno.EINVAL,
    "queue-init-leaves-pointer": 1,
    "queue-run-null": -errno.EINVAL,
    "queue-run-zeros": -errno.EINVAL,
    "queue-wait-null": -errno.EINVAL,
    "queue-release-null": -errno.EINVAL,
    "pgetevents-null": -errno.EINVAL,
    "queue-init-dirty-pointer": 0,
    "queue-release": 0,
}

# The kernel's own answers, so that a broken test program is noticed.
SOME_ERRORS = {
    "setup-zero": -errno.EINVAL,
    "setup-used-pointer": -errno.EINVAL,
    "setup-null-pointer": -errno.EFAULT,
    "submit-none": 0,
    "submit-null-ctx": -errno.EINVAL,
    "submit-null-list": -errno.EFAULT,
    "submit-bad-fd": -errno.EBADF,
    "cancel-null-iocb": -errno.EFAULT,
    "cancel-not-submitted": -errno.EINVAL,
    "get-empty-negative": -errno.EINVAL,
    "get-empty-min-over": -errno.EINVAL,
    "get-soon-negative": -errno.EINVAL,
    "get-null-ctx": -errno.EINVAL,
    "get-one-null-events": -errno.EFAULT,
    "get-one": 1,
    "destroy-wild": -errno.EINVAL,
    "destroy-stale": -errno.EINVAL,
    "submit-stale": -errno.EINVAL,
    "get-zeros": -errno.EINVAL,
}

EVENTS = {
    "setup": 0, "destroy": 0,
    "pwrite": 10, "pread": 4, "pread-data": 0, "pread-short": 2, "pread-end": 0,
    "preadv": 9, "preadv-data": 0, "pwritev": 4, "pwritev-size": 13,
    "pwritev-data": 0, "pread-null": -errno.EFAULT,
    "preadv2": 5, "preadv2-nowait": 1,
    "preadv2-unknown-flag": -errno.EOPNOTSUPP,
    "pwritev2-append": 4, "pwritev2-dsync": 4, "pwritev2-size": 17,
    "pwritev2-data": 0,
    "submit-good-bad": 1, "its-event": 1, "submit-bad-good": -errno.EBADF,
    "no-event": 0, "submit-two": 2, "two-events": 2,
    "eventfd-submit": 2, "eventfd-events": 2, "eventfd-read": 8,
    "eventfd-count": 2,
    "queue-run-empty": 0, "fsync": 1, "fdsync": 1, "poll": 1, "queue-run": 0,
    "callback-of-fsync": 0, "callback-of-fdsync": 0, "callback-of-poll": 1,
    "callbacks": 3, "queue-run-three": 0, "three-callbacks": 3,
    "queue-wait-empty": 0, "queue-wait-forever": 0, "queue-wait-is-short": 1,
    "get-timeout": 0, "get-timeout-waits": 1,
    "get-nothing-yet": 0, "cancel-poll": -errno.EINPROGRESS,
    "cancelled-event": 1, "cancelled-object": 1, "cancelled-result": 0,
    "cancel-again": -errno.EINVAL,
    "poll-timer": 1, "poll-timer-waits": 1,
}  # fmt: skip

MASKED = {
    "no-mask": 0, "no-mask-handled": 0, "full-mask": 0, "full-mask-handled": 0,
    "empty-mask": -errno.EINTR, "empty-mask-handled": 1, "mask-is-restored": 1,
    "min-over": -errno.EINVAL, "negative": -errno.EINVAL,
    "bad-mask": -errno.EFAULT,
    "event-no-mask": 1, "event-mask": 1, "event-object": 1,
}  # fmt: skip

# Without a mask the older system call serves; EPERM stands for ENOSYS.
FILTERED = {"event-no-mask": 1, "event-mask": -errno.ENOSYS, "event-object": 0}

OLD = {
    "timeout": 0, "waits-for-one": 1, "object": 1, "waits-for-ever": 1,
    "fewer-than-one": -errno.EINVAL, "no-context": -errno.EINVAL,
    "cancel": -errno.EINPROGRESS, "cancelled": 1,
    "cancel-nothing": -errno.EINVAL, "cancel-null": -errno.EFAULT,
    "queue-wait": 0, "queue-wait-null": -errno.EINVAL,
}  # fmt: skip


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The path of each program here, built once, by its name."""
    directory = tmp_path_factory.mktemp("programs")
    return {
        name: compile_shared(HERE / f"{name}.c", directory / name, "-D_GNU_SOURCE")
        for name in ("errors", "events", "pgetevents", "old_symbols")
    }


@pytest.fixture(scope="module")
def theirs(library_paths):
    return {"LD_LIBRARY_PATH": str(library_paths["theirs"])}


def answers(env, program, *arguments):
    """name: (result, errno afterwards, the kernel's word if it was asked)"""
    done = run(program, *arguments, env=env)
    assert done.returncode == 0, f"status {done.returncode}: {done.stdout}"
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len({name for name, *_ in lines}) == len(lines)
    return {name: tuple(map(int, numbers)) for name, *numbers in lines}


def results(found):
    return {name: numbers[0] for name, numbers in found.items()}


def assert_errno_left_alone(found):
    changed = {name for name, numbers in found.items() if numbers[1] != UNTOUCHED}
    assert not changed


def test_errors_are_the_kernel_s(programs):
    found = answers(OURS, programs["errors"])
    pairs = {name: (n[0], n[2]) for name, n in found.items() if len(n) == 3}
    assert len(pairs) > 50
    assert {name: pair for name, pair in pairs.items() if pair[0] != pair[1]} == {}
    expected = SOME_ERRORS | QUEUE_ERRORS
    assert {name: found[name][0] for name in expected} == expected
    assert_errno_left_alone(found)


def test_errors_are_libaio_s_but_for_the_empty_ring(programs, theirs):
    ours = results(answers(OURS, programs["errors"]))
    libaio = results(answers(theirs, programs["errors"]))
    assert ours.keys() == libaio.keys()
    different = {name for name in ours if ours[name] != libaio[name]}
    assert different == SHORTCUT
    assert {libaio[name] for name in SHORTCUT} == {0}


@pytest.mark.parametrize("case", WILD)
def test_wild_arguments_are_an_error(case, programs):
    found = answers(OURS, programs["errors"], case)
    assert results(found) == {case: WILD[case]}
    assert_errno_left_alone(found)
    kernel = found[case][2:]
    assert kernel in ((), (WILD[case],))


@pytest.mark.parametrize("case", WILD)
def test_wild_arguments_kill_libaio(case, programs, theirs):
    done = run(programs["errors"], case, env=theirs)
    assert done.returncode == -signal.SIGSEGV


@pytest.mark.parametrize(
    "name, arguments, expected",
    [
        ("events", ["file"], EVENTS),
        ("pgetevents", [], MASKED),
        ("old_symbols", [], OLD),
    ],
    ids=["events", "pgetevents", "old_symbols"],
)
class TestSameAsLibaio:
    def test_ours(self, name, arguments, expected, programs, tmp_path):
        paths = [tmp_path / word for word in arguments]
        found = answers(OURS, programs[name], *paths)
        assert results(found) == expected
        assert_errno_left_alone(found)

    def test_libaio(self, name, arguments, expected, programs, theirs, tmp_path):
        paths = [tmp_path / word for word in arguments]
        assert results(answers(theirs, programs[name], *paths)) == expected


def test_forbidden_pgetevents(programs):
    found = answers(OURS, programs["pgetevents"], "filtered")
    assert results(found) == FILTERED
    assert_errno_left_alone(found)


def test_forbidden_pgetevents_breaks_libaio(programs, theirs):
    found = results(answers(theirs, programs["pgetevents"], "filtered"))
    assert found["event-no-mask"] == found["event-mask"] == -errno.EPERM

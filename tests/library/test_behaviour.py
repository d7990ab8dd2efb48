# SPDX-License-Identifier: GPL-2.0-only
"""What the calls return: ours against the kernel's word and against libaio's.

One binary of each C program here runs with our library and with the
distribution's. Where the two differ on purpose, that is written down.
"""
import errno
import signal

import pytest

from abi_tools import BUILD, HERE, compile_shared, run
from answers import (
    EVENTS, MASKED, OLD, WILD, answers, assert_errno_left_alone, results,
)  # fmt: skip

OURS = {"LD_LIBRARY_PATH": str(BUILD)}

# libaio answers these from an empty ring, before any check of the arguments.
SHORTCUT = {"get-empty-negative", "get-empty-min-over", "get-empty-min-negative"}

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

# Without a mask the older system call serves; EPERM stands for ENOSYS.
FILTERED = {"event-no-mask": 1, "event-mask": -errno.ENOSYS, "event-object": 0}


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

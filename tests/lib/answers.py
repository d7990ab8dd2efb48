# SPDX-License-Identifier: GPL-2.0-only
"""What the C programs of tests/library print of the calls (report.h), and what
that has to be, wherever they run."""
import errno

from abi_tools import run

UNTOUCHED = 1234  # errno before each call, in report.h
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
OLD = {
    "timeout": 0, "waits-for-one": 1, "object": 1, "waits-for-ever": 1,
    "fewer-than-one": -errno.EINVAL, "no-context": -errno.EINVAL,
    "cancel": -errno.EINPROGRESS, "cancelled": 1,
    "cancel-nothing": -errno.EINVAL, "cancel-null": -errno.EFAULT,
    "queue-wait": 0, "queue-wait-null": -errno.EINVAL,
}  # fmt: skip


def answers(env, program, *arguments, by=run):
    """name: (result, errno afterwards, the kernel's word if it was asked); by:
    what runs it."""
    done = by(program, *arguments, env=env)
    assert done.returncode == 0, f"status {done.returncode}: {done.stdout}"
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len({name for name, *_ in lines}) == len(lines)
    return {name: tuple(map(int, numbers)) for name, *numbers in lines}


def results(found):
    return {name: numbers[0] for name, numbers in found.items()}


def assert_errno_left_alone(found):
    changed = {name for name, numbers in found.items() if numbers[1] != UNTOUCHED}
    assert not changed

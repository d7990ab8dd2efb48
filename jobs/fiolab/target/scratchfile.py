# SPDX-License-Identifier: GPL-2.0-only
# A target that is made ready: a scratch file of our own, a file of the user's,
# or a block device.  It is claimed, written once before the runs (so that no
# side pays for fresh blocks), and removed at the end where it was created.
from collections.abc import Callable, Collection, Sequence
import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
import sys

from ..base.problem import Problem
from . import blockdevice, claim, claimable, medium
from .target import Target

DEFAULT_SIZE = 256 << 20
SMALLEST = 1 << 20
CHUNK = 1 << 20
OURS = re.compile(r"kaio-ab-[0-9a-f]{8}\.tmp")
Check = Callable[[Target], None]    # of a target's size, before it is written


def unchecked(_target: Target) -> None:
    """Any size will do."""


def _fill(target):
    """Write every byte once with data that does not compress, and sync."""
    from numpy import random    # whose import takes its time
    data = random.default_rng(0)
    with open(target.reopen(os.O_WRONLY), "wb", buffering=0) as file:
        for offset in range(0, target.size, CHUNK):
            file.write(data.bytes(min(CHUNK, target.size - offset)))
        os.fsync(file.fileno())


def fill(target: Target, quiet: bool = False) -> None:
    if not quiet:
        print(f"writing {target.size >> 20} MiB to {target.path}",
              file=sys.stderr)
    try:
        _fill(target)
    except OSError as error:
        text = ("no space left" if error.errno == errno.ENOSPC
                else error.strerror)
        raise Problem(f"cannot write the {target.size >> 20} MiB of "
                      f"{target.path}: {text}.") from None


def _probe_direct(target):
    """Set target.direct; only on memory may buffered I/O stand in for it."""
    try:
        os.close(target.reopen(os.O_RDONLY | os.O_DIRECT))
    except OSError:
        if not target.ram:
            raise Problem(f"{target.path} does not support O_DIRECT, so runs "
                          "would measure the page cache: choose another "
                          "--target.") from None
        target.direct = False


def _remove(target):
    """A name that is another's by now is left to it."""
    if target.descriptor >= 0:
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(target.descriptor),
                                os.lstat(target.path)):
                os.unlink(target.path)
    target.close()


def _create(path, size, stack, check):
    """A new file, still empty, that is removed in the end."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise Problem(f"there is no folder {folder}: create it, or give "
                      "another --target.")
    medium.check_room(folder, size)
    target = Target(path, size, *medium.identify(folder), given=size,
                    whole=size, kind="file")
    check(target)
    stack.callback(_remove, target)
    claim.create(target)
    return target


def _size(target):
    descriptor = target.reopen(os.O_RDONLY)
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)


def _existing(path, size, destroy, stack, check, allowed):
    """A file or device of the user's; overwritten only with destroy."""
    target = (claim.prepare(path, 0, True, stack, allowed) if destroy else
              claim.hold(path, stack))
    target.ram, target.label = medium.identify(path)
    actual = _size(target)
    if actual < (size or SMALLEST):
        raise Problem(f"{path} has {actual} bytes, too few for the "
                      f"{size or SMALLEST} asked for: give a smaller --size or "
                      "a larger target.")
    target.size = size or min(DEFAULT_SIZE, actual // SMALLEST * SMALLEST)
    target.given, target.whole = target.size, actual
    check(target)
    for text in target.warnings:
        print(text, file=sys.stderr)
    return target


def _check_writes(path, writes, destroy):
    if writes and not destroy:
        kind = ("a block device" if blockdevice.device_number(path) is not None
                else "a file that exists")
        raise Problem(f"{path} is {kind} and the job '{writes[0]}' writes: "
                      "give --destroy-data to overwrite it, or name a file "
                      "that does not exist yet.")


def _kind(path):
    """'new', or 'old' for a file or block device; anything else is refused."""
    if claimable.misread(path):
        raise Problem(f"the target {path!r} has a character that fio would "
                      "misread (; # $ a backslash or an outer blank): rename "
                      "it.")
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if blockdevice.among_devices(path):
            raise Problem(f"there is no {path}, and a file there would be in "
                          "memory in the place of a device: name a device "
                          "that is there.") from None
        return "new"
    except OSError as error:
        raise Problem(f"cannot use {path}: {error.strerror}.") from None
    if stat.S_ISREG(mode) or stat.S_ISBLK(mode):
        return "old"
    raise Problem(f"{path} is neither a file nor a block device: name a file "
                  "in it, or a block device.")


def _read(target):
    """All of it, once: in memory the first read of a page makes the kernel
    count it as in use, which takes as long as a fifth of an I/O, and whoever
    is ahead of the others would pay that for them."""
    with open(target.reopen(os.O_RDONLY), "rb", buffering=0) as file:
        while file.tell() < target.size and file.read(CHUNK):
            pass


def ready(target: Target) -> Target:
    """Of what take() gives: written, where that was asked for, and looked at
    for what is not of our choice."""
    if target.writable:
        fill(target)
    _probe_direct(target)
    if target.ram and target.kind == "file":
        _read(target)
    target.look()
    return target


def take(path: str, writes: Sequence[str], size: int | None, destroy: bool,
         stack: contextlib.ExitStack, check: Check = unchecked,
         allowed: Collection[str] = ()) -> Target:
    """A Target that is claimed or made, of which no byte was written yet;
    writes names the jobs that write; allowed: see claim.prepare().  The stack
    undoes it.

    Symbolic links are resolved first: what they point to is judged.
    """
    path = os.path.realpath(path)
    kind = _kind(path)
    if kind == "old":
        _check_writes(path, writes, destroy)
    try:
        return (_create(path, size or DEFAULT_SIZE, stack, check)
                if kind == "new" else
                _existing(path, size, destroy, stack, check, allowed))
    except OSError as error:
        raise Problem(f"cannot use {path}: {error.strerror}.") from None


def prepare(path: str, writes: Sequence[str], size: int | None, destroy: bool,
            stack: contextlib.ExitStack, check: Check = unchecked,
            allowed: Collection[str] = ()) -> Target:
    """take(), and ready() for runs."""
    return ready(take(path, writes, size, destroy, stack, check, allowed))


def default_size(folder: str) -> int:
    """DEFAULT_SIZE, halved until half of the free room holds it."""
    try:
        size, room = DEFAULT_SIZE, medium.room_in(folder) // 2
    except OSError as error:
        raise Problem(f"cannot use {folder}: {error.strerror}.") from None
    while size > room and size > medium.SPARE:
        size //= 2
    return size


def _remove_if_stale(path):
    """Remove a scratch file that no living run holds.

    An empty one may be another run's, about to be locked.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        info = os.fstat(descriptor)
        if (stat.S_ISREG(info.st_mode) and info.st_uid == os.geteuid()
                and info.st_size > 0):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
    finally:
        os.close(descriptor)


def remove_stale(folder: str) -> None:
    """Remove what runs that were killed left in a folder."""
    try:
        names = [n for n in os.listdir(folder) if OURS.fullmatch(n)]
    except OSError:
        return
    for name in names:
        try:
            _remove_if_stale(os.path.join(folder, name))
        except OSError:         # held by a living run, or not ours
            continue


def take_scratch(folder: str, size: int | None, stack: contextlib.ExitStack,
                 check: Check = unchecked) -> Target:
    """take(), of a scratch file of our own with a new name in a folder."""
    remove_stale(folder)
    try:
        return _scratch(folder, size, stack, check)
    except OSError as error:
        raise Problem(f"cannot use {folder}: {error.strerror}.") from None


def scratch(folder: str, size: int | None, stack: contextlib.ExitStack,
            check: Check = unchecked) -> Target:
    """take_scratch(), and ready() for runs."""
    return ready(take_scratch(folder, size, stack, check))


def _scratch(folder, size, stack, check):
    name = f"kaio-ab-{secrets.token_hex(4)}.tmp"
    path = os.path.join(os.path.realpath(folder), name)
    target = _create(path, size or default_size(folder), stack, check)
    target.scratch = os.path.dirname(path)
    return target

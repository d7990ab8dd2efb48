# SPDX-License-Identifier: GPL-2.0-only
# Where the I/O goes: a scratch file of our own, a file of the user's, or a
# block device.  Decides what may be written, writes it once before the runs
# (so that no side pays for fresh blocks), says what the target is, and removes
# what it created.
from dataclasses import dataclass
import contextlib
import errno
import fcntl
import os
import re
import secrets
import stat
import sys

import numpy as np

from ..base.problem import Problem
from . import blockdevice, claim, claimable, extents, medium, neighbours

DEFAULT_SIZE = 256 << 20
SMALLEST = 1 << 20
CHUNK = 1 << 20
IO_NAMES = {"all": "O_DIRECT", "some": "O_DIRECT in part",
            "none": "buffered (page cache)"}
WHYS = {"all": "the device sets the pace, so it hides the engines' difference",
        "some": "part of the I/O is the page cache's and not the device's",
        "none": "the page cache takes part, so this is not the device's pace"}
OURS = re.compile(r"kaio-ab-[0-9a-f]{8}\.tmp")


@dataclass
class Target:
    path: str
    size: int
    ram: bool
    label: str
    direct: bool = True
    writable: bool = False      # the comparison may overwrite it
    created: bool = False       # ours: remove it at the end
    claim: object = None        # claim.Target: what the path stood for
    whole: int = 0              # bytes of all of a file, of which size is used
    written: extents.Written | None = None      # None: nobody looked

    def describe(self, direct="all"):
        """direct: what the job that ran used, as jobfile.direct_io() says."""
        io = IO_NAMES[direct if self.direct else "none"]
        found = "" if self.writable else ", as found (not pre-written)"
        said = extents.said(self.written and extents.data(self.written))
        return (f"{self.label}, {self.size >> 20} MiB, {io}{found}"
                f"{', ' if said else ''}{said}")

    def why(self, direct="all"):
        """What a comparison on it shows."""
        if self.ram:
            return "no device: shows the engine's own cost"
        return WHYS[direct]

    def open(self, flags):
        """A descriptor of what was prepared, whatever the path is now."""
        return self.claim.reopen(flags)

    def is_part(self):
        """Does anything lie behind what is used?  Of a target on another host
        that is not known, and taken for so."""
        whole = self.whole or (self.claim.size if self.claim else 0)
        return not whole or whole > self.size

    def check_size(self, job):
        """Refuse to go on with a file that a job made longer or shorter."""
        try:
            now = os.stat(self.path).st_size if self.whole else 0
        except OSError as error:
            raise Problem(f"{self.path} is gone after a run of job {job.name} "
                          f"({error.strerror}): put it back.") from None
        if now != self.whole:
            raise Problem(f"{self.path} had {self.whole} bytes and has {now} "
                          f"after a run of job {job.name}, which so leaves "
                          "what was given to it: take out of the job file what "
                          "moves its offsets.")

    def look(self):
        """How much of it was written; what was filled here is."""
        self.written = extents.look(self.path, self.size)
        if self.writable and not self.written.known:
            self.written = extents.Written(self.size)
        extents.refuse(self.path, self.written)

    def doubts(self):
        """Sentences on what its reads may be instead of reads of a device."""
        return (extents.warnings(self.path, self.written) if self.written
                else [])

    def close(self):
        """A name that is another's by now is left to it."""
        if self.created:
            self.created = False
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self.claim.descriptor),
                                    os.lstat(self.path)):
                    os.unlink(self.path)
        if self.claim:
            self.claim.close()


def _fill(target):
    """Write every byte once with data that does not compress, and sync."""
    data = np.random.default_rng(0)
    with open(target.open(os.O_WRONLY), "wb", buffering=0) as file:
        for offset in range(0, target.size, CHUNK):
            file.write(data.bytes(min(CHUNK, target.size - offset)))
        os.fsync(file.fileno())


def fill(target, quiet=False):
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
        os.close(target.open(os.O_RDONLY | os.O_DIRECT))
    except OSError:
        if not target.ram:
            raise Problem(f"{target.path} does not support O_DIRECT, so runs "
                          "would measure the page cache: choose another "
                          "--target.") from None
        target.direct = False


def _create(path, size, stack):
    """A new scratch file, registered for removal before its first byte."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise Problem(f"there is no folder {folder}: create it, or give "
                      "another --target.")
    medium.check_room(folder, size)
    ram, label = medium.identify(folder)
    target = Target(path, size, ram, label, writable=True)
    stack.callback(target.close)
    flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Problem(f"cannot create {path}: {error.strerror}: give another "
                      "--target.") from None
    target.claim = claim.Target(path, size, None, None, "file", descriptor)
    target.created = True
    with contextlib.suppress(OSError):      # not every file system has locks
        fcntl.flock(descriptor, fcntl.LOCK_EX)      # see remove_stale()
    fill(target)
    return target


def _size(target):
    descriptor = target.open(os.O_RDONLY)
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)


def _existing(path, size, destroy, stack):
    """A file or device of the user's; overwritten only with destroy."""
    held = (claim.prepare(path, 0, True, stack) if destroy else
            claim.hold(path, stack))
    ram, label = medium.identify(path)
    target = Target(path, 0, ram, label, writable=destroy, claim=held)
    actual = _size(target)
    if actual < (size or SMALLEST):
        raise Problem(f"{path} has {actual} bytes, too few for the "
                      f"{size or SMALLEST} asked for: give a smaller --size or "
                      "a larger target.")
    target.size = size or min(DEFAULT_SIZE, actual // SMALLEST * SMALLEST)
    within = neighbours.within(held) if destroy else []
    for text in [*held.warnings, *neighbours.beside(path), *within]:
        print(text, file=sys.stderr)
    if destroy:
        fill(target)
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


def _ready(target):
    """Look at what is not of our choice."""
    _probe_direct(target)
    target.look()
    if blockdevice.device_number(target.path) is None:
        target.whole = blockdevice.size(target.path)
    return target


def prepare(path, writes, size, destroy, stack):
    """A ready Target; writes names the jobs that write.  The stack undoes it.

    Symbolic links are resolved first: what they point to is judged.
    """
    path = os.path.realpath(path)
    kind = _kind(path)
    if kind == "old":
        _check_writes(path, writes, destroy)
    try:
        target = (_create(path, size or DEFAULT_SIZE, stack) if kind == "new"
                  else _existing(path, size, destroy, stack))
    except OSError as error:
        raise Problem(f"cannot use {path}: {error.strerror}.") from None
    return _ready(target)


def default_size(folder):
    """DEFAULT_SIZE, halved until half of the free room holds it."""
    size, room = DEFAULT_SIZE, medium.room_in(folder) // 2
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


def remove_stale(folder):
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


def scratch(folder, size, stack):
    """A scratch file of our own with a new name in a folder."""
    remove_stale(folder)
    try:
        return _scratch(folder, size, stack)
    except OSError as error:
        raise Problem(f"cannot use {folder}: {error.strerror}.") from None


def _scratch(folder, size, stack):
    name = f"kaio-ab-{secrets.token_hex(4)}.tmp"
    path = os.path.join(os.path.realpath(folder), name)
    return _ready(_create(path, size or default_size(folder), stack))

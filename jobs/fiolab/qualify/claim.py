# SPDX-License-Identifier: GPL-2.0-only
# May this target be destroyed?  Nothing is written, and no device is opened,
# before all that can be asked has been answered; the claim then stays open,
# and exclusive, for the whole qualification, but for the time that its power is
# cut (realcut.py).  The path is resolved once, to an O_PATH descriptor: what
# that stands for is judged, and is what gets opened, whatever happens to the
# name meanwhile.
import contextlib
from dataclasses import dataclass, field
import errno
import fcntl
import mmap
import os
import stat
import struct

from .. import device, jobfile, target as targets
from ..problem import Problem
from . import identity, signatures

# File systems whose regular files are no data: writing there sets the machine.
PSEUDO = {"sysfs", "proc", "debugfs", "tracefs", "configfs", "securityfs",
          "efivarfs", "cgroup", "cgroup2", "bpf", "pstore", "devpts"}
BLOCKS = (512, 1024, 2048, 4096)
GETLK = "hhqqi4x"           # struct flock


@dataclass
class Target:
    path: str
    size: int                   # all of it
    logical_block: int
    physical_block: int
    kind: str | None
    descriptor: int = -1        # the claim
    host: str | None = None
    warnings: list = field(default_factory=list)

    def close(self):
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _refuse(path, reason):
    raise Problem(device.REFUSE.format(path, reason))


def _look(path, stack):
    """An O_PATH descriptor: opens nothing, so that no FIFO or tape notices."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Problem(f"there is no {path}: name a block device, or a file "
                      f"that exists (truncate -s 4G {path} makes "
                      "one).") from None
    except OSError as error:
        raise Problem(f"cannot use {path}: {error.strerror}.") from None
    stack.callback(os.close, descriptor)
    return descriptor


def _check_type(path, mode):
    if not stat.S_ISBLK(mode) and not stat.S_ISREG(mode):
        raise Problem(f"{path} is neither a block device nor a file: name "
                      "one.")
    if jobfile.misread(path):
        raise Problem(f"the target {path!r} has a character that fio would "
                      "misread (; # $ a backslash or an outer blank): rename "
                      "it.")


def check_kind(path):
    """Refuse what is neither a block device nor a file, untouched."""
    with contextlib.ExitStack() as stack:
        _check_type(path, os.fstat(_look(path, stack)).st_mode)


def _check_leave(path, destroy):
    if not destroy:
        raise Problem(f"a qualification overwrites all of {path}: give "
                      "--destroy-data if nothing on it is needed.")


def _check_below(path, folder):
    """A loop device: what it is on, too, may be used by others."""
    backing = identity.read(folder, "loop/backing_file")
    if not backing or not os.path.exists(backing):
        return
    name, number = os.path.basename(folder), device.device_number(backing)
    if number is None:
        device.check_file(backing, but=name)
    reason = number and device.held_by(number, but=name)
    if reason:
        _refuse(path, f"it is a loop device on {backing}, and of that "
                f"{reason}")


def _check_device(path, number):
    reason = device.held_by(number)
    if reason:
        _refuse(path, reason)
    folder = device.sysfs(number)
    disk = identity.whole(folder)
    if any(identity.read(place, "ro") == "1" for place in (folder, disk)):
        raise Problem(f"{path} is read-only: make it writable (blockdev "
                      "--setrw), or name another.")
    if identity.read(disk, "queue/zoned") == "host-managed":
        raise Problem(f"{path} has zones that must be written in order, which "
                      "the tests do not do: name another.")
    _check_below(path, disk)


def _check_file(path):
    row = targets.mount_of(path)
    if row and row[2] in PSEUDO:
        _refuse(path, f"it is the kernel's, in {row[2]}, and holds no data")
    device.check_file(path)


def _locked(descriptor):
    """Does another program have a lock on a file, as QEMU on its images?"""
    lock = struct.pack(GETLK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, lock)
    return struct.unpack(GETLK, answer)[0] != fcntl.F_UNLCK


def _hold_file(path, descriptor):
    try:
        if _locked(descriptor):
            raise BlockingIOError
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _refuse(path, "another program has locked it")
    except OSError:
        pass                    # not every file system has locks


def _open(path, looked, is_block):
    """The claim: for reading and writing, of a device exclusively."""
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_EXCL if is_block else 0)
    try:
        return os.open(f"/proc/self/fd/{looked}", flags)
    except OSError as error:
        if error.errno == errno.EBUSY:
            _refuse(path, "something holds it (exclusive open fails)")
        hint = ": be root" if error.errno in (errno.EACCES,
                                              errno.EPERM) else ""
        raise Problem(f"cannot open {path} for writing: "
                      f"{error.strerror}{hint}.") from None


def _direct_block(path, descriptor):
    """The smallest block that a file takes with O_DIRECT, by reading one."""
    try:
        direct = os.open(f"/proc/self/fd/{descriptor}",
                         os.O_RDONLY | os.O_DIRECT | os.O_CLOEXEC)
    except OSError:
        direct = -1
    try:
        with mmap.mmap(-1, BLOCKS[-1]) as page, memoryview(page) as whole:
            for size in BLOCKS if direct >= 0 else ():
                with whole[:size] as part:
                    try:
                        os.preadv(direct, [part], size)
                        return size
                    except OSError:
                        continue
    finally:
        if direct >= 0:
            os.close(direct)
    raise Problem(f"{path} does not take O_DIRECT, so the tests would measure "
                  "the page cache: name a file on another file system.")


def _check_size(path, size, need):
    if size < need:
        raise Problem(f"{path} has {size} bytes, but the tests need {need}: "
                      "name a larger target.")


def _warnings(path, target, known):
    found = signatures.found(target.descriptor, target.size)
    texts = []
    if found:
        texts.append(f"{path} holds {' and '.join(found)}, which this "
                     "qualification destroys.")
    parts = known.get("partitions")
    if parts:
        texts.append(f"{path} has the partitions {', '.join(parts)}, which "
                     "this qualification destroys.")
    return texts


def _partitions(folder):
    """Names of a disk's partitions."""
    return sorted(name for name in os.listdir(folder) if os.path.exists(
        os.path.join(folder, name, "partition")))


def _known(path, info):
    """What the checks and the Target need to know of it."""
    if stat.S_ISBLK(info.st_mode):
        _check_device(path, info.st_rdev)
        folder = device.sysfs(info.st_rdev)
        return {**identity.block(folder), "partitions": _partitions(folder)}
    _check_file(path)
    return {"kind": "file"}


def refusal(path, size, need):
    """Why prepare() would refuse it, as far as can be told without opening
    it; None if nothing speaks against it."""
    try:
        with contextlib.ExitStack() as stack:
            looked = _look(path, stack)
            _known(path, os.fstat(looked))
        _check_size(path, size, need)
        if not os.access(path, os.W_OK):
            return f"cannot open {path} for writing: " + (
                "be root." if os.geteuid() else "it is read-only.")
    except Problem as problem:
        return str(problem)
    return None


def _claim(path, need, destroy, stack):
    looked = _look(path, stack)
    info = os.fstat(looked)
    is_block = stat.S_ISBLK(info.st_mode)
    _check_type(path, info.st_mode)
    _check_leave(path, destroy)
    known = _known(path, info)
    target = Target(path, 0, 0, 0, known["kind"],
                    _open(path, looked, is_block))
    stack.callback(target.close)
    if not is_block:
        _hold_file(path, target.descriptor)
    target.size = os.lseek(target.descriptor, 0, os.SEEK_END)
    _check_size(path, target.size, need)
    target.logical_block = (known.get("logical_block") or
                            _direct_block(path, target.descriptor))
    target.physical_block = (known.get("physical_block") or
                             target.logical_block)
    target.warnings = _warnings(path, target, known)
    return target


def check_same(target):
    """fio and tools open the path anew: it must still be what was claimed."""
    if target.descriptor < 0:
        raise Problem(f"{target.path} is not claimed any more since its power "
                      "was cut, so nothing is done there.")
    held = os.fstat(target.descriptor)
    try:
        now = os.stat(target.path)
    except OSError as error:
        raise Problem(f"{target.path} is gone ({error.strerror}), so nothing "
                      "is done there.") from None
    if stat.S_ISBLK(held.st_mode):
        same = stat.S_ISBLK(now.st_mode) and held.st_rdev == now.st_rdev
    else:
        same = os.path.samestat(held, now)
    if not same:
        raise Problem(f"{target.path} is no longer the target that was "
                      "claimed, so nothing is done there.")


def prepare(path, need_bytes, destroy, stack):
    """The claimed Target, until the stack unwinds; a Problem says why not.

    Symbolic links are resolved first: what they point to is judged.
    """
    path = os.path.realpath(path)
    try:
        return _claim(path, need_bytes, destroy, stack)
    except OSError as error:
        raise Problem(f"cannot use {path}: {error.strerror}.") from None


def renew(target):
    """Claim it once more, after it was let go of; a Problem says why not."""
    target.close()
    with contextlib.ExitStack() as stack:
        new = prepare(target.path, target.size, True, stack)
        target.descriptor, new.descriptor = new.descriptor, -1

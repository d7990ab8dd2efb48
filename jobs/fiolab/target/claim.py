# SPDX-License-Identifier: GPL-2.0-only
# May this target be destroyed?  For every command that writes.  Nothing is
# written, and no device is opened, before all that can be asked (claimable.py)
# has been answered; the claim then stays open, and exclusive, as long as the
# command uses the target, but for the time that its power is cut
# (qualify/realcut.py).
# The path is resolved once, to an O_PATH descriptor: what that stands for is
# judged, and is what gets opened, whatever happens to the name meanwhile.  fio
# opens the name: it is told to create nothing (fiorun.py); after each run the
# name must still stand for what is claimed.
from collections.abc import Collection, Iterator
import contextlib
import errno
import fcntl
import mmap
import os
import stat
import time

from ..base.problem import Problem
from . import contents, sysfs
from .claimable import (LOCKED, SHARED, WHOLE, check_type, doubts, known,
                        refuse)
from .target import Target

BLOCKS = (512, 1024, 2048, 4096)
ANOTHER = "is no longer the target that was claimed"


class Gone(Problem):
    """A target is not there any more, or something else under its name."""

    def __init__(self, text: str):
        super().__init__(text)
        self.at = time.time()   # when that was seen


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


def check_kind(path: str) -> None:
    """Refuse what is neither a block device nor a file, untouched."""
    with contextlib.ExitStack() as stack:
        check_type(path, os.fstat(_look(path, stack)).st_mode)


def _check_leave(path, destroy):
    if not destroy:
        raise Problem(f"this overwrites all of {path}: give --destroy-data if "
                      "nothing on it is needed.")


def _lock(path, descriptor, is_block):
    """Locks, which fio does not look at: QEMU has them on devices, too, which
    it does not open exclusively.  That of flock(2) udev takes of each device
    that it looks at, so it tells nothing there."""
    kinds = ((fcntl.fcntl, fcntl.F_OFD_SETLK, WHOLE),
             (fcntl.flock, fcntl.LOCK_EX | fcntl.LOCK_NB))
    for lock, *how in kinds[:1] if is_block else kinds:
        try:
            lock(descriptor, *how)
        except BlockingIOError:
            refuse(path, LOCKED)
        except OSError:
            continue            # not every file system has locks


def _open(path, looked, is_block):
    """The claim: for reading and writing, of a device exclusively."""
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_EXCL if is_block else 0)
    try:
        return os.open(f"/proc/self/fd/{looked}", flags)
    except OSError as error:
        if error.errno == errno.EBUSY:
            refuse(path, "something holds it (exclusive open fails)")
        hint = ": be root" if error.errno in (errno.EACCES,
                                              errno.EPERM) else ""
        raise Problem(f"cannot open {path} for writing: "
                      f"{error.strerror}{hint}.") from None


def _direct_block(target):
    """The smallest block that a file takes with O_DIRECT, by reading one;
    None where it takes none."""
    try:
        direct = target.reopen(os.O_RDONLY | os.O_DIRECT)
    except OSError:
        return None
    try:
        with mmap.mmap(-1, BLOCKS[-1]) as page, memoryview(page) as whole:
            for size in BLOCKS:
                with whole[:size] as part:
                    try:
                        os.preadv(direct, [part], size)
                        return size
                    except OSError:
                        continue
    finally:
        os.close(direct)
    return None


def _check_size(path, size, need):
    if size < need:
        raise Problem(f"{path} has {size} bytes, but the tests need {need}: "
                      "name a larger target.")


def refusal(path: str, size: int, need: int,
            allowed: Collection[str] = ()) -> str | None:
    """Why prepare() would refuse it, as far as can be told without opening
    it; None if nothing speaks against it."""
    try:
        with contextlib.ExitStack() as stack:
            looked = _look(path, stack)
            known(path, os.fstat(looked), allowed)
        _check_size(path, size, need)
        if not os.access(path, os.W_OK):
            return f"cannot open {path} for writing: " + (
                "be root." if os.geteuid() else "it is read-only.")
    except Problem as problem:
        return str(problem)
    return None


def _claim(path, need, destroy, stack, allowed):
    """(the Target, what known() says of it)"""
    looked = _look(path, stack)
    info = os.fstat(looked)
    is_block = stat.S_ISBLK(info.st_mode)
    check_type(path, info.st_mode)
    _check_leave(path, destroy)
    asked = known(path, info, allowed)
    target = Target(path, writable=True, claimed=True, kind=asked["kind"],
                    descriptor=_open(path, looked, is_block),
                    folder=asked.get("folder"), diskseq=asked.get("diskseq"),
                    allowed=tuple(allowed))
    stack.callback(target.close)
    _lock(path, target.descriptor, is_block)
    size = os.lseek(target.descriptor, 0, os.SEEK_END)
    _check_size(path, size, need)
    target.size = target.given = target.whole = size
    target.logical_block = (asked.get("logical_block") or
                            _direct_block(target))
    target.physical_block = (asked.get("physical_block") or
                             target.logical_block)
    return target, asked


def hold(path: str, stack: contextlib.ExitStack) -> Target:
    """A Target that is not to be written, until the stack unwinds: nothing is
    opened, but it is known what the path stood for."""
    with contextlib.ExitStack() as trial:
        looked = _look(path, trial)
        info = os.fstat(looked)
        check_type(path, info.st_mode)
        target = Target(path, claimed=True, descriptor=looked, kind="file")
        if stat.S_ISBLK(info.st_mode):
            target.folder = sysfs.of(info.st_rdev)
            disk = sysfs.whole(target.folder)
            target.kind = sysfs.kind(disk) or "device"
            target.diskseq = sysfs.number(disk, "diskseq")
            shared = doubts(info.st_rdev).get(SHARED)
            target.warnings = [f"{path} {shared}."] if shared else []
        trial.pop_all()
        stack.callback(target.close)
    return target


def create(target: Target) -> None:
    """Claim a file of our own, which must not be there yet; it is empty."""
    flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        target.descriptor = os.open(
            target.path, flags | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Problem(f"cannot create {target.path}: {error.strerror}: give "
                      "another --target.") from None
    target.claimed = target.created = target.writable = True
    with contextlib.suppress(OSError):      # not every file system has locks
        fcntl.flock(target.descriptor, fcntl.LOCK_EX)


def _other(target):
    """What the name of a target has become; None if it is still the same."""
    held = os.fstat(target.descriptor)
    try:
        now = os.stat(target.path)
    except OSError as error:
        return f"is gone ({error.strerror})"
    if not stat.S_ISBLK(held.st_mode):
        return None if os.path.samestat(held, now) else ANOTHER
    if not stat.S_ISBLK(now.st_mode):
        return f"{ANOTHER}: it is no device now"
    if held.st_rdev != now.st_rdev:
        return ANOTHER
    folder = sysfs.of(held.st_rdev)
    if os.path.exists("/sys/dev/block") and not sysfs.number(folder, "size"):
        return "is gone (the kernel has no such device any more)"
    if sysfs.number(sysfs.whole(folder), "diskseq") != target.diskseq:
        return ANOTHER
    return None


def check_same(target: Target) -> None:
    """fio and tools open the path anew: it must still be what was claimed.
    Gone where it is not, and ever after: what comes back is another."""
    for one in target.members:
        check_same(one)
    if target.members or not target.claimed:
        return
    if target.descriptor < 0:
        raise Problem(f"{target.path} is not claimed any more since its power "
                      "was cut, so nothing is done there.")
    why = None if target.gone else _other(target)
    if why:
        target.gone = Gone(f"{target.path} {why}, so nothing is done there.")
    if target.gone:
        raise target.gone


def prepare(path: str, need_bytes: int, destroy: bool,
            stack: contextlib.ExitStack,
            allowed: Collection[str] = ()) -> Target:
    """The claimed Target, until the stack unwinds; a Problem says why not.

    allowed: of claimable.DOUBTS, what is taken all the same.  Symbolic links
    are resolved first: what they point to is judged.
    """
    path = os.path.realpath(path)
    try:
        target, asked = _claim(path, need_bytes, destroy, stack, allowed)
        target.warnings = [
            *contents.warnings(target, asked.get("partitions")),
            *asked.get("doubts", ())]
        return target
    except OSError as error:
        raise Problem(f"cannot use {path}: {error.strerror}.") from None


@contextlib.contextmanager
def let_go(target: Target) -> Iterator[None]:
    """For the time of a power cut the claim is given up, so that fio is told
    the path alone; renew() takes it again."""
    claimed, target.claimed = target.claimed, False
    try:
        target.close()
        yield
    finally:
        target.claimed = claimed


def renew(target: Target) -> None:
    """Claim it once more, after it was let go of; a Problem says why not.
    What it holds is not asked: it has been given away."""
    if not target.claimed:
        return
    target.close()
    with contextlib.ExitStack() as stack:
        try:
            new, _ = _claim(target.path, target.given, True, stack,
                            target.allowed)
        except OSError as error:
            raise Problem(f"cannot use {target.path}: "
                          f"{error.strerror}.") from None
        target.descriptor, new.descriptor = new.descriptor, -1
        target.folder, target.diskseq = new.folder, new.diskseq
        target.gone = None

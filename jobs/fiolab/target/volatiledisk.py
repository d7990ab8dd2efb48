# SPDX-License-Identifier: GPL-2.0-only
# A scratch disk whose power can be cut for real: a loop device with a volatile
# cache (the page cache) on a file in an ext4 of its own.  To cut, the ext4 is
# shut down without writing its log: from then on all I/O fails, what was not
# flushed never reaches its image, and the next mount recovers the journal, as
# after a power loss.
#
# The mount is in no folder, and the loop devices detach themselves: all of it
# goes with our descriptors, whatever ends us.
from collections.abc import Callable, Iterator
import contextlib
import ctypes
import fcntl
import os
import struct
import time

from ..base.problem import Problem
from . import loopdevice, sysfs, tools

LIBC = ctypes.CDLL(None, use_errno=True)
FSOPEN, FSCONFIG, FSMOUNT = 430, 431, 432   # the same on all architectures
SET_STRING, CREATE, CLOEXEC = 1, 6, 1       # <linux/mount.h>
SHUTDOWN, WITHOUT_LOG = 0x8004587D, 2       # EXT4_IOC_SHUTDOWN, NOLOGFLUSH
SPARE = 32 << 20            # the ext4 is so much larger than the disk
PATIENCE = 15               # seconds until the kernel lets go of the ext4


def missing() -> str | None:
    """Why there can be none here; None if there can."""
    if os.geteuid():
        return "the drill needs root, for loop devices and a mount"
    if tools.find("mkfs.ext4") is None:
        return "the drill needs mkfs.ext4 (apt-get install e2fsprogs)"
    if not os.path.exists(loopdevice.CONTROL):
        return "the drill needs loop devices (modprobe loop)"
    return None


def _call(number, *words):
    result = LIBC.syscall(ctypes.c_long(number), *words)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def _mounted(device, stack):
    """A descriptor of the root of the file system on a device."""
    setup = _call(FSOPEN, b"ext4", CLOEXEC)
    try:
        _call(FSCONFIG, setup, SET_STRING, b"source", device.encode(), 0)
        _call(FSCONFIG, setup, CREATE, None, None, 0)
        mount = _call(FSMOUNT, setup, CLOEXEC, 0)
    finally:
        os.close(setup)
    stack.callback(os.close, mount)
    return mount


def _with_cache(device):
    """A loop device keeps what was once said of its cache, also by another
    user of it: without a cache it would be sent no flushes."""
    sysfs.write("write back", "/sys/block", os.path.basename(device),
                "queue/write_cache")
    return device


class VolatileDisk:
    """Made in a folder, of so many bytes, which are zeroes."""

    def __init__(self, folder: str, size: int):
        self.image = os.path.join(folder, "volatile.img")
        with open(self.image, "wb") as file:
            file.truncate(size + SPARE)
        done = tools.run("mkfs.ext4", "-q", "-F", "-b", "4096", self.image,
                         seconds=60)
        if done is None or done.status != 0:
            why = done.why() if done else "it is not there any more"
            raise Problem(f"mkfs.ext4 failed ({why}), so no power cut "
                          "can be tried: look at the temporary folder.")
        with self._file_system() as mount:
            self._make(mount, size)

    @staticmethod
    def _make(mount, size):
        disk = os.open("disk", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600,
                       dir_fd=mount)
        try:
            os.posix_fallocate(disk, 0, size)
            os.fsync(disk)
        finally:
            os.close(disk)

    def remove(self) -> None:
        os.unlink(self.image)

    @contextlib.contextmanager
    def _file_system(self):
        with contextlib.ExitStack() as stack:
            device = _with_cache(loopdevice.make(
                self.image, stack, writable=True, direct=False))
            stack.callback(self._await_release, device)
            with contextlib.ExitStack() as inner:
                try:
                    mount = _mounted(device, inner)
                except OSError as error:
                    raise Problem("cannot mount the scratch ext4 of the power "
                                  f"cut ({error.strerror}).") from None
                yield mount

    def _await_release(self, device):
        """Not before the kernel let go of it may it be mounted again."""
        end = time.monotonic() + PATIENCE
        while self._held(device):
            if time.monotonic() > end:
                raise Problem(f"the kernel does not let go of {device}, the "
                              "scratch disk of the power cut.")
            time.sleep(0.01)

    @staticmethod
    def _held(device):
        """Does anything but us have it open?  A mount does, exclusively."""
        try:
            os.close(os.open(device, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
            return False
        except OSError:
            return True

    @contextlib.contextmanager
    def attached(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """(device, function that cuts its power), until the block ends."""
        with self._file_system() as mount, contextlib.ExitStack() as stack:
            folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC,
                             dir_fd=mount)
            stack.callback(os.close, folder)
            device = _with_cache(loopdevice.make(
                f"/proc/self/fd/{folder}/disk", stack, writable=True,
                direct=False))

            def cut():
                fcntl.ioctl(folder, SHUTDOWN, struct.pack("I", WITHOUT_LOG))
            yield device, cut

# SPDX-License-Identifier: GPL-2.0-only
# Our own reads and writes of a target, past the page cache: to damage it in
# one place, and to look at it with other eyes than fio's; and its blocks given
# back.  Nothing outside of the target's bytes is ever written.
from collections.abc import Callable, Iterator
import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import struct

from .target import Target

BLKDISCARD = 0x1277
PUNCH_HOLE = 3          # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
LIBC = ctypes.CDLL(None, use_errno=True)


def discard(descriptor: int, start: int, length: int) -> None:
    """Give bytes of a block device back to it; OSError where it has none."""
    fcntl.ioctl(descriptor, BLKDISCARD, struct.pack("QQ", start, length))


def punch(descriptor: int, start: int, length: int) -> None:
    """Give bytes of a file back to its file system: they become a hole."""
    if LIBC.fallocate(descriptor, PUNCH_HOLE, ctypes.c_long(start),
                      ctypes.c_long(length)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def flush(path: str) -> None:
    """The volatile cache of a block device, or of the one below a file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Raw:
    """An open target.  Offsets and lengths are multiples of its blocks.

    reopen: opens what was claimed instead of what the path is now.
    """

    def __init__(self, path: str, size: int, writable: bool = False,
                 reopen: Callable[[int], int] | None = None):
        self.size = size
        flags = ((os.O_RDWR if writable else os.O_RDONLY) | os.O_DIRECT |
                 os.O_SYNC | os.O_CLOEXEC)
        self.descriptor = reopen(flags) if reopen else os.open(path, flags)

    def close(self) -> None:
        os.close(self.descriptor)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly so many bytes; OSError if there are fewer."""
        with mmap.mmap(-1, length) as buffer:
            got = os.preadv(self.descriptor, [buffer], offset)
            if got != length:
                raise OSError(errno.EIO, f"{got} of {length} bytes were read "
                              f"at {offset}")
            return buffer[:]

    def write(self, offset: int, data: bytes) -> None:
        if offset < 0 or offset + len(data) > self.size:
            raise ValueError(f"{offset} is not within the target")
        with mmap.mmap(-1, len(data)) as buffer:
            buffer[:] = data
            if os.pwritev(self.descriptor, [buffer], offset) != len(data):
                raise OSError(errno.EIO, f"a short write at {offset}")


@contextlib.contextmanager
def opened(target: Target, writable: bool = False) -> Iterator[Raw]:
    """By its claim, where that was not let go of for a power cut."""
    raw = Raw(target.path, target.size, writable,
              target.reopen if target.descriptor >= 0 else None)
    try:
        yield raw
    finally:
        raw.close()

# SPDX-License-Identifier: GPL-2.0-only
# A loop device with direct I/O: its I/O completes later, as a real device's
# does.  Read-only, and direct, unless asked for otherwise.  The kernel itself
# detaches it when our descriptor goes, so that none is left behind, whatever
# ends us.  losetup(8) cannot ask for that: one of a command that is killed
# before it has opened the device would stay.
import contextlib
import errno
import fcntl
import os
import struct

from ..base.problem import Problem
from . import sysfs

CONTROL = "/dev/loop-control"
GET_FREE, CONFIGURE = 0x4C82, 0x4C0A        # <linux/loop.h>
READ_ONLY, AUTOCLEAR, DIRECT_IO = 1, 4, 16
CONFIG = "II40xIIII176x64x"                 # struct loop_config
TRIES = 20


def _free():
    descriptor = os.open(CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        return f"/dev/loop{fcntl.ioctl(descriptor, GET_FREE)}"
    finally:
        os.close(descriptor)


def _configure(device, backing, writable, direct, stack):
    descriptor = os.open(device, os.O_CLOEXEC |
                         (os.O_RDWR if writable else os.O_RDONLY))
    stack.callback(os.close, descriptor)
    flags = (AUTOCLEAR | (DIRECT_IO if direct else 0) |
             (0 if writable else READ_ONLY))
    fcntl.ioctl(descriptor, CONFIGURE, struct.pack(
        CONFIG, backing, 0, 0, 0, 0, flags))


def _taken(backing, writable, direct, stack):
    """A device on the backing descriptor; another program may be quicker."""
    for left in reversed(range(TRIES)):
        device = _free()
        with contextlib.ExitStack() as trial:
            try:
                _configure(device, backing, writable, direct, trial)
            except OSError as error:
                if error.errno != errno.EBUSY or not left:
                    raise
                continue
            stack.push(trial.pop_all())
            return device


def is_direct(device: str) -> bool:
    """Does the kernel use direct I/O below it?"""
    return sysfs.number("/sys/block", os.path.basename(device),
                        "loop/dio") == 1


def make(path: str, stack: contextlib.ExitStack, writable: bool = False,
         direct: bool = True) -> str:
    """The loop device on a file, until the stack unwinds.  One that is not
    direct keeps what is written to it in the page cache until a flush."""
    try:
        backing = os.open(path, os.O_CLOEXEC |
                          (os.O_RDWR if writable else os.O_RDONLY))
        try:
            device = _taken(backing, writable, direct, stack)
        finally:
            os.close(backing)
    except OSError as error:
        raise Problem(f"cannot make a loop device on {path} "
                      f"({error.strerror}): be root, and modprobe "
                      "loop.") from None
    if direct and not is_direct(device):
        raise Problem(f"the file system of {path} does not let a loop device "
                      "use direct I/O (tmpfs does from Linux 6.6 on).")
    return device

# SPDX-License-Identifier: GPL-2.0-only
# What uses a block device, or a file?  A device is used while it, the disk it
# is a part of, or a part of it is mounted, swapped on, held by md, dm or a loop
# device, or exported by the kernel's NVMe target.  Whether it may be
# overwritten is for claim.py to say.
import contextlib
import fcntl
import glob
import os
import re
import stat
import struct

from ..base.problem import Problem
from . import sysfs, tools

NVMET = "/sys/kernel/config/nvmet/subsystems"
LOOP_GET_STATUS64, LOOP_STATUS = 0x4C05, 232    # <linux/loop.h>, its struct
# Number of the device, mount point, type, source.
Mount = tuple[int, str, str, str]


def device_number(path: str) -> int | None:
    """st_rdev of a block device node (symlinks followed); None otherwise."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_rdev if stat.S_ISBLK(info.st_mode) else None


def node_number(path: str) -> int | None:
    """The same of a target; a Problem where there is nothing any more, which
    is not to be taken for a file."""
    try:
        info = os.stat(path)
    except OSError as error:
        raise Problem(f"{path} is gone ({error.strerror}).") from None
    return info.st_rdev if stat.S_ISBLK(info.st_mode) else None


def mounts() -> list[Mount]:
    """(device number, mount point, type, source) of every mount we can see; a
    Problem where that cannot be told."""
    told = tools.told("is mounted", "findmnt", "--kernel", "--list",
                      "--nofsroot", "--json", "--output",
                      "MAJ:MIN,TARGET,FSTYPE,SOURCE")
    return [(os.makedev(*map(int, row["maj:min"].split(":"))), row["target"],
             row["fstype"], row["source"] or "")
            for row in told["filesystems"]]


def swaps() -> list[str]:
    """Paths of what is swapped on; a kernel without swap has no such file."""
    lines = (sysfs.path("/proc/swaps") or "").split("\n")[1:]
    return [re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)),
                   line.split(" ")[0]) for line in lines]


def loop_files() -> list[tuple[str, str]]:
    """(loop device name, its backing file or device) of all loop devices."""
    pairs = [(n, sysfs.path("/sys/block", n, "loop/backing_file"))
             for n in os.listdir("/sys/block") if n.startswith("loop")]
    return [(n, path) for n, path in pairs if path]


def _exported(is_it):
    """The NVMe target that exports it, in words; None if none does.  It opens
    devices and files so that others may open them, too."""
    for folder in sorted(glob.glob(f"{NVMET}/*/namespaces/*")):
        path = sysfs.path(folder, "device_path")
        if path and sysfs.read(folder, "enable") == "1" and is_it(path):
            name = os.path.basename(os.path.dirname(os.path.dirname(folder)))
            return f"the NVMe target {name} exports it"
    return None


def _loop_status(name):
    """(device, inode, number of the device) that a loop device is on, which
    root is told though its name is gone or in another mount namespace.  losetup
    has no column for the last."""
    answer = bytearray(LOOP_STATUS)
    with contextlib.suppress(OSError):
        descriptor = os.open(f"/dev/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.ioctl(descriptor, LOOP_GET_STATUS64, answer, True)
            return struct.unpack_from("QQQ", answer)
        finally:
            os.close(descriptor)
    return None


def _loop_on(but, is_it, is_status):
    """A loop device on what is asked for, in words; None if there is none."""
    for name, path in loop_files():
        if name == but:
            continue
        # No device is opened whose file can be looked at without.
        status = None if os.path.exists(path) else _loop_status(name)
        if is_status(*status) if status else is_it(path):
            return f"/dev/{name} is a loop device on it"
    return None


def family(number: int) -> list[str]:
    """sysfs folders of the device, its whole disk and its partitions."""
    own = sysfs.of(number)
    return [*dict.fromkeys((own, sysfs.whole(own))), *sysfs.partitions(own)]


def held_by(number: int, but: str = "") -> str | None:
    """What uses the device or an overlapping one, in words; None if nothing.

    but: the name of a loop device that may be on it.
    """
    folders = family(number)
    numbers = {sysfs.device(folder) for folder in folders}
    for mounted, point, _, source in mounts():
        if mounted in numbers or device_number(source) in numbers:
            return f"it is mounted on {point}"
    for path in swaps():
        if device_number(path) in numbers:
            return f"{path} is swap space"

    def is_it(path):
        return device_number(path) in numbers
    user = _loop_on(but, is_it, lambda _device, _inode, number:
                    number in numbers) or _exported(is_it)
    if user:
        return user
    for folder in folders:
        for holder in os.listdir(folder + "/holders"):
            return f"it is held by {holder}"
    return None


def _is(info, path):
    """Does a path lead to the file of a stat result?"""
    try:
        return os.path.samestat(info, os.stat(path))
    except OSError:
        return False


def file_used(info: os.stat_result, but: str = "") -> str | None:
    """What uses a file (its stat result), in words; None if nothing.

    but: the name of a loop device that may be on it.
    """
    if any(_is(info, path) for path in swaps()):
        return "it is swap space"
    return _loop_on(but, lambda path: _is(info, path),
                    lambda device, inode, _number:
                    (device, inode) == (info.st_dev, info.st_ino)
                    ) or _exported(lambda path: _is(info, path))


def among_devices(path: str) -> bool:
    """Is a name in the folder of the devices, where a file would be in memory,
    in the place of a device?  What is mounted in it, and shm, are for files."""
    if not path.startswith("/dev/") or path.startswith("/dev/shm/"):
        return False
    try:
        return os.stat(os.path.dirname(path)).st_dev == os.stat("/dev").st_dev
    except OSError:
        return False


def size(path: str) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)

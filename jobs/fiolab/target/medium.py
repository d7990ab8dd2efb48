# SPDX-License-Identifier: GPL-2.0-only
# What a path lies on: memory or a device, under which name, and how much room
# there is.
import os
import re

from ..base.problem import Problem
from . import blockdevice, sysfs

SPARE = 16 << 20
RAM_TYPES = {"tmpfs", "ramfs"}
RAM_KINDS = {"zram", "ram", "null", "pmem"}


def mount_of(path):
    """The row of mounts() of the file system that holds a path, which need not
    exist yet, as findmnt --target wants."""
    path, best = os.path.realpath(path), None
    for row in blockdevice.mounts():
        point = row[1].rstrip("/") + "/"
        if (path + "/").startswith(point):
            if best is None or len(point) >= len(best[1].rstrip("/") + "/"):
                best = row
    return best


def _in_ram(number):
    return sysfs.kind(sysfs.whole(sysfs.of(number))) in RAM_KINDS


def _device_label(number):
    """'vda (model)' for a device number, from sysfs."""
    folder = sysfs.of(number)
    name = os.path.basename(folder)
    model = sysfs.read(sysfs.whole(folder), "device/model")
    return f"{name} ({model})" if model else name


def identify(path: str) -> tuple[bool, str]:
    """(is it memory?, label) of a file or block device."""
    number = blockdevice.device_number(path)
    if number is not None:
        ram = _in_ram(number)
        return ram, f"{'RAM' if ram else 'device'} {_device_label(number)}"
    row = mount_of(path)
    if row is None:             # in a chroot that is not a mount point
        return False, f"disk ({_device_label(os.stat(path).st_dev)})"
    _, point, fstype, source = row
    if fstype in RAM_TYPES:
        return True, f"RAM ({fstype} {point})"
    number = blockdevice.device_number(source)
    name = _device_label(number) if number is not None else source
    ram = number is not None and _in_ram(number)
    return ram, f"{'RAM' if ram else 'disk'} ({fstype} on {name})"


def room_in(folder: str) -> int:
    """Bytes a new file may take; on a RAM file system also free memory."""
    info = os.statvfs(folder)
    room = info.f_bavail * info.f_frsize
    if identify(folder)[0]:
        with open("/proc/meminfo", encoding="ascii") as file:
            match = re.search(r"MemAvailable:\s+(\d+)", file.read())
        room = min(room, int(match[1]) * 1024) if match else room
    return room


def check_room(folder: str, size: int) -> None:
    """Refuse a scratch file that would leave nothing free."""
    room = room_in(folder) - SPARE
    if room < size:
        raise Problem(f"{folder} has room for {max(room, 0) >> 20} MiB but the "
                      f"scratch file needs {size >> 20} MiB: free some space, "
                      "or give a smaller --size or another --target.")

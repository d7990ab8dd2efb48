# SPDX-License-Identifier: GPL-2.0-only
# What a user should hear of before the first write, though it forbids nothing:
# a partition beside the target that is in use, and what the target's own
# partitions hold, as a member of a stopped md array.  Where the target may not
# be opened yet, udev's notes are read: it has looked at each device already.
import os

from . import blockdevice, signatures, sysfs
from .target import Target

UDEV = "/run/udev/data"


def _folder(path):
    """Of a block device in sysfs; None for a file."""
    number = blockdevice.device_number(path)
    folder = number and sysfs.of(number)
    return folder if folder and os.path.isdir(folder) else None


def beside(path: str) -> list[str]:
    """A sentence for each partition of the same disk that is in use."""
    own = _folder(path)
    if own is None or sysfs.whole(own) == own:
        return []
    used = [(folder, blockdevice.held_by(number))
            for folder in sysfs.partitions(sysfs.whole(own))
            if folder != own and (number := sysfs.device(folder))]
    return [f"{path} shares a disk with {sysfs.node(folder)}, which is in use "
            f"({reason}): the runs slow it down, and it disturbs them."
            for folder, reason in used if reason]


def _sentence(path, folder, found):
    where = "" if _folder(path) == folder else f"in {sysfs.node(folder)} "
    return (f"{path} holds {where}{' and '.join(found)}, which this run "
            "destroys.")


def _held(folder):
    """What a partition holds, in words."""
    node = sysfs.node(folder)
    if blockdevice.device_number(node) != sysfs.device(folder):
        return ["what cannot be looked at (it is not in /dev)"]
    return signatures.found(node)


def within(target: Target) -> list[str]:
    """What the partitions of a claimed target hold."""
    own = _folder(target.path)
    known = [(folder, _held(folder))
             for folder in (sysfs.partitions(own) if own else ())]
    return [_sentence(target.path, folder, found)
            for folder, found in known if found]


def _notes(folder):
    """udev's properties of a device, from its file: lsblk, where it knows of
    none, may open the device."""
    text = sysfs.read(UDEV, f"b{sysfs.read(folder, 'dev')}") or ""
    return dict(line[2:].partition("=")[::2] for line in text.splitlines()
                if line.startswith("E:"))


def _noted(folder):
    notes = _notes(folder)
    kind, table = notes.get("ID_FS_TYPE"), notes.get("ID_PART_TABLE_TYPE")
    # A partition has its disk's table among its notes.
    table = None if "ID_PART_ENTRY_NUMBER" in notes else table
    return ([signatures.NAMES.get(kind, f"a file system ({kind})")]
            if kind else []) + (
                [f"a partition table ({table})"] if table else [])


def noted(path: str) -> list[str]:
    """What the target and its partitions hold, as far as udev knows."""
    own = _folder(path)
    known = [(folder, _noted(folder))
             for folder in ([own, *sysfs.partitions(own)] if own else ())]
    return [_sentence(path, folder, found) for folder, found in known if found]

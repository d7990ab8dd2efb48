# SPDX-License-Identifier: GPL-2.0-only
# What a user should hear of before the first write, though it forbids nothing:
# what is on the target and on its partitions, as wipefs tells.  Where the
# target may not be opened yet, udev's notes are read: it has looked at each
# device already.  Only reads.
import os

from . import blockdevice, sysfs, tools
from .target import Target

UDEV = "/run/udev/data"
EXT = "an ext2, ext3 or ext4 file system"
BOOT = "a boot sector or partition table"
# By the name that libblkid gives, which udev's notes have as well.
NAMES = {"linux_raid_member": "a member of an md array",
         "LVM2_member": "an LVM physical volume",
         "zfs_member": "a ZFS pool", "crypto_LUKS": "LUKS encrypted data",
         "bcache": "a bcache device", "swap": "swap space"}
FOUND = {**NAMES, "ext2": EXT, "ext3": EXT, "ext4": EXT,
         "xfs": "an XFS file system", "btrfs": "a btrfs file system",
         "f2fs": "an F2FS file system", "ntfs": "an NTFS file system",
         "exfat": "an exFAT file system", "vfat": "a FAT file system",
         "iso9660": "an ISO 9660 file system",
         "squashfs": "a SquashFS file system",
         "gpt": "a GPT partition table", "dos": BOOT, "PMBR": BOOT}
# All others, by what it is used for.
USAGES = {"filesystem": "a file system ({})", "crypto": "encrypted data ({})",
          "raid": "a member of an array ({})",
          "partition-table": "a partition table ({})"}


def _words(row):
    kind = row["type"]
    return FOUND.get(kind) or USAGES.get(row["usage"], "data of {}").format(
        kind)


def found(path: str, descriptor: int | None = None) -> list[str]:
    """What is there, in words, each once; a Problem where it cannot be told.

    descriptor: what to look at, whatever the path is now.
    """
    place, kept = ((path, ()) if descriptor is None else
                   (f"/proc/self/fd/{descriptor}", (descriptor,)))
    told = tools.told(f"{path} holds", "wipefs", "--no-act", "--json",
                      "--output", "OFFSET,TYPE,USAGE", place, pass_fds=kept)
    rows = sorted(told["signatures"], key=lambda row: int(row["offset"], 0))
    return list(dict.fromkeys(map(_words, rows)))


def _folder(path):
    """Of a block device in sysfs; None for a file."""
    number = blockdevice.device_number(path)
    folder = number and sysfs.of(number)
    return folder if folder and os.path.isdir(folder) else None


def _sentence(path, folder, held):
    where = "" if _folder(path) == folder else f"in {sysfs.node(folder)} "
    return (f"{path} holds {where}{' and '.join(held)}, which this run "
            "destroys.")


def _held(folder):
    """What a partition holds, in words."""
    node = sysfs.node(folder)
    if blockdevice.device_number(node) != sysfs.device(folder):
        return ["what cannot be looked at (it is not in /dev)"]
    return found(node)


def _within(target):
    """What the partitions of a claimed target hold."""
    own = _folder(target.path)
    known = [(folder, _held(folder))
             for folder in (sysfs.partitions(own) if own else ())]
    return [_sentence(target.path, folder, held)
            for folder, held in known if held]


def warnings(target: Target, partitions: list[str] | None) -> list[str]:
    """A sentence each, of a claimed target that is to be overwritten."""
    path, held = target.path, found(target.path, target.descriptor)
    texts = []
    if held:
        texts.append(f"{path} holds {' and '.join(held)}, which this run "
                     "destroys.")
    if partitions:
        texts.append(f"{path} has the partitions {', '.join(partitions)}, "
                     "which this run destroys.")
    return [*texts, *_within(target)]


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
    return ([NAMES.get(kind, f"a file system ({kind})")]
            if kind else []) + (
                [f"a partition table ({table})"] if table else [])


def noted(path: str) -> list[str]:
    """What the target and its partitions hold, as far as udev knows."""
    own = _folder(path)
    known = [(folder, _noted(folder))
             for folder in ([own, *sysfs.partitions(own)] if own else ())]
    return [_sentence(path, folder, held)
            for folder, held in known if held]

# SPDX-License-Identifier: GPL-2.0-only
# What is on a target, as wipefs tells: named in a warning before it is
# destroyed.  Only reads.
from . import tools

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


def found(path, descriptor=None):
    """What is there, in words, each once; a Problem where it cannot be told.

    descriptor: what to look at, whatever the path is now.
    """
    place, kept = ((path, ()) if descriptor is None else
                   (f"/proc/self/fd/{descriptor}", (descriptor,)))
    told = tools.told(f"{path} holds", "wipefs", "--no-act", "--json",
                      "--output", "OFFSET,TYPE,USAGE", place, pass_fds=kept)
    rows = sorted(told["signatures"], key=lambda row: int(row["offset"], 0))
    return list(dict.fromkeys(map(_words, rows)))

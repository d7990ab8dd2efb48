# SPDX-License-Identifier: GPL-2.0-only
# What is on a target, as far as its magic numbers tell: named in a warning
# before it is destroyed.  Only reads.
import os

# (offset, magic, what it belongs to)
MAGICS = (
    (510, b"\x55\xaa", "a boot sector or partition table"),
    (512, b"EFI PART", "a GPT partition table"),
    (4096, b"EFI PART", "a GPT partition table"),
    (0x438, b"\x53\xef", "an ext2, ext3 or ext4 file system"),
    (0, b"XFSB", "an XFS file system"),
    (0x10040, b"_BHRfS_M", "a btrfs file system"),
    (0x400, b"\x10\x20\xf5\xf2", "an F2FS file system"),
    (3, b"NTFS    ", "an NTFS file system"),
    (3, b"EXFAT   ", "an exFAT file system"),
    (54, b"FAT1", "a FAT file system"), (82, b"FAT32   ", "a FAT file system"),
    (32769, b"CD001", "an ISO 9660 file system"),
    (0, b"hsqs", "a SquashFS file system"),
    (0, b"LUKS\xba\xbe", "LUKS encrypted data"),
    *((512 * sector, b"LABELONE", "an LVM physical volume")
      for sector in range(4)),
    *((page - 10, b"SWAPSPACE2", "swap space")
      for page in (4096, 16384, 65536)),
    (0, b"\xfc\x4e\x2b\xa9", "a member of an md array"),
    (4096, b"\xfc\x4e\x2b\xa9", "a member of an md array"),
    (131072, b"\x0c\xb1\xba\x00", "a ZFS pool"),
    (131072, b"\x00\x00\x00\x00\x00\xba\xb1\x0c", "a ZFS pool"),
    (4120, bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81"),
     "a bcache device"))
# Bytes before the end of the second GPT, by the size of a logical block.
GPT_ENDS = (512, 4096)


def _md_at_the_end(descriptor, size, start):
    places = (size // 65536 * 65536 - 65536, (size - 8192) // 4096 * 4096)
    return any(place > 0 and os.pread(descriptor, 4, start + place) ==
               b"\xfc\x4e\x2b\xa9" for place in places)


def found(descriptor, size, start=0):
    """What is there, in words, each once; start: of a partition, on its disk.
    """
    places = [*MAGICS, *((size - back, b"EFI PART", "a GPT partition table")
                         for back in GPT_ENDS if size > back)]
    names = [what for place, magic, what in places
             if place + len(magic) <= size
             and os.pread(descriptor, len(magic), start + place) == magic]
    if _md_at_the_end(descriptor, size, start):
        names.append("a member of an md array")
    return list(dict.fromkeys(names))

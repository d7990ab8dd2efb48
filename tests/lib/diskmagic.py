# SPDX-License-Identifier: GPL-2.0-only
# The least that libblkid takes for a file system, an array's member or a table:
# {offset, from the end if below 0: bytes}.  Since util-linux 2.41 it asks more of
# btrfs, exFAT and ZFS than a magic number, since 2.42 of ISO 9660.
import hashlib
import os
import struct
import zlib

SIZE = 64 << 20             # the least of a ZFS pool
MD = b"\xfc\x4e\x2b\xa9"


def _gpt(own, other):
    """A header of the table, with its checksum, in a disk of SIZE bytes."""
    made = struct.pack("<8s4I4Q16sQ3I", b"EFI PART", 0x10000, 92, 0, 0, own,
                       other, 34, SIZE // 512 - 34, b"G" * 16, 2, 128, 128,
                       zlib.crc32(bytes(128 * 128)))
    return made[:16] + struct.pack("<I", zlib.crc32(made)) + made[20:]


def _btrfs():
    """A superblock with its checksum, of the kind that hashlib has."""
    block = bytearray(4096)
    block[0x40:0x48] = b"_BHRfS_M"
    struct.pack_into("<I", block, 0x90, 4096)       # sectorsize
    struct.pack_into("<H", block, 0xc4, 2)          # csum_type: SHA-256
    block[:32] = hashlib.sha256(block[32:]).digest()
    return bytes(block)


def _exfat():
    """The boot region: 11 sectors and one of their checksum, repeated."""
    boot = bytearray(11 * 512)
    boot[:11] = b"\xeb\x76\x90EXFAT   "
    # FAT's offset and length, heap, clusters, root; sectors of 1 << 9.
    struct.pack_into("<5I", boot, 80, 24, 8, 32, 64, 2)
    boot[108:111] = b"\x09\0\1"
    boot[120:512] = b"\xf4" * 390 + b"\x55\xaa"
    total = 0
    for place, byte in enumerate(boot):
        if place not in (106, 107, 112):
            total = ((total << 31 | total >> 1) + byte) & 0xffffffff
    return bytes(boot) + struct.pack("<I", total) * 128


def _zfs_label():
    """The list of a label (XDR), which only recent libblkid looks at."""
    pairs = b""
    for name, value in ((b"guid", 1), (b"state", 0), (b"txg", 1)):
        padded = name.ljust(-len(name) % 4 + len(name), b"\0")
        pairs += struct.pack(">3I", 28 + len(padded), 0, len(name)) + padded
        pairs += struct.pack(">IIQ", 8, 1, value)
    return b"\1\1" + bytes(10) + pairs


def _iso9660():
    """The primary descriptor and the root folder that it names, whose first
    entry is itself; numbers are in either order of bytes."""
    def both(number):
        return struct.pack("<I", number) + struct.pack(">I", number)
    place = 18
    root = struct.pack("BB", 34, 0) + both(place) + both(2048) + bytes(7) + \
        b"\2\0\0" + struct.pack("<HHBB", 1, 1 << 8, 1, 0)
    return {32768: b"\1CD001\1", 32768 + 128: struct.pack("<HH", 2048, 8),
            32768 + 156: root, place * 2048: root}


LAST = SIZE // 512 - 1
DOS = {446: b"\0\1\1\0\x83\1\1\1" + struct.pack("<II", 1, 100),
       510: b"\x55\xaa"}
EXT = {0x438: b"\x53\xef"}
KINDS = [
    ("a boot sector or partition table", DOS),
    ("a GPT partition table", {512: _gpt(1, LAST)}),
    ("a GPT partition table", {-512: _gpt(LAST, 1)}),
    ("an ext2, ext3 or ext4 file system", EXT),
    ("an XFS file system", {
        0: bytes.fromhex("58465342000010"), 14: b"\x10",
        83: bytes.fromhex("10000010"), 91: b"\1",
        102: bytes.fromhex("020001"), 120: bytes.fromhex("0c090804")}),
    ("a btrfs file system", {0x10000: _btrfs()}),
    ("an F2FS file system", {0x400: b"\x10\x20\xf5\xf2"}),
    ("an NTFS file system", {
        3: b"NTFS    \0\2\x08", 41: b"O", 48: b"\4", 64: b"\xf6",
        16384: b"FILE", 19456: b"FILE"}),
    ("an exFAT file system", {0: _exfat()}),
    ("a FAT file system", {
        12: bytes.fromhex("02010100020000000bf0"), 54: b"FAT12   "}),
    ("a FAT file system", {
        12: bytes.fromhex("0201200002"), 21: b"\xf8", 34: b"\1",
        82: b"FAT32   "}),
    ("an ISO 9660 file system", _iso9660()),
    ("a SquashFS file system", {0: b"hsqs", 28: b"\4"}),
    ("LUKS encrypted data", {0: b"LUKS\xba\xbe\0\1"}),
    *(("an LVM physical volume", {
        512 * n: b"LABELONE" + bytes([n]), 512 * n + 24: b"LVM2 001"})
      for n in range(4)),
    *(("swap space", {1024: b"\1\0\0\0\x3f", page - 10: b"SWAPSPACE2"})
      for page in (4096, 16384, 65536)),
    ("a member of an md array", {0: MD + b"\1"}),
    ("a member of an md array", {4096: MD + b"\1", 4240: b"\x08"}),
    ("a member of an md array", {
        -8192: MD + b"\1", -8048: struct.pack("<Q", SIZE // 512 - 16)}),
    ("a member of an md array", {-65536: MD + struct.pack("<II", 0, 90)}),
    *(("a ZFS pool", {16 << 10: _zfs_label(),
                      **{(128 + n) << 10: magic for n in range(8)}})
      for magic in (b"\x0c\xb1\xba\0", b"\0\0\0\0\0\xba\xb1\x0c")),
    ("a bcache device", {
        4104: b"\x08",
        4120: bytes.fromhex("c68573f64e1a45ca8265f57f48ba6d81")})]


def write(path, places):
    """Into a file, which becomes SIZE bytes of zeroes else."""
    with open(path, "wb") as file:
        file.truncate(SIZE)
        for place, magic in places.items():
            file.seek(place, os.SEEK_SET if place >= 0 else os.SEEK_END)
            file.write(magic)

# SPDX-License-Identifier: GPL-2.0-only
# Blocks of two generations, told apart to their last byte: what the power cut
# test writes before and during the run that the cut hits, and how it sees
# afterwards which of both each block is.
import numpy as np

from ...target import blockio

BLOCK = 4096
SKIPPED = 64                # bytes at the beginning of a block: fio's header
CHUNK = 1 << 20
OLD, NEW = 0x6F6C64206F6C6421, 0x6E6577206E657721


def pattern(tag):
    """fio's verify_pattern: the tag and the block's own offset, repeated."""
    return f"0x{tag:016x}%o"


def _expected(tag, offset, count):
    """What such blocks hold, but for fio's headers: (count, BLOCK/8) words."""
    found = np.empty((count, BLOCK // 8), dtype=">u8")
    found[:, 0::2] = tag
    found[:, 1::2] = (offset + BLOCK * np.arange(count, dtype=np.uint64)
                      ).astype("<u8").view(">u8")[:, None]
    return found[:, SKIPPED // 8:]


def told_apart(data, offset):
    """Of each block at that offset: is it the old one, is it the new one."""
    words = np.frombuffer(data, dtype=">u8").reshape(-1, BLOCK // 8)
    words = words[:, SKIPPED // 8:]
    return [(words == _expected(tag, offset, len(words))).all(axis=1)
            for tag in (OLD, NEW)]


def look(path, size):
    """(old, new) of all blocks of a region, as it is on the device."""
    raw = blockio.Raw(path, size)
    try:
        parts = [told_apart(raw.read(at, min(CHUNK, size - at)), at)
                 for at in range(0, size, CHUNK)]
    finally:
        raw.close()
    return [np.concatenate(column) for column in zip(*parts)]


def acknowledged(log, size):
    """Which blocks fio logged as written, from its log of latencies."""
    found = np.zeros(size // BLOCK, dtype=bool)
    with open(log, encoding="ascii") as file:
        for line in file:
            fields = line.split(",")
            # The last line may lack its end, where fio was killed.
            if line.endswith("\n") and int(fields[2]) == 1:
                found[int(fields[4]) // BLOCK] = True
    return found

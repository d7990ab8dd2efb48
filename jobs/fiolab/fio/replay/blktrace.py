# SPDX-License-Identifier: GPL-2.0-only
"""The I/Os in a binary blktrace file, as `blkparse -d` makes one of those of
all CPUs.  Of its events those are taken that fio replays, the I/Os as they
were queued.  Source: include/uapi/linux/blktrace_api.h; fio's blktrace.c.
"""
from collections.abc import Iterator
import struct
from typing import BinaryIO

from ...base.problem import Problem
from .entry import IO

MAGIC, VERSION = 0x65617400, 7
FIELDS = "IIQQIIIIIHH"      # magic, sequence, time, sector, bytes, action, pid,
                            # device, cpu, error, length of what follows
SIZE = struct.calcsize(f"<{FIELDS}")
QUEUE = 1
WRITE, FLUSH, NOTIFY, DISCARD = (1 << (16 + bit) for bit in (1, 2, 10, 13))
SECTOR = 512


def order(begin: bytes) -> str:
    """"<" or ">", of a file that begins so; "" where it is no blktrace."""
    for one in "<>":
        if len(begin) >= 4 and struct.unpack_from(
                f"{one}I", begin)[0] & 0xffffff00 == MAGIC:
            return one
    return ""


def _kind(action, length):
    """None: it is no I/O."""
    if action & DISCARD:
        return "trim"
    if action & FLUSH:
        return "sync"
    if not length:
        return None
    return "write" if action & WRITE else "read"


def ios(file: BinaryIO, path: str) -> Iterator[IO]:
    """Those of an open file, from its beginning on."""
    event = struct.Struct(f"{order(file.read(4))}{FIELDS}")
    file.seek(0)
    while begin := file.read(SIZE):
        if len(begin) < SIZE:
            raise Problem(f"{path} ends in the middle of an event: it was cut "
                          "short; make it again with blkparse -d.")
        (magic, _, ns, sector, length, action, _, device, _, _,
         more) = event.unpack(begin)
        if magic != MAGIC | VERSION:
            raise Problem(f"{path} has an event of another version of "
                          f"blktrace ({magic:#x}), or is damaged: make it "
                          "again with blkparse -d.")
        if len(file.read(more)) < more:
            raise Problem(f"{path} ends in the middle of an event: it was cut "
                          "short; make it again with blkparse -d.")
        if action & 0xffff != QUEUE or action & NOTIFY:
            continue
        kind = _kind(action, length)
        if kind:
            yield IO(ns / 1000, kind, str(device), sector * SECTOR,
                     0 if kind == "sync" else length)

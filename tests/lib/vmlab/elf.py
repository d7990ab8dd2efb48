# SPDX-License-Identifier: GPL-2.0-only
"""What a program of 64 bits, of any processor, is linked to: its dynamic section,
as the specification of ELF has it."""
import mmap
import struct

LOAD, DYNAMIC = 1, 2
NEEDED, STRINGS, RPATH, RUNPATH = 1, 5, 15, 29


def _segments(data, order):
    """[(type, offset, address, bytes)]"""
    at, = struct.unpack_from(order + "Q", data, 32)
    size, count = struct.unpack_from(order + "HH", data, 54)
    for i in range(count):
        kind, _, offset, address, _, length = struct.unpack_from(
            order + "IIQQQQ", data, at + i * size)
        yield kind, offset, address, length


def _read(data):
    order = "<" if data[5] == 1 else ">"
    parts = list(_segments(data, order))
    entries = [entry for kind, offset, _, length in parts if kind == DYNAMIC
               for entry in struct.iter_unpack(
                   order + "qQ", data[offset:offset + length])]
    strings = next((value for tag, value in entries if tag == STRINGS), 0)
    start = next((offset + strings - address
                  for kind, offset, address, length in parts
                  if kind == LOAD and address <= strings < address + length),
                 0)

    def words(*tags):
        return [data[start + value:data.find(b"\0", start + value)].decode()
                for tag, value in entries if tag in tags]
    return words(NEEDED), [folder for word in words(RPATH, RUNPATH)
                           for folder in word.split(":")]


def linked(path):
    """([names of libraries], [folders where it has them looked for]); none of
    what is no such program."""
    with open(path, "rb") as file:
        if file.read(5) != b"\x7fELF\2":
            return [], []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _read(data)

# SPDX-License-Identifier: GPL-2.0-only
# What the lines of a job file say of places and sizes: bytes, shares of a file,
# blocks, and the zones of zonemode=strided and zbd.
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
import math
import re
from typing import Self

from ...base.problem import Problem
from . import arithmetic

BLOCKS = {"bs", "bsrange", "bssplit"}
# What says how large I/Os are.
READ = BLOCKS | {"bs_is_seq_rand", "kb_base", "rw"}
UNITS = " kmgtp"
SIZE = re.compile(r"(\d{1,18})([kmgtp]?)(i?b?)", re.A | re.I)
SECTOR = 4096
ZONE = 256 << 20    # of zonemode=zbd, where the file leaves it to the device
OF_ZONES = re.compile(r"(\d{1,9})z", re.A)
BASES = {"1000": 1000}          # of kb_base; fio refuses what it does not know
Values = Mapping[str, str]      # of a section: {option: value}


def base_of(values: Values) -> int:
    """How many bytes fio takes k for."""
    return BASES.get(values.get("kb_base", ""), 1024)


def size_of(text: str, key: str, base: int = 1024) -> int:
    """Bytes of a value of this option, as fio counts them with this kb_base:
    the other one is that of KiB, so as a rule 4k is 4096 and 4KiB is 4000."""
    match = SIZE.fullmatch(text)
    if not match:
        raise Problem(f"{key}={ascii(text[:40])[1:-1]} in the job file is no "
                      "size: write it plainly, such as 64m or 10%.")
    if match[3].lower() == "ib":
        base = 1024 if base == 1000 else 1000
    return int(match[1]) * base ** UNITS.index(match[2].lower() or " ")


@dataclass(frozen=True)
class Amount:
    """Bytes, and a share of the file beside them."""
    bytes: int = 0
    share: Fraction = Fraction(0)

    @classmethod
    def of(cls, values: Values, key: str) -> Self | None:
        """None: not set."""
        text = values.get(key, "")
        if text.endswith("%"):
            return cls(share=Fraction(size_of(text.rstrip("%"), key), 100))
        if zones := OF_ZONES.fullmatch(text) and zone(values):
            return cls(int(text[:-1]) * zones)
        if text and text != "-1":
            return cls(size_of(text, key, base_of(values)))
        return None

    def times(self, number: int) -> "Amount":
        return Amount(self.bytes * number, self.share * number)

    def plus(self, other: "Amount") -> "Amount":
        return Amount(self.bytes + other.bytes, self.share + other.share)


NOTHING = Amount()


def too_few(size: int, need: int, what: str) -> Problem:
    return Problem(f"{size >> 10} KiB are too few for the {what}: give at "
                   f"least --size {-(-need >> 20) or 1}M.")


def zone(values: Values) -> int:
    """Bytes of a zone of zonemode=zbd; 0 without it."""
    if values.get("zonemode") != "zbd":
        return 0
    return size_of(values.get("zonesize") or "0", "zonesize",
                   base_of(values)) or ZONE


def _sizes(text, key, base):
    """Those in the value of an option for one direction; 0 is none to fio,
    which refuses it or takes another."""
    return {size_of(one, key, base) for part in re.split("[-:]", text)
            if SIZE.fullmatch(one := part.split("/")[0])} - {0}  # fairness.py


def directions(values: Values) -> list[set[int]]:
    """The sizes of the I/Os of each direction that rw= has, of a range of them
    its ends.  bsrange and bssplit are in force over bs, the last of them over
    the other."""
    found = [{SECTOR}] * 3
    for key in sorted(values, key="bs".__ne__):
        if key in BLOCKS:
            found = [_sizes(text, key, base_of(values)) or old
                     for text, old in zip(arithmetic.directions(values[key]),
                                          found)]
    kind = pattern(values)[0].replace("rw", "readwrite")
    if values.get("bs_is_seq_rand", "0") != "0":
        return found[:2]        # those of I/O in order, and at random
    return [sizes for sizes, one in zip(found, ("read", "write", "trim"))
            if one in kind] or found


def blocks(values: Values) -> set[int]:
    """The sizes of I/Os."""
    return set().union(*directions(values))


def block(values: Values) -> int:
    """Bytes of the largest I/O."""
    return max(blocks(values))


def only_block(values: Values) -> int:
    """Bytes of every I/O; 0 where they are of several sizes."""
    sizes = blocks(values)
    return sizes.pop() if len(sizes) == 1 else 0


def pattern(values: Values) -> tuple[str, str]:
    """What rw= says: ("randread", "") or, of rw=write:64k, ("write", "64k");
    fio reads unless it is told."""
    kind, _, more = values.get("rw", "read").partition(":")
    return kind, more


def skip(values: Values) -> int:
    """Bytes that rw=write:64k leaves out after each block."""
    kind, more = pattern(values)
    return 0 if kind.startswith("rand") or not SIZE.fullmatch(more) else \
        size_of(more, "rw", base_of(values))


def step(values: Values) -> int:
    """Bytes from one block to the next, of directions that differ those after
    which all begin anew."""
    return math.lcm(*(max(sizes) + skip(values)
                      for sizes in directions(values)))


@dataclass(frozen=True)
class Zones:
    size: int
    range: int
    skip: int

    @classmethod
    def of(cls, values: Values) -> Self | None:
        size, skip, extent = (Amount.of(values, key) for key in (
            "zonesize", "zoneskip", "zonerange"))
        if values.get("zonemode", "strided") != "strided" or not size:
            return None
        if size.share:
            raise Problem(f"zonesize={values['zonesize']} in the job file is "
                          "no size, which fio takes no share for: write it "
                          "plainly, such as 64m.")
        if not size.bytes:
            return None
        return cls(size.bytes, (extent or size).bytes or size.bytes,
                   (skip or NOTHING).bytes)

# SPDX-License-Identifier: GPL-2.0-only
# Are the data that come back those that were written?  Each procedure writes
# with a checksum in every block, reads back, and states how many bytes it
# looked at.  What must be read back in one piece of memory, because fio keeps
# a list of it, is bounded; the whole range is read without such a list.
from ...report import wording
from . import flushes, planted, powercut, trimtest
from .kinds import Procedure
from .verifying import (done, fault, first_fault, judged, megabytes,
                        part, patience, too_few, verified)

GROUP = "integrity"
POWER_CUT = "power-cut"     # the test that options of the command are for
MIB = 1 << 20
LISTED = 4096 * MIB         # at most so many bytes, where fio keeps a list
SPREAD = 16                 # sizes of overlapping writes, in blocks


def block(context):
    return max(4096, context.target.logical_block)


# The whole range: each order has a checksum over blocks of a size of its own,
# so that what is left of the other order, or of an earlier run, is found.
ORDERS = (("sequential", "write", "read", 128 << 10),
          ("random", "randwrite", "randread", 64 << 10))


def _whole(context, rw, size, seed):
    """Jobs that cover the range, its rest in blocks of the device's."""
    total = context.target.size
    rest, depth = total % size, context.profile.depth
    text = verified("whole", rw=rw, bs=size, size=total - rest, iodepth=depth,
                    randseed=seed)
    if rest:
        text += verified("rest", stonewall=1, rw=rw, bs=context.target.
                         logical_block, offset=total - rest, size=rest,
                         iodepth=depth, randseed=seed)
    return text


def _order(context, name, write, read, size):
    """One check: write all of it in an order, read all of it back."""
    total = context.target.size

    def start(rw, what, seed):
        context.progress(f"{name}: {what} {megabytes(total)}")
        return lambda: context.fio(_whole(context, rw, size, seed),
                                   f"{name} {what}",
                                   patience(total, size), tolerant=True)
    ran, why = first_fault([
        (start(write, "writing", context.seed), None),
        (start(read, "reading", context.seed + 1), total)])
    return judged((f"write-verify {name}", f"Whole range, {name} order"),
                  ran.source, f"all {total:,} bytes were written and read "
                  f"back with crc32c in {name} order, {size >> 10} KiB at a "
                  "time: 0 mismatches", why)


def write_verify(context):
    return {"checks": [_order(context, *order) for order in ORDERS]}


# Sizes that overlap

def overlap(context):
    """Random sizes at random places, several times over the same range."""
    unit = context.target.logical_block
    size = part(context, LISTED // 16, unit * SPREAD)
    if context.profile.thin:
        size = part(context, 16 * MIB, unit * SPREAD)
    ran = context.fio(verified(
        "overlap", rw="randwrite", bsrange=f"{unit}-{unit * SPREAD}",
        size=size, io_size=4 * size, norandommap=1, serialize_overlap=1,
        iodepth=context.profile.depth, do_verify=1, randseed=context.seed),
        "run", patience(6 * size, unit), tolerant=True)
    why, read, wrote = fault(ran), done(ran, "read"), done(ran, "write")
    if not why and wrote < 4 * size:
        why = f"only {wrote:,} bytes were written of {4 * size:,}"
    return {"checks": [judged(
        ("overlap", "Overlapping sizes"), ran.source, f"{wrote:,} bytes in "
        f"writes of {unit} to {unit * SPREAD} bytes over a range of {size:,}; "
        f"the {read:,} that no later write touched read back with 0 "
        "mismatches", why, too_few(read, size // 4, "bytes"))]}


# Read back while it writes

def backlog(context):
    unit = block(context)
    size = part(context, LISTED, unit)
    if context.profile.thin:
        size = part(context, 64 * MIB, unit)
    ran = context.fio(verified(
        "backlog", rw="randwrite", bs=unit, size=size, do_verify=1,
        iodepth=context.profile.depth, verify_backlog=1024,
        verify_backlog_batch=64, randseed=context.seed),
        "run", patience(2 * size, unit), tolerant=True)
    return {"checks": [judged(
        ("backlog", "Read back while writing"), ran.source,
        f"{size:,} bytes written at random, each {unit} read back at most "
        "1,024 writes later: 0 mismatches", fault(ran, size))]}


# For long

def _loops(profile):
    return 2 if profile.thin else 4


def _soaked(context):
    share = 8 if context.profile.thin else 1
    return part(context, context.target.size // share, 16 << 10)


def soak(context):
    """Mixed: what is read is partly what was there, partly what was written,
    and only the latter counts."""
    size, loops = _soaked(context), _loops(context.profile)
    ran = context.fio(verified(
        "soak", rw="randrw", rwmixread=30, bs=16 << 10, size=size,
        loops=loops, do_verify=1, iodepth=context.profile.depth,
        verify_backlog=1024, randseed=context.seed),
        "run", patience(3 * size * loops, 16 << 10), tolerant=True)
    wrote, read = done(ran, "write"), done(ran, "read")
    # Each place is either written, and then read back, or read.
    return {"checks": [judged(
        ("soak", "Long mixed load"), ran.source, f"{wrote:,} bytes written "
        f"among {read - wrote:,} read, in {wording.time(ran.seconds)}, and all "
        "of them read back: 0 mismatches", fault(ran, size * loops),
        too_few(wrote, size * loops // 2, "bytes written"))]}


def _checked(profile):
    """Bytes/s that are written, or read, with a checksum."""
    return profile.write_speed / 2


def _whole_seconds(profile, size):
    return 4 * size / _checked(profile)


def _listed_seconds(profile, size):
    return min(size, 64 * MIB if profile.thin else LISTED) / (
        _checked(profile) / 4)


def _soak_seconds(profile, size):
    return (_loops(profile) * 2 * size / (8 if profile.thin else 1)
            / _checked(profile))


TESTS = (
    Procedure("write-verify", "Write and verify", GROUP, _whole_seconds,
              write_verify),
    Procedure("overlap", "Overlapping sizes", GROUP, _listed_seconds, overlap),
    Procedure("backlog", "Verify while writing", GROUP, _listed_seconds,
              backlog),
    Procedure("planted", "Planted corruption", GROUP, planted.seconds,
              planted.run),
    Procedure("trim", "Trim then read", GROUP, trimtest.seconds,
              trimtest.run),
    Procedure("fsync", "fsync and fdatasync", GROUP, flushes.seconds,
              flushes.run),
    Procedure("soak", "Long soak", GROUP, _soak_seconds, soak),
    Procedure(POWER_CUT, "Power cut", GROUP, powercut.seconds,
              powercut.run, (powercut.READY,), provokes=True),
)

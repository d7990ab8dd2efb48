# SPDX-License-Identifier: GPL-2.0-only
# Trim (discard) every other piece of a region, and look at all of it: a
# trimmed block may read as zeroes or as before (the standards leave it to the
# device), but the same each time; what lies between is as it was written.
from collections import Counter

from . import blockio, flushes
from .verifying import (FAIL, PASS, UNKNOWN, check, first_fault, patience,
                        section, verified)

PIECE, PIECES = 64 << 10, 64
ZEROES, BEFORE, OTHER = "zeroes", "as before", "something else"
NAMES = (("trim succeeds", "Trim succeeds"),
         ("trim neighbours", "Trim leaves the neighbours alone"),
         ("trim deterministic", "A trimmed block reads the same each time"),
         ("trim content", "What a trimmed block holds"))


def seconds(_profile, _size):
    return 4


def _number(folder, name):
    return int(flushes.attribute(folder, name) or 0)


def why_not(context):
    """Why nothing can be trimmed; None if it can."""
    if not context.local:
        return "the target is on another host, whose blocks only fio can read"
    folder = flushes.disk(context.target.path)
    if folder is None:
        return "the target is a file, which has no trim"
    if not _number(folder, "discard_max_bytes"):
        return "the device has no trim (discard_max_bytes is 0)"
    return None


def _piece(context):
    """Bytes of a piece: a multiple of what the device discards at once."""
    unit = _number(flushes.disk(context.target.path), "discard_granularity")
    unit = max(unit, context.target.logical_block, 1)
    return -(-PIECE // unit) * unit


def _contents(context, places, size):
    with blockio.opened(context.target) as raw:
        return [raw.read(place, size) for place in places]


def _kinds(before, now):
    """Counter of what pieces hold now."""
    return Counter(ZEROES if not any(b) else BEFORE if a == b else OTHER
                   for a, b in zip(before, now))


def _jobs(context, size, pieces):
    """{name: (job text, bytes that must be read or None)}; a "rw=X:N" leaves
    N bytes out after each block."""
    half = size * pieces // 2
    every = {"bs": size, "size": size * pieces, "iodepth": 4}
    odd = {**every, "offset": size, "size": size * (pieces - 1)}
    return {
        "write": (verified("write", rw="write", **every), None),
        "trim": (section("trim", rw=f"trim:{size}", **every, io_size=half),
                 None),
        "neighbours": (verified("neighbours", rw=f"read:{size}", **odd,
                                io_size=half), half)}


def run(context):
    why = why_not(context)
    size = 0 if why else _piece(context)
    pieces = 0 if why else min(PIECES, context.target.size // size // 2 * 2)
    if not why and pieces < 4:
        why = f"the target is smaller than 4 pieces of {size} bytes"
    if why:
        return {"checks": [check(*name, UNKNOWN, why) for name in NAMES]}
    return {"checks": _checks(context, size, pieces)}


def _checks(context, size, pieces):
    jobs = _jobs(context, size, pieces)
    places = range(0, size * pieces, 2 * size)

    def fio(name):
        text, wanted = jobs[name]
        return (lambda: context.fio(text, name, patience(
            size * pieces), tolerant=True)), wanted
    ran, why = first_fault([fio("write")])
    if why:
        return [check(*NAMES[0], FAIL, why, ran.source)]
    before = _contents(context, places, size)
    ran, why = first_fault([fio("trim")])
    if why:
        return [check(*NAMES[0], FAIL, why, ran.source)]
    trimmed = sum(job["trim"]["io_bytes"] for job in ran.jobs)
    first, second = (_contents(context, places, size) for _ in range(2))
    near, near_why = first_fault([fio("neighbours")])
    return [
        check(*NAMES[0], PASS if trimmed == len(places) * size else FAIL,
              f"{trimmed:,} of {len(places) * size:,} bytes in "
              f"{len(places)} pieces were trimmed", ran.source),
        check(*NAMES[1], FAIL if near_why else PASS, near_why or
              f"the {pieces - len(places)} pieces of {size >> 10} KiB between "
              "and behind them read back with 0 mismatches", near.source),
        _same(first, second, ran), _content(context, before, first, ran)]


def _same(first, second, ran):
    changed = sum(a != b for a, b in zip(first, second))
    return check(*NAMES[2], FAIL if changed else PASS,
                 f"{changed} of {len(first)} pieces changed between two "
                 "readings", ran.source)


def _content(context, before, now, ran):
    """Neither zeroes nor the old data is a promise of no device, but data of
    another place would be."""
    kinds = _kinds(before, now)
    folder = flushes.disk(context.target.path)
    promised = _number(folder, "discard_zeroes_data")
    told = ("the device promises zeroes" if promised else
            "the kernel knows of no promise which of both")
    good = not kinds[OTHER] and (kinds[ZEROES] == len(now) or not promised)
    held = ", ".join(f"{n} read as {kind}" if kind != OTHER else
                     f"{n} as {kind}" for kind, n in kinds.most_common())
    return check(*NAMES[3], PASS if good else FAIL, f"of {len(now)} trimmed "
                 f"pieces {held}; {told}", ran.source)

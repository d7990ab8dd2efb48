# SPDX-License-Identifier: GPL-2.0-only
# Trim (discard) every other piece of a region, and look at all of it.  What a
# trimmed block reads as is judged by what the device promises of it
# (trimpromise.py); where it promises nothing, it is recorded and not judged,
# but for data of another place, which no standard allows.  What lies between
# is as it was written.
from collections import Counter

from ...target import blockio, sysfs, trimpromise
from ...target.trimpromise import ONES, ZEROES
from . import flushes
from .verifying import (first_fault, judged, patience, section, unknown,
                        verified)

PIECE, PIECES = 64 << 10, 64
BEFORE, OTHER = "as before", "something else"
# A device leaves alone what is no whole unit of its own, at the edges.
PARTLY = "zeroes, 0xff or as before, block by block"
BLANK = {ZEROES: b"\0", ONES: b"\xff"}
SUCCEEDS, NEIGHBOURS, SAME, OWN, CONTENT = NAMES = (
    ("trim succeeds", "Trim succeeds"),
    ("trim neighbours", "Trim leaves the neighbours alone"),
    ("trim deterministic", "A trimmed block reads the same each time"),
    ("trim own", "A trimmed block holds nothing of another place"),
    ("trim content", "A trimmed block holds what the device promises"))


def seconds(_profile, _size):
    return 4


def _number(folder, name):
    return sysfs.number(folder, "queue", name) or 0


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


def _is(kind, before, now):
    return now == before if kind == BEFORE else (
        now.count(BLANK[kind]) == len(now))


def _kind(before, now, block):
    """Of a piece; block: bytes that are always of one kind."""
    kinds = (BEFORE, ZEROES, ONES)
    whole = next((kind for kind in kinds if _is(kind, before, now)), None)
    parts = [slice(at, at + block) for at in range(0, len(now), block)]
    return whole or (PARTLY if all(
        any(_is(kind, before[part], now[part]) for kind in kinds)
        for part in parts) else OTHER)


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
        return {"checks": [unknown(name, why) for name in NAMES]}
    return _found(context, size, pieces)


def _found(context, size, pieces):
    jobs = _jobs(context, size, pieces)
    places = range(0, size * pieces, 2 * size)

    def fio(name):
        text, wanted = jobs[name]
        return (lambda: context.fio(text, name, patience(
            size * pieces), tolerant=True)), wanted
    ran, why = first_fault([fio("write")])
    before = [] if why else _contents(context, places, size)
    if not why:
        ran, why = first_fault([fio("trim")])
    if why:
        return {"checks": [judged(SUCCEEDS, ran.source, "", why)]}
    trimmed = sum(job["trim"]["io_bytes"] for job in ran.jobs)
    first, second = (_contents(context, places, size) for _ in range(2))
    near, near_why = first_fault([fio("neighbours")])
    kinds = Counter(_kind(*each, context.target.logical_block)
                    for each in zip(before, first))
    promise = trimpromise.of(context.target.path)
    return {"tables": [_table(kinds, promise)], "checks": [
        judged(SUCCEEDS, ran.source, f"{trimmed:,} of "
               f"{len(places) * size:,} bytes in {len(places)} pieces were "
               "trimmed", trimmed != len(places) * size),
        judged(NEIGHBOURS, near.source, f"the {pieces - len(places)} pieces "
               f"of {size >> 10} KiB between and behind them read back with 0 "
               "mismatches", near_why),
        *_same(first, second, promise, ran), _own(kinds, ran),
        *_content(kinds, promise, ran)]}


def _table(kinds, promise):
    return {"title": "Trimmed blocks", "columns": ["they read as", "pieces"],
            "rows": [[kind, n] for kind, n in kinds.most_common()],
            "note": promise.text}


def _same(first, second, promise, ran):
    """Not judged of a device that may answer anew each time."""
    changed = sum(a != b for a, b in zip(first, second))
    return [judged(SAME, ran.source, f"{changed} of {len(first)} pieces "
                   "changed between two readings", changed > 0)
            ] if promise.same else []


def _held(kinds):
    return ", ".join(f"{n} read as {kind}" if kind != BEFORE else
                     f"{n} {kind}" for kind, n in kinds.most_common())


def _own(kinds, ran):
    return judged(OWN, ran.source, f"of {kinds.total()} trimmed pieces "
                  f"{_held(kinds)}", kinds[OTHER] > 0)


def _content(kinds, promise, ran):
    if not promise.asked:
        return [unknown(CONTENT, promise.text, ran.source)]
    return [judged(CONTENT, ran.source, f"of {kinds.total()} trimmed pieces "
                   f"{_held(kinds)}; {promise.text}",
                   kinds[promise.holds] < kinds.total())
            ] if promise.holds else []

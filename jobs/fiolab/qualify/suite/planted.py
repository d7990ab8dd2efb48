# SPDX-License-Identifier: GPL-2.0-only
# A test of the detector, in every run: what would be the worth of "0
# mismatches" from one that finds none?  Blocks are damaged behind fio's back,
# in the three ways that storage fails (a flipped bit, a block that went to
# another's place, a write that never arrived).  fio must name these places
# and no other, and be content once they are mended.
import random

from ...target import blockio
from .verifying import (fault, judged, mismatches, patience, section, unknown,
                        verified)

MIB = 1 << 20
MOST = 4 * MIB
SKIPPED = 64                # bytes at the beginning of a block: fio's header
NAMES = "planted", "Planted corruption is found"


def seconds(_profile, _size):
    return 6


def _flip(block, _other):
    place = (SKIPPED + len(block)) // 2
    return block[:place] + bytes([block[place] ^ 1]) + block[place + 1:]


PLANTS = (("a flipped bit", _flip),
          ("a block of another place", lambda _block, other: other),
          ("a lost write", lambda block, _other: bytes(len(block))))


def _unit(context):
    return max(4096, context.target.logical_block)


def _region(context):
    """(offset, length) somewhere in the target, by the seed."""
    unit = _unit(context)
    length = min(MOST, context.target.size // unit * unit)
    last = (context.target.size - length) // unit
    return random.Random(context.seed).randint(0, last) * unit, length


def _places(context, offset, length):
    """Blocks in it, apart from each other, none at its edges."""
    unit = _unit(context)
    count = length // unit
    picked = random.Random(context.seed + 1).sample(
        range(1, count - 1, 2), len(PLANTS))
    return [offset + number * unit for number in picked]


def _job(context, rw, offset, length):
    return verified("planted", rw=rw, bs=_unit(context), offset=offset,
                    size=length, iodepth=context.profile.depth,
                    verify_fatal=0, continue_on_error="verify",
                    randseed=context.seed)


def _damage(context, places):
    """Plant; gives a function that mends it."""
    unit = _unit(context)
    with blockio.opened(context.target, writable=True) as raw:
        good = [raw.read(place, unit) for place in places]
        for i, (place, (_, make)) in enumerate(zip(places, PLANTS)):
            raw.write(place, make(good[i], good[i - 1]))

    def mend():
        with blockio.opened(context.target, writable=True) as raw:
            for place, block in zip(places, good):
                raw.write(place, block)
    return mend


def _damage_afar(context, places):
    """On another host only fio reaches the target: a lost write."""
    def write(name, **options):
        context.fio(section(name, rw="write", bs=_unit(context),
                            offset=places[0], size=_unit(context), **options),
                    name, 30)
    del places[1:]
    write("damage", zero_buffers=1)
    return lambda: write("mend", verify="crc32c", do_verify=0,
                         verify_state_save=0)


def _wrong(ran, places):
    """What is wrong with how fio found the places; None if nothing is."""
    found = sorted(set(mismatches(ran.messages)))
    if found != sorted(places):
        return (f"damage was planted at bytes {_list(places)}, and fio found "
                f"it at {_list(found)}")
    if not any(job["error"] for job in ran.jobs) and ran.status == 0:
        return "fio named the damage, but reported success"
    return None


def _list(places):
    return ", ".join(map(str, sorted(places))) or "none"


def run(context):
    offset, length = _region(context)
    if length // _unit(context) < 16:
        return {"checks": [unknown(NAMES, "the target is smaller than 16 "
                                   "blocks")]}
    places = _places(context, offset, length)
    start = {what: lambda rw=rw, what=what: context.fio(
        _job(context, rw, offset, length), what,
        patience(length), tolerant=True) for what, rw in (
            ("write", "randwrite"), ("sequential", "read"),
            ("random", "randread"), ("mended", "read"))}
    ran = start["write"]()
    why = fault(ran, to_the_end=True)
    if not why:
        ran, why = _look(context, places, start)
    # On another host there is but one, the last of them.
    names = ", ".join(name for name, _ in PLANTS[-len(places):])
    text = (f"{names} at byte {', '.join(map(str, places))}: found just "
            "there, and nowhere else, by sequential and by random reading; "
            "mended, all is well")
    return {"checks": [judged(NAMES, ran.source, text, why)]}


def _look(context, places, start):
    """(run, what is wrong): damaged, and then mended."""
    mend = (_damage if context.local else _damage_afar)(context, places)
    for how in ("sequential", "random"):
        ran = start[how]()
        why = _wrong(ran, places)
        if why:
            return ran, f"{how} reading: {why}"
    mend()
    mended = start["mended"]()
    why = fault(mended, to_the_end=True)
    return (mended, f"after mending: {why}") if why else (ran, None)

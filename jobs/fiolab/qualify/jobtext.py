# SPDX-License-Identifier: GPL-2.0-only
# From the stimuli of a round to fio's job files: one job for each repeat of a
# stimulus, one after the other, in as few fio processes as can be.
from dataclasses import dataclass
import hashlib
import math
import re

MOST_THREADS, MOST_JOBS = 128, 64       # in one process
MIXED = ("rw", "randrw", "readwrite")
SLACK = 0.1             # of what is written in one time; may stay unwritten
HALF = 1 << 20          # a half of the range is a multiple
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
COMMON = ("thread=1", "norandommap=1", "refill_buffers=1", "randrepeat=0",
          "allrandrepeat=0")


@dataclass(frozen=True)
class Load:
    """One repeat of a stimulus in a round: one job of fio."""
    stimulus: object
    index: int              # in its round
    threads: int
    depth: int

    @property
    def name(self):
        """Also a file's name and a word of a shell, for exec_prerun."""
        name = re.sub(r"[^A-Za-z0-9.]+", "-", self.stimulus.name).strip("-")
        return f"{self.index:03d}-{name}"


def block_sizes(bs):
    """Bytes of each block of fio's bs= or bssplit=."""
    words = [entry.split("/")[0] for entry in bs.lower().split(":")]
    return [int(word.rstrip("kmg")) * UNITS[word.lstrip("0123456789")]
            for word in words]


def left_out(stimulus, logical_block):
    """Why a device cannot do it; None where it can."""
    small = [size for size in block_sizes(stimulus.bs)
             if size % logical_block]
    if not small:
        return None
    return (f"its blocks of {small[0]} bytes are not whole logical blocks of "
            f"{logical_block} bytes")


def threads_of(stimulus, profile):
    return profile.threads if stimulus.threads is None else stimulus.threads


def depth_of(stimulus, profile):
    return profile.depth if stimulus.depth is None else stimulus.depth


def loads(stimuli, profile):
    """The jobs of a round, in order."""
    repeated = [one for one in stimuli for _ in range(one.repeat)]
    return [Load(one, index, threads_of(one, profile), depth_of(one, profile))
            for index, one in enumerate(repeated)]


def processes(found):
    """The loads of each fio process."""
    made = []
    for load in found:
        last = made[-1] if made else None
        alone = load.stimulus.continues or (
            last and last[-1].stimulus.continues)
        full = last and (len(last) >= MOST_JOBS or sum(
            one.threads for one in last) + load.threads > MOST_THREADS)
        if last and (load.stimulus.together or not (alone or full)):
            last.append(load)
        else:
            made.append([load])
    return made


def seed(*place):
    """Of a job: the same in each run of the same plan, and only there."""
    text = "/".join(map(str, place))
    digest = hashlib.sha256(text.encode(
        "utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def place(part, active, offset=0, neighbour=None):
    """(options that say where, bytes there) of a stimulus' part; offset: where
    what has all of the range begins; neighbour: a Target."""
    half = active // 2 // HALF * HALF
    name, size = "${TARGET}", active
    if neighbour and part == 2:
        name, size = neighbour.named, neighbour.size
    elif part and not neighbour:
        offset, size = ((0, half), (half, active - half))[part - 1]
    return [*([f"filename={name}"] if neighbour else ()), f"offset={offset}",
            f"size={size if part else size - offset}"], size


def _amount(load, profile, active):
    """For how long, or how much of each thread; fio begins again at the
    start of the range where io_size is more than size."""
    one = load.stimulus
    if one.capacity:
        whole = max(block_sizes(one.bs))
        blocks = math.ceil(one.capacity * active / load.threads / whole
                           - 1e-9)
        return [f"io_size={blocks * whole}"]
    return ["time_based=1",
            f"runtime={round(profile.duration(one.seconds) * 1000)}ms"]


def _blocks(one):
    mix = [f"rwmixread={one.read}"] if one.rw in MIXED else []
    return [f"rw={one.rw}", *mix,
            ("bssplit=" if "/" in one.bs else "bs=") + one.bs]


def section(load, profile, active, number, offset=0, neighbour=None):
    """The lines of one job; a new group has figures of its own."""
    one = load.stimulus
    where, size = place(one.part, active, offset, neighbour)
    lines = [f"[{load.name}]", "new_group=1" if one.together else "stonewall",
             *_blocks(one), f"numjobs={load.threads}",
             f"iodepth={load.depth}", *where, f"randseed={number}",
             *_amount(load, profile, size)]
    if one.wait:
        lines.append(f"exec_prerun=sleep {profile.duration(one.wait):g}")
    return [*lines, *one.options, ""]


def text(found, profile, active, seeds, offset=0, windows=False,
         neighbour=None, base=()):
    """The job file of one process, without what names engine and target.

    seeds: one number for each load; offset: where sequential ones begin;
    windows: keep the latencies of each second; neighbour: a Target, where
    the second part is no half of the range; base: then the lines of the
    executor.
    """
    # To a file that is named here fio adds those of its sections.
    base = [line for line in base if not line.startswith("filename=")]
    lines = ["[global]", *base, *COMMON,
             *(["lat_windows=1"] if windows else []), ""]
    for load, number in zip(found, seeds):
        lines += section(load, profile, active, number, offset, neighbour)
    return "\n".join(lines)


def seconds(load, profile):
    """Of I/O and of waiting, where it is not an amount."""
    one = load.stimulus
    wait = profile.duration(one.wait) if one.wait else 0
    return wait + (0 if one.capacity or one.together else
                   profile.duration(one.seconds))


def writes(stimulus):
    """The share of its bytes that it writes."""
    if stimulus.rw in MIXED:
        return 1 - stimulus.read / 100
    return 0 if stimulus.rw in ("read", "randread") else 1


def next_offset(offset, written, active):
    """Where a stimulus that continues begins.  fio goes round from its offset,
    so that the last part of the range, if less than is written in one time,
    is written from so much before the end; then it begins at the start."""
    left = active - offset - written
    if left >= written:
        return offset + written
    return active - written if left > written * SLACK else 0

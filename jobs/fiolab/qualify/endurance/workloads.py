# SPDX-License-Identifier: GPL-2.0-only
# Loads like those by which JESD219 wears SSDs out, as data, and what of them
# rests on what.  That standard was not at hand: published descriptions of its
# enterprise workload agree on sizes and places, which SNIA's composite load
# has, too; its client workload is a trace that only JEDEC hands out.
from dataclasses import dataclass, replace

from .. import jobtext
from ..suite import composite
from ..suite.model import Stimulus

SECTOR = 512            # each has a header and a checksum of its own
# Its writes can be read back at any time, by any size and in any order.  No
# two of a thread meet in flight, and each thread has a part for itself: what
# two left together would be nobody's data.
CHECKED = ("verify=crc32c", f"verify_interval={SECTOR}", "do_verify=0",
           "verify_state_save=0")
WRITES = (*CHECKED, "blockalign=4k", "serialize_overlap=1")
# What is trimmed, and then written, is a part for itself, as it cannot be read
# back.  (fio's trimwrite writes through the page cache.)
TRIMS, REWRITES = "client trims", "client rewrites"


@dataclass(frozen=True)
class Workload:
    name: str               # of its test
    title: str
    what: str               # it is like
    stimuli: tuple          # (Stimulus, its share of the time)
    said: tuple             # sentences: what is published, and what is not

    def in_seconds(self, seconds):
        """Its stimuli in so many PTS seconds."""
        return tuple(replace(one, seconds=share * seconds)
                     for one, share in self.stimuli)


ENTERPRISE = Workload(
    "endurance-enterprise", "Endurance, enterprise load",
    "like JESD219's enterprise workload",
    ((Stimulus("enterprise", "randrw", composite.BLOCKS, composite.MIXED,
               options=(composite.ZONES, *WRITES)), 1),),
    ("Sizes (512 B to 64 KiB, of which 67% are 4 KiB), places (50% of accesses "
     "to 5% of the range, 30% to the next 15%, 20% to the rest) and random "
     "data are those of published descriptions of JESD219's enterprise "
     "workload.",
     "40% of reads and blocks at multiples of 4 KiB are those of fio's "
     "examples/jesd219.fio; neither these nor depth, filling and where the "
     "busy 5% lie could be held against the standard, which was not at hand.",
     "Each thread has its own part of the range, with those shares."))
CLIENT = Workload(
    "endurance-client", "Endurance, client load",
    "in place of JESD219's client trace",
    ((Stimulus("client writes", "randwrite",
               "4k/60:8k/10:16k/10:32k/5:64k/5:128k/10", 0,
               options=("percentage_random=75", "fsync=256", *WRITES)), 0.9),
     (Stimulus(TRIMS, "randtrim", "128k", 0, threads=1, depth=1), 0.05),
     (Stimulus(REWRITES, "write", "128k", 0, threads=1), 0.05)),
    ("JESD219A's client workload is a trace (seven months of a PC, of writes, "
     "trims and flushes), which is not public, so that this is not that "
     "workload.",
     "Three quarters of random and a quarter of sequential writes, and some "
     "22 kB a write (800 GB in 37 million), are what reviews that replayed the "
     "trace tell of it; the sizes behind that mean, a flush after 256 writes "
     "of a thread, and for a twentieth of the time trims of 128 KiB at random "
     "in a sixteenth of the range, which is then written for as long and not "
     "read back, are this suite's own."))
ALL = (ENTERPRISE, CLIENT)


def of_profile(profile):
    """The one for whom the profile is."""
    return CLIENT if "pts-c" in (profile.name, profile.of) else ENTERPRISE


def fitted(bs, logical_block):
    """A bssplit of blocks that a device has: what is smaller is made larger,
    so that no access is left out."""
    shares = {}
    for word in bs.split(":"):
        size, _, share = word.partition("/")
        count, = jobtext.block_sizes(size)
        whole = -(-count // logical_block) * logical_block
        shares[whole] = shares.get(whole, 0) + int(share or 100)
    if len(shares) == len(bs.split(":")) and set(shares) == set(
            jobtext.block_sizes(bs)):
        return bs
    return ":".join(f"{size}/{share}" for size, share in shares.items())

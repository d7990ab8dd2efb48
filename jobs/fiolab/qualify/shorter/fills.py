# SPDX-License-Identifier: GPL-2.0-only
# What stands in the place of a test's preconditioning where --time cuts it.  A
# device that is to show random writes' steady state gets there by an amount
# that is known: by fio's sprandom, where fio has it, else all of it once in
# order and a part at random, more than the spare flash of most devices.
from ..suite.model import Phase, Stimulus

PTS, RANDOM, SPRANDOM = "pts", "random", "sprandom"
SPARE = 0.15                # of the capacity: fio's spr_op, if nobody says
PART, PACE = 0.25, 0.25     # at random; as copies beside it slow it down
SETTLED = 0.05              # the same after sprandom
SHARED = "shared"
SAID = {SHARED: f"{PART:.0%} of the range written at random, 4K, before it",
        RANDOM: "preconditioned by writing the range once in order, and "
                f"{PART:.0%} of it at random, 4K",
        SPRANDOM: "preconditioned by fio's sprandom, for a device with "
                  f"{SPARE:.0%} more flash than capacity, and {SETTLED:.0%} of "
                  "it at random, 4K"}


def _write(name, rw, bs, capacity, **more):
    return Stimulus(name, rw, bs, 0, threads=1, depth=32, capacity=capacity,
                    **more)


SEQUENCE = Phase("fill", "Preconditioning: all of the range once in order, "
                 "128K", (_write("128K SEQ 0/100", "write", "128k", 1),),
                 purge=True, keep=False)


def _scatter(part):
    return Phase("fill at random", f"Preconditioning: {part:.0%} of the range "
                 "at random, 4K", (_write("4K 0/100", "randwrite", "4k", part,
                                          pace=PACE),), keep=False)


ONE_PASS = Phase("fill", "Preconditioning: fio's sprandom, 4K", (_write(
    "4K sprandom", "randwrite", "4k", 1 + SPARE,
    options=("sprandom=1", f"spr_op={SPARE}")),), purge=True, keep=False)


def _phases(fill):
    return ((ONE_PASS, _scatter(SETTLED)) if fill == SPRANDOM else
            (SEQUENCE, _scatter(PART)))


def after_sequence(profile, own):
    """Of a test that PTS begins with sequential writes, its own phases."""
    if profile.shared:
        return () if profile.fill == PTS else (_scatter(PART),)
    return own if profile.fill == PTS else _phases(profile.fill)


def after_purge(profile):
    """Of one that it begins with a purge."""
    return () if purges(profile) or profile.shared else _phases(profile.fill)


def purges(profile):
    """Does that begin with its own?"""
    return profile.fill == PTS and not profile.shared

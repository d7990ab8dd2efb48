# SPDX-License-Identifier: GPL-2.0-only
# The SNIA Solid State Storage Performance Test Specification, as
# implementations quote 2.0.2: each test is a table of stimuli and phases.
# tests(profile) gives them all; a thin profile leaves rows of the tables out.
from .. import readings
from ..shorter import fills
from . import composite, derive
from .kinds import Table
from .model import Phase, Stimulus, tracked

MIXES = (100, 95, 65, 50, 35, 5, 0)
SIZES = ("1M", "128K", "64K", "32K", "16K", "8K", "4K", "0.5K")
THIN_MIXES, THIN_SIZES = (100, 65, 0), ("1M", "64K", "4K", "0.5K")
LATENCY_SIZES, LATENCY_MIXES = ("8K", "4K", "0.5K"), (100, 65, 0)
WAITS = (5, 10, 15, 25, 50)
MINUTE = 60
SAMPLES = 31                # of a minute, in a round of WSAT


def bytes_of(size):
    """fio's bs= of a size as PTS writes it."""
    return "512" if size == "0.5K" else size.lower()


def cell(size, read, **more):
    """Random I/O of a size and mix: the cell "4K 65/35"."""
    rw = {100: "randread", 0: "randwrite"}.get(read, "randrw")
    return Stimulus(f"{size} {read}/{100 - read}", rw, bytes_of(size), read,
                    **more)


def sequential(size, read, **more):
    """Sequential I/O, one thread: the cell "128K SEQ 0/100"."""
    return Stimulus(f"{size} SEQ {read}/{100 - read}",
                    "read" if read else "write", bytes_of(size), read,
                    **{"threads": 1, "depth": 32, **more})


def wipc(profile, size="128K"):
    """Workload independent preconditioning: twice the capacity, sequential."""
    return Phase(f"WIPC {size}", f"Preconditioning: sequential {size} writes "
                 f"of {profile.passes:g} x "
                 f"{readings.CAPACITIES[profile.capacity]}",
                 (sequential(size, 0, capacity=profile.amount(
                     profile.passes)),), purge=True, keep=False)


def preconditioned(profile):
    return fills.after_sequence(profile, (wipc(profile),))


def until_steady(profile):
    """A phase's rounds, and by which of them it must be steady."""
    return {"rounds": profile.last, "by": profile.most}


def histogram(stimulus):
    return Phase("histogram", f"Latency histogram, {stimulus.name}",
                 (stimulus,), histogram=True)


def _iops(profile):
    mixes, sizes = ((THIN_MIXES, THIN_SIZES) if profile.thin
                    else (MIXES, SIZES))
    return Table(
        "iops", "IOPS", "PTS 2.0.2, IOPS test",
        (*preconditioned(profile), Phase(
            "rounds", "R/W mixes x block sizes",
            tuple(cell(s, r) for r in mixes for s in sizes),
            tracked=(tracked("4K 0/100", "iops", "4K random write"),
                     tracked("64K 65/35", "iops", "64K random 65/35"),
                     tracked("1M 100/0", "iops", "1M random read")),
            **until_steady(profile))),
        derive=derive.mix_by_size)


def _throughput_phases(profile, size, shared=False):
    name = f"{size} SEQ 0/100"
    return (*(() if shared else (wipc(profile, size),)), Phase(
        f"rounds {size}", f"Sequential {size}",
        (sequential(size, 100), sequential(size, 0)), tracked=(
            tracked(name, "mbps", f"{size} sequential write"),),
        **until_steady(profile)))


def _throughput(profile):
    return Table("throughput", "Throughput", "PTS 2.0.2, Throughput test",
                 (*_throughput_phases(profile, "128K"),
                  *_throughput_phases(profile, "1M", profile.shared)))


def _latency(profile):
    one = {"threads": 1, "depth": 1}
    return Table(
        "latency", "Latency", "PTS 2.0.2, Latency test",
        (*preconditioned(profile), Phase(
            "rounds", "Block sizes x R/W mixes, one I/O at a time",
            tuple(cell(s, r, **one) for s in LATENCY_SIZES
                  for r in LATENCY_MIXES), tracked=(
                tracked("4K 0/100", "lat_mean_us", "4K random write latency"),
                ), **until_steady(profile)),
         histogram(Stimulus("4K 0/100 histogram", "randwrite", "4k", 0,
                            seconds=20 * MINUTE, **one))),
        derive=derive.mix_by_size)


def _saturation_rounds(profile):
    """As many as fit into the hours; at most so much is written."""
    count = profile.last if profile.thin else int(
        profile.wsat_hours * 60 // SAMPLES)
    last = profile.wsat_sample == "31st"
    label = "4K random write" + (f", sample {profile.times(SAMPLES)} of each "
                                 "round" if last else "")
    return {"rounds": max(count, 1), "capacity": profile.amount(4),
            "tracked": (tracked("4K 0/100", "iops", label, last),)}


def _saturation(profile):
    samples = Stimulus("4K 0/100", "randwrite", "4k", 0,
                       repeat=profile.times(SAMPLES))
    return Table(
        "wsat", "Write Saturation", "PTS 2.0.2, Write Saturation test",
        (Phase("saturation", "4K random write from the purged state",
               (samples,), purge=True, **_saturation_rounds(profile)),
         histogram(Stimulus("4K 0/100 histogram", "randwrite", "4k", 0,
                            seconds=20 * MINUTE))),
        derive=derive.saturation)


def _recovery_phases(profile):
    count = profile.recovering(360)
    for wait in WAITS:
        yield Phase(f"wait {wait} s", f"5 s of writing after each {wait} s "
                    "idle", (Stimulus(f"after {wait} s idle", "randwrite",
                                      "4k", 0, seconds=5, wait=wait,
                                      repeat=count),))
        yield Phase(f"baseline {wait} s", "the same without waits",
                    (Stimulus(f"baseline {wait} s", "randwrite", "4k", 0,
                              seconds=5, repeat=count),))


def _idle_recovery(profile):
    return Table(
        "hir", "Host Idle Recovery", "PTS 2.0.2, Host Idle Recovery test",
        (*fills.after_purge(profile), Phase(
            "preconditioning", "4K random write",
            (Stimulus("4K 0/100", "randwrite", "4k", 0,
                      repeat=profile.times(30)),),
            tracked=(tracked("4K 0/100", "iops", "4K random write"),),
            purge=fills.purges(profile), **until_steady(profile)),
         *_recovery_phases(profile)), derive=derive.idle_recovery)


def _cross_phase(profile, number, hours, name, rw, bs):
    samples = Stimulus(f"{number}: {name}", rw, bs, 0, threads=1, depth=32,
                       repeat=profile.recovering(60),
                       continues=rw == "write")
    rounds = hours if not profile.thin else max(2, hours // 2)
    return Phase(f"stimulus {number}", f"{name}, {hours} h", (samples,),
                 rounds, purge=number == 1)


def _cross_recovery(profile):
    return Table(
        "xsr", "Cross Stimulus Recovery",
        "PTS 2.0.2, Cross Stimulus Recovery test",
        (_cross_phase(profile, 1, 8, "1M sequential write", "write", "1m"),
         _cross_phase(profile, 2, 6, "8K random write", "randwrite", "8k"),
         _cross_phase(profile, 3, 8, "1M sequential write", "write", "1m")),
        derive=derive.cross_recovery)


def tests(profile):
    """All of SNIA's tests, as the profile has them."""
    return tuple(make(profile) for make in (
        _iops, _throughput, _latency, _saturation, _idle_recovery,
        _cross_recovery, composite.test))

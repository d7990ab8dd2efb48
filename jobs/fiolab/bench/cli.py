# SPDX-License-Identifier: GPL-2.0-only
"""The command line of jobs/bench: its options, and what they ask for."""
import argparse
import os

from ..base import commandline, version
from . import gate, libbench, presets

LONG_PARTS = ("polling", "scaling", "depth1", "fio-loop", "null", "cells")
PARTS = ("defaults", "adaptive", "spin", "batch", "cpu", "jobs", "memory")
QUICK_PAIRS, PAIRS = 3, 11

ABOUT = """Compare the engine kaio with fio's built-in engines (4K random read,
depth 64 unless said, one CPU), with a loop of io_submit without fio, with what
that loop and fio itself take together, and with itself under other options; say
which goals are met.  What is about CPU time for an I/O, on memory, runs side by
side on the one CPU (a duet), all else in turn.  About seven minutes, with --all
twelve."""
MORE = """\
parts: defaults  kaio : libaio, io_uring and the bare loop, on zram and tmpfs
       adaptive  submit=adaptive : libaio, and : immediate on a loop device
                 and a disk (a scratch file in the build folder)
       spin      spin= at depth 1 on a loop device and a disk, beside a bare
                 loop that polls; spin=auto at depth 64
       batch     kaio : libaio, both with iodepth_batch=16
       cpu       CPU per I/O at depth 1 to 4096
       jobs      64 jobs start, run and end: kaio : libaio
       memory    memory for each unit of depth
and, with --only or --all, as more rows need more pairs:
       polling   kaio : libaio, both with iodepth_batch_complete_min=0
       scaling   kaio : libaio, 1, 2 and 4 jobs on the CPU and one more
       depth1    kaio : libaio, and with spin= : without, on a loop device and
                 a disk: latency and CPU
       fio-loop  libaio and kaio : fio's t/io_uring -a1 -s1 -c1, and adaptive :
                 -s32 -c32, on tmpfs.  `make bench` builds it from the source
                 tree of fio.
       null      on the null_blk device of --target, however it was made
       cells     rw x {4K, 128K} x depth {1, 8, 64, 1024} x {direct, buffered};
                 not in --all

Devices are only read.  zram (/dev/zram0) and the loop device need root; without
it, what needs them is left out, with a sentence.  Latencies are from submission
to completion, as only these compare between engines.  11 pairs are the fewest
that can reach a verdict on all rows together (12 with --all, 13 with cells); 20
are better, and take twice as long.  A goal is met or missed if its whole 95%
interval is, and else not judged.

--gate (`make bench-gate`) measures, on tmpfs, those ratios that have a recorded
bound, and only them, until each is known to be within its bound or beyond it,
or for --max-time seconds.  It fails if one is beyond it as a whole 99% interval
that holds whenever one stops; what it cannot tell passes, with a sentence.
"""


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(
        commandline.called("bench"), description=ABOUT, epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    version.add_option(new)
    add = new.add_argument
    add("--only", action="append", choices=PARTS + LONG_PARTS, metavar="PART",
        help="one of the parts below; may be repeated (defaults to memory)")
    add("--all", action="store_true", help="all parts but cells")
    add("--target", metavar="DEV", help="a null_blk device, such as "
        "/dev/nullb0, for the part null, which it adds")
    add("--cells", action="store_true", help="the part cells, too: 64 rows "
        "more, two minutes for each pair")
    add("--gate", action="store_true", help="fail if a ratio is worse than its "
        "recorded bound; see below")
    add("--max-time", type=commandline.number(float, 1, 86400, "seconds"),
        metavar="S", help=f"of --gate: seconds of measuring ({gate.SECONDS})")
    add("--pairs", type=commandline.number(int, 1, 10000, "a number"),
        metavar="N", help=f"pairs of runs of each row ({PAIRS}; with --quick "
        f"{QUICK_PAIRS})")
    add("--quick", action="store_true", help="few and short runs: two minutes, "
        "and no verdicts")
    add("--runtime", type=commandline.number(float, 0.2, 86400, "seconds"),
        metavar="S", help="timed seconds of each run (0.25; with --quick 0.2)")
    libbench.common(new)
    return new


def parts(args: argparse.Namespace) -> list[str]:
    if args.gate:
        return [presets.GATE]
    found = list(args.only or PARTS)
    if args.all:
        found += LONG_PARTS[:-1]
    found += ["null"] if args.target else []
    found += ["cells"] if args.cells else []
    return list(dict.fromkeys(found))


def two_cpus(cpu: int | None) -> str:
    """fio's CPU and the next, as cpus_allowed= has them; "" with one alone."""
    others = os.sched_getaffinity(0) - {cpu}
    near = sorted(others, key=lambda one: abs(one - (cpu or 0)))
    found = near[:2] if cpu is None else [cpu, *near[:1]]
    return ",".join(map(str, sorted(found))) if len(found) == 2 else ""


def pairs(args: argparse.Namespace) -> int:
    """0: as many as there is time for."""
    return 0 if args.gate else args.pairs or (
        QUICK_PAIRS if args.quick else PAIRS)

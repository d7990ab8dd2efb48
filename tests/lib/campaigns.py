#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""How soon jobs/ab decides, and how often it is right, on this machine.

  real KIND     runs campaigns one after the other, as a user would
  record KIND   one long campaign of --pairs; its report.json is a series
  cut REPORT    campaigns cut from such series, each from another place on
  agree         do duet and alternating pairs say the same of ten pairs of sides?

KIND is aa (libaio against itself), kaio (against libaio), or a number: so many
percent of CPU time are planted into each I/O of a libaio (tests/lib/
cpu_share.c).  Each campaign is a line; the last lines count.  With --load 8
eight processes of stress-ng run beside it.  What follows after -- are options
of jobs/ab."""
import argparse
from collections import Counter
from contextlib import contextmanager
import json
import os
from pathlib import Path
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "jobs"), str(ROOT / "tests" / "lib")]
import cutcampaigns                             # noqa: E402
from fiolab.ab.twocampaigns import differences  # noqa: E402


PAIRS = (("libaio", "kaio", "rw=randread bs=4k iodepth=64"),
         ("libaio", "kaio", "rw=randwrite bs=4k iodepth=64"),
         ("libaio", "kaio,submit=adaptive", "rw=randread bs=4k iodepth=32"),
         ("libaio", "libaio", "rw=randread bs=4k iodepth=16"),
         ("libaio", "io_uring", "rw=randread bs=4k iodepth=64"),
         ("psync", "kaio", "rw=randread bs=4k iodepth=1"),
         ("libaio", "kaio", "rw=read bs=128k iodepth=8"),
         ("libaio", "kaio", "rw=write bs=16k iodepth=32"),
         ("kaio", "kaio,submit=adaptive", "rw=randrw bs=4k iodepth=64"),
         ("io_uring", "kaio", "rw=randwrite bs=8k iodepth=16"))


def handicap(folder, *shares):
    """Fios that burn such shares of CPU time, alike in all else."""
    library = Path(folder) / "cpu_share.so"
    subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o",
                    library, ROOT / "tests/lib/cpu_share.c", "-ldl"],
                   check=True)
    for share in shares:
        fio = Path(folder) / f"fio-{share:g}"
        fio.write_text(f"#!/bin/sh\nexport LD_PRELOAD={library} "
                       f"CPU_SHARE={share:g}\n"
                       f"exec {shutil.which('fio')} \"$@\"\n")
        fio.chmod(0o755)
        yield fio


def sides(kind, folder):
    """The words for jobs/ab."""
    if kind in ("aa", "kaio"):
        return ["--aa"] if kind == "aa" else ["--b", "kaio"]
    none, some = handicap(folder, 0, float(kind) / 100)
    return ["--a", f"libaio@fio={none}", "--b", f"libaio@fio={some}"]


@contextmanager
def load(count):
    """So many busy processes meanwhile."""
    if not count:
        yield
        return
    if not shutil.which("stress-ng"):
        raise SystemExit("--load needs the package stress-ng")
    with subprocess.Popen(["stress-ng", "--quiet", "--cpu", str(count)]) as busy:
        try:
            yield
        finally:
            busy.terminate()


def campaign(kind, folder, *words):
    """(its report.json, seconds from the command to the verdict)"""
    out, begin = Path(folder) / "campaign", time.monotonic()
    chosen = sides(kind, folder) if kind else []
    command = [ROOT / "jobs/ab", *chosen, "--out", out, *words]
    done = subprocess.run([str(word) for word in command], text=True,
                          capture_output=True, check=False)
    took = time.monotonic() - begin
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads((out / "report.json").read_text()), took


def _words(args):
    return ["--target", args.target, "--size", "64M", *args.words]


def real(args):
    found = []
    with load(args.load):
        for _ in range(args.count):
            with tempfile.TemporaryDirectory() as folder:
                report, took = campaign(args.kind, folder, "--max-time",
                                        args.within, *_words(args))
            cell = report["cells"][0]
            effect = cell["effects"][0]
            found.append((effect["verdict"], effect["n"], cell["seconds"]))
            print(f"{effect['verdict']:<14}{effect['n']:4} pairs "
                  f"{cell['seconds']:6.1f} s of measuring {took:6.1f} s in all "
                  f"{100 * (effect['ratio'] - 1):+6.2f}%  load "
                  f"{os.getloadavg()[0]:.0f}", flush=True)
    count(found)


def record(args):
    with load(args.load), tempfile.TemporaryDirectory() as folder:
        report, _ = campaign(args.kind, folder, "--pairs", args.pairs,
                             *_words(args))
    Path(args.out).write_text(json.dumps(report))


def cut(args):
    rng = np.random.default_rng(args.seed)
    for path in args.report:
        cell = json.loads(Path(path).read_text())["cells"][0]
        d, floor = (np.array(differences(cell, "cpu_us", role))
                    for role in ("B", "A'"))
        each = np.full(len(d), cell["seconds"] / len(d))
        print(f"{path}: {len(d)} pairs of {each[0]:.2f} s, SD of ln(B/A) "
              f"{d.std(ddof=1):.4f}, of ln(A'/A) {floor.std(ddof=1):.4f}")
        count(cutcampaigns.cut(d, floor, each, args.within, args.count, rng))


def _cpu(args, how, a, b, options):
    """The effect on CPU per I/O of two sides on a job."""
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder) / "job.fio"
        job.write_text("[job]\ndirect=1\n" + "".join(
            f"{option}\n" for option in options.split()))
        report, _ = campaign("", folder, "--a", a, "--b", b, "--job", job,
                             "--pairing", how, "--pairs", args.pairs,
                             *_words(args))
    return next(effect for effect in report["cells"][0]["effects"]
                if effect["metric"] == "cpu_us")


def same(one, other):
    """Do two effects agree: do their intervals meet?  (Then none is above 1
    that the other has below it.)"""
    (low, high), (low_, high_) = one["ci95"], other["ci95"]
    return max(low, low_) <= min(high, high_)


def agree(args):
    wrong = 0
    for a, b, options in PAIRS[:args.count]:
        with load(args.load):
            duet, other = (_cpu(args, how, a, b, options)
                           for how in ("duet", "alternate"))
        wrong += not same(duet, other)
        print(f"{b} : {a}, {options}:", "; ".join(
            f"{how} x {one['ratio']:.3f} ({one['ci95'][0]:.3f} to "
            f"{one['ci95'][1]:.3f})" for how, one in (
                ("duet", duet), ("alternate", other))),
            "" if same(duet, other) else "DISAGREE", flush=True)
    if wrong:
        raise SystemExit(f"{wrong} pairs of sides disagree")


def count(found):
    """Say how often each verdict was reached, and after how long."""
    total = len(found)
    for word, times in Counter(one[0] for one in found).most_common():
        same = [one for one in found if one[0] == word]
        pairs, seconds = (sorted(one[i] for one in same) for i in (1, 2))
        print(f"  {word}: {times} of {total}; median {statistics.median(pairs)}"
              f" pairs, {statistics.median(seconds):.0f} s; at most "
              f"{seconds[-1]:.0f} s")


def parser():
    new = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = new.add_subparsers(required=True)
    for function in (real, record, cut, agree):
        one = commands.add_parser(function.__name__)
        one.set_defaults(function=function)
        if function is not cut:
            if function is not agree:
                one.add_argument("kind", metavar="KIND")
            one.add_argument("--load", type=int, default=0, metavar="N")
            one.add_argument("--target", default="/dev/shm/kaio-campaigns.tmp")
        if function in (record, agree):
            one.add_argument("--pairs", type=int,
                             default=300 if function is record else 20)
        if function is record:
            one.add_argument("--out", required=True, metavar="FILE")
        else:
            one.add_argument("--count", type=int, default={
                real: 20, cut: 100, agree: len(PAIRS)}[function])
        if function in (real, cut):
            one.add_argument("--within", type=float, default=60, metavar="S",
                             help="seconds of measuring at most")
        if function is cut:
            one.add_argument("report", nargs="+", metavar="REPORT")
            one.add_argument("--seed", type=int, default=1)
    return new


def main(words):
    """words: what was given; what follows after -- is for jobs/ab."""
    given = [*map(str, words), "--"]
    split = given.index("--")
    args = parser().parse_args(given[:split])
    args.words = given[split + 1:-1]
    args.function(args)


if __name__ == "__main__":
    main(sys.argv[1:])

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Job files by chance, through fio with the engine: most are only parsed, some
run, on small files in a folder of their own.  What must not happen: a signal,
a hang, an exit status without a message, statistics that are no JSON, a
refusal of what is all right, or a wrong value that passes.

The same seed and number make the same file: --first NUMBER --count 1 --show.
"""
import argparse
import concurrent.futures
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import fiorun  # noqa: E402

# The engine's options: values that are right, and values that are wrong.
# (Whether a negative bool is wrong is fio's parser's to say: it is not.)
ENGINE = {
    "reap": (["ring", "syscall", "eventfd"], ["bogus", "7", "-1", "rin"]),
    "spin": (["0", "1us", "50", "7ns", "1ms", "auto"],
             ["1x", "-1", "2000000us", "us", "auto1", "1.5us", "+1", "0x10",
              "99999999999999999999", "50 us x", "1000001"]),
    "submit": (["immediate", "adaptive"], ["bogus", "2", "-1"]),
    "stamp": (["after", "before"], ["bogus", "1", "-1"]),
    "userspace_reap": (["0", "1"], []),
    "nowait": (["0", "1", "fallback"], ["2", "99999999999", "fall", "-1"]),
    "uncached": (["0", "1"], ["2"]),
    "dsync": (["0", "1"], ["2"]),
    "libaio_vectored": (["0", "1"], ["2"]),
    "engine_stats": (["0", "1"], ["2"]),
    "stats_file": (["s.json", "s", "./s", "/dev/null", "/dev/full", "gone/s",
                    ".", "s\u00e9", "a b"], []),
    "cmdprio_percentage": (["0", "50", "100", "10,20"], ["101", "x"]),
    "cmdprio_class": (["1", "2", "3"], ["4", "x"]),
    "cmdprio": (["0", "7"], ["8", "x"]),
}
MISSPELLED = ["reep=ring", "spinn=auto", "submitt=adaptive", "stats_fil=x",
              "engine_stat=1", "uncache=1", "libaio_vectorred=1", "dsyncs=1"]
# fio's own, with values that are right.  None names a path or a command.
FIO = {
    "rw": ["read", "write", "randread", "randwrite", "randrw", "rw"],
    "bs": ["512", "4k", "8k", "64k"],
    "iodepth": ["1", "2", "7", "64"],
    "numjobs": ["1", "2", "3"],
    "thread": ["0", "1"],
    "direct": ["0", "1"],
    "iodepth_batch": ["1", "4", "16"],
    "iodepth_batch_complete_min": ["0", "1", "3"],
    "iodepth_batch_complete_max": ["1", "8", "64"],
    "iodepth_low": ["1", "2"],
    "verify": ["crc32c", "md5"],
    "fsync": ["1", "3"],
    "fdatasync": ["4"],
    "end_fsync": ["1"],
    "loops": ["1", "2"],
    "rwmixread": ["70"],
    "bssplit": ["4k/50:8k/50"],
    "continue_on_error": ["all"],
    "group_reporting": ["1"],
    "stonewall": ["1"],
    "iomem_align": ["4k", "512"],
    "unified_rw_reporting": ["1"],
    "invalidate": ["0"],
    "norandommap": ["1"],
    "randseed": ["1", "12345"],
}
# No "$", "`" or "/": fio expands the first, and a path might lead elsewhere.
ODD = ["", " ", "0", "-0", "-1", "1", "1k", "4096g", "18446744073709551616",
       "-9223372036854775809", "1e9", "0x", "0xffffffffffffffff", "1:2:3",
       "1,2,3,4,5", ",", ":", "::::", ",,,", "%", "%s%n%x", "a" * 255,
       "a" * 4000, "9" * 300, "\u00fc\u20ac\U0001f600", "\udcff\udcfe", "\x01",
       "\x7f", "\t", "'", '"', "\\", "\"unclosed", "a=b", "[x]", "auto,auto",
       "ring:1", "ring,syscall", "1us,1us", "50/50", "64k/10:1k", "#", ";"]
NAMES = ["a", "b", "long" * 40, "two words", "\u00e9", "quote\"d", "back\\",
         "per%cent", "tab\tbed", "b\udcff"]
MESSAGE = re.compile(r"^(fio|kaio)\b.*\S|error|err=|\w+: ", re.MULTILINE)
STATS = re.compile(r"^kaio: (\{.*)$", re.MULTILINE)


class JobFile:
    """text; verdict: True: all right, False: something is wrong, None: who
    knows; runs: small enough to be run, and so it will be."""

    def __init__(self, rng, engine, runs):
        self.rng, self.runs, self.verdict = rng, runs, True
        self.engine = "ioengine=external:%s" % engine
        self.text = self.make()

    def engine_line(self):
        rng = self.rng
        kind = rng.random()
        name = rng.choice(list(ENGINE))
        right, wrong = ENGINE[name]
        if kind < 0.6:
            return "%s=%s" % (name, rng.choice(right))
        if kind < 0.75 and wrong and not self.runs:
            self.verdict = False
            return "%s=%s" % (name, rng.choice(wrong))
        if kind < 0.8 and not self.runs:
            self.verdict = False
            return rng.choice(MISSPELLED)
        self.doubt()
        if name == "stats_file" and self.runs:
            return "stats_file=" + self.odd()
        if kind < 0.85:
            return name
        if kind < 0.87:
            return "cmdprio_bssplit=" + rng.choice(ODD + ["4k/50", "4k/50/1/2"])
        return "%s%s%s" % (name, rng.choice(["=", " = ", "=", "==", " "]),
                           self.odd())

    def doubt(self):
        if self.verdict:
            self.verdict = None

    def odd(self):
        rng = self.rng
        value = rng.choice(ODD)
        if rng.random() < 0.3:
            value += rng.choice(ODD)
        if rng.random() < 0.2:
            value += "".join(chr(rng.choice([*range(1, 36), *range(37, 47),
                                             *range(48, 96), *range(97, 127),
                                             0x20ac]))
                             for _ in range(rng.randrange(1, 12)))
        return re.sub(r"[\n\r/$`]", "_", value)

    def fio_line(self):
        rng = self.rng
        name = rng.choice(list(FIO))
        if self.runs or rng.random() < 0.9:
            return "%s=%s" % (name, rng.choice(FIO[name]))
        self.doubt()
        return "%s=%s" % (name, self.odd())

    def lines(self, least):
        make = [self.engine_line] * 2 + [self.fio_line]
        return [self.rng.choice(make)()
                for _ in range(self.rng.randrange(least, 9))]

    def make(self):
        """Options of the engine stand before and after ioengine=, in the
        section or in [global]; and more than once."""
        rng, out = self.rng, ["[global]", "filename=data", "size=64k",
                              "filesize=64k", "verify_state_save=0"]
        if self.runs:
            out += ["runtime=1", "loops=1"]
        everywhere = rng.random() < 0.7
        body = self.lines(0) if everywhere else []
        if everywhere:
            body.append(self.engine)
        rng.shuffle(body)
        out += body
        for _ in range(rng.choice([1, 1, 1, 2, 4])):
            body = self.lines(1) + ([] if everywhere else [self.engine])
            rng.shuffle(body)
            out += ["[%s]" % rng.choice(NAMES), *body]
        return "\n".join(out) + "\n"


def make(seed, number, engine, share):
    rng = random.Random("%d/%d" % (seed, number))
    return JobFile(rng, engine, rng.random() < share)


def complaint(job, result):
    """What is wrong with how fio ended; None if nothing is."""
    if result.rc < 0 or result.rc > 128 or "got signal" in result.text:
        return "a signal (exit status %d)" % result.rc
    if result.rc and not MESSAGE.search(result.text):
        return "exit status %d, and no message" % result.rc
    for line in STATS.findall(result.stderr):
        try:
            json.loads(line)
        except ValueError as why:
            return "statistics that are no JSON: %s" % why
    if not job.runs and job.verdict is False and not result.rc:
        return "a wrong value passed"
    if not job.runs and job.verdict is True and result.rc:
        return "refused, though all is right"
    return None


def fast_clock(folder):
    """The library that shortens fio's start."""
    library = os.path.join(folder, "fast_clock.so")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-o", library,
                    ROOT / "tests" / "lib" / "fast_clock.c"], check=True)
    return library


class Fuzz:
    def __init__(self, args):
        self.args = args
        self.env = fiorun.sanitizer_env(args.san)
        self.parse_env = {}

    def preload(self, library):
        """For the files that are only parsed; behind the sanitizers'."""
        self.parse_env = {"LD_PRELOAD": ":".join(filter(None, [
            self.env.get("LD_PRELOAD"), library]))}

    def one(self, number):
        """(number, complaint or None, what fio wrote, did it run)"""
        args = self.args
        job = make(args.seed, number, args.engine, args.share)
        folder = tempfile.mkdtemp(prefix="kaio-fuzz-", dir="/dev/shm")
        try:
            path = os.path.join(folder, "job.fio")
            with open(path, "w", encoding="utf-8",
                      errors="surrogateescape") as file:
                file.write(job.text)
            argv = [args.fio, *([] if job.runs else ["--parse-only"]), path]
            env = {**self.env, **({} if job.runs else self.parse_env)}
            result = fiorun.Running(argv, folder, env, args.timeout).wait()
            return number, complaint(job, result), result.text, job.runs
        except AssertionError as why:  # hung, or a sanitizer's report
            return number, "%s: %s" % (type(why).__name__, why), "", job.runs
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def all(self):
        """The numbers of the bad ones."""
        with tempfile.TemporaryDirectory(prefix="kaio-fuzz-") as folder:
            self.preload(fast_clock(folder))
            return self.each()

    def each(self):
        """A few hundred ahead at most, so that memory does not grow with the
        count."""
        args, bad, done, ran = self.args, [], 0, 0
        start, last = time.monotonic(), time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(args.workers) as pool:
            numbers = range(args.first, args.first + args.count)
            for at in range(0, args.count, 200):
                for number, wrong, text, runs in pool.map(
                        self.one, numbers[at:at + 200]):
                    done, ran = done + 1, ran + runs
                    if wrong:
                        bad.append(number)
                        print("%d: %s\n%s" % (number, wrong, text[:2000]),
                              flush=True)
                if time.monotonic() - last > 30:
                    last = time.monotonic()
                    print("%d files, %d run, %.0f a second, %d bad" % (
                        done, ran, done / (last - start), len(bad)),
                        flush=True)
        print("seed %d: %d files, %d of them run, %d bad, %.1f s" % (
            args.seed, done, ran, len(bad), time.monotonic() - start))
        return bad


def options(argv=None):
    build = ROOT / os.environ.get("O", "build")
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--count", type=int, default=300)
    parse.add_argument("--first", type=int, default=0)
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--workers", type=int, default=4)
    parse.add_argument("--timeout", type=float, default=180)
    parse.add_argument("--share", type=float, default=0.1,
                       help="of files that are run")
    parse.add_argument("--engine", default=str(build / "fio-kaio.so"))
    parse.add_argument("--fio", default=os.environ.get("FIO") or "fio")
    parse.add_argument("--san", default=os.environ.get("SAN", ""))
    parse.add_argument("--show", action="store_true",
                       help="print the files instead")
    return parse.parse_args(argv)


def main():
    args = options()
    if not args.show:
        return 1 if Fuzz(args).all() else 0
    for number in range(args.first, args.first + args.count):
        text = make(args.seed, number, args.engine, args.share).text
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
    return 0


if __name__ == "__main__":
    sys.exit(main())

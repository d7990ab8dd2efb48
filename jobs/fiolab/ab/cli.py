# SPDX-License-Identifier: GPL-2.0-only
# The options of jobs/ab, and the Request that those which were given make.  An
# option that was not given is not in the Namespace.
import argparse
from collections.abc import Sequence
from dataclasses import fields, replace
import os

from ..base import commandline
from ..base.commandline import cpu, number, percentage, size
from ..base.problem import Problem
from ..base.version import add_option
from ..target import claimable
from . import restore
from .campaign import Request
from .report import exporters

QUICK_PAIRS = 6
KEPT = tuple(field.name for field in fields(Request))
WITH_RESUME = ("fio", "max_time")   # of these, what may go with --resume

ABOUT = """Compare fio I/O engines by paired, interleaved runs and say whether
each side is faster, slower, equivalent, or not distinguishable from the
first."""

MORE = """engines: libaio, io_uring or any other engine built into fio;
kaio = external:BUILD/fio-kaio.so; external:/path/to/engine.so.
Engine options follow after commas: kaio,opt=value,opt=value
(fio --enghelp=ENGINE lists them; a comma in a value is written \\,); other
options belong in the job file.
ENGINE,options@our-library runs that side on BUILD/libaio.so.1 instead of the
distribution's libaio, and makes sure that fio really uses it.
ENGINE,options@VARIABLE=VALUE runs that side with this in its environment.

A side may have more for itself; all else is the same, and checked to be:
  @fio=PATH     another fio; kaio then means what fits it of the engine files
                in BUILD and, of `make engines`, in BUILD/engines
  @target=PATH  another file or device, claimed and prepared as --target is;
                used to the same size
  @job=FILE     another job file, of as many jobs: its I/O differs, which title
                and headlines say
  @filename=NAME  for engines with names of their own (SPDK, rbd): handed to
                fio as it is, nothing of it claimed, filled or checked; thread=1
                as an engine option then holds for all sides
  @before=COMMAND, @after=COMMAND
                run by sh before and after each run of that side, such as one
                that sets a scheduler, a sysctl or mount options, and one that
                puts it back (also after a failure, Ctrl-C or SIGTERM); status
                and output are kept, and one that fails, or takes longer than
                @within=SECONDS (60), costs the pair
  @cpu=N        its fio is pinned to another CPU than --cpu
  @nice=N       its fio runs with this nice value
VALUE ends at the next @; --own B:NAME=VALUE gives side B one that has an @.

`ab --b io_uring -- --name=t --rw=randread --bs=4k --iodepth=32` takes fio's own
command line as a job, with job files among the options or without.

Without --target there are two: a file in /dev/shm (no device: shows the
engine's own cost) and a scratch file in the build folder (a disk: the device
sets the pace, so it hides the engines' difference).  With the defaults that
measures for a minute, or two on a busy machine.  Files that do not exist are
created and removed again.

The default runtime is short, so that many pairs fit into a minute; give
--runtime 3 or more for a device whose speed varies over seconds.

Ctrl-C keeps and reports what was measured; --resume goes on with it, and with
a longer --max-time also where time was up.
`ab compare OLD NEW` compares two campaigns, `ab history DIR...` shows where a
series of them changed, `ab run --part A` compares what takes a reboot, as
kernels do, `ab export DIR` writes one in another form: see the --help of
each."""


def refuse(given: dict) -> None:
    """What --resume would ignore, and variables that are not set; given:
    {option: value}."""
    for name in ("out", "resume", "json"):
        if given.get(name) == "":
            raise Problem(f"--{name} has an empty name, perhaps of a variable "
                          "that is not set: leave it out, or give one.")
    if given.get("resume"):
        for name in (*KEPT, "out"):
            if name in given and name not in WITH_RESUME:
                what = ("-- and what is behind it" if name == "line" else
                        f"--{name.replace('_', '-')}")
                raise Problem("--resume goes on with a campaign as it was "
                              f"planned: leave out {what}.")


def _refuse_contradictions(asked):
    if asked.side and (asked.a or asked.b):
        raise Problem("--a and --b are short for the first two --side: give "
                      "either.")
    if asked.aa and asked.self_check:
        raise Problem("--self-check has an A/A of its own: leave out --aa.")
    if (asked.pairs or asked.quick) and (asked.max_time or asked.precision):
        raise Problem("--pairs and --quick fix the number of pairs: leave out "
                      "--max-time and --precision.")
    if asked.client is not None and asked.timeline:
        raise Problem("--timeline draws what fio logs on this machine: leave "
                      "it out, or --client.")
    if asked.client is not None and not asked.target:
        raise Problem("--client needs --target: what is the file or device on "
                      "each host?")


def request(given: dict) -> Request:
    """What was asked for, the defaults filled in, and no path in it that
    depends on the folder of this command."""
    known: dict = {
        "build": commandline.BUILD, "fio": commandline.FIO,
        "cpu": max(os.sched_getaffinity(0)),
        **{name: given[name] for name in KEPT if name in given}}
    asked = Request(**known)
    _refuse_contradictions(asked)
    return replace(
        asked, build=os.path.abspath(asked.build),
        fio=commandline.find_fio(asked.fio),
        seed=commandline.seed(given.get("seed")),
        pairs=asked.pairs or (QUICK_PAIRS if asked.quick else 0))


def divided(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """(our words, those of fio's command line, which are behind --)"""
    place = list(words).index("--") if "--" in words else len(words)
    line = list(words[place + 1:])
    if place < len(words) and not line:
        new = parser()
        new.exit(2, f"{new.prog}: nothing is behind --, where fio's command "
                 "line goes: give a job there, or leave -- out.\n")
    return list(words[:place]), line


def parser(line: Sequence[str] = ()) -> argparse.ArgumentParser:
    """line: fio's command line, which was given beside these options."""
    new = argparse.ArgumentParser(
        commandline.called("ab"), description=ABOUT, epilog=MORE,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add_option(new)
    _what(new)
    add_where(new)
    _how(new)
    _kept(new)
    if line:
        new.set_defaults(line=list(line))
    return new


def add_jobs(new: argparse.ArgumentParser) -> None:
    """Which I/O."""
    add = new.add_argument
    add("--job", action="append", metavar="FILE",
        help="a job file, or the name of one here (randread); may be repeated")
    add("--matrix", nargs="+", metavar="OPTION=VALUE,VALUE",
        help="run each job once for every combination, such as bs=4k,128k "
        "iodepth=1,8,64 rw=randread,randwrite")


def _what(new):
    add = new.add_argument
    add("--side", action="append", metavar="ENGINE",
        help="a side; give two or more, all are compared with the first "
        "(libaio, kaio)")
    add("--a", metavar="ENGINE", help="short for the first --side")
    add("--b", metavar="ENGINE", help="short for the second --side")
    add("--own", action="append", metavar="LETTER:NAME=VALUE",
        help="@NAME=VALUE of the side with that letter (A, B and so on), for "
        "any VALUE; may be repeated")
    add_jobs(new)
    add("--aa", action="store_true", help="compare the first side with itself: "
        "what remains is the noise of this machine")
    add("--self-check", action="store_true", help="plant known handicaps "
        "(sleeps, which cost IOPS, and in a duet CPU time), which must be "
        "found, beside an A/A, in which nothing may be found; exit status 1 if "
        "not so")


def add_where(new: argparse.ArgumentParser) -> None:
    """What the I/O goes to on this machine, and what does it."""
    add = new.add_argument
    add("--target", action="append", metavar="PATH",
        help="a file or block device; may be repeated; /A:/B is one target of "
        "several, as filename=/A:/B is to fio, on all of which each job does "
        "its I/O")
    add("--size", type=size, metavar="N",
        help="how much of each target, and of each of several files that it "
        "is, to use (256M)")
    add("--destroy-data", action="store_true",
        help="existing targets may be overwritten, and will be; "
        "a device that is mounted or in use never is")
    add("--allow", action="append", choices=claimable.DOUBTS,
        help=claimable.ALLOW)
    add("--buffered", action="store_true", help="jobs may run on a disk "
        "without direct=1: their figures are then the page cache's")
    add("--restore", choices=tuple(restore.HOW), help="the state of a target "
        "before each run of a job that writes: fill (every byte is written "
        "again; the default), trim (discarded first) or none")
    add("--build", metavar="DIR",
        help="the build folder (environment O, else ../build)")
    add("--fio", metavar="PATH",
        help="fio (environment FIO, else PATH's)")


def _how(new):
    add = new.add_argument
    add("--max-time", type=number(float, 1, 10**7, "seconds"), metavar="S",
        help="measure for so many seconds at most (60; 10 for each cell above "
        "six, 180 with --self-check, more with a longer --runtime, and "
        "twice as long where pairs are too slow for a verdict); a cell "
        "ends as soon as its verdicts on IOPS and CPU are reached, which hold "
        "whenever one stops; with --resume: for so many in all")
    add("--precision", type=percentage, metavar="P%",
        help="go on until these figures are also known to +-P%%, or until "
        "--max-time")
    add("--pairs", type=number(int, 1, 10000, "a number"), metavar="N",
        help="exactly so many pairs of runs per cell, and one look at the end; "
        "20 are usual, fewer than 9 can tell faster from slower in one "
        "cell at best")
    add("--quick", action="store_true", help=f"{QUICK_PAIRS} pairs: effects "
        "and their intervals, too few for faster or slower")
    add("--pairing", choices=("auto", "duet", "alternate"), help="duet: A and "
        "B at once on one CPU, which decides CPU us per I/O; alternate: one "
        "after the other; auto (the default): duet wherever both can run at "
        "once, and alternate beside it where a device sets the pace")
    add("--client", metavar="HOST,HOST", help="run on these hosts at once, "
        "through the `fio --server` that runs on each; HOST is NAME, "
        "NAME:PORT or [IPv6]:PORT")
    add_times(new)


def add_times(new: argparse.ArgumentParser) -> None:
    """How each run is made."""
    add = new.add_argument
    add("--runtime", metavar="S",
        type=number(float, 0.2, 86400, "seconds"),
        help="timed seconds of each run (0.5)")
    add("--ramp", metavar="S",
        type=number(float, 0.05, 86400, "seconds"),
        help="seconds before the timed part of each run (0.1)")
    add("--timeline", metavar="S", type=number(float, 1, 86400, "seconds"),
        help="run each side for S seconds more in each cell, before the pairs, "
        "for a picture of its latency over time; no verdict rests on it")
    add("--cpu", type=cpu, metavar="N",
        help="pin all of fio, an engine's own threads included, "
        "to this CPU (the last one), so that no side can borrow "
        "another; 'all' does not pin")
    add("--seed", type=number(int, 0, 2**63 - 1, "a number"),
        metavar="N", help="repeat the order and the I/O of an earlier campaign")


def _kept(new):
    add = new.add_argument
    add("--out", metavar="DIR", help="the campaign folder: every run and the "
        "report as HTML, CSV, JSON and text (BUILD/ab-DATE-TIME)")
    add("--resume", metavar="DIR", help="go on with the campaign in DIR, as it "
        "was planned; beside it only --json, --format, --fail-if, "
        "--destroy-data and --fio (where the same fio is now) are allowed")
    add("--json", metavar="FILE", help="a copy of report.json")
    exporters.add_options(new, "the campaign folder")

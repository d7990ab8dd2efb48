# SPDX-License-Identifier: GPL-2.0-only
# The options of jobs/qualify, and the Request that those which were given make.
# An option that was not given is not in the Namespace.
import argparse
from dataclasses import fields, replace
import os

from ..base import commandline, version
from ..base.problem import Problem
from ..target import claimable
from . import readings
from .own.owntest import STEADY
from .shorter import budget
from .records import commands, exporters, signature
from .limits import specfile
from .qualification import Request
from .suite.profiles import PROFILES

SCRATCH_SIZE = 256 << 20

ABOUT = """Qualify storage: the SNIA performance tests, integrity tests and
tests of queue behaviour on a whole device or file, judged against acceptance
limits.  Everything on the target is overwritten, but by loads of your own,
which write where they say."""
MORE = """tests: iops, throughput, latency, wsat, hir, xsr, dirth; the
integrity and queue tests; endurance-enterprise and endurance-client, loads like
JESD219's in checkpoints that read back what was written; or the groups pts,
integrity, queue, endurance.  --plan lists them all.  Of the queue tests, tails
is latency over half an hour, second by second, pace latency at set rates, with
the highest that keeps a p99, and beside-writes, beside-trims, burst-writes and
burst-trims reads while these go on, and after them, neighbour reads at a set
rate beside another user's load.

exit status: 0 all limits and checks passed; 1 one failed; 2 none failed, but
one was not measured, or the command could not run; 130 after Ctrl-C, which
keeps what was measured.

A finished run has manifest.sha256, the sha256 of each of its files:
  qualify verify DIR    is all as the run left it?
  qualify sign DIR      sign that manifest by minisign or gpg
  qualify export DIR    the report as JUnit's XML or markdown
  qualify summary DIR...    a table of the devices of several runs
each with --help of its own."""


def parser():
    new = argparse.ArgumentParser(
        commandline.called("qualify"), description=ABOUT, epilog=MORE,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    version.add_option(new)
    _what(new)
    _where(new)
    _kept(new)
    return new


def _what(new):
    add = new.add_argument
    add("--profile", choices=PROFILES, help="; ".join(
        f"{one.name}: {one.title}" for one in PROFILES.values()) + " (pts-e)")
    add("--tests", metavar="LIST",
        help="only these tests or groups, separated by commas (all)")
    add("--spec", metavar="FILE",
        help="acceptance limits, TOML: of cells, of the identity "
        "([device]), of the device's health while it works ([health])")
    add("--engine", metavar="ENGINE", help="kaio, libaio, or "
        "any other engine of fio: NAME[,option=value...] (kaio)")
    add("--against", metavar="RUN", help="compare with an "
        "earlier run: its folder or its qualify.json")
    add("--ab", action="store_true", help="at the end, measure the engine "
        "beside libaio (kaio, where it is libaio) in pairs of runs, to show "
        "that the verdicts do not depend on it")
    add("--seed", type=commandline.number(int, 0, 2**63 - 1, "a number"),
        metavar="N",
        help="repeat the I/O of an earlier run")

    add("--reading", metavar="LIST", help=readings.HELP)
    add("--rounds", type=commandline.number(int, 1, 1000, "a number of rounds"),
        metavar="N", help="go on for a steady state to round N "
        "(25); the report says that it was not reached by the 25th")
    add("--time", type=budget.duration, metavar="TIME", help="what is not to "
        "take longer, 90m, 8h or 2d, as far as --plan reckons: tests are "
        "shortened or left out, and each figure of such is marked as none of "
        "PTS")
    add("--write-speed", type=commandline.number(float, 1, 1e6, "MB/s"),
        metavar="MB/S", help="what the device writes, as its maker says, for "
        "the times that --plan and --time reckon with (500)")
    add("--soak", type=commandline.number(float, 1e-5, 3650,
                                          "a number of days"),
        metavar="DAYS", help="run the endurance test for so long, as 3 or 0.5; "
        "the client's where --tests names that, or with the profile pts-c; "
        "other tests are then only run where --tests names them")
    _own(new)


def _own(new):
    add = new.add_argument
    add("--job", action="append", metavar="FILE", help="a load of yours, a job "
        "file of fio, as a test for each group between its stonewalls, with a "
        "cell for each job; may be repeated; other tests are then only run "
        "where --tests names them")
    add("--suite", action="append", metavar="DIR", help="the job files in a "
        "folder, each a test")
    add("--replay", action="append", metavar="LOG", help="a log of I/O, as "
        "fio's write_iolog or blkparse -d makes it, at its own pace")
    add("--unpaced", action="store_true", help="replay without waiting, as "
        "fast as the device goes at the profile's depth")
    add("--steady", choices=tuple(STEADY), help="run each load of yours in "
        "rounds until that is steady, as PTS has it")
    add("--repeat", type=commandline.number(int, 1, 1000, "a number of rounds"),
        metavar="N", help="or so many rounds, each for the load's own time (3)")


def _where(new):
    add = new.add_argument
    add("--target", action="append", metavar="DEV", help="a block device, or "
        "a file that exists; may be repeated: all are tested at once")
    add("--scratch", action="store_true", help="instead: a loop device on a "
        "file in memory (without root: that file), made for this run")
    add("--client", metavar="HOST,HOST", help="test --target "
        "on each of these hosts, through the `fio --server` that runs there; "
        "needs --size")
    add("--operator", type=_words, metavar="NAME",
        help="who makes the run, for the head of the report")
    add("--sample", type=_words, action="append", metavar="NUMBER",
        help="of a device in the lab's books, for the report: give one for "
        "each target, in their order")
    add("--no-pin", action="store_true", help="of several targets: let fio run "
        "on all CPUs (each has CPUs of its NUMA node, where its interrupts "
        "arrive, for itself, if there are enough)")
    add("--size", type=commandline.size, metavar="N",
        help="use so much of each target (all of it)")
    add("--neighbour", metavar="DEV", help="where the test neighbour puts its "
        "load, another namespace or partition, which is overwritten as well "
        "(the second half of the target)")
    add("--destroy-data", action="store_true", help="the targets may be "
        "overwritten, and will be; one that is in use never is")
    add("--allow", action="append", choices=claimable.DOUBTS,
        help=claimable.ALLOW)
    add("--power-cut", metavar="COMMAND", help="what cuts the "
        "power of the target ($TARGET) and gives it back: a shell command, "
        "run while the test power-cut writes")
    add("--cycles", type=commandline.number(int, 1, 99_999, "a number of cuts"),
        metavar="N", help="cut the power so many times (1)")
    add("--ack-log", metavar="DIR", help="keep the log of what was "
        "acknowledged in DIR, in memory that outlives this machine (with DAX), "
        "so that COMMAND may cut the machine's power; --resume judges the cut")
    add("--plan", action="store_true", help="only show the plan")
    add("--build", metavar="DIR",
        help="the build folder (environment O, else ../build)")
    add("--fio", metavar="PATH",
        help="fio (environment FIO, else PATH's)")


def _kept(new):
    add = new.add_argument
    add("--out", metavar="DIR", help="the folder of the "
        "results (BUILD/qualify-DATE-TIME)")
    add("--resume", metavar="DIR", help="go on with the run in "
        "DIR at its last finished round; beside it only --destroy-data, "
        "--no-pdf, --format, --sign, --rounds and --fio (where the same fio is "
        "now) are allowed")
    add("--no-pdf", action="store_true", help="no report.pdf")
    exporters.add_option(new, "one in the folder of the results")
    add("--sign", type=commands.key, metavar="KEY", help="sign the manifest of "
        f"the results: {signature.WHAT}")


def _words(text):
    """A name for people, on one line."""
    if not text.strip() or len(text) > specfile.LENGTH or "\n" in text:
        raise argparse.ArgumentTypeError(
            f"'{text:.40}' is no text of 1 to {specfile.LENGTH} letters on one "
            "line")
    return text.strip()


KEPT = tuple(field.name for field in fields(Request))
WITH_RESUME = ("rounds",)       # of these, what may go with --resume
OWN = {"job", "suite", "replay"}


def _refuse_own(given):
    """Of loads of one's own."""
    if "steady" in given and "repeat" in given:
        raise Problem("--steady goes on until it is steady, and --repeat says "
                      "for how many rounds: leave one out.")
    for name in ("steady", "repeat"):
        if name in given and not OWN & set(given):
            raise Problem(f"--{name} is for loads of your own: give --job, "
                          "--suite or --replay.")
    if "unpaced" in given and "replay" not in given:
        raise Problem("--unpaced is for --replay (in a job file it is "
                      "replay_no_stall=1): give a log, or leave it out.")


def refuse(given):
    """Options that contradict each other; given: {option: value}."""
    if "resume" in given:
        for name in (*KEPT, "plan", "out"):
            if name in given and name not in WITH_RESUME:
                raise Problem("--resume goes on with a run as it was planned: "
                              f"leave out --{name.replace('_', '-')}.")
        return
    _refuse_own(given)
    if "time" in given and "rounds" in given:
        raise Problem("--rounds goes on for longer than PTS, and --time ends "
                      "sooner: leave one out.")
    if "soak" in given and "time" in given:
        raise Problem("--soak lasts as long as it says, and --time shortens "
                      "tests: leave one out.")
    if "scratch" in given and ("target" in given or "client" in given):
        raise Problem("--scratch makes a target of its own: leave out "
                      "--target and --client.")
    if "scratch" not in given and "target" not in given:
        raise Problem("there is nothing to test: name a device with --target, "
                      "or try it with --scratch.")
    if "power_cut" in given and ("scratch" in given or "client" in given or
                                 len(given["target"]) > 1):
        raise Problem("--power-cut is for one device of this machine: name "
                      "one --target, and leave out --scratch and --client.")
    if "power_cut" in given and claimable.SHARED in given.get("allow", ()):
        raise Problem("--power-cut would cut off what else is in use on the "
                      "disk: leave out --allow shared.")
    if "power_cut" in given and "neighbour" in given:
        raise Problem("--power-cut would cut off the neighbour, too, which "
                      "this command holds: leave out --neighbour.")
    if "neighbour" in given and ("scratch" in given or "client" in given or
                                 len(given["target"]) > 1):
        raise Problem("--neighbour is of one target of this machine: name one "
                      "--target, and leave out --scratch and --client.")
    if "ack_log" in given and "power_cut" not in given:
        raise Problem("--ack-log is for the cuts of --power-cut: give COMMAND.")
    if "client" in given and "size" not in given:
        raise Problem("how large a target on another host is cannot be seen "
                      "from here: give --size.")


def request(given):
    """What was asked for, the defaults filled in, and no path in it that
    depends on the folder of this command."""
    asked = Request(**{
        "build": commandline.BUILD,
        **{name: given[name] for name in KEPT if name in given}})
    return replace(
        asked, build=os.path.abspath(asked.build),
        seed=commandline.seed(asked.seed),
        size=SCRATCH_SIZE if asked.scratch and asked.size is None
        else asked.size,
        **{name: os.path.abspath(getattr(asked, name))
           for name in ("spec", "against", "ack_log", "neighbour")
           if getattr(asked, name)})

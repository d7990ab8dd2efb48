# SPDX-License-Identifier: GPL-2.0-only
# The command line of jobs/ab, and what its benchmarks share with it.  Whatever
# ends a command, fio is stopped and everything it created is removed, but for
# the campaign folder, which is what the user wants.
import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
import functools
import os
import re
import secrets
import shutil
import signal
import sys
import threading
from typing import Any

from . import jsonfile, version
from .problem import Problem

HERE = os.path.dirname(os.path.abspath(__file__))
JOBS = os.path.join(HERE, "..", "..")
BUILD = os.environ.get("O") or os.path.join(JOBS, "..", "build")
FIO = os.environ.get("FIO") or "fio"
MEMORY = "/dev/shm"
STEP_OVERHEAD = 0.35        # seconds that fio takes to start and to end
CHECK_SECONDS = 0.8


def number(kind: type, low: float, high: float,
           what: str) -> Callable[[str], Any]:
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(
                f"'{text}' is not {what} from {low} to {high}")
        return value
    return parse


def size(text: str) -> int:
    """Bytes of '256M' and the like, a multiple of 1 MiB."""
    match = re.fullmatch(r"(\d{1,6})([MGT])(I?B)?", text.upper())
    value = match and int(match[1]) << {"M": 20, "G": 30, "T": 40}[match[2]]
    if not value:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a size: write 256M, 4G or 1T")
    return value


def cpu(text: str) -> int | None:
    allowed = sorted(os.sched_getaffinity(0))
    if text == "all":
        return None
    if not text.isascii() or not text.isdigit() or int(text) not in allowed:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a CPU that may be used here ({allowed}), "
            "nor 'all'")
    return int(text)


def called(name: str) -> str:
    """What the command of this name is called where it is installed, or not:
    ab and bench are too short for everybody's PATH."""
    return f"kaio-{name}" if version.INSTALLED else name


def find_fio(name: str) -> str:
    """An absolute path where there is one: runs have folders of their own."""
    found = shutil.which(name)
    return os.path.abspath(found) if found else name


def step_aside(fio_cpus: set[int]) -> None:
    """Leave fio's CPUs to fio, where there is another."""
    others = os.sched_getaffinity(0) - fio_cpus
    if others:
        os.sched_setaffinity(0, others)


def percentage(text: str) -> float:
    """0.01 of '1%' or '1', for argparse."""
    try:
        found = float(text.removesuffix("%")) / 100
    except ValueError:
        found = 0.0
    if not 0.0001 <= found <= 1:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a percentage from 0.01% to 100%")
    return found


def output(path: str | None, runs: int,
           stack: ExitStack) -> jsonfile.File | jsonfile.Stream | None:
    """The JSON file, open before the runs; None without --json."""
    if not path:
        return None
    if not os.path.isdir(os.path.dirname(path) or "."):
        raise Problem(f"there is no folder for {path}: create it first.")
    made = jsonfile.output(path, runs)
    stack.callback(made.close)
    return made


def seed(given: int | None) -> int:
    """One of chance, where none was given."""
    return secrets.randbits(31) if given is None else given


def _stop(number_, _frame):
    """First signal: unwind.  Later ones must not interrupt the clean-up."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number_)


def _dropped(exception):
    """Stop a moment later where Python has dropped the SystemExit of _stop().

    It does so in the callbacks of a fork, of which each run has one: there a
    signal often arrives.
    """
    if not isinstance(exception.exc_value, SystemExit):
        sys.__unraisablehook__(exception)
        return
    status = exception.exc_value.code
    signal.signal(signal.SIGALRM, lambda *_: sys.exit(status))
    signal.setitimer(signal.ITIMER_REAL, 0.01)


def _status(problem, failure):
    """Of a Problem; one while the command ends does not hide its status."""
    ended = getattr(problem.__context__, "code", None)
    return ended if isinstance(ended, int) and ended else failure


def _on_one_line(text):
    """Names in it may have line feeds, or what a terminal obeys."""
    return re.sub("[\x00-\x1f\x7f-\x9f]",
                  lambda match: ascii(match[0])[1:-1], text)


def _refuse(new: argparse.ArgumentParser, message: str) -> None:
    """In place of argparse's, which has the whole usage before the sentence."""
    new.exit(2, f"{new.prog}: {_on_one_line(message)} (--help tells more)\n")


def main(arguments: Sequence[str] | None, new: argparse.ArgumentParser,
         action: Callable[[argparse.Namespace, ExitStack], None],
         failure: int = 1) -> None:
    """Run the command of a parser: action(args, exit stack).

    failure: the exit status of a Problem.
    """
    new.error = functools.partial(_refuse, new)     # type: ignore
    args = new.parse_args(arguments)
    sys.unraisablehook = _dropped
    if threading.current_thread() is threading.main_thread():
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, _stop)
    try:
        with ExitStack() as stack:
            action(args, stack)
    except Problem as problem:
        print(f"{new.prog}: {_on_one_line(str(problem))}", file=sys.stderr)
        sys.exit(_status(problem, failure))
    except BrokenPipeError:
        os._exit(1)


def disk(build: str) -> str:
    """Where scratch files and campaigns go: the build folder, if it can be.
    An installed command writes where it is called, also root's."""
    there = os.path.isdir(build) and os.access(build, os.W_OK | os.X_OK)
    return build if there and not version.INSTALLED else os.getcwd()

# SPDX-License-Identifier: GPL-2.0-only
# One run of fio: writes the effective job file into a private folder, runs fio
# there with a time limit, and returns what fio wrote.
from collections.abc import Iterable, Sequence
import copy
import errno
import json
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from typing import Any, Self

from ..base import process
from ..base.problem import Problem
from ..target import claim
from ..target.target import Target
from .jobfile import JobText
from .sidecommand import Commands
from .sidespec import Side

PATIENCE = 60           # seconds beyond ramp and runtime before fio is ended
LONGEST = 400           # characters of fio's own that a sentence quotes
PAGE = 4096             # bytes, by which buffers are aligned
# Where fio's JSON begins.  A job's process ends without its last notes, up to
# 3.41: then that is in the middle of a line.
LIST = re.compile(r'^\{$|\{(?=\n {2}"fio version" : )', re.M)
# Every target is there before fio is started: fio must not lay a file out
# (which unlinks the one that is there), and make none where there is none, as
# in the place of a device that has gone.
KEEP_FILES = ("create_on_open=1", "allow_file_create=0")
# Whole latencies: what is between submission and completion is not comparable
# between engines.
LATENCY = ("lat_percentiles=1", "clat_percentiles=0", "slat_percentiles=0")


# What the engine adds after each job: its statistics, and where it spent the
# run.  Neither is a reason for anything.
RELEASE = re.compile(r"fio-(\d+)\.(\d+)")
NOTE = re.compile(r"kaio: \{|kaio: job .* of its run inside io_submit")


def words(text: str) -> str:
    """What fio said, each line once; of much the beginning and the end, cut
    between words: fio's reason comes first, but behind an engine's own notes
    of how it starts, as SPDK and DPDK have them."""
    lines = dict.fromkeys(line.strip() for line in text.splitlines()
                          if line.strip() and "Saving output of" not in line
                          and not NOTE.search(line))
    # It lists values on lines of their own, which begin with a colon.
    said = " ".join("; ".join(lines).replace("; :", ",").split())
    if len(said) <= LONGEST:
        return said
    begin = textwrap.shorten(said, LONGEST // 2, placeholder="")
    end = said[len(said) - LONGEST // 2 + 5:].partition(" ")[2]
    return f"{begin} ... {end}"


class Fio:
    """How to run fio: the binary, the CPU to pin it to, the scratch folder."""

    def __init__(self, path: str, cpu: int | None, folder: str):
        self.path, self.cpu, self.folder = path, cpu, folder
        self._versions = {path: version(path)}

    @property
    def version(self) -> str:
        if self.path not in self._versions:
            self._versions[self.path] = version(self.path)
        return self._versions[self.path]

    def of(self, side: Side) -> Self:
        """The fio of a side, on its CPU."""
        own = side.own
        if not own.fio and own.cpu is None:
            return self
        found = copy.copy(self)
        if own.cpu is not None:
            found.cpu = own.cpu
        if own.fio:
            found.path = own.fio
        return found


def version(path: str) -> str:
    try:
        out = subprocess.run([path, "--version"], capture_output=True,
                             text=True, timeout=PATIENCE, check=True).stdout
    except FileNotFoundError:
        raise Problem(f"there is no fio at '{path}': install it (apt-get "
                      "install fio) or name it with --fio.") from None
    except (OSError, subprocess.SubprocessError, UnicodeError) as error:
        raise Problem(f"'{path} --version' does not work ({error}): name "
                      "another fio with --fio.") from None
    if not out.startswith("fio-"):
        raise Problem(f"'{path}' is not fio (its --version says "
                      f"{out.strip()[:40]!r}): name fio with --fio.")
    return out.strip()


def older(version_: str, release: tuple[int, int]) -> bool:
    """Is a fio of that version before a release?  False where it says none."""
    found = RELEASE.match(version_)
    return found is not None and tuple(map(int, found.groups())) < release


def base_options(side: Side, target: Target, seed: int) -> list[str]:
    """The option lines that hold for every run of a side on a target.

    randseed alone does not move random offsets: with fio's default
    randrepeat=1 they depend on the job's number only.  Without O_DIRECT fio
    takes its buffers where the heap has them, so that an engine's own few
    allocations decide how they are aligned: 128K reads of tmpfs took 4% longer
    at 16 bytes beyond a multiple of 32 than at one.  The state that fio saves
    of a verify goes into the folder in which it runs: on a host that is where
    somebody has started the server.  Of several files each gets its share of
    size=.
    """
    several = [f"nrfiles={target.number}"] if target.number > 1 else []
    options = ["ioengine=${ENGINE}", "filename=${TARGET}", *several,
               f"size={target.used}", "randrepeat=0", "allrandrepeat=0",
               f"randseed={seed}", f"iomem_align={PAGE}", *KEEP_FILES,
               "verify_state_save=0", *side.options, *side.plant]
    return options if target.direct else [*options, "direct=0"]


def literal(options: Iterable[str], side: Side, target: Target) -> list[str]:
    """The same lines with what ${ENGINE} and ${TARGET} stand for."""
    known = environment(side, target)
    return [option.replace("${ENGINE}", known["ENGINE"])
            .replace("${TARGET}", known["TARGET"]) for option in options]


def side_environment(side: Side) -> dict[str, str]:
    return {**os.environ, **dict(side.environment)}


def environment(side: Side, target: Target) -> dict[str, str]:
    return {**side_environment(side), "ENGINE": side.ioengine,
            "TARGET": target.named}


def _no_number(name):
    raise ValueError(f"{name} is no figure")


def parse(text: str) -> Any:
    """fio's JSON, which begins after its notes; ValueError without it."""
    start = LIST.search(text)
    return json.loads(text[start.start() if start else 0:],
                      parse_constant=_no_number)


def no_room(folder: str, why: str) -> Problem:
    return Problem(f"cannot write fio's files in {os.path.dirname(folder)} "
                   f"({why}): make room there, or set TMPDIR to a folder that "
                   "has some.")


def check_room(folder: str) -> None:
    """Refuse a file system that is full to the last block."""
    info = os.statvfs(folder)
    free = info.f_bavail if os.geteuid() else info.f_bfree
    if info.f_blocks and not free:      # without blocks: it has no limit
        raise no_room(folder, os.strerror(errno.ENOSPC))


class Run:
    """A fio process in its own folder; both are gone when the context ends,
    and what the side's @before= did is put back.

    wrap is put in front of the command.  claim.Gone if the target's path is,
    before it or after it, not what was claimed.
    """

    JOBS = "jobs"

    def __init__(self, fio: Fio, side: Side, job: JobText, target: Target,
                 options: Iterable[str], wrap: Sequence[str] = ()):
        self.side, self.job, self.target = side, job, target
        fio = fio.of(side)
        self.check_target()
        try:
            self.folder = tempfile.mkdtemp(dir=fio.folder)
        except OSError as error:
            raise no_room(fio.folder, error.strerror) from None
        self.commands = Commands(side, self.folder)
        try:
            self._write("effective.fio", job.effective(options))
            self.commands.before()
            self.child = self._start([*wrap, *self.command(fio, target)],
                                     fio.cpu, environment(side, target))
        except BaseException:
            self._end(True)
            raise

    def _start(self, command, cpu, env):
        try:
            with open(self.file("messages"), "wb") as messages:
                return process.Child(command, cwd=self.folder, cpu=cpu,
                                     nice=self.side.own.nice, env=env,
                                     stdout=messages,
                                     stderr=subprocess.STDOUT)
        except (OSError, subprocess.SubprocessError) as error:
            nice = self.side.own.nice
            on = "" if cpu is None else f" on CPU {cpu}"
            raise Problem(
                f"cannot start {command[0]}{on} ({error}): is it still there"
                + (", may that CPU be used" if on else "")
                + ("" if nice is None else f", may its nice value be {nice} "
                   "(one below that of this command takes root)") + "?"
            ) from None

    def command(self, fio: Fio, target: Target) -> list[str]:
        safe = [] if target.writable else ["--readonly"]
        return [fio.path, "--eta=never", "--output-format=json+",
                "--output=out.json", *safe, "effective.fio"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception):
        try:
            self.child.__exit__(*exception)
        finally:
            self._end(exception[0] is not None)

    def _end(self, in_vain):
        try:
            self.commands.after(in_vain)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def file(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def _write(self, name, text):
        """A target's name may hold bytes that are no UTF-8."""
        try:
            with open(self.file(name), "w", encoding="utf-8",
                      errors="surrogateescape") as file:
                file.write(text)
        except OSError as error:
            raise no_room(self.folder, error.strerror) from None

    def read(self, name: str) -> str:
        try:
            with open(self.file(name), encoding="utf-8",
                      errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def check_target(self) -> None:
        claim.check_same(self.target)

    def problem(self, why: str) -> Problem:
        """A Problem with fio's own words, which come first where it has any."""
        said = words(self.read("messages") +
                     self.read("out.json").split("{")[0])
        return Problem(f"fio failed with engine {self.side.text} on job "
                       f"{self.job.name} ({why}): {said or 'no message'}")

    def finish(self, seconds: float) -> dict:
        """Wait for the end; fio's JSON, checked."""
        ended = self.child.wait(seconds)
        check_room(self.folder)     # what fio wrote may be cut short
        self.check_target()         # before what fio says of it
        if not ended:
            raise self.problem(f"still running after {seconds:.0f} s, ended")
        if self.child.status != 0:
            raise self.problem(f"exit status {self.child.status}")
        try:
            result = parse(self.read("out.json"))
            bad = [job for job in result[self.JOBS] if job["error"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise self.problem("its JSON is not a result") from None
        if bad or not result[self.JOBS]:
            raise self.problem("a job reports an error")
        # Such a job has no error in fio's JSON, and its status is 0.
        if "got signal" in self.read("messages"):
            raise self.problem("a job was ended by a signal")
        return result


def run(fio: Fio, side: Side, job: JobText, target: Target,
        options: Iterable[str], seconds: float, wrap: Sequence[str] = (),
        keep: Iterable[str] = ()) -> tuple[dict, dict[str, str]]:
    """Run fio to its end: (JSON result, {file name: text} of keep)."""
    with Run(fio, side, job, target, options, wrap) as started:
        result = started.finish(seconds + PATIENCE)
        return result, {name: started.read(name) for name in keep}

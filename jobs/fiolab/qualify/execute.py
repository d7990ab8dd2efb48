# SPDX-License-Identifier: GPL-2.0-only
# One job file run with fio: on a target of this machine, or on a host through
# its `fio --server`.  Each process leaves one file with all that it was told
# and all that it said.  A process ends with the command, and when the command
# is asked to stop.
from dataclasses import dataclass, field
import json
import math
import re
import time

from ..base.problem import Problem
from ..fio import clientrun, fiorun
from ..target import claim, sysfs
from .fleet import seats

LOOK = 0.2              # seconds between looks at a request to stop
LET_GO = 300            # seconds until the kernel has ended a device's I/O
SLOW = 20               # times as long as a run should take, it may
STATS = "stats"         # the engine's, in the run's private folder
ENGINE_NOTE = "kaio: {"


class Stopped(Exception):
    """The command was asked to end."""


@dataclass
class Ran:
    jobs: list
    stats: list
    status: int | None
    messages: str
    source: str
    seconds: float
    extra: dict = field(default_factory=dict)

    def named(self, name):
        """(its JSON entries, its engine's figures) of one job."""
        return ([job for job in self.jobs if job["jobname"] == name],
                [one for one in self.stats if one.get("job") == name])


@dataclass(frozen=True)
class Whole:
    """A job file as it is; takes the part of jobfile.Job in fio.Run."""
    name: str
    text: str

    def effective(self, options):
        front = ["[global]", *options, ""] if options else []
        return "\n".join([*front, self.text, ""])


class Local(fiorun.Run):
    def whole(self):
        return self.finish(0)


class Remote(clientrun.Run):
    def __init__(self, fio, side, job, target, options):
        text, = fiorun.literal([job.text], side, target)
        super().__init__(fio, side, Whole(job.name, text), target, options)

    def whole(self):
        """fio's JSON, with the host's own jobs alone."""
        try:
            found, = self.by_client(0).values()
        except clientrun.Lost as lost:
            raise Problem(f"{lost.args[0] or 'the host'} gave no result in "
                          f"{self.job.name} ({lost.args[1]}): look at it, "
                          "then go on with --resume.") from None
        return {**fiorun.parse(self.read("out.json")), self.JOBS: found}


def _is_there(started):
    try:
        started.check_target()
        return True
    except claim.Gone:
        return False            # whole() says so


def _end(started):
    """Without what it has in flight nobody may go on: it may yet arrive."""
    started.child.kill()
    if not started.child.wait(LET_GO):
        raise started.problem(f"it was ended, and its I/O is still in flight "
                              f"after {LET_GO} s")


class _Patience:
    """With a run, for so many seconds, and beyond them as long as its device
    finishes I/O, which one that hangs does not: how long the I/O takes is for
    the device to say, and for how much of its CPUs the machine has to spare."""

    def __init__(self, folder, seconds):
        self.folder, self.seconds = folder, seconds
        self.begin = self.moved = time.monotonic()
        self.finished = sysfs.finished(folder)

    def ends(self):
        """After how many seconds it has come to its end; None before."""
        now, finished = time.monotonic(), sysfs.finished(self.folder)
        if finished != self.finished:
            self.finished, self.moved = finished, now
        taken = now - self.begin
        still = now - self.moved >= fiorun.PATIENCE
        return taken if taken >= self.seconds and (
            still or taken >= SLOW * self.seconds) else None


def _await(started, seconds, stop, over):
    """To the end of fio, which is ended early where its target goes, when over
    is set, or when there is no patience left."""
    patience = _Patience(started.target.folder, seconds)
    while not started.child.wait(LOOK):
        if stop.is_set():
            raise Stopped
        if not _is_there(started):
            started.child.kill()
            return
        if over and over.is_set():
            return _end(started)
        taken = patience.ends()
        if taken is not None:
            raise started.problem(f"still running after {taken:.0f} s, ended")
    # The one that ended it may have ended fio, too, as Ctrl-C does.
    if stop.is_set() and started.child.status:
        raise Stopped


def _patience(text):
    """Seconds beyond the runs of a job file: on a slow machine each of what is
    run one after the other takes its time to begin and to end."""
    return fiorun.PATIENCE * max(1, len(re.findall(r"^stonewall\b", text,
                                                   re.M)))


def _without_nan(value):
    """fio's figures with null for what is no number of JSON."""
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _loosely(text):
    """The JSON of a fio that failed; {} where it has none."""
    start = fiorun.LIST.search(text)
    try:
        found = json.loads(text[start.start():]) if start else {}
    except (ValueError, RecursionError):
        return {}
    return _without_nan(found) if isinstance(found, dict) else {}


def _notes(started):
    """What fio said in its output, before the JSON."""
    text = started.read("out.json")
    start = fiorun.LIST.search(text)
    return text[:start.start()] if start else text


def _objects(lines):
    """The JSON object of each line that is one."""
    found = []
    for line in lines:
        try:
            one = json.loads(line)
        except ValueError:
            continue
        found += [one] if isinstance(one, dict) else []
    return found


def _stats(started, said):
    """Of the engine: from its file, or from what a host's fio printed."""
    noted = [line[line.index(ENGINE_NOTE) + len(ENGINE_NOTE) - 1:]
             for line in said.splitlines() if ENGINE_NOTE in line]
    return _objects(started.read(STATS).splitlines() or noted)


class Executor:
    """Runs job files on one target with one engine, into a folder."""

    def __init__(self, fio, side, target, folder, stop, has_stats):
        self.fio, self.side, self.target = fio, side, target
        self.folder, self.stop, self.has_stats = folder, stop, has_stats
        self.used = False       # has a fio been run on the target?
        self.spoils = None      # to be called before the next one

    @property
    def tells_windows(self):
        """Does the engine tell the latencies of each second?  They are in a
        file, which a host does not send."""
        return self.has_stats and not self.target.clients

    def base(self):
        """The [global] lines in front of every job file."""
        return ["ioengine=${ENGINE}", "filename=${TARGET}",
                f"direct={int(self.target.direct)}", "group_reporting=1",
                *fiorun.KEEP_FILES, *fiorun.LATENCY, *self.side.options,
                *self._stats()]

    def _stats(self):
        return (["engine_stats=1"] if self.target.clients else
                [f"stats_file={STATS}"]) if self.has_stats else []

    def lines(self, seed, windows=False):
        """Those for a job file of the user's, each of whose jobs has figures
        of its own; windows: with the latencies of each second."""
        return [*fiorun.base_options(self.side, self.target, seed),
                *fiorun.LATENCY, *self._stats(),
                *(["lat_windows=1"] if windows and self.tells_windows else [])]

    def _start(self, text, name, base):
        given = (self.fio, self.side, Whole(name, text), self.target,
                 self.base() if base else [])
        if self.target.clients:
            return Remote(*given)
        return Local(*given, seats.wrap(self.target))

    def run(self, text, name, seconds, tolerant=False, base=True, over=None):
        """Ran, whose file has that name; Problem where fio fails, unless
        tolerant; claim.Gone, once the file is there; Stopped.

        over: an event upon which fio is ended.
        """
        if self.stop.is_set():
            raise Stopped
        self._note_use()
        if not self.target.runs:
            raise Problem(f"{self.target.name} has rounds left to run: give "
                          "--destroy-data with --resume.")
        began, clock = time.time(), time.monotonic()
        with self._start(text, name, base) as started:
            _await(started, seconds + _patience(text), self.stop, over)
            taken = time.monotonic() - clock
            result, gone = self._result(started, tolerant)
            said = started.read("messages") + _notes(started)
            stats = _stats(started, said)
            record = {"name": name, "start": began, "seconds": taken,
                      "command": self._command(started),
                      "job": started.read("effective.fio"),
                      "environment": self._environment(),
                      "status": started.child.status, "result": result,
                      "stats": stats, "messages": said}
            jobs = result.get(started.JOBS, [])
        source = self.folder.save_run(name, record)
        if gone:
            raise gone
        return Ran(jobs, stats, record["status"], said, source, taken)

    def _note_use(self):
        self.used = True
        if self.spoils:
            self.spoils()
            self.spoils = None

    def _result(self, started, tolerant):
        """(fio's JSON, claim.Gone or None)"""
        gone = None
        try:
            return started.whole(), None
        except claim.Gone as problem:
            gone = problem
        except Problem:
            fiorun.check_room(started.folder)
            if not tolerant:
                raise
        return _loosely(started.read("out.json")), gone

    @staticmethod
    def _command(started):
        return list(started.child.process.args)

    def _environment(self):
        """What the job file's ${...} stand for, to repeat the run."""
        known = fiorun.environment(self.side, self.target)
        return {name: known[name] for name in (
            "ENGINE", "TARGET", *dict(self.side.environment))}

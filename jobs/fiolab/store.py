# SPDX-License-Identifier: GPL-2.0-only
# The campaign folder: campaign.json (the plan), runs/NNNNNN.json (one file for
# each run) and the reports.  Every file is written under another name, brought
# to the disk and renamed, so that after SIGKILL or on a full disk it is whole
# or absent; a lock keeps two commands from using one folder at a time.
import contextlib
import errno
import fcntl
import itertools
import json
import os
import re
import secrets

from . import planschema, schema
from .problem import Problem

PART_NAME = re.compile(r".*\.[0-9a-f]{8}\.part")
RUNS = "runs"
SCHEMA = "kaio-campaign/1"


def reason(error):
    """An OSError in words."""
    return ("no space left" if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else error.strerror)


def write(path, text):
    """A whole file or none, on the disk when this returns."""
    part = f"{path}.{secrets.token_hex(4)}.part"
    try:
        with open(part, "x", encoding="utf-8",
                  errors="surrogateescape") as file:    # names that are not
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)


def dump(content, **how):
    """JSON; a NaN in it is a fault of ours and no figure for anybody."""
    return json.dumps(content, allow_nan=False, **how) + "\n"


def fresh(stem, kind=None):
    """A Folder under a name that no other command has taken."""
    kind = kind or Folder
    for number in itertools.count(1):
        folder = kind(stem if number == 1 else f"{stem}-{number}")
        try:
            os.mkdir(folder.path)
            folder.made = [folder.path]
            return folder
        except FileExistsError:
            continue
        except OSError as error:
            raise folder.full(error, f"a {kind.KIND}") from None


class Folder:
    # What another kind of folder has otherwise.
    PLAN, SCHEMA = "campaign.json", SCHEMA
    RUN_NAME = re.compile(r"(\d{6,})\.json")
    KIND, COMMAND = "campaign", "jobs/ab"

    def __init__(self, path):
        self.path = os.path.realpath(path)
        self.shown = ascii(path)[1:-1]
        self.lock = -1
        self.made = []          # the folders that this command made
        self.strange = []       # sentences about files that are not ours

    def file(self, *names):
        return os.path.join(self.path, *names)

    def full(self, error, what):
        hint = (f"; make room and go on with --resume {self.shown}"
                if os.path.exists(self.file(self.PLAN)) else
                ": give another folder with --out")
        return Problem(f"cannot write {what} in {self.shown} "
                       f"({reason(error)}){hint}.")

    def create(self, stack):
        """A new campaign's folder, which must not hold another.

        If no plan is ever saved in it, nothing of it is left behind.
        """
        try:
            self._make()
            self._refuse_another()
            self._hold(stack)
        except OSError as error:
            self._remove_if_empty()
            raise self.full(error, f"a {self.KIND}") from None
        # While the lock is held: another command may be about to take it.
        stack.callback(self._remove_if_empty)
        self._refuse_another()

    def _make(self):
        for path in (self.path, self.file(RUNS)):
            if not os.path.isdir(path):
                os.makedirs(path, exist_ok=True)
                self.made.append(path)

    def _refuse_another(self):
        if os.path.exists(self.file(self.PLAN)) or os.listdir(
                self.file(RUNS)):
            raise Problem(f"{self.shown} holds another {self.KIND}: give "
                          "another --out, or go on with --resume "
                          f"{self.shown}.")

    def _remove_if_empty(self):
        if not os.path.exists(self.file(self.PLAN)):
            for path in reversed(self.made):
                with contextlib.suppress(OSError):
                    os.rmdir(path)

    def open(self, stack):
        """An earlier campaign's folder; its plan."""
        plan = self.plan()
        try:
            os.makedirs(self.file(RUNS), exist_ok=True)
            self._hold(stack)
            for name in os.listdir(self.file(RUNS)):
                if PART_NAME.fullmatch(name):
                    os.unlink(self.file(RUNS, name))
        except OSError as error:
            raise self.full(error, "a run") from None
        return plan

    def _hold(self, stack):
        self.lock = os.open(self.file(RUNS), os.O_RDONLY | os.O_CLOEXEC)
        stack.callback(os.close, self.lock)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.path.samestat(os.fstat(self.lock),
                                    os.stat(self.file(RUNS)))
        except (BlockingIOError, FileNotFoundError):
            held = False        # or its holder has just removed it
        if not held:
            raise Problem(f"another command works in {self.shown}: wait for "
                          "its end.")

    def plan(self):
        try:
            with open(self.file(self.PLAN), encoding="utf-8") as file:
                found = json.load(file)
            if found["schema"] != self.SCHEMA:
                raise ValueError(f"its schema is {found['schema']!r}")
            self.check(found)
            return found
        except schema.Wrong as wrong:
            raise Problem(f"{self.shown} is not a {self.KIND} folder "
                          f"({self.PLAN}: "
                          f"{ascii(' '.join(wrong.args))[1:-1]:.120}): name "
                          f"one that {self.COMMAND} of this version wrote."
                          ) from None
        except (OSError, ValueError, KeyError, TypeError,
                RecursionError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise Problem(f"{self.shown} is not a {self.KIND} folder "
                          f"({self.PLAN}: {why}): name one that "
                          f"{self.COMMAND} wrote.") from None

    @staticmethod
    def check(found):
        planschema.check(found)

    def save_plan(self, plan):
        self._save(self.PLAN, "the plan", dump(plan, indent=1))

    def save_run(self, number, run):
        """Compact: the latency bins are most of it."""
        self._save(os.path.join(RUNS, f"{number:06d}.json"), "a run",
                   dump(run, separators=(",", ":")))

    def save_report(self, content):
        self._save("report.json", "the report", dump(content, indent=1))

    def save_jobs(self, texts):
        """The job files of the commands that repeat a run."""
        try:
            os.makedirs(self.file("jobs"), exist_ok=True)
        except OSError as error:
            raise self.full(error, "the job files") from None
        for name, text in texts.items():
            self._save(os.path.join("jobs", name), "the job files", text)

    def save_text(self, name, text):
        self._save(name, "the report", text)

    def _save(self, name, what, text):
        try:
            write(self.file(name), text)
        except OSError as error:
            raise self.full(error, what) from None

    def _read(self, name):
        try:
            with open(self.file(RUNS, name), encoding="utf-8") as file:
                found = json.load(file)
            return found if isinstance(found, dict) else None
        except (OSError, ValueError, RecursionError):
            return None

    def runs(self):
        """(number, run) of every file that holds one, in order.

        Others are left alone, with a sentence in .strange; a run that is
        missing for it is made again by --resume.
        """
        try:
            names = sorted(os.listdir(self.file(RUNS)),
                           key=lambda name: (len(name), name))
        except OSError as error:
            raise Problem(f"cannot read {self.shown}/{RUNS}: {error.strerror}."
                          ) from None
        for name in names:
            match = self.RUN_NAME.fullmatch(name)
            run = self._read(name) if match else None
            if run is None:
                self.disown(name, f"it is not a run of {self.COMMAND}, whole")
            else:
                yield int(match[1]), run

    def disown(self, name, why):
        self.strange.append(f"{RUNS}/{ascii(name)[1:-1]} is ignored: {why}.")

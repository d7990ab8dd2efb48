# SPDX-License-Identifier: GPL-2.0-only
# The folder of what a command measures: the plan, runs/ (one file for each run)
# and the reports.  Every file in it is whole or absent (files.py); a lock keeps
# two commands from using one folder at a time.
import contextlib
import fcntl
import json
import os
from typing import TypeVar

from . import schema
from .files import PART_NAME, dump, reason, write
from .problem import Problem

RUNS = "runs"
Kind = TypeVar("Kind", bound="Folder")


def fresh(stem: str, kind: type[Kind]) -> Kind:
    """A Folder under a name that no other command has taken."""
    number = 0
    while True:
        number += 1
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
    # What each kind of folder says of itself: the plan's file and its Schema,
    # what it holds, which command writes it.
    PLAN: str
    SCHEMA: schema.Schema
    KIND: str
    COMMAND: str

    def __init__(self, path: str):
        self.path = os.path.realpath(path)
        self.shown = ascii(path)[1:-1]
        self.lock = -1
        self.made: list[str] = []       # the folders that this command made
        self.strange: list[str] = []    # sentences on files that are not ours

    def file(self, *names: str) -> str:
        return os.path.join(self.path, *names)

    def full(self, error: OSError, what: str) -> Problem:
        hint = (f"; make room and go on with --resume {self.shown}"
                if os.path.exists(self.file(self.PLAN)) else
                ": give another folder with --out")
        return Problem(f"cannot write {what} in {self.shown} "
                       f"({reason(error)}){hint}.")

    def create(self, stack: contextlib.ExitStack) -> None:
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

    def open(self, stack: contextlib.ExitStack) -> dict:
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

    def plan(self) -> dict:
        try:
            with open(self.file(self.PLAN), encoding="utf-8") as file:
                found = json.load(file)
            if found["schema"] != self.SCHEMA.version:
                raise ValueError(f"its schema is {found['schema']!r}")
            self.SCHEMA.check(found)
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

    def save_plan(self, plan: dict) -> None:
        self._save(self.PLAN, "the plan", dump(plan, indent=1))

    def save_text(self, name: str, text: str) -> None:
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

# SPDX-License-Identifier: GPL-2.0-only
# @before= and @after= of a side: commands of the user that are run around each
# run of fio on that side, one that sets something (a scheduler, a sysctl, mount
# options) and one that puts it back.  They are run by sh as they are, in the
# folder of the command, and whatever they say is kept.  What was begun is put
# back also where the run or the first command failed, and after Ctrl-C or
# SIGTERM, which wait for it.
import os
import sys
import time
from typing import Any

from ..base import process
from ..base.problem import Problem
from .sidespec import Side

SECONDS = 60            # for each, where @within= does not say another
KEPT = 2000             # characters of what it says


class Failed(Problem):
    """A command did not do its work, so that its pair is worth nothing."""

    def __init__(self, text: str, commands: list[dict]):
        super().__init__(text)
        self.commands = commands


def _log(path):
    """Where there is no room for it, or its folder is gone, what a command says
    is lost; that something is put back is not."""
    try:
        return open(path, "w+b")
    except OSError:
        return open(os.devnull, "w+b")


def _said(file):
    file.seek(0)
    return file.read(4 * KEPT).decode(errors="replace")[:KEPT].strip()


class Commands:
    """Those around one run; what came of them is in .done."""

    def __init__(self, side: Side, folder: str):
        self.side, self.folder = side, folder
        self.done: list[dict[str, Any]] = []
        self.begun = False          # is there something to put back?

    def before(self) -> None:
        self.begun = True
        if self.side.own.before:
            self._run("before", self.side.own.before)

    def after(self, in_vain: bool = False) -> None:
        """in_vain: something else has failed before, which is what to tell;
        a failure here is then only said."""
        try:
            with process.signals_later():
                self._put_back()
        except Failed as problem:
            if not in_vain:
                raise
            print(f"note: {problem}", file=sys.stderr)
        finally:
            if self.begun:          # a signal came before the wait for it
                self._put_back()

    def _put_back(self):
        begun, self.begun = self.begun, False
        if begun and self.side.own.after:
            self._run("after", self.side.own.after)

    def _run(self, when, command):
        seconds = self.side.own.within or SECONDS
        start = time.monotonic()
        with _log(os.path.join(self.folder, when)) as file:
            with process.Child(["/bin/sh", "-c", command], stdout=file,
                               stderr=file) as child:
                child.wait(seconds)
                status = child.status
            said = _said(file)
        self.done.append({"when": when, "status": status, "output": said,
                          "seconds": round(time.monotonic() - start, 3)})
        if status != 0:
            self._fail(when, status, seconds)

    def _fail(self, when, status, seconds):
        how = (f"still running after {seconds} s, ended" if status is None
               else f"exit status {status}")
        said = self.done[-1]["output"].replace("\n", "; ")[:200]
        raise Failed(f"@{when}= of side {self.side.text} failed ({how}): "
                     f"{said or 'no message'}", self.done)

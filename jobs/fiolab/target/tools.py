# SPDX-License-Identifier: GPL-2.0-only
# Programs that need not be there: nvme, hdparm, sdparm, smartctl, sg_vpd, and
# those that sign; and those of util-linux that must be.  A device that does not
# answer must not hold the qualification up, so each has a time limit, and
# output goes to a file, as a pipe that nobody empties would stop it; to one in
# memory, so that no full disk cuts an answer short.
from collections.abc import Callable
import contextlib
import json
import os
import shutil
from typing import Any

from ..base.problem import Problem
from ..base.process import Child

SECONDS = 20
SBIN = ":/usr/local/sbin:/usr/sbin:/sbin"
PACKAGES = {"nvme": "nvme-cli", "hdparm": "hdparm",
            "smartctl": "smartmontools", "sg_vpd": "sg3-utils",
            "sdparm": "sdparm", "minisign": "minisign", "gpg": "gnupg",
            "wipefs": "util-linux", "findmnt": "util-linux"}


def find(name: str) -> str | None:
    """The path of a program, or None; sbin is not on every user's PATH."""
    return shutil.which(name, path=os.environ.get("PATH", "") + SBIN)


def hint(name: str) -> str:
    return f"{PACKAGES[name]}: apt-get install {PACKAGES[name]}"


class Answer:
    """What a program said; status None: no end within the time."""

    def __init__(self, status: int | None, text: str, errors: str):
        self.status, self.text, self.errors = status, text, errors

    def why(self) -> str:
        """The reason that it gives, in a few words."""
        if self.status is None:
            return "no answer in time"
        lines = (self.errors.strip() or self.text.strip()).splitlines()
        return lines[-1].strip() if lines else f"exit status {self.status}"


def run(name: str, *words: str, seconds: float, errors: str = "replace",
        **popen: Any) -> Answer | None:
    """The Answer of a program; None where it is not on this machine.

    errors: what becomes of bytes that are no text.
    """
    path = find(name)
    if path is None:
        return None
    with _file("out") as out, _file("err") as err:
        with Child([path, *words], stdout=out, stderr=err,
                   env={**os.environ, "LC_ALL": "C"}, **popen) as child:
            child.wait(seconds)
            return Answer(child.status, *(_text(file, errors)
                                          for file in (out, err)))


def _file(name):
    return os.fdopen(os.memfd_create(name), "w+b")


def _text(file, errors):
    file.seek(0)
    return file.read().decode(errors=errors)


def understood(make: Callable[[dict], dict], found: dict,
               said: str) -> tuple[dict | None, str | None]:
    """(what make makes of a tool's JSON, None); or (None, a sentence that
    begins with said) where another version of it has other JSON."""
    try:
        return make(found), None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None, f"{said}: its JSON is not as it is known here."


def told(what: str, name: str, *words: str, **popen: Any) -> dict:
    """What a program prints as JSON; a Problem where it tells nothing, which
    must not be taken for a "no".  what: "/dev/sda holds", for that sentence.
    Names of files are as os.fsdecode() has them.
    """
    answer = run(name, *words, seconds=SECONDS, errors="surrogateescape",
                 **popen)
    if answer is None:
        raise Problem(f"what {what} cannot be told without {name} "
                      f"({hint(name)}).")
    with contextlib.suppress(ValueError):
        if answer.status == 0:
            return json.loads(answer.text)
    raise Problem(f"what {what} cannot be told: {name} says {answer.why()}.")

# SPDX-License-Identifier: GPL-2.0-only
# What a side has for itself beside its engine, options and environment, so that
# anything can be compared: @NAME=VALUE behind the engine, where VALUE ends at
# the next @, or --own LETTER:NAME=VALUE, where it is all the rest.  Everything
# else is the same on all sides.
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
import os
import re
import shutil
import stat
from typing import Any

from ..base.problem import Problem


@dataclass(frozen=True)
class Own:
    """What a side has for itself; "" or None: what all sides have."""
    fio: str = ""               # an absolute path
    target: str = ""            # a file or device, its links resolved
    filename: str = ""          # for fio alone: of it nothing is known
    job: str = ""               # a job file
    before: str = ""            # commands around each run: sidecommand.py
    after: str = ""
    within: int | None = None   # seconds that each of these may take
    cpu: int | None = None      # to which its fio is pinned
    nice: int | None = None

    def given(self) -> dict[str, Any]:
        """{name: value} of those that it has."""
        return {name: value for name, value in asdict(self).items()
                if value not in ("", None)}


NAMES = tuple(field.name for field in fields(Own))
SETTING = re.compile(rf"({'|'.join(NAMES)})=(.*)", re.S)


def _fio(text):
    found = shutil.which(text)
    if not found:
        raise Problem(f"there is no fio at '{text}': check the path after "
                      "fio=.")
    return os.path.abspath(found)


def _target(text):
    return os.path.realpath(os.path.expanduser(text))


def _is_place(name):
    """Would fio, or a kernel, find a file or a disk under that name?"""
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(mode) or stat.S_ISBLK(mode) or stat.S_ISDIR(mode)


def _filename(text):
    """As it is, for an engine that knows what it means; what is claimed and
    checked goes by @target=."""
    if re.search(r"[\x00-\x1f\x7f;#$]", text) or text != text.strip():
        raise Problem("fio would misread the name (; # $ or an outer blank).")
    for name in [text, *re.split(r"(?<!\\):", text)]:
        if ".." in name.split("/"):
            raise Problem(f"{name} leads out of the folder that fio runs in, "
                          "which is not this one: give @target= with a path.")
        if _is_place(name.replace("\\:", ":")):
            raise Problem(f"{name} is a file or device of this machine, which "
                          "nobody would claim or check: give @target=.")
    return text


def _number(low, high):
    def parse(text):
        if not re.fullmatch(r"-?\d{1,5}", text, re.A) or not (
                low <= int(text) <= high):
            raise Problem(f"'{text}' is not a number from {low} to {high}.")
        return int(text)
    return parse


def _command(text):
    if "\0" in text:
        raise Problem("a command has no character NUL.")
    return text


READ = {"fio": _fio, "target": _target, "filename": _filename, "job": str,
        "before": _command, "after": _command,
        "within": _number(1, 86400), "cpu": _number(0, 99999),
        "nice": _number(-20, 19)}


def with_setting(own: Own, name: str, value: str, text: str) -> Own:
    """own, and this setting, of the side that was given as text."""
    if name in own.given():
        raise Problem(f"'{text}' sets {name} twice: leave one out.")
    if not value:
        raise Problem(f"'{name}=' of '{text}' has no value: give one, or leave "
                      "it out.")
    try:
        found = replace(own, **{name: READ[name](value)})
    except Problem as problem:
        raise Problem(f"{name}= of side '{text}': {problem}") from None
    if found.target and found.filename:
        raise Problem(f"'{text}' has a target= and a filename=: leave one out.")
    return found


def of_letters(given: Iterable[str] | None,
               letters: str) -> dict[str, list[tuple[str, str]]]:
    """{letter: [(name, value)]} of the --own arguments; letters: of all sides
    that there are."""
    found: dict[str, list[tuple[str, str]]] = {one: [] for one in letters}
    for text in given or ():
        letter, mark, rest = text.partition(":")
        setting = SETTING.fullmatch(rest)
        if not mark or letter not in found or not setting:
            raise Problem(f"--own {text!r} is not LETTER:NAME=VALUE, with "
                          f"LETTER one of {', '.join(letters)} (the sides, in "
                          f"their order) and NAME one of {', '.join(NAMES)}.")
        found[letter].append((setting[1], setting[2]))
    return found

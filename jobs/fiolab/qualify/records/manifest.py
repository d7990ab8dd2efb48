# SPDX-License-Identifier: GPL-2.0-only
# manifest.sha256: the sha256 of every file of a finished run, in the format of
# sha256sum(1), which reads it without us (sha256sum -c).  It is written last,
# and whatever is written into the folder later takes it and its signatures
# away first, so that a run that did not finish has none.  verify() says what
# became of the files since.
from dataclasses import dataclass, field
import hashlib
import os
import re
import stat

from ...base.problem import Problem

NAME = "manifest.sha256"
# {the tool: its signature of the manifest}
SIGNATURES = {"minisign": f"{NAME}.minisig", "gpg": f"{NAME}.asc"}
SEAL = (NAME, *SIGNATURES.values())
NEEDED = ("plan.json", "qualify.json")      # of which every run has one
LINE = re.compile(r"(\\?)([0-9a-f]{64}) [ *](.+)", re.S)
# sha256sum's, which has a backslash in front of such a line.
ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
PLAIN = {escape: letter for letter, escape in ESCAPES.items()}


class Broken(Exception):
    """The manifest itself is none: why."""


# What is there

def _problem(path, error):
    return Problem(f"cannot read {ascii(path)[1:-1]} ({error.strerror}): "
                   "nothing can be said of the run without it.")


def digest(path):
    """sha256 of a file, as hexadecimal digits."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _problem(path, error) from None


def _denied(error):
    raise _problem(error.filename, error)


def _walk(folder):
    """{name: is it a regular file?} of all that is in a folder but the
    manifest and its signatures."""
    found = {}
    for place, folders, names in os.walk(folder, onerror=_denied):
        # A link to a folder may lead anywhere: it is named, not followed.
        names += [name for name in folders
                  if os.path.islink(os.path.join(place, name))]
        for name in names:
            path = os.path.join(place, name)
            found[os.path.relpath(path, folder)] = stat.S_ISREG(
                os.lstat(path).st_mode)
    for name in SEAL:
        found.pop(name, None)
    return found


# Writing

def _line(name, sha256):
    escaped = "".join(ESCAPES.get(letter, letter) for letter in name)
    return f"{'' if escaped == name else chr(92)}{sha256}  {escaped}\n"


def text(folder):
    """(the manifest of a folder, the names of what is no file, and left out).
    """
    found = _walk(folder)
    return "".join(_line(name, digest(os.path.join(folder, name)))
                   for name in sorted(found) if found[name]), sorted(
                       name for name, regular in found.items() if not regular)


# Reading

def _name(escaped, number):
    """The name of a line with a backslash in front."""
    parts = re.split(r"(\\.)", escaped)
    if any("\\" in part and part not in PLAIN for part in parts):
        raise Broken(f"line {number} is none of sha256sum's")
    return "".join(PLAIN.get(part, part) for part in parts)


def _parsed(content):
    """{name: sha256} of a manifest."""
    known = {}
    lines = content.decode(errors="surrogateescape").split("\n")
    if lines.pop():
        raise Broken("its last line does not end")
    for number, line in enumerate(lines, 1):
        match = LINE.fullmatch(line)
        if not match:
            raise Broken(f"line {number} is none of sha256sum's")
        name = _name(match[3], number) if match[1] else match[3]
        if name in known or os.path.normpath(name) != name or \
                name.startswith(("/", "../")):
            raise Broken(f"line {number} names no file of the run, or one "
                         "again")
        known[name] = match[2]
    for name in NEEDED:
        if name not in known:
            raise Broken(f"it lists no {name}")
    return known


def _content(folder):
    path = os.path.join(folder, NAME)
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise Problem(f"{ascii(path)[1:-1]} is no file: nothing can be "
                          "said of the run without it.")
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        raise Problem(_none(folder)) from None
    except OSError as error:
        raise _problem(path, error) from None


def _none(folder):
    shown = ascii(folder)[1:-1]
    if not os.path.isdir(folder):
        return f"there is no folder {shown}: name that of a qualification."
    if not os.path.exists(os.path.join(folder, NEEDED[0])):
        return (f"{shown} is not a qualification folder (it has no "
                f"{NEEDED[0]}): name one that jobs/qualify wrote.")
    return (f"{shown} has no {NAME}, as has a run that did not finish: "
            f"nothing can be verified; jobs/qualify --resume {shown} makes "
            "one.")


# Comparing

@dataclass
class Found:
    """What became of the files since the manifest."""
    sha256: str             # of the manifest
    count: int = 0          # of files in it
    broken: str | None = None       # why the manifest is none
    renamed: list = field(default_factory=list)     # (name, new name)
    changed: list = field(default_factory=list)
    missing: list = field(default_factory=list)
    added: list = field(default_factory=list)

    @property
    def whole(self):
        return not (self.broken or self.renamed or self.changed
                    or self.missing or self.added)


def _pair(found, known, folder, there):
    """What is missing under one name, and there under another."""
    digests = {name: digest(os.path.join(folder, name))
               for name in found.added if there[name]}
    for name in list(found.missing):
        other = next((one for one, sha256 in digests.items()
                      if sha256 == known[name]), None)
        if other is not None:
            found.renamed.append((name, other))
            found.missing.remove(name)
            found.added.remove(other)
            del digests[other]


def verify(folder):
    """Found; Problem where there is nothing to compare."""
    content = _content(folder)
    found = Found(hashlib.sha256(content).hexdigest())
    try:
        known = _parsed(content)
    except Broken as broken:
        found.broken = str(broken)
        return found
    there = _walk(folder)
    found.count = len(known)
    found.missing = sorted(known.keys() - there.keys())
    found.added = sorted(there.keys() - known.keys())
    found.changed = sorted(
        name for name in known.keys() & there.keys()
        if not there[name]
        or digest(os.path.join(folder, name)) != known[name])
    _pair(found, known, folder, there)
    return found


def is_there(folder):
    return os.path.lexists(os.path.join(folder, NAME))


def refuse_changed(folder, shown):
    """Of a run that is to be gone on with, or signed."""
    found = verify(folder)
    if not found.whole:
        raise Problem(f"{shown} is not as its {NAME} has it: jobs/qualify "
                      f"verify {shown} names what differs; put that back, or "
                      f"remove {NAME} to go on with what is there.")

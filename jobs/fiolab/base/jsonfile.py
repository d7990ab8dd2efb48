# SPDX-License-Identifier: GPL-2.0-only
# The file of --json: opened beside its place before the runs, with room set
# aside, so that it is whole or absent and a mistake is found at once.  What is
# no regular file (a pipe, /dev/stdout, /dev/null) is never replaced: it is
# written to at the end.
import contextlib
import errno
import json
import os
import stat
import sys
from typing import Any

from .files import Part
from .problem import Problem

RUN_BYTES = 4096        # of JSON; more than a run takes


def _problem(path, error):
    return Problem(f"cannot write {path}: {error.strerror}.")


def _write(content, file):
    json.dump(content, file, indent=1, allow_nan=False)
    file.flush()


class File:
    """A regular file, there before or not; a symbolic link stays one."""

    def __init__(self, path: str, runs: int):
        self.part = Part(os.path.realpath(path))
        self.file: Any = None
        try:
            self.file = open(self.part.name, "x", encoding="utf-8")
            self._reserve(RUN_BYTES * (runs + 20))
        except OSError as error:
            self.close()
            raise _problem(path, error) from None

    def _reserve(self, size):
        try:
            os.posix_fallocate(self.file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise

    def save(self, content: object) -> None:
        try:
            self.file.truncate(0)
            _write(content, self.file)
            os.fsync(self.file.fileno())
            self.part.keep()
        except OSError as error:
            raise _problem(self.part.path, error) from None

    def close(self) -> None:
        """Removes the part file, unless it was saved."""
        if self.file is None:
            return
        with self.part, contextlib.suppress(OSError):
            self.file.close()


class Stream:
    """A pipe or a character device, or what stdout or stderr is."""

    def __init__(self, path: str, descriptor: int | None = None):
        self.path, self.descriptor = path, descriptor
        if descriptor is None and not os.access(path, os.W_OK):
            raise Problem(f"cannot write {path}: Permission denied.")

    def _open(self):
        if self.descriptor is None:
            return open(self.path, "w", encoding="utf-8")
        sys.stdout.flush()      # in the order in which it was said
        return open(os.dup(self.descriptor), "w", encoding="utf-8")

    def save(self, content: object) -> None:
        try:
            with self._open() as file:
                _write(content, file)
        except OSError as error:
            raise _problem(self.path, error) from None

    def close(self) -> None:
        """Nothing is open between the runs."""


def _standard(found):
    """1 or 2 if that is where stdout or stderr goes."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            if os.path.samestat(found, os.fstat(descriptor)):
                return descriptor
    return None


def output(path: str, runs: int) -> File | Stream:
    """What will take the JSON: .save(content) once, then .close()."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return File(path, runs)
    except OSError as error:
        raise _problem(path, error) from None
    if stat.S_ISDIR(found.st_mode) or stat.S_ISBLK(found.st_mode):
        kind = "folder" if stat.S_ISDIR(found.st_mode) else "block device"
        raise Problem(f"cannot write {path}: it is a {kind}.")
    descriptor = _standard(found)
    if descriptor is None and stat.S_ISREG(found.st_mode):
        return File(path, runs)
    return Stream(path, descriptor)

# SPDX-License-Identifier: GPL-2.0-only
# Files: a fingerprint of what they hold; and writing them under another name,
# brought to the disk and renamed, so that after SIGKILL or on a full disk each
# is whole or absent.
import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import stat
from typing import Any

from .problem import Problem


def fingerprint(path: str) -> str | None:
    """Of an engine or a library, so that a resumed campaign uses the same."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None


def reason(error: OSError) -> str:
    """An OSError in words."""
    return ("no space left" if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else error.strerror)


MODE = "x"                  # never over a file that is there
PART_NAME = re.compile(r".*\.[0-9a-f]{8}\.part")


class Part:
    """The name beside a path under which its file is written until it is
    whole; at the end of a with it is kept as the path, or gone."""

    def __init__(self, path: str):
        self.path, self.name = path, f"{path}.{secrets.token_hex(4)}.part"

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            os.unlink(self.name)

    def keep(self) -> None:
        os.replace(self.name, self.path)


def _settle(folder: str) -> None:
    """The names in a folder, too, where its file system does that."""
    try:
        descriptor = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY |
                             os.O_CLOEXEC)
    except PermissionError:     # of a folder that may not be listed
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def write(path: str, text: str, newline: str | None = None) -> None:
    """A whole file or none, on the disk when this returns, and under its
    name: a machine may lose its power in the next moment."""
    with Part(path) as part:
        with open(part.name, MODE, encoding="utf-8", newline=newline,
                  errors="surrogateescape") as file:    # names that are not
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.keep()
        _settle(os.path.dirname(path))


def _into(path: str, mode: int, text: str) -> None:
    """What is no regular file (a pipe, /dev/null) is written to."""
    if stat.S_ISDIR(mode) or stat.S_ISBLK(mode):
        kind = "folder" if stat.S_ISDIR(mode) else "block device"
        raise Problem(f"cannot write {ascii(path)[1:-1]}: it is a {kind}.")
    with open(path, "w", encoding="utf-8", newline="",
              errors="surrogateescape") as file:
        file.write(text)


def write_report(path: str, text: str) -> None:
    """As write(), with the ends of lines as they are in the text, and a
    Problem that says how to make it later.  The user may have named the path:
    a link stays one, and a device is never replaced."""
    try:
        mode = os.stat(path).st_mode if os.path.exists(path) else stat.S_IFREG
        if stat.S_ISREG(mode):
            write(os.path.realpath(path), text, newline="")
        else:
            _into(path, mode, text)
    except OSError as error:
        shown, folder = (ascii(str(name))[1:-1] for name in (
            path, os.path.dirname(path)))
        raise Problem(f"cannot write {shown}: {error.strerror}: make room; "
                      f"then --resume {folder} makes the report.") from None


def dump(content: object, **how: Any) -> str:
    """JSON; a NaN in it is a fault of ours and no figure for anybody."""
    return json.dumps(content, allow_nan=False, **how) + "\n"

# SPDX-License-Identifier: GPL-2.0-only
# Files: a fingerprint of what they hold; and writing them under another name,
# brought to the disk and renamed, so that after SIGKILL or on a full disk each
# is whole or absent.
import contextlib
import errno
import hashlib
import json
import os
import secrets
from typing import Any


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


def write(path: str, text: str, newline: str | None = None) -> None:
    """A whole file or none, on the disk when this returns."""
    part = f"{path}.{secrets.token_hex(4)}.part"
    try:
        with open(part, MODE, encoding="utf-8", newline=newline,
                  errors="surrogateescape") as file:    # names that are not
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)


def dump(content: object, **how: Any) -> str:
    """JSON; a NaN in it is a fault of ours and no figure for anybody."""
    return json.dumps(content, allow_nan=False, **how) + "\n"

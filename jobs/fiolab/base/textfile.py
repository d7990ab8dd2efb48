# SPDX-License-Identifier: GPL-2.0-only
# A file of a campaign's report is whole or absent: written beside its place,
# brought to the disk, then renamed.
import contextlib
import os
import secrets

from .problem import Problem

MODE = "x"                  # never over a file that is there


def write(path, text):
    part = f"{path}.{secrets.token_hex(4)}.part"
    try:
        with open(part, MODE, encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        shown, folder = (ascii(str(name))[1:-1] for name in (
            path, os.path.dirname(path)))
        raise Problem(f"cannot write {shown}: {error.strerror}: make room; "
                      f"then --resume {folder} makes the report.") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)

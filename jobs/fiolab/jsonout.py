# SPDX-License-Identifier: GPL-2.0-only
# The file of --json: opened beside its place before the runs, with room set
# aside, so that it is whole or absent and a mistake is found at once.
import contextlib
import errno
import json
import os
import secrets

from .problem import Problem

RUN_BYTES = 4096        # of JSON; more than a run takes


class Output:
    def __init__(self, path, runs):
        self.path, self.file = path, None
        self.part = f"{path}.{secrets.token_hex(4)}.part"
        if os.path.isdir(path):
            raise Problem(f"cannot write {path}: it is a folder.")
        try:
            self.file = open(self.part, "x", encoding="utf-8")
            self._reserve(RUN_BYTES * (runs + 20))
        except OSError as error:
            self.close()
            raise self._problem(error) from None

    def _problem(self, error):
        return Problem(f"cannot write {self.path}: {error.strerror}.")

    def _reserve(self, size):
        try:
            os.posix_fallocate(self.file.fileno(), 0, size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise

    def save(self, content):
        try:
            self.file.truncate(0)
            json.dump(content, self.file, indent=1, allow_nan=False)
            self.file.flush()
            os.replace(self.part, self.path)
        except OSError as error:
            raise self._problem(error) from None

    def close(self):
        """Removes the part file, unless it was saved."""
        if self.file is None:
            return
        with contextlib.suppress(OSError):
            self.file.close()
        with contextlib.suppress(OSError):
            os.unlink(self.part)

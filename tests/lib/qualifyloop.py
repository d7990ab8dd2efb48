# SPDX-License-Identifier: GPL-2.0-only
"""What a loop device to qualify holds, before and after."""
import os

import targets

SIZE = 64 << 20


def content(path):
    """The device's own, not what the page cache kept of it."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return file.read()


def mounted(what, where):
    """Read-only, as the file system itself would change the content."""
    return targets.mounted(what, str(where), "-o", "ro")


def fill(path, data=b"precious"):
    with open(path, "r+b") as file:
        file.write(data * (SIZE // len(data)))
        os.fsync(file.fileno())

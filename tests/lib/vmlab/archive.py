# SPDX-License-Identifier: GPL-2.0-only
"""Archives that a kernel unpacks into its first root: cpio, "newc", as in the
kernel's Documentation/driver-api/early-userspace/buffer-format.rst.  Several may
follow each other in a file."""
import os
from pathlib import Path
import stat

FOLDER, FILE = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o644
PROGRAM = stat.S_IFREG | 0o755


class Archive:
    """Is written to a binary file; names have no / in front, and a folder comes
    before what is in it."""

    def __init__(self, out):
        self._out = out

    def add(self, name, mode, data=b"", owner=(0, 0), time=0):
        """mode: with the type; data: of a link, where to; time: in seconds."""
        word = os.fsencode(name) + b"\0"
        numbers = (0, mode, *owner, 1, int(time), len(data), 0, 0, 0, 0,
                   len(word), 0)
        head = b"070701" + b"".join(b"%08x" % one for one in numbers) + word
        self._out.write(head + bytes(-len(head) % 4))
        self._out.write(data)
        self._out.write(bytes(-len(data) % 4))

    def copy(self, name, path):
        """A file, link or folder as it is there."""
        found, data = os.lstat(path), b""
        if stat.S_ISLNK(found.st_mode):
            data = os.fsencode(os.readlink(path))
        elif stat.S_ISREG(found.st_mode):
            data = Path(path).read_bytes()
        self.add(name, found.st_mode, data, (found.st_uid, found.st_gid),
                 found.st_mtime)

    def close(self):
        self.add("TRAILER!!!", 0)

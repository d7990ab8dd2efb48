# SPDX-License-Identifier: GPL-2.0-only
# The private folder of a command, in the temporary folder.  It is locked while
# the command lives, so that the next command can tell, and remove, those that
# a killed one left.
import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile

PREFIX = "kaio-run-"
OURS = re.compile(PREFIX + r"[a-z0-9_]{8}")


def _lock(path):
    """A descriptor that holds the folder, or None where another one does."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW |
                         os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # It may have been removed between its creation and the lock.
        if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _remove_if_stale(path):
    info = os.lstat(path)
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid():
        return
    descriptor = _lock(path)
    if descriptor is not None:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def remove_stale(place: str) -> None:
    """Remove what commands that were killed left in a folder."""
    for name in os.listdir(place):
        if OURS.fullmatch(name):
            with contextlib.suppress(OSError):      # gone, or not ours
                _remove_if_stale(os.path.join(place, name))


def _made(stack):
    """(path, lock) of a new folder; the stack removes it."""
    while True:
        path = tempfile.mkdtemp(prefix=PREFIX)
        descriptor = None
        with contextlib.suppress(FileNotFoundError):
            descriptor = _lock(path)
        if descriptor is not None:
            stack.callback(os.close, descriptor)
            stack.callback(shutil.rmtree, path, ignore_errors=True)
            return path


def folder(stack: contextlib.ExitStack) -> str:
    """A new private folder, until the stack unwinds."""
    with contextlib.suppress(OSError):
        remove_stale(tempfile.gettempdir())
    return _made(stack)

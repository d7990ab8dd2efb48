# SPDX-License-Identifier: GPL-2.0-only
"""Another program that has a file locked, in each way that there is."""
import contextlib
import subprocess
import sys

# An OFD lock for reading of one byte is what QEMU has on an image.
LOCKER = """import fcntl, struct, sys, time
file = open(sys.argv[1], "r+b")
if sys.argv[2] == "ofd":
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack(
        "hhqqi4x", fcntl.F_RDLCK, 0, 100, 1, 0))
elif sys.argv[2] == "posix":
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 100)
else:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
print("locked", flush=True)
time.sleep(600)
"""
KINDS = ("ofd", "posix", "flock")


@contextlib.contextmanager
def locked(path, kind):
    """AssertionError where the lock is not to be had."""
    with subprocess.Popen([sys.executable, "-c", LOCKER, path, kind],
                          stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as locker:
        try:
            assert locker.stdout.readline() == b"locked\n"
            yield
        finally:
            locker.kill()

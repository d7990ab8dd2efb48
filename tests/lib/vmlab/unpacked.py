# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages unpacked into the build folder, once, and never installed:
kernels, and the tools of guests, which would change the machine that they are
installed on."""
from contextlib import contextmanager
import fcntl
import os
from pathlib import Path
import subprocess

from .problem import Unfetched

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ("nvme-cli", "hdparm", "sdparm", "smartmontools", "sg3-utils", "lvm2",
         "mdadm", "multipath-tools")
# They, and the libraries that a machine without them lacks.
TOOLS_PARTS = ("^(%s|kpartx|lib(nvme|sgutils|devmapper|lvm2|aio|urcu|json-c|edit"
               "|bsd|cap-ng|md0?|keyutils)[0-9.a-z-]*)$" % "|".join(TOOLS))


# The root of a guest that cannot have this machine's: what tests run and link.
PROGRAMS = ("base-files", "busybox-static", "dash", "coreutils", "util-linux",
            "mount", "e2fsprogs", "kmod", "libcmocka-dev", "libaio1", "fio")


def cache():
    """Where what was fetched stays."""
    return (ROOT / os.environ.get("O", "build") / "vm").resolve()


@contextmanager
def locked(folder):
    """One at a time makes it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(str(folder) + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fetch(folder, suite, architecture, parts, packages):
    """Make the folder, unless it is there and of these packages; under
    locked()."""
    note, asked = Path(f"{folder}.of"), "\n".join((suite, parts, *packages))
    if folder.exists() and note.exists() and note.read_text(
            encoding="utf-8") == asked:
        return
    done = subprocess.run(
        [ROOT / ".setup/unpack", folder, suite, architecture.debian, parts,
         *packages], stdin=subprocess.DEVNULL, text=True,
        stderr=subprocess.PIPE, timeout=1800, check=False)
    if done.returncode:
        raise Unfetched(done.stderr.strip().splitlines()[-1])
    note.write_text(asked, encoding="utf-8")


def tools(architecture):
    """A folder like /, with what tests need to handle devices."""
    folder = cache() / ("tools-" + architecture.debian)
    with locked(folder):
        fetch(folder, "stable", architecture, TOOLS_PARTS, TOOLS)
    return folder


def programs(architecture):
    """A folder like /, for another processor than this machine's."""
    folder = cache() / ("root-" + architecture.debian)
    with locked(folder):
        fetch(folder, "stable", architecture, ".", PROGRAMS)
    return folder

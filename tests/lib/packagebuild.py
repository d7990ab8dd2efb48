# SPDX-License-Identifier: GPL-2.0-only
"""Building archives and packages of this tree, or of what an archive of it
unpacks to, whatever the make around the tests was told."""
import os
import subprocess

from abi_tools import NOT_OURS, ROOT

MORE = ("CFLAGS", "CXX", "LDFLAGS", "DESTDIR", "SOURCE_DATE_EPOCH")


def run(*command, **options):
    env = {name: value for name, value in os.environ.items()
           if name not in (*NOT_OURS, *MORE)}
    return subprocess.run([str(word) for word in command], env=env,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, timeout=900, **options)


def make(out, *goals, tree=ROOT, **options):
    """make O=out GOALS in a tree; what it prints."""
    done = run("make", "-s", "-C", tree, f"O={out}", *goals, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def archive(out, tree=ROOT, **options):
    """make dist; the archive's path."""
    make(out, "dist", tree=tree, **options)
    found, = out.glob("kaio-*.tar.xz")
    return found


def unpacked(path, folder):
    """The top of an archive's tree, unpacked in a new folder."""
    folder.mkdir(parents=True)
    done = run("tar", "-C", folder, "-xf", path)
    assert done.returncode == 0, done.stderr
    top, = folder.iterdir()
    return top

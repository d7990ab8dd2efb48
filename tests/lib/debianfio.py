# SPDX-License-Identifier: GPL-2.0-only
"""The fio of another release of Debian, as its binary package with the libraries
that it needs: fetched from the machine's own mirror, and unpacked, never
installed (apt-get download, dpkg-deb -x)."""
import os
from pathlib import Path
import re
import shutil
import subprocess

import setuprun

# apt-get with a configuration of its own: the machine's lists stay as they are.
CONFIG = """Dir::Etc::SourceList "{0}/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State "{0}/state";
Dir::State::Status "{0}/status";
Dir::Cache "{0}/cache";
Acquire::Languages "none";
Acquire::Retries "1";
APT::Sandbox::User "root";
"""
DEPENDS = ["--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
           "--no-breaks", "--no-replaces", "--no-enhances"]
LIBRARY = re.compile(r"^(?:lib(?!python|pam|debian)\S*|zlib1g)$", re.M)
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class Unreachable(Exception):
    """Why it cannot be had here."""


def apt(folder, tool, *words, timeout=120):
    """What apt-get or apt-cache prints; it works in folder/debs."""
    try:
        done = subprocess.run([tool, "-c", folder / "apt.conf", *words],
                              cwd=folder / "debs", text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, capture_output=True)
    except (OSError, subprocess.TimeoutExpired) as why:
        raise Unreachable(str(why)) from why
    if done.returncode:
        last = done.stderr.strip().splitlines() or ["it failed"]
        raise Unreachable("%s %s: %s" % (tool, words[0], last[-1]))
    return done.stdout


def mirror():
    """Where this machine gets Debian's own packages from."""
    try:
        text = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT)",
             "Identifier: Packages"], text=True, check=True,
            stdout=subprocess.PIPE).stdout
    except (OSError, subprocess.CalledProcessError) as why:
        raise Unreachable("no apt-get here: %s" % why) from why
    found = re.search(r"^(\S+/debian/?) main$", text, re.M)
    if not found:
        raise Unreachable("this machine has no mirror of Debian")
    return found[1]


def configure(folder, suite):
    for name in ("debs", "state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    signed = "[signed-by=%s] " % KEYS if KEYS.exists() else ""
    (folder / "sources.list").write_text("deb %s%s %s main\n" % (
        signed, mirror(), suite))
    (folder / "apt.conf").write_text(CONFIG.format(folder))


def unpack(folder, root):
    """fio's package, and the libraries that it depends on."""
    listed = apt(folder, "apt-cache", "depends", *DEPENDS, "fio")
    names = sorted(set(LIBRARY.findall(listed)))
    apt(folder, "apt-get", "download", "fio", *names, timeout=300)
    for package in (folder / "debs").glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, root], check=True)


def write_runner(root, path):
    """The program, by the C library of its own release."""
    linker, = root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.[0-9]")
    folders = "%s:%s/ceph" % (linker.parent, linker.parent)
    setuprun.write_program(path, "exec %s --library-path %s %s \"$@\"\n" % (
        linker, folders, root / "usr/bin/fio"))


def fetch(suite, out):
    """The path of a command that runs the fio of this release; it and all
    that it needs are below out, and are fetched once.  Unreachable if not."""
    path = Path(out) / suite / "fio"
    if path.exists():
        return path
    if os.uname().machine != "x86_64" or not shutil.which("dpkg-deb"):
        raise Unreachable("needs dpkg, on x86-64")
    work = Path(out) / ("." + suite)
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(path.parent, ignore_errors=True)
    configure(work, suite)
    apt(work, "apt-get", "update")
    # A part of the lists that is missing is no error of apt-get update.
    if not any((work / "state/lists").glob("*Packages*")):
        raise Unreachable("the mirror has no %s" % suite)
    (path.parent / "root").mkdir(parents=True)
    unpack(work, path.parent / "root")
    shutil.rmtree(work)
    write_runner(path.parent / "root", path)
    return path

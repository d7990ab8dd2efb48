# SPDX-License-Identifier: GPL-2.0-only
"""What guests start again and again, in an archive that their kernel unpacks into
RAM: fio, the usual commands, Python with all that the commands in jobs/ import,
and the libraries of these.  By 9p the first start of fio alone takes a quarter of
a minute.  It is made once, and again when one of the files is another."""
import json
import os
from pathlib import Path
import shutil
import stat
import subprocess

from . import elf, unpacked
from .archive import FOLDER, Archive
from .problem import PATH, Problem

TOP = "copies"      # where it is in the archive
PYTHON, IMPORTS = "/usr/bin/python3", Path(__file__).with_name("imports.py")
JOBS = unpacked.ROOT / "jobs"
COMMANDS = """sh bash env cat cp mv rm ln ls mkdir mktemp readlink basename dirname
echo head tail sort grep sed awk find dd sleep test touch true sync stat tee tr wc cut
seq id uname kill setsid timeout cmp xargs od truncate modprobe mount umount
mountpoint losetup blockdev blkdiscard lsblk findmnt wipefs blkid dmsetup
mkfs.ext4 nvme hdparm sdparm smartctl taskset strace""".split()
LARGE = 16 << 20    # data of which a program reads a little, such as ICU's


class Copies:
    """files: {path in the guest: where it is here}, folders and links as well;
    layers: folders like /, the first of which hides the others."""

    def __init__(self, architecture, layers):
        self._layers = [str(layer).rstrip("/") for layer in layers]
        self._libraries = (f"/usr/lib/{architecture.name}-linux-gnu",
                           "/usr/lib", "/usr/lib64", "/usr/local/lib")
        self._seen, self.files = set(), {}

    def _source(self, path):
        return next((layer + path for layer in self._layers
                     if os.path.lexists(layer + path)), None)

    def add(self, path):
        """It, and what is on the way to it: its path without links, or None
        if there is none."""
        done, todo = "", path.split("/")
        while todo:
            name = todo.pop(0)
            if name in ("", "."):
                continue
            if name == "..":
                done = done.rpartition("/")[0]
                continue
            here = f"{done}/{name}"
            source = self._source(here)
            if source is None:
                return None
            self.files[here] = source
            if not os.path.islink(source):
                done = here
                continue
            where = os.readlink(source)
            done = "" if where.startswith("/") else done
            todo[:0] = where.split("/")
        return done

    def program(self, path):
        """The same, and the libraries that it is linked to."""
        real = self.add(path)
        if real and real not in self._seen:
            self._seen.add(real)
            names, folders = elf.linked(self.files[real])
            origin = os.path.dirname(real)
            for name in names:
                any(self.program(f"{folder}/{name}".replace("$ORIGIN", origin))
                    for folder in (*folders, *self._libraries))
        return real

    def write(self, out):
        archive = Archive(out)
        archive.add(TOP, FOLDER)
        for path, source in sorted(self.files.items()):
            if os.lstat(source).st_size <= LARGE:
                archive.copy(TOP + path, source)
        archive.close()


def _imported(compiled):
    """The files that Python reads for the commands; what a guest could not
    keep is compiled, into that folder."""
    shutil.rmtree(compiled, ignore_errors=True)
    done = subprocess.run(
        [PYTHON, IMPORTS, compiled], stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
        env={"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"}, check=False)
    if done.returncode:
        raise Problem("what Python imports for jobs/ is not known: "
                      + (done.stderr.strip().splitlines() or ["?"])[-1])
    return done.stdout.splitlines()


def _ours():
    """What is read of this tree, but for what Python itself says."""
    return sorted(str(path) for path in (
        *JOBS.glob("*"), *(JOBS / "fiolab").rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts)


def _collect(architecture, layers, fio, compiled):
    copies = Copies(architecture, [compiled, *layers])
    for name in COMMANDS:
        any(copies.program(f"/usr/{folder}/{name}") for folder in (
            "bin", "sbin", "local/bin"))
    if fio:
        copies.program(os.path.abspath(fio))
    copies.add("/etc/ld.so.cache")
    if architecture.native:
        for path in (PYTHON, *_imported(compiled)):
            copies.program(path)
        for path in _ours():
            copies.add(path)
    return copies


def _stamp(path):
    """Of what is another when it has changed; None of what is not there."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return None if stat.S_ISDIR(found.st_mode) else [
        found.st_mtime_ns, found.st_size]


def _is_of(note, asked):
    """Whether the archive beside this note is what would be made now."""
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return kept["asked"] == asked and all(
        _stamp(path) == stamp for path, stamp in kept["files"].items())


def archive(architecture, layers):
    """The path of the archive for a guest whose root is these folders."""
    folder = unpacked.cache() / ("ram-" + architecture.debian)
    fio = os.environ.get("FIO", "fio")
    fio = shutil.which(fio, path=PATH) if architecture.native else \
        "/usr/bin/fio"
    asked = [fio, list(map(str, layers)), _stamp(__file__), _stamp(IMPORTS),
             [[path, _stamp(path)] for path in _ours()]]
    with unpacked.locked(folder):
        note, made = folder / "files.json", folder / "cpio"
        if not _is_of(note, asked):
            folder.mkdir(exist_ok=True)
            note.unlink(missing_ok=True)
            copies = _collect(architecture, layers, fio, folder / "compiled")
            with open(folder / "new", "wb") as out:
                copies.write(out)
            os.replace(folder / "new", made)
            note.write_text(json.dumps({"asked": asked, "files": {
                path: _stamp(path) for path in copies.files.values()}}),
                encoding="utf-8")
    return made

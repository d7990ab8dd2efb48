# SPDX-License-Identifier: GPL-2.0-only
"""The project built for another processor, and a guest that runs it: its kernel
and its programs are Debian's, its processor is emulated."""
from pathlib import Path
from types import SimpleNamespace
import os
import shutil

from abi_tools import BUILD, INCLUDE, ROOT, WARNINGS, make, need, output_of
import enginebuild
import fiorun
from vmlab import unpacked

# Models, which compute the same everywhere.
MODELS = {"test_gate_model", "test_gate_orders", "test_weak"}
UNITS = sorted(path.relative_to(ROOT / "tests").with_suffix("")
               for path in (ROOT / "tests").glob("*/test_*.c")
               if path.stem not in MODELS)


def header_alone(root, folder):
    """Where cmocka.h is, and none of that root's other headers."""
    folder.mkdir(exist_ok=True)
    if not (folder / "cmocka.h").exists():
        (folder / "cmocka.h").symlink_to(root / "usr/include/cmocka.h")
    return folder


def cache(target):
    """Where what was built for it stays, as compiling takes the longest."""
    folder = unpacked.cache() / ("build-" + target)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Foreign:
    """guest: a vmlab.Machine, with the folder and cache() among its shares;
    target: as the compiler's name begins, and the folder of the libraries."""

    def __init__(self, guest, target, folder):
        self.guest, self.folder = guest, folder
        self.out = cache(target) / "build"
        self.compiler = need(target + "-gcc", "it builds programs for "
                             + target.partition("-")[0])
        root = guest.layers["root"]
        self.libraries = root / "usr/lib" / target
        self.env = {"LD_LIBRARY_PATH": str(self.out)}
        source = cache(target) / "source"
        shutil.rmtree(source, ignore_errors=True)
        enginebuild.unconfigured(BUILD / "fio", source)
        header = header_alone(root, cache(target) / "header")
        self._make = ("FIO=" + os.environ.get("FIO", "fio"),
                      f"FIO_SRC={source}", f"CFLAGS=-O2 -g -isystem {header}",
                      f"LDFLAGS=-L{self.libraries}")

    def build(self, *targets):
        make(self.out, self.compiler, *self._make, *targets)
        return self.out

    def compile(self, source, *flags):
        """Linked to the shared library of ours, unless flags have another."""
        program = self.folder / Path(source).stem
        output_of(self.compiler, "-O1", "-g", "-D_GNU_SOURCE", *WARNINGS,
                  *INCLUDE, source, "-o", program,
                  *(flags or (f"-L{self.out}", "-laio")), "-lpthread")
        return program

    def run(self, *argv, env=None, cwd="/tmp", timeout=300):
        """As abi_tools.run does here, in the guest."""
        done = self.guest.run(*argv, env={**self.env, **(env or {})}, cwd=cwd,
                              seconds=timeout)
        return SimpleNamespace(returncode=done.status, stdout=done.out,
                               stderr=done.err)


class Fio(fiorun.Fio):
    """The guest's fio, with our engine."""

    def __init__(self, machine):
        super().__init__("fio", machine.out / "fio-kaio.so", machine.folder, {})
        self._machine = machine

    def raw(self, *args, timeout=fiorun.HANGS, strace=(), env=None):
        assert not strace, "there is none in the guest"
        done = self._machine.run(self.binary, *args, cwd=self.cwd,
                                 env={"LD_LIBRARY_PATH": "", **(env or {})},
                                 timeout=timeout)
        return fiorun.Result(done.returncode, done.stdout, done.stderr, 0)

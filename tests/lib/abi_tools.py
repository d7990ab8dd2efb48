# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of the library share: where things are, how to run a command.

The environment says what to test: O (build directory), CC and CXX (compilers),
SAN (the sanitizers that the library was built with).
"""
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "library"
AIO = ROOT / "aio"
BUILD = ROOT / os.environ.get("O", "build")
SHARED = BUILD / "libaio.so.1"
STATIC = BUILD / "libaio.a"
CC = shlex.split(os.environ.get("CC", "gcc"))
CXX = shlex.split(os.environ.get("CXX", "g++"))
SAN = os.environ.get("SAN", "")
SAN_FLAGS = [f"-fsanitize={SAN}"] if SAN else []
# A crash has to look the same with and without a sanitizer.
SAN_ENV = {
    "ASAN_OPTIONS": "handle_segv=0:detect_leaks=0:allow_user_segv_handler=1",
    "TSAN_OPTIONS": "handle_segv=0",
}
# A sanitizer, a -j or an O= of the make around us is not meant for these.
NOT_OURS = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "O", "SAN", "CC")
INCLUDE = [f"-I{AIO}", f"-I{ROOT}/tests/lib"]
WARNINGS = ["-Wall", "-Wextra", "-Werror"]


def run(*command, timeout=180, env=None, **options):
    """Run a command to its end and return it with its output as text."""
    return subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=timeout,
        env=os.environ | SAN_ENV | (env or {}),
        **options,
    )


def output_of(*command, **options):
    """The standard output of a command that has to succeed."""
    done = run(*command, **options)
    shown = " ".join(str(word) for word in command)
    assert done.returncode == 0, f"{shown}\n{done.stdout}{done.stderr}"
    return done.stdout


def need(program, reason):
    """The path of a program; the test is skipped without it."""
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not path:
        pytest.skip(f"{program} is not installed: {reason}")
    return path


def compile_program(source, program, *flags, compiler=None):
    """Build a program from one source file with the project's header."""
    output_of(
        *(compiler or CC), "-O1", "-g", *WARNINGS, *SAN_FLAGS, *INCLUDE,
        source, "-o", program, *flags,
    )  # fmt: skip
    return program


def compile_shared(source, program, *flags):
    """The same, linked to the shared library, which LD_LIBRARY_PATH finds."""
    return compile_program(source, program, *flags, f"-L{BUILD}", "-laio")


def symbols(path, *options):
    """The lines of nm as (type, name) pairs.  ($d and so on are marks of where
    code and data begin, on some processors, and not symbols.)"""
    lines = output_of("nm", *options, path).splitlines()
    return [tuple(line[17:].split()) for line in lines
            if line[16:17] == " " and " $" not in line]


def make(out, compiler, *words):
    """The project built into out, whatever the make around us was told."""
    return output_of(
        "env", *[f"--unset={name}" for name in NOT_OURS], "make", "-C", ROOT,
        f"O={out}", f"CC={compiler}", *words, timeout=600,
    )  # fmt: skip

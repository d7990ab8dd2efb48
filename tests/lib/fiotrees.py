# SPDX-License-Identifier: GPL-2.0-only
"""Built fio trees for tests: the fio under test in its own source tree."""
from pathlib import Path
import shutil


def version_of(headers):
    return (Path(headers) / ".version").read_text(encoding="utf-8").strip()


def built(headers, binary, path, version=""):
    """A copy of the tree that the headers are from, with the program in it.
    version: print this one instead, which is as long."""
    shutil.copytree(headers, path, symlinks=True)
    own, program = version_of(headers), Path(binary).read_bytes()
    version = version or own
    assert len(version) == len(own) and own.encode() in program
    (path / "fio").write_bytes(program.replace(own.encode(),
                                               version.encode()))
    (path / "fio").chmod(0o755)
    (path / "version").write_text(version + "\n", encoding="utf-8")
    return path

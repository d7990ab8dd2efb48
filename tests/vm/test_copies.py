# SPDX-License-Identifier: GPL-2.0-only
"""What guests are made of, without one: the files for their RAM, how they are
packed, and when that is done again; packages that are unpacked."""
import os
import re
import shutil
import subprocess

import pytest

from vmlab import architecture, copies, elf, unpacked

pytestmark = pytest.mark.quick
TOKEN = b"what no program has: kaio another"
HERE = architecture.find(os.uname().machine)


def test_libraries_are_those_that_the_loader_takes(fio_binary):
    made = copies.Copies(HERE, ["/"])
    for program in (fio_binary, "/usr/bin/python3"):
        assert made.program(program) == os.path.realpath(program)
        loaded = re.findall(r" => (/\S+)", subprocess.run(
            ["ldd", program], text=True, stdout=subprocess.PIPE,
            check=True).stdout)
        assert len(loaded) > 1
        for path in loaded:
            assert os.path.realpath(path) in made.files, path


def test_what_is_no_program_is_linked_to_nothing(tmp_path):
    file = tmp_path / "file"
    for content in (b"", b"#!/bin/sh", b"\x7fELF\1"):
        file.write_bytes(content)
        assert elf.linked(file) == ([], [])


def test_they_are_packed_as_they_are(tmp_path):
    """With links to files and folders, absolute and not; the first layer
    hides the second."""
    first, second, out = (tmp_path / name for name in ("1", "2", "out"))
    for folder in (first / "usr/bin", second / "usr/bin", second / "etc",
                   second / "opt/deep"):
        folder.mkdir(parents=True)
    (second / "bin").symlink_to("usr/bin")
    (second / "usr/bin/tool").write_text("hidden")
    (first / "usr/bin/tool").write_text("tool")
    (second / "usr/bin/named").symlink_to("../../etc/choice")
    (second / "etc/choice").symlink_to("/opt/deep/real")
    (second / "opt/deep/real").write_text("real")
    (second / "opt/deep/real").chmod(0o751)
    os.utime(second / "opt/deep/real", (1, 1234567890))

    made = copies.Copies(HERE, [first, second])
    assert made.program("/bin/tool") == "/usr/bin/tool"
    assert made.add("/bin/named") == "/opt/deep/real"
    assert made.add("/usr/bin/none") is None
    with open(tmp_path / "cpio", "wb") as file:
        made.write(file)
    out.mkdir()
    with open(tmp_path / "cpio", "rb") as file:
        subprocess.run(["busybox", "cpio", "-idm"], stdin=file, cwd=out,
                       check=True)
    top = out / copies.TOP
    assert os.readlink(top / "bin") == "usr/bin"
    assert (top / "usr/bin/tool").read_text() == "tool"
    assert os.readlink(top / "usr/bin/named") == "../../etc/choice"
    assert os.readlink(top / "etc/choice") == "/opt/deep/real"
    found = (top / "opt/deep/real").stat()
    assert (found.st_mode & 0o7777, found.st_mtime) == (0o751, 1234567890)
    assert (top / "opt/deep/real").read_text() == "real"


def test_they_are_packed_again_when_one_is_another(tmp_path, monkeypatch):
    fio = tmp_path / "fio"
    shutil.copy("/bin/true", fio)
    monkeypatch.setenv("FIO", str(fio))
    monkeypatch.setattr(copies, "COMMANDS", ["sh"])
    monkeypatch.setattr(copies, "_imported", lambda _: [])
    monkeypatch.setattr(unpacked, "cache", lambda: tmp_path / "vm")

    def packed():
        path = copies.archive(HERE, ["/"])
        return path.stat().st_ino, path.read_bytes()
    first = packed()
    assert packed() == first and fio.read_bytes() in first[1]
    fio.write_bytes(TOKEN)
    second = packed()
    assert second != first and TOKEN in second[1]
    monkeypatch.setenv("FIO", "/bin/false")     # which is there as before
    assert TOKEN not in packed()[1]


def test_other_packages_are_unpacked_anew(tmp_path, monkeypatch):
    """And the same ones, once."""
    script = tmp_path / ".setup/unpack"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\nmkdir -p $1\necho $* >>$1/calls\n")
    script.chmod(0o755)
    monkeypatch.setattr(unpacked, "ROOT", tmp_path)
    folder = tmp_path / "tools"
    folder.mkdir()      # of a time before
    for packages in (["one"], ["one"], ["one", "two"], ["one", "two"]):
        unpacked.fetch(folder, "stable", HERE, "^x$", packages)
    assert [line.split()[4:] for line in
            (folder / "calls").read_text().splitlines()] == [
                ["one"], ["one", "two"]]

# SPDX-License-Identifier: GPL-2.0-only
# make install of the engines of two fios side by side: each is there under its
# fio's version, runs in it, and is refused by the other.
import os
import subprocess

import pytest

import fiorun

MIB = 1 << 20


def make(root, goal, prefix, out, san, fio, source=""):
    done = subprocess.run(
        ["make", "-C", root, goal, "O=%s" % out, "SAN=" + san,
         "prefix=%s" % prefix, "libdir=%s/lib" % prefix, "DESTDIR=",
         "FIO=%s" % fio, "FIO_SRC=%s" % source],
        env={**os.environ, "MAKEFLAGS": ""}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=900, check=False)
    assert done.returncode == 0, done.stdout


def installed_name(version):
    return version.replace("fio-", "fio-kaio-", 1) + ".so"


@pytest.mark.slow
def test_two_side_by_side(root, build_dir, fio_binary, san, shm_file, tmp_path,
                          other_tree):
    tree, version, other = other_tree
    prefix, out = tmp_path / "prefix", tmp_path / "out"
    source = os.environ.get("FIO_SRC", "")
    make(root, "install", prefix, build_dir, san, fio_binary, source)
    make(root, "install", prefix, out, san, tree / "fio", tree)
    folder = prefix / "lib" / "fio"
    names = {v: folder / installed_name(v) for v in (version, other)}
    assert set(folder.iterdir()) == {*names.values(), folder / "fio-kaio.so"}
    assert os.readlink(folder / "fio-kaio.so") == installed_name(other)
    for binary, own in ((fio_binary, version), (tree / "fio", other)):
        for built_for, path in names.items():
            fio = fiorun.Fio(str(binary), path, tmp_path,
                             fiorun.sanitizer_env(san))
            result = fio(shm_file, rw="randrw", size=MIB, iodepth=8)
            if own == built_for:
                result.ok()
            else:
                assert result.rc == 1
                assert "built for %s" % built_for in result.text
    make(root, "uninstall", prefix, build_dir, san, fio_binary, source)
    assert list(prefix.rglob("*kaio*")) == []

# SPDX-License-Identifier: GPL-2.0-only
# ioengine=kaio without a path, in a fio that was configured with
# --dynamic-libengines: installed where it looks, and found there.  The
# distribution's fio is none: make test-fio with such a tree runs these.
from collections import namedtuple
import os
from pathlib import Path
import subprocess

import pytest

import setuprun

pytestmark = pytest.mark.fio
# Root in a mount namespace of its own, over whose folder $1 lies another, in $2.
OVERLAY = """set -e
mkdir $2/upper $2/work
mount -t overlay overlay -o lowerdir=$1,upperdir=$2/upper,workdir=$2/work $1
shift 2
"$@"
"""
ASKED = "--debug=io --parse-only --name=kaio --ioengine=kaio"
Dynamic = namedtuple("Dynamic", "folder run")


def looks_in(fio):
    return setuprun.run("engine-dir", fio, timeout=30).stdout.strip()


@pytest.mark.parametrize("printed,folder", [
    ("io       7 dlopen external /usr/lib64/fio/fio-kaio.so", "/usr/lib64/fio"),
    ("io       7 dlopen engine kaio", ""),
    ("fio: dlopen external /usr/lib64/fio/fio-kaio.so", ""),
])
def test_what_fio_says(tmp_path, printed, folder):
    fio = setuprun.write_program(
        tmp_path / "fio", 'test "$*" = "%s" && echo "%s"\n' % (ASKED, printed))
    assert looks_in(fio) == folder


@pytest.fixture
def dynamic(fio_binary, shm):
    """Where the fio under test looks, and a way to run a script that may write
    there, which stays there for the script alone."""
    folder = looks_in(fio_binary)
    if not folder:
        pytest.skip("this fio has no dynamic engines; one that was configured "
                    "with --dynamic-libengines is wanted")
    below = next(p for p in [Path(folder), *Path(folder).parents]
                 if p.is_dir())

    def run(script, **env):
        return subprocess.run(
            ["unshare", "--map-root-user", "--mount", "sh", "-c", OVERLAY,
             "sh", below, shm, "sh", "-ec", script], text=True, timeout=300,
            env={**os.environ, **env, "FOLDER": folder, "FIO": fio_binary},
            stdin=subprocess.DEVNULL, capture_output=True)
    if run(":").returncode:
        pytest.skip("needs mount namespaces and overlayfs")
    for name in ("upper", "work"):
        subprocess.run(["rm", "-rf", os.path.join(shm, name)], check=True)
    return Dynamic(folder, run)


INSTALL = "make -C $ROOT --no-print-directory prefix=$PREFIX %s install\n"


def test_found_by_its_name(dynamic, root, build_dir, tmp_path, shm_file):
    """It runs, and helps; fio reads all that lies there for its list."""
    done = dynamic.run(
        INSTALL % "enginedir=$FOLDER" +
        "$FIO --name=job --ioengine=kaio --filename=$TARGET --rw=randrw "
        "--size=4m --iodepth=8 --verify=crc32c --engine_stats=1\n"
        "$FIO --enghelp=kaio\n$FIO --enghelp\n",
        ROOT=str(root), PREFIX=str(tmp_path / "prefix"), TARGET=shm_file,
        O=str(build_dir))
    text = done.stdout + done.stderr
    assert done.returncode == 0, text
    assert "finds it there by its name alone: ioengine=kaio" in text
    assert "ioengine=kaio, iodepth=8" in text and '"ios_submitted"' in text
    assert "userspace_reap" in text and "Available IO engines" in text
    assert not os.path.exists(os.path.join(dynamic.folder, "fio-kaio.so"))


def test_elsewhere_make_install_says_so(dynamic, root, build_dir, tmp_path):
    done = dynamic.run(INSTALL % "", ROOT=str(root), O=str(build_dir),
                       PREFIX=str(tmp_path / "prefix"))
    assert done.returncode == 0, done.stderr
    assert "looks for ioengine=kaio in %s" % dynamic.folder in done.stdout
    assert "make install enginedir=%s" % dynamic.folder in done.stdout

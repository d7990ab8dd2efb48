# SPDX-License-Identifier: GPL-2.0-only
# One engine for several fios (make engines): it runs in each that it holds, and
# says one sentence with all their versions in any other.  CI has one fio with
# its sources, so that the others are the same program under other versions;
# Debian's later fios as they are, without sources, must refuse it.
from collections import namedtuple
import os
import re
import subprocess

import pytest

import debianfio
import enginebuild
import enginepairs
import fiorun
import fiotrees
import setuprun

pytestmark = [pytest.mark.fio, pytest.mark.long]
ROOT = setuprun.ROOT
LATER = {"trixie": "fio-3.39", "sid": None}     # sid's moves on

Side = namedtuple("Side", "engine version binary fio")
Held = namedtuple("Held", "engine trees versions")


def renamed(version, digit):
    return "fio-%d%s" % (digit, version[len("fio-9"):])


def make(*words, **how):
    """make in the project, with the variables of its caller alone."""
    env = {k: v for k, v in os.environ.items()
           if k not in setuprun.OURS and not k.startswith("MAKE")}
    return subprocess.run(["make", "-C", ROOT, "--no-print-directory", *words],
                          env=env, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=600, **how)


def made(trees, out, *words):
    """The path of the engine for these trees."""
    done = make("engines", "O=%s" % out, *words,
                "FIO_SRCS=%s" % " ".join(map(str, trees)))
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "engines/fio-kaio.so"


@pytest.fixture(scope="module")
def held(build_dir, fio_binary, san, tmp_path_factory):
    """The engine for the fio under test and for the same as another."""
    top = tmp_path_factory.mktemp("trees")
    headers = build_dir / "fio"
    own = fiotrees.version_of(headers)
    versions = [own, renamed(own, 9)]
    trees = [fiotrees.built(headers, fio_binary, top / version, version)
             for version in versions]
    return Held(made(trees, top / "out", "SAN=" + san), trees, versions)


def side(held, binary, version, san):
    def fio(engine, cwd):
        return fiorun.Fio(str(binary), str(engine), cwd,
                          fiorun.sanitizer_env(san))
    return Side(held.engine, version, str(binary), fio)


@pytest.mark.parametrize("which", [0, 1])
def test_runs_in_each(held, san, shm_file, as_thread, tmp_path, which):
    fio = side(held, held.trees[which] / "fio", "", san).fio(
        held.engine, tmp_path)
    fio(shm_file, rw="randrw", bsrange="4k-64k", size=8 << 20, iodepth=16,
        verify="crc32c", thread=as_thread).ok()


@pytest.mark.parametrize("which", [0, 1])
def test_runs_in_every_way(held, san, which):
    there = side(held, held.trees[which] / "fio", held.versions[which], san)
    ways = len(enginepairs.WAYS)
    assert enginepairs.pair(there, there) == ("runs", (ways, 0))


def test_one_left_out_refuses_it(held, build_dir, fio_binary, san, tmp_path):
    """In every way, and with both versions."""
    left_out = renamed(held.versions[0], 8)
    tree = fiotrees.built(build_dir / "fio", fio_binary, tmp_path / "tree",
                          left_out)
    running = side(held, tree / "fio", left_out, san)
    inside = running._replace(version=" and ".join(held.versions))
    ways = len(enginepairs.WAYS)
    assert enginepairs.pair(inside, running) == ("refused", (ways, 0))


def symbols(engine):
    """Of each name, how often it is defined."""
    text = subprocess.run(["nm", "--defined-only", engine], check=True,
                          text=True, stdout=subprocess.PIPE).stdout
    names = [line.split()[-1] for line in text.splitlines()]
    return {name: names.count(name) for name in names}


def test_what_is_there_how_often(held):
    """What knows fio once for each, the queue and the library once; and fio
    sees one symbol."""
    count = symbols(held.engine)
    assert [count[name] for name in ("kaio_ops", "kaio_queue",
                                     "kaio_option_table")] == [2, 2, 2]
    assert [count[name] for name in ("get_ioengine", "queue_submit",
                                     "io_submit", "io_ring_reap")] == [1] * 4
    seen = subprocess.run(["nm", "-D", "--defined-only", held.engine],
                          check=True, text=True, stdout=subprocess.PIPE).stdout
    assert [line.split()[-1] for line in seen.splitlines()] == ["get_ioengine"]


@pytest.mark.slow
def test_with_lto(held, san, shm_file, tmp_path):
    """It leaves the halves apart."""
    if san:
        pytest.skip("the sanitizers' objects are tried without LTO")
    engine = made(held.trees, tmp_path / "out", "CFLAGS=-O2 -flto")
    assert symbols(engine)["kaio_ops"] == 2
    for tree in held.trees:
        fiorun.Fio(str(tree / "fio"), str(engine), tmp_path, {})(
            shm_file, rw="write", size=1 << 20, verify="crc32c").ok()


# --- what cannot be used ---

def engines(*trees):
    """What make engines says of these, in which it must fail."""
    done = setuprun.run("fio-trees", *trees)
    assert done.returncode == 1 and done.stdout == "", done
    return done.stderr.splitlines()


def test_no_tree():
    line, = engines()
    assert "FIO_SRCS" in line


def test_trees_that_cannot_be_used(tmp_path):
    """One sentence for each."""
    for name in ("bare", "odd"):
        setuprun.fake_tree(tmp_path / name, "3.41")
    (tmp_path / "odd/config-host.h").touch()
    setuprun.write_program(tmp_path / "odd/fio", "echo hello\n")
    gone, bare, odd = engines(*(tmp_path / n for n in ("gone", "bare", "odd")))
    assert "gone is not a fio source tree" in gone
    assert "bare has no fio in it" in bare and "./configure && make" in bare
    assert "odd/fio cannot be run, or does not print a version" in odd


def test_a_link_to_a_path_with_blanks(tmp_path):
    """Which FIO_SRCS cannot hold."""
    (tmp_path / "a b").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a b")
    line, = engines(tmp_path / "link")
    assert "a b has blanks, which make would take apart" in line


def test_one_version_twice(held, tmp_path):
    first, second = held.trees[0], tmp_path / "second"
    line, = engines(first, "%s/." % first)
    assert line.endswith("%s is named twice; name it once" % first)
    fiotrees.built(first, first / "fio", second)
    line, = engines(first, second)
    assert "%s and %s are the same fio-" % (first, second) in line
    with (second / "config-host.h").open("a") as file:
        file.write("#define CONFIG_OTHER\n")
    line, = engines(first, second)
    assert "but differ in config-host.h" in line
    assert "make FIO=%s/fio FIO_SRC=%s O=" % (second, second) in line


def test_make_passes_the_sentence_on(tmp_path):
    done = make("engines", "O=%s" % (tmp_path / "out"), "FIO_SRCS=/nowhere")
    assert done.returncode and "/nowhere is not a fio source tree" in \
        done.stderr
    assert not (tmp_path / "out/engines").exists()


# --- Debian's later fios ---

@pytest.fixture(scope="module", params=LATER)
def later(request, build_dir, san):
    """The command that runs it, and its version."""
    if san:
        pytest.skip("Debian's fio has a C library of its own, without the "
                    "sanitizers")
    try:
        path = debianfio.fetch(request.param, build_dir / "debian-fio")
    except debianfio.Unreachable as why:
        pytest.skip("the fio of Debian %s is not to be had: %s" % (
            request.param, why))
    version = subprocess.run([path, "--version"], check=True, text=True,
                             timeout=20, stdout=subprocess.PIPE).stdout.strip()
    assert version == (LATER[request.param] or version)
    if version == fiotrees.version_of(build_dir / "fio"):
        pytest.skip("the fio under test is this one, so that it fits")
    return path, version


def refused(binary, engine, target, tmp_path):
    """The engine's one sentence, before any I/O.  Its C library is another:
    no sanitizer of ours."""
    result = fiorun.Fio(str(binary), str(engine), tmp_path, {})(
        target, rw="write", size=1 << 20, iodepth=4).failed()
    said = set(re.findall(r"^kaio: .*", result.text, re.M))
    assert len(said) == 1 and not os.path.exists(target), result.text
    return said.pop()


def test_a_real_fio_that_is_left_out(later, held, engine, shm_file, tmp_path):
    """By the engine for one fio, and by that for several."""
    binary, running = later
    one = refused(binary, engine, shm_file, tmp_path)
    assert "built for %s but" % held.versions[0] in one
    several = refused(binary, held.engine, shm_file, tmp_path)
    assert "built for %s and %s but" % tuple(held.versions) in several
    assert all(" is %s; rebuild it" % running in said
               for said in (one, several))


def test_a_real_fio_with_other_options(later, build_dir, shm_file, tmp_path):
    """Built for its version, but from an older source: what is new there is
    named."""
    binary, running = later
    engine = enginebuild.build(str(ROOT), str(build_dir / "fio"),
                               str(build_dir), str(tmp_path / "out"), running)
    said = refused(binary, engine, shm_file, tmp_path)
    assert "built for %s but" % running in said
    assert re.search(r" is %s with the option \w+ at byte \d+ instead of \d+ "
                     r"and the options? \w+.*, of which the engine's source "
                     r"tree knows nothing" % re.escape(running), said), said

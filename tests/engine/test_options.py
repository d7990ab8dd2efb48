# SPDX-License-Identifier: GPL-2.0-only
# The engine's own options: every value, right and wrong, and the sentences for
# what a device does not take.  (Flags: test_flags.py, statistics:
# test_stats.py.)
import os
import random
import re
import subprocess

import pytest

import targets
from enginestats import ours
from fuzz_jobs import ENGINE, MISSPELLED
from fiorun import job_file

MIB = 1 << 20
WRONG = {name: wrong for name, (_, wrong) in ENGINE.items() if wrong}


# --- the table ---

WALK = """
#include <stdio.h>
#include "options.h"
int main(void)
{
	for (struct fio_option *o = kaio_option_table; o->name; o++)
		printf("%s %d %u\\n", o->name, o->type == FIO_OPT_STR_STORE,
		       o->off1);
	return 0;
}
"""


def test_strings_have_members_of_their_own(root, build_dir, san, tmp_path):
    """fio copies them for each clone, whether it has stored one or not: at
    offset 0 that is td."""
    source, walk = tmp_path / "walk.c", tmp_path / "walk"
    source.write_text(WALK, encoding="utf-8")
    subprocess.run(
        ["gcc", "-D_GNU_SOURCE", "-I%s/engine" % root, "-I%s/aio" % root,
         *(["-fsanitize=" + san] if san else []),
         "-isystem", build_dir / "fio", "-include",
         build_dir / "fio" / "config-host.h", "-o", walk, source,
         build_dir / "engine" / "options.o"], check=True)
    lines = subprocess.run([walk], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.splitlines()
    strings = {name: int(offset) for name, string, offset in map(
        str.split, lines) if string == "1"}
    assert {"spin", "stats_file"} <= set(strings)
    assert 0 not in strings.values(), strings
    assert len(set(strings.values())) == len(strings), strings


# --- spelling ---

@pytest.fixture
def need_refusals(fio):
    """Those of 3.28 say so, but then go on or crash."""
    if fio("nowhere", engine="libaio", more=["--parse-only"],
           userspace_reap="x").rc != 1:
        pytest.skip("this fio goes on after a wrong option of an engine, "
                    "with libaio as well")


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values(fio, need_refusals, name):
    """fio says which option, and ends; nothing is opened."""
    for value in WRONG[name]:
        result = fio("nowhere", more=["--parse-only"], **{name: value})
        assert result.rc == 1, value
        assert name in result.text, value
        assert not os.path.exists(os.path.join(fio.cwd, "nowhere"))


def test_what_spin_takes(fio):
    """The sentence names the value and what to give instead."""
    result = fio("nowhere", more=["--parse-only"], spin="1x")
    assert "spin=1x" in ours(result)[0] and "give auto, or 0" in ours(result)[0]


@pytest.mark.parametrize("line", MISSPELLED)
def test_misspelled_names(fio, engine, tmp_path, line):
    """In a job file; on the command line, getopt takes what is unique."""
    name, _, value = line.partition("=")
    job = job_file(tmp_path / "job.fio", engine, "nowhere", **{name: value})
    result = fio.raw("--parse-only", job)
    assert result.rc == 1 and name in result.text


def right_lines(rng, *without):
    """Each option once, with one of its right values."""
    return {name: rng.choice(right) for name, (right, _) in ENGINE.items()
            if name not in without}


def test_right_values_in_any_order(fio, engine, shm_file, tmp_path):
    """All of them, before and after ioengine=, with and without [global]."""
    for seed in range(6):
        rng = random.Random(seed)
        lines = ["%s=%s" % item for item in right_lines(rng).items()]
        lines += ["ioengine=external:%s" % engine, "filename=" + shm_file]
        rng.shuffle(lines)
        lines.insert(rng.randrange(len(lines)), "size=64k")
        head, tail = (["[global]"], ["[a]"]) if seed % 2 else ([], [])
        path = tmp_path / "job.fio"
        path.write_text("\n".join([*(head or ["[a]"]), *lines, *tail, ""]),
                        encoding="utf-8")
        result = fio.raw("--parse-only", path)
        assert (result.rc, result.stderr) == (0, ""), lines


# --- the words for an error ---

@pytest.fixture(scope="module")
def device_4k(need_root):
    """16 MB on a loop device with sectors of 4096 bytes."""
    with targets.shm_dir() as where, targets.sized_file(
            os.path.join(where, "sectors"), 16 * MIB) as path:
        device = targets.run("losetup", "--find", "--show", "--direct-io=on",
                             "--sector-size=4096", path)
        try:
            yield device
        finally:
            targets.run("losetup", "--detach", device)


def said(result, error):
    """The line after fio's own about the first error."""
    assert result.failed().job["error"] == error
    lines = result.stderr.splitlines()
    first = next(number for number, line in enumerate(lines)
                 if "io_u error on file" in line)
    return lines[first + 1]


MISFITS = {
    "length": ({"bs": 512}, "length 512"),
    "offset": ({"bs": "4k", "offset": 512}, "offset 512"),
    "buffer": ({"bs": "4k", "iomem_align": 8}, "buffer at 0x"),
    "all": ({"bs": 1024, "offset": 1024, "iomem_align": 8},
            "offset 1024, length 1024, buffer at 0x"),
}


@pytest.mark.parametrize("kind", MISFITS)
@pytest.mark.parametrize("rw", ["read", "write"])
def test_misaligned(fio, device_4k, kind, rw):
    """Which of the numbers does not fit, and what would."""
    options, words = MISFITS[kind]
    line = said(fio(device_4k, rw=rw, size=MIB, direct=1, iodepth=4,
                    **options), 22)
    assert "in multiples of 4096 bytes" in line
    assert "which does not fit: " + words in line


def test_would_block(fio, ext4_file):
    """What is not in the page cache cannot be had at once."""
    fio(ext4_file, rw="write", size=MIB, end_fsync=1).ok()
    line = said(fio(ext4_file, rw="read", size=MIB, nowait=1, iodepth=4), 11)
    assert "nowait=1" in line and "ignore_error=EAGAIN" in line


def test_einval_of_a_buffered_file(fio, shm_file, need_strace):
    """Nothing is claimed of blocks that matter to nobody, or do not exist."""
    for direct in (0, 1):
        line = said(fio(shm_file, rw="write", size=100000, bs=1000,
                        direct=direct, strace=(
                            "-o", os.path.join(fio.cwd, "trace"), "-e",
                            "inject=io_submit:error=EINVAL:when=3")), 22)
        assert "(offset 2000, length 1000)" in line
        assert not re.search(r"aligned|multiple|0 bytes", line)
        assert ("try without direct=1" in line) == bool(direct)


def test_misaligned_on_a_file_system(fio, ext4_file):
    """Which says itself what it needs."""
    fio(ext4_file, rw="write", size=MIB, end_fsync=1).ok()
    line = said(fio(ext4_file, rw="read", size=MIB, bs=1000, direct=1), 22)
    assert "in multiples of 512 bytes" in line
    assert "which does not fit: length 1000" in line


def test_unaligned(fio, ext4_file):
    """direct=1 with 1000 bytes: EINVAL, with its likely cause."""
    result = fio(ext4_file, rw="write", bs=1000, size=100_000, direct=1,
                 iodepth=4).failed()
    assert result.job["error"] == 22
    assert "multiples of" in result.stderr


def test_device_without_asynchronous_io(fio):
    """/dev/full can be written to, but not through AIO."""
    result = fio("/dev/full", rw="write", size=MIB).failed()
    assert result.job["error"] == 22
    assert "whose driver has no asynchronous I/O" in result.stderr


def test_realtime_priority_as_a_user(fio, need_root, shm_file):
    """cmdprio's class is RT unless the job says otherwise."""
    os.chmod(os.path.dirname(shm_file), 0o755)
    with open(shm_file, "wb") as file:
        file.write(bytes(MIB))
    job = {"rw": "randread", "size": MIB, "cmdprio_percentage": 100,
           "uid": 65534, "gid": 65534}
    result = fio(shm_file, **job).failed()
    assert result.job["error"] == 1
    assert "cmdprio_class=2 or 3" in result.stderr
    fio(shm_file, **job, cmdprio_class=2).ok()


# --- what fio says of the engine ---

def test_enghelp(fio, engine):
    """Every option of the built-in engine; test_readme.py has the rest."""
    result = fio.raw("--enghelp=%s" % engine)
    assert result.rc == 0
    names = {line.split(":")[0].strip()
             for line in result.stdout.splitlines() if ":" in line}
    theirs = {line.split(":")[0].strip()
              for line in fio.raw("--enghelp=libaio").stdout.splitlines()
              if re.match(r"\w+\s*:", line)}
    assert "cmdprio_percentage" in theirs
    assert theirs <= names


def test_one_option_of_the_help(fio, engine):
    result = fio.raw("--enghelp=%s,nowait" % engine)
    assert "RWF_NOWAIT" in result.stdout


def test_unknown_option_is_refused(fio, shm_file):
    result = fio(shm_file, rw="read", size=MIB, libaio_vectorred=1)
    assert result.rc != 0 and "libaio_vectorred" in result.text


def test_name_in_the_report(fio, shm_file, engine):
    job = fio(shm_file, rw="read", size=MIB).ok().job
    assert job["job options"]["ioengine"] == "external:%s" % engine


def test_relative_path(fio, engine, shm_file):
    """fio takes a path that begins with "aio" or "linuxaio" for its libaio:
    no path to the engine does, neither the file nor its directory."""
    assert not engine.name.startswith(("aio", "linuxaio", "libaio"))
    fio.cwd = str(engine.parent.parent)
    path = "%s/%s" % (engine.parent.name, engine.name)
    fio(shm_file, engine="external:" + path, rw="read", size=MIB).ok()

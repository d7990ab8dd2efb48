# SPDX-License-Identifier: GPL-2.0-only
# fio's own bare loop, t/io_uring, as a side of jobs/bench: what it prints from
# one fio to another, when it is left out, and a real run of its rows.
import json
from pathlib import Path
import subprocess
from types import SimpleNamespace

import pytest

from benchrun import Bench

from fiolab.ab.campaign import Request
from fiolab.base.problem import Problem
from fiolab.bench import duetrows, loops, presets, rowset
from fiolab.fio import fiorun
from fiolab.target.target import Target

ROOT = Path(__file__).resolve().parents[2]
# What those of these releases printed here with -a1 -r4, -s1 -c1 or -s32 -c32
# on a file in memory (3.29's default is another), with -r3 on a disk, and the
# last, without I/O, with -N1: there is a form for each size of a number.
PRINTED = {     # by release, seconds that count, their mean
    ("3.29", 2, 190.5e3): """\
Added file /dev/shm/br.f (submitter 0)
polled=0, fixedbufs=0/0, register_files=0, buffered=0, QD=64
Engine=aio
submitter=0, tid=3191
IOPS=193K, BW=755MiB/s, IOS/call=0/0, inflight=(64)
IOPS=169K, BW=660MiB/s, IOS/call=0/0, inflight=(64)
IOPS=212K, BW=829MiB/s, IOS/call=0/0, inflight=(64)
Exiting on timeout
Maximum IOPS=212K
aio does not support registered files or buffers
""",
    ("3.29", 1, 7388): """\
IOPS=2327, BW=9MiB/s, IOS/call=0/0, inflight=(64)
IOPS=7388, BW=28MiB/s, IOS/call=0/0, inflight=(64)
Exiting on timeout
Maximum IOPS=7388
""",
    ("3.36", 2, 261.68e3): """\
submitter=0, tid=3918, file=/dev/shm/br.f, node=-1
polled=0, fixedbufs=0/0, register_files=0, buffered=0, QD=64
Engine=aio
IOPS=224.57K, BW=877MiB/s, IOS/call=0/0
IOPS=272.05K, BW=1062MiB/s, IOS/call=0/0
IOPS=251.31K, BW=981MiB/s, IOS/call=0/0
Exiting on timeout
Maximum IOPS=272.05K
aio does not support registered files or buffers
""",
    ("3.42", 1, 35199): """\
submitter=0, tid=4704, file=../small.f, nfiles=1, node=-1
polled=0, fixedbufs=0, register_files=0, buffered=0, QD=64
Engine=aio
IOPS=23414, BW=91MiB/s, IOS/call=0/0
IOPS=35199, BW=137MiB/s, IOS/call=0/0
Exiting on timeout
Maximum IOPS=35199
""",
    ("3.36", 1, 8.54e6): """\
submitter=0, tid=8042, file=(null), node=-1
polled=0, fixedbufs=0/0, register_files=0, buffered=0, QD=64
Engine=io_uring, sq_ring=64, cq_ring=64
IOPS=6.69M, IOS/call=32/32
IOPS=8.54M, IOS/call=32/32
Exiting on timeout
Maximum IOPS=8.54M
"""}
# The whole -h of 3.28's; of the others' the two lines that matter.
OPTIONS = {
    "3.28": """\
t/io_uring [options] -- [filenames]
 -d <int>  : IO Depth, default 128
 -s <int>  : Batch submit, default 32
 -c <int>  : Batch complete, default 32
 -b <int>  : Block size, default 4096
 -p <bool> : Polled IO, default 1
 -B <bool> : Fixed buffers, default 1
 -F <bool> : Register files, default 1
 -n <int>  : Number of threads, default 1
""",
    "3.29": """\
 -r <int>  : Runtime in seconds, default unlimited
 -a <bool> : Use legacy aio, default 1
"""}


@pytest.mark.parametrize("known", PRINTED)
def test_the_iops_are_of_all_seconds_but_the_first(known):
    text, (_, seconds, iops) = PRINTED[known], known
    assert loops.loop_iops(text, seconds) == pytest.approx(iops)
    for other in (seconds - 1, seconds + 1):    # it ended early, or was late
        with pytest.raises(ValueError):
            loops.loop_iops(text, other)


def test_a_second_without_io_is_no_measurement():
    text = "IOPS=5, BW=0MiB/s\nIOPS={}, BW=0MiB/s\n"
    assert loops.loop_iops(text.format(7), 1) == 7
    with pytest.raises(ValueError):
        loops.loop_iops(text.format(0), 1)


@pytest.fixture
def planted(tmp_path):
    """A build folder with a program of this text in the place of the loop."""
    def plant(text):
        for name in ("loops", "fio"):
            (tmp_path / name).mkdir()
        (tmp_path / "fio" / ".version").write_text("fio-3.33\n")
        program = tmp_path / "loops" / loops.FIO_LOOP
        program.write_text(text)
        program.chmod(0o755)
        return tmp_path
    return plant


def campaign(build, fio="fio-3.33"):
    """Of all rows of the part, with an engine that nothing loads."""
    (Path(build) / "fio-kaio.so").touch()
    specs = [s for s in presets.specs() if s.part == "fio-loop"]
    found = presets.campaign(Request(build=str(build), runtime=0.2), specs)
    found.fio = fiorun.Fio.__new__(fiorun.Fio)
    found.fio.path, found.fio._versions = "fio", {"fio": fio}
    return found


# When it is left out

def helping(fio):
    return f"#!/bin/sh\ncat <<'EOF'\n{OPTIONS[fio]}EOF\n"


def test_it_is_of_the_fio_in_use(planted, tmp_path):
    with pytest.raises(Problem, match="there is no .*/fio-loop: `make bench` "
                       "builds it"):
        loops.check_fio_loop(campaign(tmp_path))
    planted(helping("3.29"))
    loops.check_fio_loop(campaign(tmp_path))
    with pytest.raises(Problem, match="the bare loop of fio-3.33, and this "
                       "fio is fio-3.36: "):
        loops.check_fio_loop(campaign(tmp_path, "fio-3.36"))


def test_a_release_without_aio_in_it_is_left_out(planted):
    with pytest.raises(Problem, match="t/io_uring of fio-3.33 has not the "
                       "options -a and -r"):
        loops.check_fio_loop(campaign(planted(helping("3.28"))))


# In a duet

def maker(build, side):
    found = campaign(build)
    spec, = (s for s in presets.specs() if s.a == side.text and "kaio" in s.b)
    row = rowset.row(found.asked, 0, spec, Target("/f", 4096, True, "RAM"),
                     [one.text for one in found.sides], 1.0)
    return duetrows.OTHERS[side](found, row, side, 7)


@pytest.mark.parametrize("side, batch", loops.FIO_LOOPS.items())
def test_its_options(tmp_path, side, batch):
    _, _, _, command, _ = maker(tmp_path, side).args
    assert command == [
        f"{tmp_path}/loops/fio-loop", "-a1", f"-s{batch}", f"-c{batch}", "-d64",
        "-p0", "-r3", "--", "/f"]


def test_its_cpu_time_is_its_share_of_the_cpu(tmp_path):
    *_, found = maker(tmp_path, next(iter(loops.FIO_LOOPS))).args
    used = SimpleNamespace(cpu=0.5, seconds=2.0)
    text = "IOPS=1, BW=0MiB/s\nIOPS={}, BW=0MiB/s\n"
    assert found(text.format("200.00K"), used) == {
        "iops": 200e3, "cpu_us": 1.25, "iops_per_cpu": 800e3}
    with pytest.raises(ValueError):
        found(text.format("0"), used)


# All of it

@pytest.fixture
def built(build_dir, san, fio_binary, tmp_path):
    """jobs/bench, after what make bench builds for it."""
    if san:
        pytest.skip("a sanitized engine needs the sanitizer preloaded")
    subprocess.run(["make", "-C", ROOT, f"O={build_dir}",
                    f"{build_dir}/loops/fio-loop"], check=True, timeout=300,
                   capture_output=True)
    (tmp_path / "tmp").mkdir()
    return Bench("bench", build_dir, tmp_path / "tmp", fio_binary)


@pytest.mark.fio
@pytest.mark.slow
def test_the_rows_beside_fios_own_loop(built, tmp_path):
    out = tmp_path / "out.json"
    done = built("--pairs", "1", "--quick", "--size", "16M", "--only",
                 "fio-loop", "--json", str(out))
    assert done.returncode == 0, done.stderr
    if "bench: without" in done.stderr:
        assert "has not the options -a and -r" in done.stderr
        return
    rows = {row["name"]: row for row in json.loads(out.read_text())["rows"]}
    assert list(rows) == [
        "libaio : fio's bare loop, tmpfs, depth 64",
        "kaio : fio's bare loop, tmpfs, depth 64",
        "kaio,submit=adaptive : fio's bare loop by 32, tmpfs, depth 64"]
    for row in rows.values():
        assert row["pairing"] == "duet"
        assert [e["metric"] for e in row["effects"]] == ["cpu_us"]
        for run in row["runs"]:
            assert 0 < run["iops"] * run["cpu_us"] < 1.1e6
            assert ("options" in run) == (run["role"] == "B")

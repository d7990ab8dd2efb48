# SPDX-License-Identifier: GPL-2.0-only
# Sides that run elsewhere than A: on another target, on another job file, or on
# what only their engine knows, as those of SPDK do.
import json
import os
from pathlib import Path
import shutil
import subprocess

import pytest

import targets
from abrun import FAST, effect, sentence

from fiolab.ab import duets
from fiolab.ab.campaign import Request
from fiolab.base.problem import Problem
from fiolab.fio import jobfile, sidespec
from fiolab.target.target import Target

TWO = ["--a", "libaio", "--b"]


# Two targets

def test_two_targets(ab, shm, tmp_path):
    """A on memory, B on the disk: each claimed, filled and checked, one cell."""
    memory, disk = f"{shm}/m", str(tmp_path / "d")
    done = ab("--a", f"libaio@target={memory}", "--b",
              f"libaio@target={disk}", "--pairs", "1", *FAST)
    assert done.returncode == 0, done.stderr
    assert f"writing 16 MiB to {memory}" in done.stderr
    assert f"writing 16 MiB to {disk}" in done.stderr
    report = ab.report()
    cell, = report["cells"]
    assert (cell["target"]["path"], cell["target_b"]["path"]) == (memory, disk)
    assert "identical on both sides" in cell["stream"]
    assert f"filename={memory}" in cell["effective"]["A"]
    assert f"filename={disk}" in cell["effective"]["B"]
    assert any(f"A runs on {memory} and the side that it is compared with on "
               f"{disk}" in text for text in report["warnings"])
    for text in (done.stdout, (ab.out / "report.html").read_text()):
        assert f"B: {disk}" in text or f'B: <span class="path">{disk}' in text
    assert os.listdir(shm) == [] and not os.path.exists(disk)


def test_a_side_elsewhere_is_compared_with_a_on_each_target(ab, shm):
    done = ab(*TWO, f"libaio@target={shm}/c", "--side", "x", "--pairs", "1")
    sentence(done, "give either")
    done = ab("--side", "libaio", "--side", f"psync@target={shm}/c", "--side",
              "psync", "--target", f"{shm}/a", "--target", f"{shm}/b",
              "--pairs", "1", "--job", "latency", *FAST)
    assert done.returncode == 0, done.stderr
    assert [(cell["b"], cell["target"]["path"][-1],
             (cell["target_b"] or {"path": None})["path"])
            for cell in ab.report()["cells"]] == [
        ("B", "a", f"{shm}/c"), ("C", "a", None),
        ("B", "b", f"{shm}/c"), ("C", "b", None)]


def test_what_is_kept_of_two_targets_goes_on(ab, shm):
    done = ab(*TWO, f"libaio@target={shm}/c", "--target", f"{shm}/a",
              "--pairs", "1", *FAST)
    assert done.returncode == 0, done.stderr
    before = (ab.out / "campaign.json").read_bytes()
    (ab.out / "runs" / "000002.json").unlink()
    done = ab("--resume", ab.out)
    assert done.returncode == 0, done.stderr
    kept = json.loads(before)
    again = json.loads((ab.out / "campaign.json").read_text())
    assert again["cells"] == kept["cells"] and again["sides"] == kept["sides"]
    assert ab.report()["cells"][0]["target_b"]["path"] == f"{shm}/c"
    done = ab("compare", ab.out, ab.out)
    assert done.returncode == 0, done.stderr


@pytest.mark.root
def test_two_devices_that_are_written(ab, need_root, shm):
    """Each is written by its own side alone; without leave neither is."""
    with targets.loop_of(shm, 17 << 20, written=True) as a, \
            targets.loop_of(shm, 18 << 20, written=True) as b:
        words = ["--a", f"libaio@target={a}", "--b", f"libaio@target={b}",
                 "--job", "randwrite", "--pairs", "1", *FAST]
        sentence(ab(*words), "give --destroy-data")
        done = ab(*words, "--destroy-data")
        assert done.returncode == 0, done.stderr
        cell, = ab.report()["cells"]
        assert (cell["target"]["path"], cell["target_b"]["path"]) == (a, b)
        sentence(ab(*words[:4], "--job", "randwrite", "--size", "18M",
                    "--destroy-data"), f"{a} has {17 << 20} bytes, too few")


def test_targets_of_two_sizes_are_unfair(ab, shm):
    for name, size in (("a", 32), ("b", 16)):
        Path(shm, name).write_bytes(b"x" * (size << 20))
    sentence(ab("--a", f"libaio@target={shm}/a", "--b",
                f"libaio@target={shm}/b", "--runtime", "0.2"),
             "give a --size that both have")


# Two job files

def test_two_versions_of_a_job_file(ab, shm, tmp_path):
    (tmp_path / "v1").mkdir()
    old, new = tmp_path / "v1" / "db.fio", tmp_path / "db.fio"
    old.write_text("[db]\nrw=randread\nbs=4k\niodepth=4\n")
    new.write_text("[db]\nrw=randread\nbs=16k\niodepth=4\n")
    done = ab("--a", "libaio", "--job", old, "--b", f"libaio@job={new}",
              "--target", f"{shm}/s", "--pairs", "1", *FAST)
    assert done.returncode == 0, done.stderr
    report = ab.report()
    cell, = report["cells"]
    assert report["title"].endswith("against libaio (different job files)")
    assert cell["job_b"]["text"] == new.read_text() != cell["job_text"]
    assert "bs=4k against 16k" in cell["stream"]
    assert "bs=16k" in cell["effective"]["B"]
    median = effect(cell, "bw_mib")["median"], effect(cell, "iops")["median"]
    for role, kib in (("A", 4), ("B", 16)):
        assert median[0][role] * 1024 / median[1][role] == pytest.approx(
            kib, rel=0.02)
    page = (ab.out / "report.html").read_text()
    assert "(different job files)" in page.partition("<main>")[0]
    assert "(different job files)" in " ".join(done.stdout.split())
    (ab.out / "runs" / "000002.json").unlink()
    new.unlink()                    # it is kept in campaign.json
    done = ab("--resume", ab.out)
    assert done.returncode == 0, done.stderr
    assert ab.report()["cells"][0]["job_b"] == cell["job_b"]


def test_job_files_that_cannot_be_compared(ab, shm, tmp_path):
    two = tmp_path / "two.fio"
    two.write_text("[a]\nrw=read\n[b]\nstonewall\nrw=randread\n")
    for words, word in [
            ([f"libaio@job={two}"], "has 2 jobs to compare with the 1 of A"),
            (["libaio@job=/none.fio"], "cannot read the job file /none.fio"),
            (["libaio@job=latency", "--own", "A:job=latency", "--job",
              "randread"], "every side has a @job= of its own: leave out")]:
        sentence(ab(*TWO, *words, "--target", f"{shm}/s", *FAST), word)
    assert os.listdir(shm) == []


# Engines of another world

@pytest.fixture(scope="module")
def world(build_dir, tmp_path_factory):
    """(the engine, its configuration)"""
    folder = tmp_path_factory.mktemp("world")
    headers = build_dir / "fio"
    if not (headers / "config-host.h").exists():
        pytest.skip("needs fio's headers, which make fetches")
    source = Path(__file__).parents[1] / "lib" / "memory_engine.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-D_GNU_SOURCE",
                    "-include", headers / "config-host.h", "-isystem", headers,
                    "-o", folder / "memory.so", source], check=True)
    (folder / "m.conf").write_text("memory_size=32\n")
    return f"external:{folder}/memory.so", f"memory_conf={folder}/m.conf"


@pytest.mark.parametrize("name", ["Mem0", "type=mem ns=1", "Mem0\\:1"])
def test_an_engine_of_another_world(name, ab, shm, world):
    engine, conf = world
    done = ab("--a", "libaio", "--b",
              f"{engine},thread=1,{conf}@filename={name}", "--target",
              f"{shm}/s", "--pairs", "1", *FAST)
    assert done.returncode == 0, done.stderr
    report = ab.report()
    cell, = report["cells"]
    assert cell["target_b"]["path"] == name and cell["target_b"]["handed"]
    assert "identical on both sides" in cell["stream"]
    assert f"filename={name}\n" in cell["effective"]["B"]
    for role in "AB":
        assert "\nthread=1\n" in cell["effective"][role]
    said = " ".join(report["warnings"])
    assert f"{name} is handed to fio as it is on side" in said
    for what in ("the same device", "the same data", "as large as",
                 "page cache"):
        assert what in said
    assert "so all sides run as threads" in said
    assert f"B: {name}, handed to fio as it is, 16 MiB asked for; nothing" in (
        " ".join(done.stdout.split()))
    (ab.out / "runs" / "000002.json").unlink()
    done = ab("--resume", ab.out)
    assert done.returncode == 0, done.stderr


def test_its_options_may_be_in_the_job_file(ab, world, tmp_path):
    """And all sides may be elsewhere; what the job writes needs leave."""
    engine, conf = world
    job = tmp_path / "w.fio"
    job.write_text(f"[w]\nrw=randrw\nbs=4k\niodepth=8\nthread=1\n{conf}\n")
    words = ["--a", f"{engine}@filename=Mem0", "--b",
             f"{engine}@filename=Mem1", "--job", job, "--pairs", "1", *FAST]
    sentence(ab(*words), "of which nobody here knows what it holds")
    done = ab(*words, "--destroy-data")
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    assert "writing" not in done.stderr and "/m.conf" in cell["effective"]["A"]
    assert {"read", "write"} == set(cell["latency"])
    (ab.out / "runs" / "000002.json").unlink()
    sentence(ab("--resume", ab.out), "give --destroy-data")
    done = ab("--resume", ab.out, "--destroy-data")
    assert done.returncode == 0, done.stderr


def test_its_options_have_words_lists_and_files_from_here(ab, world,
                                                          monkeypatch):
    """All of which the engine insists on."""
    engine, conf = world
    monkeypatch.chdir(Path(conf.partition("=")[2]).parent)
    options = ("thread=1,memory_conf=./m.conf,memory_context=--small -m 16,"
               "memory_flags=mem\\,io")
    words = ["--a", f"{engine},{options}@filename=Mem0", "--aa", "--pairs",
             "1", *FAST]
    done = ab(*words)
    assert done.returncode == 0, done.stderr
    effective = ab.report()["cells"][0]["effective"]["A"]
    assert f"\n{conf}\n" in effective
    assert "\nmemory_context=--small -m 16\nmemory_flags=mem,io\n" in effective
    done = ab("--resume", ab.out)
    assert done.returncode == 0, done.stderr
    for wrong, word in [("memory_context=--small", "needs memory_conf"),
                        ("memory_flags=mem", "no flags mem")]:
        sentence(ab("--a", f"{engine},{options},{wrong}@filename=Mem0",
                    *words[2:]), word)


def test_threads_that_no_pinning_holds_are_told(ab, world):
    """Of B's engine; as SPDK, which lets go of it for its own."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")
    engine, conf = world
    sides = [f"{engine},thread=1,{conf}{more}@filename=Mem0"
             for more in ("", ",memory_helper=1")]
    done = ab("--a", sides[0], "--b", sides[1], "--pairs", "1", *FAST)
    assert done.returncode == 0, done.stderr
    said, = (one for one in ab.report()["warnings"] if "pinned" in one)
    assert said.startswith("threads of side B (mem-helper) may run on other")
    assert "loose" not in ab.runs()[0] or ab.runs()[0]["role"] == "B"
    done = ab("--resume", ab.out)
    assert said in ab.report()["warnings"]


def test_what_an_engine_of_another_world_says_is_passed_on(ab, shm, world):
    engine, conf = world
    for side, more, word in [
            (f"{engine},{conf}@filename=Mem0", [], "needs thread=1"),
            (f"{engine},thread=1@filename=Mem0", [], "needs memory_conf"),
            (f"{engine},thread=1,{conf}@filename=Disk0", [], "no name Disk0"),
            (f"{engine},thread=1,memory_conf=/none@filename=Mem0", [],
             "needs memory_conf"),
            (f"{engine},thread=1,thread=0@filename=Mem0", [],
             "which all have to be alike"),
            (f"{engine},iodepth=2@filename=Mem0", [], "belongs in the job"),
            (f"{engine}@filename=Mem0", ["--own", "B:target=/x"],
             "has a target= and a filename=")]:
        sentence(ab(*TWO, side, *more, "--target", f"{shm}/s", *FAST), word)


@pytest.mark.parametrize("name", ["{there}", "a:{there}", "{there}:b", "/dev",
                                  "{there}\\:"])
def test_a_file_or_device_is_no_name_for_an_engine(name, tmp_path):
    there = tmp_path / "there"
    there.touch()
    if name.endswith("\\:"):
        there.rename(f"{there}:")
    with pytest.raises(Problem, match="give @target="):
        sidespec.parse("libaio", "", [("filename", name.format(there=there))])
    # From another folder, as that of fio is, it may be anything.
    for bad in ("../../there", "a:../b", "..", "a/../../b"):
        with pytest.raises(Problem, match="leads out of the folder that fio"):
            sidespec.parse("libaio", "", [("filename", bad)])
    side = sidespec.parse("libaio", "", [("filename", "trtype=PCIe ns=1")])
    assert side.own.filename == "trtype=PCIe ns=1"
    for bad in ("a;b", "a#b", "$HOME", " a", "a\nb"):
        with pytest.raises(Problem, match="would misread"):
            sidespec.parse("libaio", "", [("filename", bad)])


def test_the_null_engine_as_another_world(ab, shm):
    """Of the distribution's fio, which takes any name."""
    sides = "null@filename=nothing-at-all", "null@filename=a b"
    done = ab("--a", sides[0], "--b", sides[1], "--pairs", "1", *FAST)
    assert done.returncode == 0, done.stderr
    assert ab.report()["cells"][0]["target_b"]["path"] == "a b"
    sentence(ab(*TWO, sides[0], "--target", f"{shm}/s", "--pairs", "1", *FAST),
             "do different I/O on job randread")


def test_the_nbd_engine_on_a_real_server(ab, shm, fio_binary):
    """Of the distribution's fio: its uri= names what is served."""
    known = subprocess.run([fio_binary, "--enghelp"], capture_output=True,
                           text=True, check=True).stdout.split()
    if "nbd" not in known or not shutil.which("qemu-nbd"):
        pytest.skip("needs a fio with the engine nbd, and qemu-nbd")
    image, socket = Path(shm, "image"), Path(shm, "socket")
    image.write_bytes(b"x" * (16 << 20))
    with subprocess.Popen(["qemu-nbd", "-f", "raw", "-t", "-e", "4", "-k",
                           socket, image]) as server:
        try:
            done = ab(*TWO, f"nbd,uri=nbd+unix:///?socket={socket}"
                      "@filename=disk", "--target", f"{shm}/s", "--job",
                      "latency", "--pairs", "1", *FAST)
        finally:
            server.terminate()
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    assert "identical on both sides" in cell["stream"]


def test_what_only_an_engine_knows_is_no_duet():
    side, job = sidespec.parse("null", ""), jobfile.Job("j", "[a]\ndirect=1\n")
    asked = Request(cpu=0, pairing="auto")
    known, handed = (Target("x", 64 << 20, True, handed=handed)
                     for handed in (False, True))
    assert duets.why_not(asked, (side, side), job, known) == ""
    kinds, why = duets.pairings(asked, (side, side), (job, known),
                                (job, handed))
    assert list(kinds) == ["alternate"] and "hold what @filename=" in why

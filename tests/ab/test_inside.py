# SPDX-License-Identifier: GPL-2.0-only
# A job that writes keeps inside of what was given to it: what leads out of it
# is refused by name, and what no list names is seen in a rehearsal, with a real
# fio, before the job gets the target.
import os
from pathlib import Path
import shutil
import subprocess

import pytest

import targets as real
from fiolab.ab import results, runner
from fiolab.ab.campaign import Campaign, Request
from fiolab.base.problem import Problem
from fiolab.fio import fiorun, inside, jobfile, sidespec, streams
from fiolab.fio.jobs import jobgroups, jobline, mapping
from fiolab.target.target import Target

pytestmark = pytest.mark.fio
MIB = 1 << 20
FIO = shutil.which(os.environ.get("FIO") or "fio")
SIDES = sidespec.parse("psync", ""), sidespec.parse("libaio", "")
GIVEN, WHOLE = 8 * MIB, 32 * MIB


@pytest.fixture
def unknown(monkeypatch):
    """As if fio had these options, and jobs/ab did not know them."""
    monkeypatch.setattr(jobfile, "OURS", jobfile.OURS - mapping.WHERE)
    monkeypatch.setattr(jobfile, "DROPPED", jobfile.DROPPED - mapping.WHERE)
    monkeypatch.setattr(mapping, "strided", lambda _: False)
    monkeypatch.setattr(mapping, "mapped", lambda sections, size, *_: [
        mapping.Mapped(0, 0, 0, 0, size, int(one.get("numjobs", 1)), None)
        for one in sections])


def job(*lines):
    return jobfile.Job("j.fio", "\n".join(["[a]", "rw=write", "bs=64k",
                                           "direct=1", *lines, ""]))


@pytest.fixture
def there(tmp_path):
    """A file of the user's, of which the first quarter is given."""
    path = tmp_path / "precious"
    path.write_bytes(b"p" * WHOLE)
    return Target(str(path), GIVEN, True, "file", writable=True,
                  kind="file", whole=WHOLE)


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "run").mkdir()
    return Campaign(Request(pairs=1, runtime=0.2, ramp=0.05), SIDES, [],
                    fio=fiorun.Fio(FIO, None, str(tmp_path / "run")))


def check(plan, job_, there):
    cell = results.Cell(0, job_, [], target=there)
    runner.check(plan, [cell], lambda _: None, lambda *_: None)
    return cell


@pytest.mark.parametrize("lines", [
    ("file_append=1",), ("offset=50%",), ("file_append=1", "numjobs=2"),
    ("zonemode=strided", "zonesize=1m", "zoneskip=4m", "zonerange=1m")])
def test_a_job_that_leaves_its_part_never_gets_the_target(plan, there, lines,
                                                          unknown):
    with pytest.raises(Problem, match="leaves what was given to it"):
        check(plan, job(*lines), there)
    assert Path(there.path).read_bytes() == b"p" * WHOLE
    assert os.listdir(plan.fio.folder) == []


@pytest.mark.slow
@pytest.mark.parametrize("lines", [
    (), ("rw=randwrite",), ("rw=write:256k",), ("rw=randrw", "numjobs=3"),
    ("bs=1m", "iodepth=4"), ("bsrange=512-64k",),
    ("verify=crc32c", "verify_backlog=8"), ("fsync=16",)])
def test_a_job_that_stays_is_let_through(plan, there, lines):
    assert "identical" in check(plan, job(*lines), there).stream
    content = Path(there.path).read_bytes()
    assert content[GIVEN:] == b"p" * (WHOLE - GIVEN)
    assert content[:GIVEN] != b"p" * GIVEN      # it did get the target
    assert os.listdir(plan.fio.folder) == []


@pytest.mark.root
def test_a_device_is_rehearsed_on_a_device(plan, tmp_path, unknown):
    with real.loop_of(str(tmp_path), WHOLE, written=True) as path:
        with inside.stand_in(plan.fio, job(), Target(
                path, GIVEN, False, "loop")) as made:
            assert made.path.startswith("/dev/loop") and made.path != path
        there = Target(path, GIVEN, False, "loop", writable=True)
        with pytest.raises(Problem, match="leaves what was given to it"):
            check(plan, job("offset=50%"), there)
        assert Path(path).read_bytes() == b"w" * WHOLE
        check(plan, job("rw=trim"), there)
        assert Path(path).read_bytes()[GIVEN:] == b"w" * (WHOLE - GIVEN)


def test_the_logged_ios_are_held_to_what_was_given():
    last = [("write", str(MIB - 4096), "4096"), ("sync", "0", "0")]
    inside.check(job(), [last], MIB)
    for beyond in (("write", str(MIB - 4096), "8192"),
                   ("read", str(MIB), "512"), ("trim", str(2 * MIB), "1")):
        with pytest.raises(Problem, match=f"a {beyond[0]} of {beyond[2]}"):
            inside.check(job(), [[*last, beyond]], MIB)


def test_reads_that_leave_are_seen_in_the_first_run(plan, there, unknown):
    with pytest.raises(Problem, match="a read of 65536"):
        check(plan, job("rw=read", "offset=50%"), there)


@pytest.mark.parametrize("size", [WHOLE + 4096, WHOLE - 4096])
def test_a_file_that_became_another_size_ends_the_runs(there, size):
    there.check_size(job())
    os.truncate(there.path, size)
    with pytest.raises(Problem, match=f"had {WHOLE} bytes and has {size}"):
        there.check_size(job())
    os.unlink(there.path)
    with pytest.raises(Problem, match="is gone after a run of job j"):
        there.check_size(job())


@pytest.mark.parametrize("line, word", [
    ("file_append=1", "appends to its file"), ("${HARMLESS}=1", "variable"),
    ("file_${WHAT}=1", "variable")])
def test_what_leads_out_is_refused_by_name(tmp_path, line, word):
    path = tmp_path / "j.fio"
    path.write_text(f"[a]\nrw=write\n{line}\n")
    with pytest.raises(Problem, match=word):
        jobgroups.load(str(path))


@pytest.mark.parametrize("line", [
    "bs=4k" + " " * (8191 - 5) + "filename={}",
    "#" + "x" * (8191 - 1) + "filename={}"], ids=["option", "comment"])
def test_a_line_that_fio_takes_for_two_is_refused(tmp_path, line):
    """fio itself shows that the second counts, and so where it would lead."""
    path, other = tmp_path / "j.fio", tmp_path / "precious"
    path.write_text(f"[a]\nrw=write\nsize=4k\nfilename={tmp_path}/own\n"
                    f"{line.format(other)}\n")
    with pytest.raises(Problem, match="takes for a line of its own"):
        jobgroups.load(str(path))
    subprocess.run([FIO, str(path)], check=True, timeout=60,
                   capture_output=True)
    assert other.stat().st_size


def test_nothing_is_included_that_was_not_read(tmp_path):
    (tmp_path / "part").write_text("filename=/precious\n")
    for words in (["--name=a", f"--include={tmp_path}/part"],
                  ["--name=a", "--includes", "x"]):
        with pytest.raises(Problem, match="a file that is not looked at"):
            jobline.load(words)


def test_what_is_one_line_to_fio_is_one_in_the_rehearsal():
    text = "[a]\nrw=write\n# \x0cinclude /x\x85include /y\u2028include /z"
    assert inside.played(jobfile.Job("j.fio", text)).text == text


def test_the_manner_of_the_io_is_not_rehearsed():
    played = inside.played(job("nowait=1", "buffered=0", "atomic=1", "# x"))
    assert played.text == "[a]\nrw=write\nbs=64k\n# x\n"
    assert played.writes() and streams.LOGGED.search("f write 0 4096")

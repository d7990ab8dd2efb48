# SPDX-License-Identifier: GPL-2.0-only
# A target of several files or devices, which each job does its I/O on: a list
# as --target, and what is made for jobs of several files (nrfiles,
# filename=a:b).  Every member is held to what one target alone is.
from contextlib import ExitStack
import os
from pathlib import Path
import shutil
import signal

import pytest

import targets as real
from abrun import FAST, Ab, sentence
from fiolab.ab import places, results, runner
from fiolab.ab.campaign import Campaign, Request
from fiolab.base.problem import Problem
from fiolab.fio import fiorun, inside, sidespec, streams
from fiolab.fio.jobs import jobgroups
from fiolab.target import claim, members, scratchfile
from fiolab.target.target import CAMPAIGN, Target

MIB = 1 << 20
FIO = shutil.which(os.environ.get("FIO") or "fio")
SIDES = sidespec.parse("psync", ""), sidespec.parse("libaio", "")
WHOLE, GIVEN = 16 * MIB, 4 * MIB
WRITES = "[a]\nrw=randwrite\nbs=4k\niodepth=8\ndirect=1\n"
TWO = ["--a", "psync", "--b", "libaio", "--pairs", "1", *FAST]


@pytest.fixture
def stack():
    with ExitStack() as made:
        yield made


@pytest.fixture
def two(tmp_path):
    """Two files of the user's."""
    found = [tmp_path / "one", tmp_path / "t:wo"]
    for path in found:
        path.write_bytes(b"p" * WHOLE)
    return found


@pytest.fixture
def ab(tmp_path):
    (tmp_path / "ab").mkdir()
    return Ab(tmp_path / "ab")


def load(text):
    return jobgroups.split("j.fio", text)


def both(paths):
    return ":".join(str(path).replace(":", "\\:") for path in paths)


def untouched(paths):
    return all(path.read_bytes() == b"p" * WHOLE for path in paths)


def prepared(paths, stack, destroy=True, check=scratchfile.unchecked):
    return members.prepare([str(path) for path in paths], ["a"], GIVEN,
                           destroy, stack, check)


# What --target names

@pytest.mark.parametrize("text, found", [
    ("/a", ["/a"]), ("/a:/b", ["/a", "/b"]), ("./a:../b", ["./a", "../b"]),
    ("/a\\:1:/b", ["/a:1", "/b"]), ("/a\\:1", ["/a:1"]),
    ("a:b", ["a:b"]), ("/a:b", ["/a:b"]), ("/a:", ["/a:"]),
    ("/dev/disk/by-path/pci-0000:00:1f.2-ata-1",
     ["/dev/disk/by-path/pci-0000:00:1f.2-ata-1"])])
def test_a_list_is_told_from_a_name_with_colons(text, found):
    assert members.paths(text) == found


def test_what_is_there_under_the_whole_name_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.makedirs("x:")
    Path("x:/y").touch()
    assert members.paths("./x:/y") == ["./x:/y"]
    os.unlink("x:/y")
    assert members.paths("./x:/y") == ["./x", "/y"]


# Where jobs go

def lines(text, size=8 * MIB, number=2, base=0):
    job, = load(text)
    effective = job.effective([f"size={size * number}", f"offset={base}",
                               f"nrfiles={number}"])
    return [line for line in effective.partition("[a]")[2].split("\n")
            if line.startswith(("size", "offset", "nrfiles"))]


def test_each_member_has_what_one_target_would_have():
    assert lines("[a]\nrw=read\nfilename=x:y\nsize=2g\n") == []
    halves = "[a]\nrw=read\nfilename=x:y\nsize=1g\noffset=1g\n"
    assert lines(halves) == [f"offset={4 * MIB}", f"size={8 * MIB}"]
    assert lines(halves, base=MIB) == [f"offset={5 * MIB}", f"size={8 * MIB}"]
    assert lines("[a]\nrw=read\nfilename=x:y\nnumjobs=2\n"
                 "offset_increment=1g\nsize=1g\n"
                 ) == ["offset=0", f"size={8 * MIB}",
                       f"offset_increment={4 * MIB}"]


@pytest.mark.parametrize("text, word", [
    ("[a]\nnrfiles=8\nsize=1g\n", "8 files of one job -> the 2 of the target"),
    ("[a]\nsize=1g\n", "the file of one job -> the 2 of the target"),
    ("[a]\nfilename=x:y\nsize=1g\n", "")])
def test_the_report_says_what_became_of_the_files(text, word):
    job, = load(text)
    said = job.changes([f"size={16 * MIB}", "nrfiles=2", "filename=t"])
    assert "one range" not in said and (
        word in said if word else "of one job" not in said)
    assert "size 1g -> 16M" in said


@pytest.mark.parametrize("text, number", [
    ("[a]\nnrfiles=8\n", 8), ("[a]\nfilename=x:y:z\n", 3),
    ("[global]\nnrfiles=4\n[a]\nrw=write\n[b]\nstonewall\n", 4),
    ("[a]\nrw=read\n", 1),
    ("[a]\nnrfiles=2\n[b]\nnrfiles=3\n", 1),        # at once, and unlike
    ("[a]\nnrfiles=2\n[b]\nstonewall\n", 1),
    ("[a]\nnrfiles=65\n", 1), ("[a]\nnrfiles=40\n", 1),     # of 32 MiB
    ("[a]\nnrfiles=8\nbs=4m\n", 1),
    ("[a]\nnrfiles=2\nzonemode=strided\nzonesize=1m\nzoneskip=1m\n", 1),
    ("[a]\nnrfiles=2\nrw=write\nzonemode=zbd\nzonesize=1m\n", 1),
    ("[a]\nnrfiles=2\nrw=randread\nverify=crc32c\nbs=4k\n", 1)])
def test_how_many_files_are_made_for_jobs(text, number):
    # pylint: disable=protected-access
    assert places._number(load(text), 32 * MIB) == number


def test_a_stream_says_which_member_an_io_was_on(tmp_path):
    # pylint: disable=protected-access
    there = Target("", MIB, number=2, members=(Target("/x/a b"),
                                               Target("/y")))
    log = "/x/a b read 0 4096\n12 /y write 4096 512\n/y close\n"
    found = streams._logged(log, there)
    assert found == [("read", "0", "4096", "1"), ("write", "4096", "512", "2")]
    assert streams._logged(log, Target("/y")) == [one[:3] for one in found]
    other = [found[0], ("write", "4096", "512", "1")]
    assert streams.compare_streams(found, other) == (
        None, "I/O 2 is write 4096 512 on member 2 against write 4096 512 on "
        "member 1")
    with pytest.raises(Problem, match="/z, which is no member"):
        streams._logged(log + "/z read 0 512\n", there)


# How they are claimed

def test_each_is_claimed_filled_and_let_go_of(two, stack):
    one = prepared(two, stack)
    assert one.named == one.path == both(two) and one.number == 2
    assert one.used == 2 * GIVEN and one.is_part() and one.writable
    assert one.written.share == 1 and one.written.size == 2 * GIVEN
    for path in two:
        assert path.read_bytes()[:GIVEN] != b"p" * GIVEN
        assert path.read_bytes()[GIVEN:] == b"p" * (WHOLE - GIVEN)
        with pytest.raises(Problem, match="locked it"):
            scratchfile.prepare(str(path), ["a"], GIVEN, True, stack)
    again = Target.of(one.data(CAMPAIGN), CAMPAIGN)
    assert (again.number, again.path, again.named) == (2, one.path, one.path)
    assert members.listed(again.path) == list(map(str, two))
    stack.close()
    assert all(path.exists() for path in two)


def test_all_are_used_to_the_size_of_the_smallest(two, stack):
    os.truncate(two[1], 3 * MIB)
    one = members.prepare(list(map(str, two)), [], None, True, stack)
    assert one.size == 3 * MIB == one.each()[0].size
    assert two[0].read_bytes()[3 * MIB:] == b"p" * (WHOLE - 3 * MIB)


def test_new_files_are_made_and_removed(tmp_path, stack):
    new = [tmp_path / "a", tmp_path / "b"]
    assert prepared(new, stack, destroy=False).created
    assert [path.stat().st_size for path in new] == [GIVEN] * 2
    stack.close()
    assert not any(path.exists() for path in new)


def test_nothing_is_written_before_all_are_known_to_be_fit(two, tmp_path):
    def refuse(names, word, **more):
        with ExitStack() as trial, pytest.raises(Problem, match=word):
            prepared(names, trial, **more)
        assert untouched(two)
    link, hard = tmp_path / "link", tmp_path / "hard"
    link.symlink_to(two[0])
    os.link(two[0], hard)
    refuse([two[0], link], "one and the same")
    refuse([two[0], hard], "one and the same")
    refuse([*two, tmp_path / "new"], "there is no .*/new, but other members")
    refuse([two[0], tmp_path], "neither a file nor a block device")
    refuse(two, "give --destroy-data", destroy=False)
    refuse(two, "no", check=lambda _: (_ for _ in ()).throw(Problem("no")))
    small = tmp_path / "small"
    small.write_bytes(b"s" * MIB)
    refuse([two[0], small], "too few for the")
    with ExitStack() as other:      # whoever else holds the last one
        claim.prepare(str(two[1]), 0, True, other)
        refuse(two, "locked it")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("lines_, word", [
    ("zonemode=strided\nzonesize=1m\nzoneskip=1m\nzonerange=1m", "in zones"),
    ("zonemode=zbd\nzonesize=1m", "in zones"),
    ("rw=randread\nverify=crc32c", "only reads what it verifies")])
def test_what_fio_has_of_one_file_alone_is_refused(two, stack, lines_, word):
    with pytest.raises(Problem, match=word):
        places.local(Request(target=[both(two)], size=GIVEN), load(
            f"[a]\nbs=4k\ndirect=1\n{lines_}\n"), True, stack)
    assert untouched(two)


def test_memory_beside_a_disk_is_refused(two, shm, stack):
    if os.stat(shm).st_dev == os.stat(two[0]).st_dev:
        pytest.skip("the folder for temporary files is in memory, too")
    inmemory = Path(shm, "a")
    inmemory.write_bytes(b"p" * WHOLE)
    with pytest.raises(Problem, match="name members that are alike"):
        prepared([two[0], inmemory], stack)
    assert untouched([two[0], inmemory])


def test_one_that_became_another_ends_the_runs(two, stack):
    one = prepared(two, stack)
    claim.check_same(one)
    os.unlink(two[1])
    two[1].write_bytes(b"q" * WHOLE)
    with pytest.raises(claim.Gone, match="t:wo is no longer the target"):
        claim.check_same(one)
    job, = load(WRITES)
    os.truncate(two[1], MIB)
    with pytest.raises(Problem, match=f"had {WHOLE} bytes and has {MIB}"):
        one.check_size(job)


def test_sides_have_as_many(two, tmp_path, ab):
    done = ab(*TWO[:2], "--b", f"libaio@target={two[0]}", *TWO[4:],
              "--target", both([tmp_path / "x", tmp_path / "y"]))
    sentence(done, "give both as many")
    assert untouched(two)


# With a real fio

@pytest.fixture
def plan(tmp_path):
    (tmp_path / "run").mkdir()
    return Campaign(Request(pairs=1, runtime=0.2, ramp=0.05), SIDES, [],
                    fio=fiorun.Fio(FIO, None, str(tmp_path / "run")))


def unfilled(paths, size=GIVEN):
    """A target that nobody wrote to: what fio does there can be seen."""
    each = tuple(Target(str(path), size, True, "file", kind="file",
                        writable=True, whole=WHOLE) for path in paths)
    return Target(both(paths), size, True, "files", writable=True, number=2,
                  members=each)


@pytest.mark.fio
@pytest.mark.parametrize("more", [
    "filename=x:y\noffset=1g\nsize=1g\n", *(
        pytest.param(one, marks=pytest.mark.slow) for one in (
            "", "rw=write\n", "bsrange=4k-64k\n", "file_service_type=random\n",
            "nrfiles=7\n", "rw=randrw\n",
            "numjobs=2\noffset_increment=50%\nsize=50%\n",
            "[b]\nrw=write\nbs=64k\ndirect=1\n"))])
def test_fio_writes_to_each_and_to_nothing_else(plan, two, more):
    job, = load(WRITES + more)
    there = unfilled(two)
    cell = results.Cell(0, job, [], target=there)
    runner.check(plan, [cell], lambda _: None, lambda *_: None)
    assert "identical" in cell.stream
    for path in two:
        content = path.read_bytes()
        assert content[:GIVEN] != b"p" * GIVEN
        assert content[GIVEN:] == b"p" * (WHOLE - GIVEN)
    assert os.listdir(plan.fio.folder) == []
    for stream in streams.logged(plan.fio, SIDES[1], job, there):
        assert {io[3] for io in stream} == {"1", "2"}


@pytest.mark.fio
def test_a_job_that_leaves_its_part_never_gets_them(plan, two, monkeypatch):
    """As jobs/ab would be, did it not know offset=."""
    from fiolab.fio import jobfile
    from fiolab.fio.jobs import mapping
    monkeypatch.setattr(jobfile, "OURS", jobfile.OURS - mapping.WHERE)
    monkeypatch.setattr(mapping, "mapped", lambda sections, size, *_: [
        mapping.Mapped(0, 0, 0, 0, size, 1, None) for _ in sections])
    cell = results.Cell(0, load(WRITES + "offset=50%\n")[0], [],
                        target=unfilled(two))
    with pytest.raises(Problem, match="leaves what was given to it"):
        runner.check(plan, [cell], lambda _: None, lambda *_: None)
    assert untouched(two) and os.listdir(plan.fio.folder) == []


@pytest.mark.fio
@pytest.mark.root
@pytest.mark.slow
def test_loop_devices_are_rehearsed_on_such_and_written_inside(plan, tmp_path,
                                                               ab):
    backing = [tmp_path / "one", tmp_path / "two"]
    for path in backing:
        path.write_bytes(b"p" * WHOLE)
    job = tmp_path / "w.fio"
    job.write_text(WRITES + "filename=/dev/x:/dev/y\nsize=20g\n")
    with real.loop(str(backing[0])) as one, real.loop(str(backing[1])) as two:
        with inside.stand_in(plan.fio, load(WRITES)[0], Target(
                "", GIVEN, number=2, members=(Target(one), Target(two)))) as it:
            assert len(it.each()) == 2 and not {one, two} & {
                part.path for part in it.each()}
            assert all(part.path.startswith("/dev/") for part in it.each())
        words = [*TWO, "--job", job, "--target", f"{one}:{two}", "--size", "4M"]
        sentence(ab(*words), "give --destroy-data")
        assert untouched(backing)
        done = ab(*words, "--destroy-data", "--pairing", "auto")
        assert done.returncode == 0, done.stderr
    for path in backing:
        content = path.read_bytes()
        assert content[:GIVEN] != b"p" * GIVEN
        assert content[GIVEN:] == b"p" * (WHOLE - GIVEN)
    cells = ab.report()["cells"]
    assert {cell["pairing"] for cell in cells} == {"duet", "alternate"}
    assert all(cell["target"]["members"] == 2 and cell["target"]["size"]
               == GIVEN for cell in cells)
    assert "2 x 4 MiB" in (ab.out / "report.txt").read_text()


@pytest.mark.fio
@pytest.mark.root
def test_one_that_is_mounted_keeps_all_from_being_written(tmp_path, two, ab):
    with real.ext4(str(tmp_path)) as where:
        device = real.run("findmnt", "-no", "SOURCE", where)
        done = ab(*TWO, "--job", "randwrite", "--destroy-data", "--target",
                  both([two[0], device]))
    sentence(done, "refusing to write to " + device)
    assert untouched(two)


@pytest.mark.fio
def test_what_is_not_for_several_is_refused(two, ab):
    sentence(ab(*TWO[:6], "--client", "localhost", "--target", both(two)),
             "for targets of this machine")
    sentence(ab(*TWO, "--job", "randwrite", "--target", both(two)),
             "give --destroy-data")
    assert untouched(two)


@pytest.mark.fio
@pytest.mark.slow
def test_a_job_of_several_files_gets_as_many_and_goes_on_with_them(ab,
                                                                   tmp_path):
    job, build = tmp_path / "n.fio", tmp_path / "build"
    build.mkdir()
    job.write_text(WRITES + "nrfiles=4\nfilesize=1g\n")
    running = ab.start(*TWO[:4], "--pairs", "3", *FAST, "--job", job,
                       "--build", build)
    ab.await_runs(2, running)
    made = list(build.glob("kaio-ab-*.tmp"))
    assert [path.stat().st_size for path in made] == [4 * MIB] * 4
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=120)
    assert list(build.glob("kaio-ab-*.tmp")) == []
    done = ab("--resume", ab.out)
    assert done.returncode == 0, done.stderr
    report = ab.report()
    for cell in report["cells"]:
        assert cell["target"]["members"] == 4 and len(cell["pairs"]) == 3
        assert "one range" not in cell["changes"]
    assert list(build.glob("kaio-ab-*.tmp")) == []
    assert "and 3 more" in done.stdout and "4 x 4 MiB" in done.stdout

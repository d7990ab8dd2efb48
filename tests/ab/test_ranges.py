# SPDX-License-Identifier: GPL-2.0-only
# Offsets, sizes, files and zones of a job file are put into the part of a
# target that is given, in proportion, and fio then does its I/O just there.
from dataclasses import replace
from pathlib import Path

import pytest

from fiolab.base.problem import Problem
from fiolab.fio import fairness, fiorun, inside, jobfile, sidespec
from fiolab.fio import splitjob, streams
from fiolab.fio.jobs import jobgroups, mapping
from fiolab.target.target import Target

MIB = 1 << 20
BASE, SIZE, WHOLE = 4 * MIB, 16 * MIB, 32 * MIB
OPTIONS = [f"offset={BASE}", f"size={SIZE}"]
# name: (text, the MiB of each job in a part of 16, what is said of it)
SHAPES = {
    "offset and size": (
        "[a]\nfilename=/dev/x\noffset=10g\nsize=10g\n"
        "[b]\nfilename=/dev/x\noffset=20g\nsize=20g\n",
        [(4, 8), (8, 16)],
        "offset 10g -> 4M, size 10g -> 4M, offset 20g -> 8M, size 20g -> 8M"),
    "shares": ("[a]\nfilename=x\noffset=25%\nsize=50%\n", [(4, 12)],
               "offset 25% -> 4M, size 50% -> 8M"),
    "open end": ("[a]\nfilename=x\noffset=10g\n", [(8, 16)],
                 "offset 10g -> 8M"),
    "increment": ("[a]\nfilename=x\nnumjobs=4\noffset_increment=10g\n"
                  "size=10g\n", [(0, 4), (4, 8), (8, 12), (12, 16)],
                  "offset_increment 10g -> 4M, size 10g -> 4M"),
    "increment in shares": (
        "[a]\nfilename=x\nnumjobs=2\noffset_increment=25%\nsize=25%\n",
        [(0, 4), (4, 8)], "offset_increment 25% -> 4M, size 25% -> 4M"),
    "increment alone": ("[a]\nfilename=x\nnumjobs=4\noffset_increment=9g\n",
                        [(0, 4), (4, 8), (8, 12), (12, 16)],
                        "offset_increment 9g -> 4M"),
    "a file each": ("[a]\nnumjobs=2\ndirectory=/d\nsize=1g\n[b]\nsize=2g\n",
                    [(0, 4), (4, 8), (8, 16)],
                    "size 1g -> 4M, size 2g -> 8M, "
                    "3 files -> parts of the target; dropped: directory"),
    "a format": ("[a]\nnumjobs=2\nfilename_format=$jobname\nsize=1g\n[b]\n",
                 [(0, 8), (0, 8), (8, 16)],
                 "size 1g -> 8M, 2 files -> parts of the target; "
                 "dropped: filename_format"),
    "files of a job": ("[a]\nnrfiles=8\nfilesize=1g\n", [(0, 16)],
                       "filesize 1g -> 16M, 8 files of one job -> one range, "
                       "in which what is in order is one stream and not 8; "
                       "dropped: nrfiles"),
    "random files of a job": (
        "[a]\nrw=randread\nnrfiles=8\nfilesize=1g\n", [(0, 16)],
        "filesize 1g -> 16M, 8 files of one job -> one range; "
        "dropped: nrfiles"),
    "several targets": ("[a]\nfilename=/dev/x:/dev/y\nsize=1g\n", [(0, 16)],
                        "size 1g -> 16M, 2 files of one job -> one range, in "),
    "a name with a colon": ("[a]\nfilename=/dev/x\\:y\nsize=1g\n",
                            [(0, 16)], "size 1g -> 16M"),
    "two targets": ("[a]\nfilename=/dev/x\n[b]\nfilename=/dev/y\n",
                    [(0, 8), (8, 16)], "2 files -> parts of the target"),
    "shared": ("[a]\nfilename=x\nnumjobs=2\n[b]\nfilename=x\nsize=1g\n",
               [(0, 16)] * 3, "size 1g -> 16M"),
    "odd blocks": ("[a]\nfilename=x\nbs=12k\noffset=50%\n",
                   [(8, 16)], "offset 50% -> 7.99219M")}


@pytest.mark.parametrize("name", SHAPES)
def test_where_a_shape_goes(name):
    text, expected, said = SHAPES[name]
    job = jobfile.Job("x.fio", text)
    found = [((first - BASE) / MIB, (end - BASE) / MIB)
             for first, end in job.ranges(BASE, SIZE)]
    unit = 0.02                 # blocks of 12k begin at one of them
    assert all(abs(a - b) <= unit for one, other in zip(found, expected)
               for a, b in zip(one, other)), found
    assert len(found) == len(expected)
    assert said in job.changes([*OPTIONS, "filename=${TARGET}"])


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("size", [1, 3, 16, 100, 256])
def test_every_shape_stays_inside_of_every_part(name, size):
    job = jobfile.Job("x.fio", SHAPES[name][0])
    for first, end in job.ranges(BASE, size * MIB):
        assert BASE <= first < end <= BASE + size * MIB
        assert first % 4096 == 0


def test_jobs_whose_files_are_apart_stay_apart():
    for count in (1, 3, 7, 32):
        places = sorted(jobfile.Job("x.fio", "[a]\nsize=64k\n[b]\nbs=64k\n"
                                    f"numjobs={count}\nsize=100g\n"
                                    ).ranges(0, SIZE))
        assert all(one[1] <= other[0]
                   for one, other in zip(places, places[1:]))


ZONES = "[a]\nfilename=x\nrw=read\nbs=64k\nzonemode=strided\nzonesize=256m\n" \
    "zoneskip=2g\n"


@pytest.mark.parametrize("size", [1, 16, 256, 1000])
def test_strides_end_where_the_target_ends(size):
    one, = mapping.mapped(jobfile.in_force(ZONES, *mapping.READ), size * MIB)
    stride = one.zones.range + one.zones.skip
    assert size * MIB % stride == 0 and one.zones.size == one.zones.range
    assert one.zones.range % 65536 == 0


@pytest.mark.parametrize("text, word", [
    ("[a]\noffset=1x\n", "offset=1x .* no size"),
    ("[a]\nzonesize=10%\n", "zonesize=10% .* takes no share"),
    ("[a]\nnumjobs=64\nbs=1m\n", "for the 64 files .*at least --size 256M"),
    (ZONES + "[b]\nfilename=y\n", "zonemode=strided.*job file of its own")])
def test_what_cannot_be_mapped_is_one_sentence(text, word):
    with pytest.raises(Problem, match=word):
        jobfile.Job("x.fio", text).effective([f"size={SIZE}"])


@pytest.mark.parametrize("text, word", [
    ("[a]\nzonemode=zbd\nzonesize=1m\nzoneskip=1z\n", "skips zones"),
    ("[a]\nrw=write\nfile_append=1\n", "appends to its file"),
    ("[a]\nzonesize=1m\nzonecapacity=1m\n", "sets 'zonecapacity'")])
def test_what_has_no_place_in_a_part_is_refused(text, word, tmp_path):
    (tmp_path / "x.fio").write_text(text)
    with pytest.raises(Problem, match=word):
        jobgroups.load(str(tmp_path / "x.fio"))


def test_reading_what_is_appended_to_is_reading(tmp_path):
    (tmp_path / "x.fio").write_text("[a]\nrw=read\nfile_append=1\n")
    job, = jobgroups.load(str(tmp_path / "x.fio"))
    assert job.changes([]) == "dropped: file_append"


@pytest.mark.parametrize("lines", [
    "zonesize=0\nzoneskip=0\n", "zonesize=0\nzonemode=strided\n", "bs=0\n",
    "bs=4k,0\nnumjobs=2\n", "bs=8k\nbssplit=0/50:8k/50\n"])
def test_what_is_0_divides_nothing(lines):
    """fio takes it for not set, or refuses it when it is asked."""
    job, = jobgroups.split("x", f"[a]\nrw=read\nsize=1g\n{lines}[b]\n")
    for first, end in job.ranges(BASE, SIZE):
        assert BASE <= first < end <= BASE + SIZE
    assert job.effective(OPTIONS)
    fairness.ends_inside(replace(job, text=job.text.replace(
        "rw=read", "rw=write")), SIZE)


def test_a_job_apart_begins_where_it_begins_among_others():
    job = jobfile.Job("x.fio", SHAPES["increment"][0])
    text = splitjob.Apart(job, (4,)).effective(OPTIONS)
    assert [one["offset"] for one in jobfile.in_force(text, "offset")] == [
        str(first) for first, _ in job.ranges(BASE, SIZE)]
    assert "increment" not in text and "numjobs" not in text


@pytest.fixture
def there(shm):
    """A file of which the first half is given."""
    path = Path(shm, "precious")
    path.write_bytes(b"p" * WHOLE)
    return Target(str(path), SIZE, True, "file", writable=True, kind="file",
                  whole=WHOLE)


@pytest.mark.fio
@pytest.mark.parametrize("name", SHAPES)
def test_fio_goes_where_it_was_put(name, there, tmp_path, fio_binary):
    """Rehearsed first; each job's log is held to that job's range."""
    text = SHAPES[name][0].replace("\n[", "\nrw=write\n[") + "rw=write\n"
    job, side = jobfile.Job("x.fio", text), sidespec.parse("libaio", "")
    runner = fiorun.Fio(fio_binary, None, str(tmp_path))
    streams.rehearse(runner, side, job, there)
    assert "identical" in streams.same_stream(
        runner, (side, job, there), (side, job, there))
    content = Path(there.path).read_bytes()
    places = job.ranges(0, SIZE)
    assert content[SIZE:] == b"p" * (WHOLE - SIZE)
    for first, end in places:       # it did begin where it was put
        assert content[first:first + 4096] != b"p" * 4096
    assert content[:min(first for first, _ in places)].strip(b"p") == b""


@pytest.mark.fio
@pytest.mark.parametrize("blocks", ["bs=12k,8k", "bssplit=12k/100,8k/100"])
def test_directions_of_other_blocks_end_together(blocks, there, tmp_path,
                                                 fio_binary):
    """fio stops behind the last of each that begins in its range."""
    there.size = 3 * MIB
    job = jobfile.Job("x.fio", f"[a]\nrw=rw\n{blocks}\noffset=10%\n")
    fairness.ends_inside(job, there.size)
    runner = fiorun.Fio(fio_binary, None, str(tmp_path))
    side = sidespec.parse("libaio", "")
    fiorun.run(runner, side, job, there, [
        *fiorun.base_options(side, there, 1), "time_based=1", "runtime=300ms"],
        1)
    assert Path(there.path).read_bytes()[there.size:].strip(b"p") == b""


@pytest.mark.fio
def test_fio_goes_around_in_zones(there, tmp_path, fio_binary):
    there.size = WHOLE
    job, side = jobfile.Job("x.fio", ZONES), sidespec.parse("libaio", "")
    runner = fiorun.Fio(fio_binary, None, str(tmp_path))
    _, (stream,) = streams._streams(runner, side, job, there)
    inside.check(job, [stream], WHOLE)
    one, = mapping.mapped(jobfile.in_force(ZONES, *mapping.READ), WHOLE)
    stride = one.zones.range + one.zones.skip
    offsets = [int(place) for _, place, _ in stream]
    assert {place % stride < one.zones.range for place in offsets} == {True}
    assert {place // stride for place in offsets} == set(range(
        WHOLE // stride))


def test_a_stream_that_time_ended_may_be_shorter():
    """On a slow device; but what there is of both has to be the same."""
    long = [("write", str(4096 * place), "4096") for place in range(9)]
    assert streams.compare_streams(long, long[:5], True) == (5, "")
    assert streams.compare_streams(long, long[:5])[0] is None
    assert streams.compare_streams(long, long[1:], True)[0] is None
    assert streams.compare_streams(long, [], True)[0] is None

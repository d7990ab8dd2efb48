# SPDX-License-Identifier: GPL-2.0-only
# What of a target was written, on real file systems and loop devices: holes,
# space that is only allocated, and data that still wait in the page cache; and
# what the commands do with it.
from contextlib import ExitStack
import os
from pathlib import Path
import re
import tempfile
from types import SimpleNamespace

import pytest

import abreport
from fiolab.ab.report import textreport
from fiolab.base.problem import Problem
from fiolab.qualify import prewritten
from fiolab.target import extents, loopdevice, scratchfile
from fiolab.target.target import CAMPAIGN, Target

MIB = 1 << 20
SIZE = 16 * MIB


@pytest.fixture(params=["disk", "tmpfs"])
def path(request, tmp_path):
    """A file of 16 MiB that is one hole."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shm:
        made = (tmp_path if request.param == "disk" else Path(shm)) / "file"
        made.touch()
        os.truncate(made, SIZE)
        yield str(made)


def write(path, start, end):
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(os.urandom(end - start))


def allocate(path, start, end):
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, start, end - start)
    finally:
        os.close(descriptor)


def missing(path, size=SIZE):
    return [(a // MIB, b // MIB) for a, b in extents.look(path, size).missing]


def test_holes_and_allocated_space_were_never_written(path):
    assert missing(path) == [(0, 16)]
    write(path, 4 * MIB, 6 * MIB)
    assert missing(path) == [(0, 4), (6, 16)]
    allocate(path, 6 * MIB, 10 * MIB)
    found = extents.look(path, SIZE)
    assert missing(path) == [(0, 4), (6, 16)] and found.share == 2 / 16
    write(path, 0, 4 * MIB)
    assert missing(path, 6 * MIB) == []
    assert extents.look(path, 6 * MIB).share == 1


def test_allocated_space_that_was_read_is_still_unwritten(path):
    allocate(path, 0, SIZE)
    Path(path).read_bytes()         # zeros, now in the page cache
    assert missing(path) == [(0, 16)]


def test_many_extents_are_all_seen(tmp_path):
    """More than one answer of FIEMAP holds."""
    path = tmp_path / "file"
    path.touch()
    for i in range(700):
        write(path, i * 32768, i * 32768 + 4096)
    found = extents.look(str(path), 700 * 32768)
    assert len(found.missing) == 700
    assert extents.total(found.missing) == 700 * 28672


def test_what_is_missing_can_be_filled(path):
    write(path, 4 * MIB, 6 * MIB)
    before = Path(path).read_bytes()[4 * MIB:6 * MIB]
    descriptor, told = os.open(path, os.O_RDWR), []
    try:
        extents.fill(descriptor, extents.look(path, SIZE).missing, told.append)
    finally:
        os.close(descriptor)
    assert missing(path) == [] and told[-1] == 1
    content = Path(path).read_bytes()
    assert len(content) == SIZE and content[4 * MIB:6 * MIB] == before


def test_reads_of_a_file_with_holes_are_refused(path):
    write(path, MIB, SIZE)
    with ExitStack() as stack, pytest.raises(Problem) as problem:
        scratchfile.prepare(path, [], SIZE, False, stack)
    assert re.search("has 1 MiB of 16 MiB that were never written.*give "
                     "--destroy-data", str(problem.value))
    assert missing(path) == [(0, 1)]            # and left alone
    with ExitStack() as stack:                  # no hole is left to be read
        made = scratchfile.prepare(path, [], SIZE, True, stack)
        assert made.written.share == 1
        assert "all of it was written" in made.describe()


def test_compressed_extents_are_warned_of(tmp_path, monkeypatch):
    """No file system here compresses: the map is an invented one."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * SIZE)
    monkeypatch.setattr(extents, "_batch", lambda *_: [
        (0, 4 * MIB, extents.ENCODED), (4 * MIB, 12 * MIB, extents.LAST)])
    found = extents.look(str(path), SIZE)
    assert (found.share, found.encoded) == (1, 4 * MIB)
    text, = extents.warnings("F", found)
    assert "compressed for 25%" in text
    assert extents.said(extents.data(found)).endswith("25% is stored "
                                                      "compressed")


def test_without_a_map_allocated_space_is_not_called_written(tmp_path,
                                                             monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"x" * SIZE)
    monkeypatch.setattr(extents, "FIEMAP", 0xC0206600)      # no such request
    monkeypatch.setattr(extents, "_in_tmpfs", lambda _: False)
    found = extents.look(str(path), SIZE)
    assert found.share is None and found.missing == ()
    assert "not known" in extents.said(extents.data(found))
    os.truncate(path, SIZE + MIB)
    assert extents.look(str(path), SIZE + MIB).missing == ((SIZE, SIZE + MIB),)


@pytest.mark.root
def test_a_loop_device_is_judged_by_its_file(path):
    write(path, MIB, 8 * MIB)
    with ExitStack() as stack:
        device = loopdevice.make(path, stack, direct=False)
        assert missing(device) == [(0, 1), (8, 16)]
        with pytest.raises(Problem, match="9 MiB of 16 MiB"):
            scratchfile.prepare(device, [], SIZE, False, stack)


@pytest.mark.root
def test_of_a_disk_nothing_is_known_unless_it_was_filled(tmp_path):
    """A loop device whose file nobody can name any more."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * SIZE)
    with ExitStack() as stack:
        device = loopdevice.make(str(path), stack, writable=True, direct=False)
        path.unlink()
        read = scratchfile.prepare(device, [], SIZE, False, stack)
        text, = read.doubts()
        assert "was discarded, is read without the medium" in text
        assert read.data(CAMPAIGN)["written"]["share"] is None
        filled = scratchfile.prepare(device, ["w"], SIZE, True, stack)
        assert filled.doubts() == [] and filled.written.share == 1


def test_the_report_says_what_was_written():
    data = abreport.typical()
    said = {1: "all of it was written", 0.25: "25.0% of it was written",
            None: "how much of it was written is not known"}
    for share, words in said.items():
        data["cells"][0]["target"]["written"] = {
            "share": share, "bytes": SIZE, "compressed": 0.0}
        assert words in re.sub(r"\s+", " ", textreport.text(data))


# jobs/qualify, which purges a file to one hole

def bench_of(path, descriptor):
    target = Target(path, SIZE, claimed=True, descriptor=descriptor,
                    writable=True)
    return SimpleNamespace(target=target, covered=False)


def test_holes_that_a_purge_made_are_filled_before_reads(path):
    descriptor, said = os.open(path, os.O_RDWR), []
    try:
        bench = bench_of(path, descriptor)
        write(path, 0, 4 * MIB)
        assert prewritten.before_reads(bench, said.append) == {
            "share": 1, "filled_bytes": 12 * MIB}
        assert missing(path) == [] and said[-1] == "filling holes: 100%"
        assert prewritten.before_reads(bench, said.append) == {
            "share": 1, "filled_bytes": 0}
    finally:
        os.close(descriptor)


def test_a_device_is_written_once_all_of_it_was_since_its_purge():
    bench = SimpleNamespace(covered=False)
    whole = SimpleNamespace(rw="write", capacity=2)
    part = SimpleNamespace(rw="randwrite", capacity=0)
    for stimuli, purged, covered in (
            ((part,), None, False), ((whole,), {"method": "blkdiscard"}, True),
            ((part,), None, True), ((part,), {"method": "blkdiscard"}, False),
            ((whole,), None, True), ((part,), {"method": prewritten.NONE},
                                     True)):
        prewritten.follow(bench, stimuli, purged)
        assert bench.covered == covered


def test_what_is_not_known_of_a_device_is_a_warning():
    one = {"name": "/dev/x", "written": {"share": None, "filled_bytes": 0}}
    text, = prewritten.warnings([one])
    assert text.startswith("of /dev/x, ") and "without the medium" in text
    assert "not known" in prewritten.said(one)
    text, = prewritten.warnings([{**one, "name": name} for name in "abcde"])
    assert text.startswith("of a, b, c and 2 more, ")
    one["written"] = {"share": 1.0, "filled_bytes": 5_000_000}
    assert prewritten.warnings([one]) == []
    assert prewritten.said(one).endswith("(5 MB of holes were filled)")

# SPDX-License-Identifier: GPL-2.0-only
# A job for a zoned device (zonemode=zbd) runs on a target without zones, in
# which fio makes its own: inside of what was given, and the same on both sides.
from pathlib import Path

import pytest

from abrun import FAST
from fiolab.base.problem import Problem
from fiolab.fio import asking, fiorun, jobfile, sidespec, streams
from fiolab.fio.jobs import jobgroups, mapping
from fiolab.target.target import Target

HERE = Path(__file__).parent / "jobfiles"
MIB = 1 << 20
ZBD = "zonemode=zbd\n"
# {name: text}, of jobs that write
SHAPES = {
    "random": f"[a]\n{ZBD}zonesize=1m\nrw=randwrite\nbs=64k\niodepth=8\n",
    "in order": f"[a]\n{ZBD}zonesize=4m\nrw=write\nbs=128k\niodepth=4\n",
    "a range": f"[a]\n{ZBD}zonesize=256m\noffset=6z\nsize=2z\n"
               "rw=randwrite\nbs=16k\n",
    "odd blocks": f"[a]\n{ZBD}rw=randwrite\nbs=12k\n",
    "many jobs": f"[a]\n{ZBD}numjobs=3\nfilename=x\nrw=randwrite\nbs=64k\n"
                 "max_open_zones=4\niodepth=4\n",
    "a file each": f"[a]\n{ZBD}numjobs=3\nsize=4z\nrw=randwrite\nbs=32k\n",
    "apart": f"[a]\n{ZBD}filename=x\nnumjobs=3\noffset_increment=2z\nsize=2z"
             "\nrw=write\nbs=32k\n",
    "resets": f"[a]\n{ZBD}zonesize=1m\nzone_reset_threshold=0.3\n"
              "zone_reset_frequency=0.5\nrw=randwrite\nbs=64k\n",
    "beside one without": f"[a]\n{ZBD}zonesize=1m\nfilename=x\nsize=4z\n"
                          "rw=randwrite\nbs=16k\n[b]\nfilename=y\n"
                          "rw=randwrite\nbs=12k\nsize=2m\n"}


def job(text):
    return jobfile.Job("x.fio", text)


def zones(text, base, size):
    """(bytes of a zone, what each section got)"""
    found = mapping.mapped(jobfile.in_force(text, *mapping.READ), size, base)
    return int(next(line.split("=")[1] for one in found for line in one.more
                    if line.startswith("zonesize="))), found


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("size", [3, 16, 64, 100, 257, 4096])
def test_jobs_have_whole_zones_of_every_part(name, size):
    """As many in each third of a target, where a duet has its sides."""
    size, text, lengths = size * MIB, SHAPES[name], set()
    for third in range(3):
        base = third * size
        zone, found = zones(text, base, size)
        lengths.add((zone, *(one.size for one in found)))
        sections = jobfile.in_force(text, *mapping.READ)
        places = iter(mapping.ranges(found, base))
        for values, one in zip(sections, found):
            for first, end in (next(places) for _ in range(one.number)):
                assert base <= first < end <= base + size
                if values.get("zonemode"):
                    assert first % zone == end % zone == 0
        assert zone % mapping.namedfiles.Range(sections[0]).step == 0
    assert len(lengths) == 1


def test_zones_are_in_proportion():
    zone, (one,) = zones(SHAPES["a range"], 0, 256 * MIB)
    assert (zone, one.offset, one.size) == (32 * MIB, 192 * MIB, 64 * MIB)
    assert ("offset 6z -> 192M, size 2z -> 64M, zonesize 256m -> 32M (zones "
            "that fio makes)") in job(SHAPES["a range"]).changes(
                [f"size={256 * MIB}"])


def test_what_cannot_have_zones_is_one_sentence(tmp_path):
    with pytest.raises(Problem, match="too few for the zones of its jobs: give "
                       "at least --size 12M"):
        job(f"[a]\n{ZBD}rw=write\nbs=1m\nnumjobs=2\n").effective(
            [f"size={11 * MIB}"])
    (tmp_path / "x.fio").write_text(f"[a]\n{ZBD}zonesize=1q\n")
    with pytest.raises(Problem, match="zonesize=1q .* no size"):
        jobgroups.load(str(tmp_path / "x.fio"))[0].least()


@pytest.fixture
def there(shm):
    """A file of 24 MiB and a bit, whose middle third is given."""
    path = Path(shm, "precious")
    path.write_bytes(b"p" * (24 * MIB + 4096))
    return Target(str(path), 8 * MIB, True, "file", writable=True,
                  kind="file", whole=24 * MIB + 4096)


@pytest.mark.fio
@pytest.mark.parametrize("side", ["libaio", "kaio"])
@pytest.mark.parametrize("name", SHAPES)
def test_fio_leaves_no_zone_that_it_was_given(name, side, there, tmp_path,
                                              fio_binary, build_dir):
    """However often it goes around."""
    one, base = job(SHAPES[name]), there.size
    side = sidespec.parse(side, build_dir)
    fiorun.run(fiorun.Fio(fio_binary, None, str(tmp_path)), side, one, there, [
        *fiorun.base_options(side, there, 1), f"offset={base}", "time_based=1",
        "runtime=400ms"], 1)
    content = Path(there.path).read_bytes()
    assert len(content) == there.whole
    places = one.ranges(base, there.size)
    at = 0
    for first, end in sorted(places):
        assert content[at:first].strip(b"p") == b""
        assert content[first:end].strip(b"p") != b""
        at = max(at, end)
    assert content[at:].strip(b"p") == b""


@pytest.mark.fio
@pytest.mark.parametrize("name", SHAPES)
def test_both_sides_do_the_same(name, there, tmp_path, fio_binary):
    one = job(SHAPES[name])
    runner = fiorun.Fio(fio_binary, None, str(tmp_path))
    a, b = (sidespec.parse(side, "") for side in ("libaio", "psync"))
    streams.rehearse(runner, a, one, there)
    assert "identical on both sides" in streams.same_stream(
        runner, (a, one, there), (b, one, there))


@pytest.mark.fio
def test_a_target_that_is_full_is_read(there, tmp_path, fio_binary):
    """Not the zones that fio takes for empty."""
    runner = fiorun.Fio(fio_binary, None, str(tmp_path))
    side = sidespec.parse("libaio", "")
    _, one = asking.without_foreign(runner, [side], jobgroups.load(
        str(HERE / "zoned.fio")))
    _, (stream,) = streams._streams(runner, side, one, there)
    assert len(stream) == there.size // 65536
    assert {kind for kind, *_ in stream} == {"read"}


@pytest.mark.fio
def test_a_campaign_in_zones(ab, shm):
    done = ab("--b", "psync", "--pairs", "1", "--target", f"{shm}/s",
              "--job", HERE / "zoned.fio", *FAST, "--runtime", "1")
    assert done.returncode == 0, done.stderr
    cells = {cell["job"]: cell for cell in ab.report()["cells"]}
    assert list(cells) == ["zoned/write", "zoned/read"]
    assert "zones that fio makes" in cells["zoned/read"]["changes"]

# SPDX-License-Identifier: GPL-2.0-only
# A job that only reads and verifies finds what it verifies: fio writes that
# before each run, in the part that is given, and nowhere else.
from pathlib import Path

import pytest

from abrun import FAST, sentence
from fiolab.ab import places, restore, results
from fiolab.ab.campaign import Campaign, Request
from fiolab.base.problem import Problem
from fiolab.fio import fiorun, jobfile, sidespec, streams
from fiolab.fio.jobs import jobgroups, written
from fiolab.target.target import Target

MIB = 1 << 20
# {name: text}, of jobs that verify
SHAPES = {
    "in order": "[a]\nrw=read\nverify=md5\nbs=4k\n",
    "at random": "[a]\nrw=randread\nverify=crc32c\nbs=16k\niodepth=8\n",
    "odd blocks": "[a]\nrw=randread\nverify=crc32c\nbs=12k\n",
    "with gaps": "[a]\nrw=read:12k\nverify=crc32c\nbs=4k\n",
    "a pattern": "[a]\nrw=read\nverify=pattern\nverify_pattern=0xc0ffee\n",
    "a pattern alone": "[a]\nrw=read\nverify_pattern=0xc0ffee\n",
    "intervals": "[a]\nrw=read\nbs=64k\nverify=crc32c\n"
                 "verify_interval=4k\n",
    "another unit": "[global]\nkb_base=1000\n[a]\nrw=read\nbs=8KiB\n"
                    "verify=crc32c\nverify_interval=4KiB\n",
    "jobs of one place": "[a]\nrw=randread\nfilename=x\nnumjobs=3\nbs=64k\n"
                         "verify=crc32c\n",
    "jobs of many": "[global]\nbs=4k\nverify=crc32c\nfilename=x\n"
                    "[a]\nrw=read\noffset=0\nsize=1m\nblocksize=64k\n"
                    "[b]\nrw=randread\noffset=1g\nbs=512\nsize=1m\n"
                    "[c]\nrw=randread\nverify=0\n"}


@pytest.fixture
def there(shm):
    """A file of which the first 3 MiB are given."""
    path = Path(shm, "precious")
    path.write_bytes(b"p" * 8 * MIB)
    return Target(str(path), 3 * MIB, True, "file", writable=True,
                  kind="file", whole=8 * MIB)


@pytest.fixture
def runner(fio_binary, tmp_path):
    return fiorun.Fio(fio_binary, None, str(tmp_path))


def job(text, tmp_path):
    (tmp_path / "x.fio").write_text(text)
    return jobgroups.load(str(tmp_path / "x.fio"))[0]


def run(runner, one, there, seed=7):
    side = sidespec.parse("libaio", "")
    return fiorun.run(runner, side, one, there, [
        *fiorun.base_options(side, there, seed), "time_based=1",
        "runtime=200ms"], 1)


@pytest.mark.fio
@pytest.mark.parametrize("name", SHAPES)
def test_what_is_verified_was_written(name, there, runner, tmp_path):
    """However often it is read; and nothing but whole blocks of what was
    given is written."""
    one = job(SHAPES[name], tmp_path)
    assert written.needed(one) and not one.writes()
    restore.chosen(runner, one, "none")(there)
    content = Path(there.path).read_bytes()
    assert content[there.size:] == b"p" * (there.whole - there.size)
    run(runner, one, there)
    side = sidespec.parse("libaio", "")
    assert "identical" in streams.same_stream(
        runner, (side, one, there), (side, one, there))
    assert Path(there.path).read_bytes() == content


@pytest.mark.fio
@pytest.mark.parametrize("name", [
    name for name in SHAPES if name not in ("with gaps", "jobs of many")])
def test_it_is_really_verified(name, there, runner, tmp_path):
    one = job(SHAPES[name], tmp_path)
    with pytest.raises(Problem, match="verify"):
        run(runner, one, there)
    restore.chosen(runner, one, None)(there)
    with open(there.path, "r+b") as file:
        file.seek(MIB + 65536 - 64)     # fio forgets all but the last interval
        file.write(b"damage")
    with pytest.raises(Problem, match="verify"):
        run(runner, one, there)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("size", [MIB, 3 * MIB, 100 * MIB + 4096])
def test_only_whole_blocks_are_written(name, size, tmp_path):
    one = job(SHAPES[name], tmp_path)
    text = written.Written(one, size).effective(["filename=${TARGET}"])
    found = jobfile.in_force(text, "offset", "size", "bs", "rw", "verify",
                             "stonewall", "do_verify")
    places = one.ranges(0, size)
    assert len(found) == len({place for place in places[:2]})
    for section, (first, end) in zip(found, dict.fromkeys(places)):
        assert int(section["offset"]) == first
        assert first + int(section["size"]) <= end
        assert section["rw"].startswith("write")
        if section["rw"] == "write":
            assert int(section["size"]) % int(section["bs"]) == 0
        assert section["do_verify"] == "0" and "stonewall" in section


@pytest.mark.parametrize("text, why", [
    ("[a]\nrw=read\nverify=md5\nbsrange=4k-8k\n", "several sizes"),
    ("[a]\nrw=read\nverify=md5\nbs=4k,8k\n", "several sizes"),
    ("[a]\nrw=read\nverify=md5\nbs=8k,\n", "several sizes"),
    ("[a]\nrw=read\nverify=md5\nbsrange=4k-8k\nbs=4k\n", "several sizes"),
    ("[a]\nrw=read\nverify=md5\nbs=4k\nbssplit=4k/50:8k/50\n",
     "several sizes"),
    ("[global]\nrw=read\nbssplit=4k/50:8k/50\n[a]\nverify=md5\n[b]\n",
     "several sizes"),
    ("[global]\nrw=read\n[a]\nverify=md5\nzonesize=1m\n[b]\n", "in zones"),
    ("[a]\nrw=write\nverify=md5\nverify_only\n", "verifies once"),
    ("[a]\nrw=read\nverify=md5\nzonemode=zbd\n", "in zones"),
    ("[a]\nrw=read\nverify=md5\nzonesize=1m\n", "in zones")])
def test_what_cannot_be_written_before_is_left_out(text, why, tmp_path):
    with pytest.raises(Problem, match=f"no job that can be run here.*{why}"):
        job(text, tmp_path)


@pytest.mark.parametrize("text, needed", [
    ("verify=pattern_hdr\nverify_pattern=1", True),
    ("verify_pattern=1\nverify=0", False), ("verify=null", False)])
def test_it_is_written_where_fio_verifies_it(text, needed, tmp_path):
    assert written.needed(job(f"[a]\nrw=read\n{text}\n", tmp_path)) == needed


def test_a_variable_brings_no_line_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATTERN", "0xff\nfilename=/precious")
    one = job("[a]\nrw=read\nverify=pattern\nverify_pattern=${PATTERN}\n",
              tmp_path)
    with pytest.raises(Problem, match="a character that ends a line"):
        written.Written(one, MIB).effective([])


@pytest.mark.fio
def test_a_file_of_the_users_is_not_overwritten_for_it(ab, shm, tmp_path):
    (tmp_path / "x.fio").write_text("[a]\nrw=read\nverify=md5\ndirect=1\n")
    Path(shm, "precious").write_bytes(b"p" * 16 * MIB)
    sentence(ab("--b", "psync", "--job", tmp_path / "x.fio", "--target",
                f"{shm}/precious", "--pairs", "1", *FAST), "--destroy-data")
    assert Path(shm, "precious").read_bytes() == b"p" * 16 * MIB


@pytest.mark.parametrize("clients, handed", [([{"name": "h"}], False),
                                             ([], True)])
def test_hosts_and_engines_of_their_own_have_nobody_who_writes_it(
        clients, handed, tmp_path):
    one = job(SHAPES["in order"], tmp_path)
    campaign = Campaign(Request(), (), [one], clients)
    cell = results.Cell(0, one, [])
    with pytest.raises(Problem, match="only reads what it verifies"):
        places.ready(campaign, cell, Target("t", MIB, handed=handed))


@pytest.mark.fio
def test_a_pass_that_is_shorter_than_a_run_is_a_sentence(ab, shm, tmp_path):
    job = tmp_path / "job.fio"
    job.write_text("[a]\nioengine=libaio\nrw=randread\nverify=crc32c\n"
                   "size=1m\n")
    done = ab("--a", "libaio", "--b", "libaio", "--pairs", "1", "--pairing",
              "alternate", "--job", str(job), "--target", f"{shm}/s",
              "--size", "16M", "--runtime", "3", "--ramp", "0.05")
    assert done.returncode == 1
    assert "it was over before its time" in done.stderr.replace("\n", " ")

# SPDX-License-Identifier: GPL-2.0-only
# How many bytes a size in a job file is: as many as fio makes a file of.
import re
import shutil
import subprocess

import pytest

from fiolab.ab import matrix
from fiolab.base.problem import Problem
from fiolab.fio import fairness, jobfile
from fiolab.fio.jobs import amounts, arithmetic, aswritten, jobgroups

UNITS = [("64KiB", 64000), ("64KB", 65536), ("64k", 65536), ("64K", 65536),
         ("65536b", 65536)]


@pytest.mark.fio
@pytest.mark.parametrize("size, usual", UNITS)
@pytest.mark.parametrize("base", ["", "1024", "1000"])
def test_k_is_as_many_bytes_as_fio_takes_it_for(size, usual, base, tmp_path,
                                                fio_binary):
    """fio has kib and kb the wrong way round, but with kb_base=1000."""
    text = "".join([f"[global]\nkb_base={base}\n" if base else "",
                    f"[a]\nrw=write\nbs={size}\nsize={size}\n"])
    (tmp_path / "x.fio").write_text(f"{text}filename={tmp_path}/file\n")
    subprocess.run([fio_binary, tmp_path / "x.fio"], check=True, timeout=60,
                   capture_output=True)
    length = (tmp_path / "file").stat().st_size
    other = 65536 if usual == 64000 else 64000
    assert length == (other if base == "1000" and "b" != size[-1:] else usual)
    job = jobfile.Job("x.fio", text)
    assert fairness.largest_block(job) == length
    assert amounts.block(job._where()[0]) == length
    assert f"size {size} ->" not in job.changes([f"size={length}"])


@pytest.mark.parametrize("text", [
    "[a]\nkb_base=1000\n[b]\n", "[a]\n[b]\nkb_base=1000\n",
    "[global]\nbs=4k\n[a]\nkb_base=1000\n",
    "[global]\nbs=4k\n[global]\nkb_base=1000\n[a]\n"])
def test_a_unit_that_changes_within_a_file_is_refused(text, tmp_path):
    (tmp_path / "x.fio").write_text(text)
    with pytest.raises(Problem, match="4k is not the same everywhere in it"):
        jobgroups.load(str(tmp_path / "x.fio"))
    (tmp_path / "x.fio").write_text(f"[global]\nkb_base=1000\n{text}")
    assert jobgroups.load(str(tmp_path / "x.fio"))


# Lines of [global] and of a job, and what fio's reads and writes are of.
DIRECTIONS = [
    ("bs=48k", "bs=4k,", {4}, {48}), ("bs=48k", "bs=,4k", {48}, {4}),
    ("bs=12k", "bs=,,4k", {12}, {12}), ("", "bs=12k,", {12}, {4}),
    ("", "blocksize=12k,8k", {12}, {8}), ("bsrange=8k-8k", "bs=16k", {8}, {8}),
    ("bsrange=16k-16k", "bsrange=,8k-8k", {16}, {8}),
    ("bssplit=48k/100", "bssplit=4k/100,", {4}, {48}),
    ("bssplit=16k/50:64k/50", "bsrange=8k-8k\nbs=4k", {8}, {8}),
    ("bsrange=8k-8k", "bssplit=,16k/50:64k/50", {8}, {16, 64})]


@pytest.mark.fio
@pytest.mark.parametrize("first, then, reads, writes", DIRECTIONS)
def test_blocks_of_each_direction_are_as_fio_has_them(
        first, then, reads, writes, tmp_path, fio_binary):
    """A place that a value leaves out keeps what it has had before."""
    text = f"[global]\n{first}\n[a]\nrw=rw\n{then}\n"
    (tmp_path / "x.fio").write_text(
        f"{text}ioengine=null\nsize=8m\nfilename=x\nwrite_iolog=log\n")
    subprocess.run([fio_binary, tmp_path / "x.fio"], check=True, timeout=60,
                   capture_output=True, cwd=tmp_path)
    found = re.findall(r" (read|write) \d+ (\d+)$",
                       (tmp_path / "log").read_text(), re.M)
    sizes = [{int(size) >> 10 for kind, size in found if kind == one}
             for one in ("read", "write")]
    values, = jobfile.Job("x.fio", text)._where()
    assert sizes == [reads, writes] == [
        {size >> 10 for size in one} for one in amounts.directions(values)]


def test_a_block_of_a_direction_that_is_left_out_fits_into_the_part():
    """Of 4k ones the job would get 60 KiB, and end 48k writes behind it."""
    job = jobfile.Job("x.fio", "[global]\nbs=48k\n[a]\nrw=write\nbs=4k,\n"
                      "offset=25%\n[b]\nrw=write\nbs=48k,4k\nsize=50%\n")
    places = job.ranges(0, 48 << 20)
    assert (places[0][1] - places[0][0]) % (48 << 10) == 0
    for text in ("bs=4k-48k", "bs=4k:48k", "bs=4k-8k,48k", "bsrange=48k"):
        with pytest.raises(Problem, match="something else.*bsrange=4k-"):
            fairness.largest_block(jobfile.Job("x.fio", f"[a]\n{text}\n"))


def test_a_matrix_counts_as_the_job_does():
    job, = matrix.expand([jobfile.Job(
        "x.fio", "[global]\nkb_base=1000\n[a]\nbs=8k\n")], ["bs=4k"])
    lines = job.text.split("\n")
    assert lines.index("kb_base=1000") < lines.index("bs=4k")
    assert fairness.largest_block(job) == 4000


SUMS = ["64*$pagesize", "$pagesize", "8192+$pagesize*3-$pagesize",
        "5*1024*1024*$mb_memory/8/4096/10*4096/1000",
        "(1+$ncpus)*4096", "7*$pagesize/2", "$ncpus$ncpus"]


@pytest.mark.fio
@pytest.mark.parametrize("text", SUMS)
def test_a_sum_is_what_fio_makes_of_it(text, tmp_path, fio_binary):
    if not shutil.which("bc"):
        pytest.skip("fio calculates with bc, which is not here")
    (tmp_path / "x.fio").write_text(f"[a]\nrw=write\nbs=1\nsize={text}\n")
    said = subprocess.run([fio_binary, "--parse-only", "--showcmd",
                           tmp_path / "x.fio"], check=True, timeout=60,
                          capture_output=True, text=True).stdout
    assert f"--size={arithmetic.meant(text)} " in said + " "


@pytest.mark.fio
@pytest.mark.parametrize("text", ["64k${KAIO_NONE}", "${KAIO_SIZE}k",
                                  "${}${KAIO_SIZE}${KAIO_NONE}"])
def test_a_variable_is_what_fio_makes_of_it(text, tmp_path, fio_binary,
                                            monkeypatch):
    """Nothing where it is not set."""
    monkeypatch.setenv("KAIO_SIZE", "64")
    monkeypatch.delenv("KAIO_NONE", raising=False)
    test_a_sum_is_what_fio_makes_of_it(text, tmp_path, fio_binary)
    assert arithmetic.meant("$KAIO_SIZE") == "$KAIO_SIZE"       # none to fio


@pytest.mark.parametrize("text", [
    "(64*1024)", "64*1024", "4k-64k", "4k*$pagesize", "2**3*$pagesize",
    "$pagesize/0", "08*$pagesize", "$pagesize*", "4k/60:64k/40", "f($ncpus)"])
def test_what_is_no_sum_is_left_to_the_other_checks(text):
    left = arithmetic.WORD.sub(lambda m: str(arithmetic.WORDS[m[0]]), text)
    assert arithmetic.meant(text) == left


def test_sums_are_counted_where_sizes_are():
    page = arithmetic.PAGE
    job = jobfile.Job("x.fio", "[a]\nrw=write:$pagesize\nbs=4*$pagesize\n"
                      "numjobs=$ncpus\niodepth=2\nsize=64*$pagesize\n")
    cpus = arithmetic.WORDS["$ncpus"]
    assert fairness.in_flight(job) == 4 * page * 2 * cpus
    fairness.ends_inside(job, 5 * page * 16)
    assert amounts.step(job._where()[0]) == 5 * page
    assert len(job.ranges(0, 64 << 20)) == cpus
    assert "size=64*$pagesize" not in job.effective(["size=1m"])


# Times of a runtime, and the seconds that fio takes them for.
TIMES = [("1", 1), ("1s", 1), ("1S", 1), ("300ms", 0.3), ("1200MSEC", 1.2),
         ("500000us", 0.5), ("500000usec", 0.5)]
OTHER = ["9sec", "9min", "9seconds", "1.9", "1-9", "1:9"]


@pytest.mark.fio
@pytest.mark.parametrize("text", [*[text for text, _ in TIMES], *OTHER])
def test_a_time_is_as_long_as_fio_takes_it_for(text, tmp_path, fio_binary):
    """Or it is refused: 9sec are 9 us to fio."""
    (tmp_path / "x.fio").write_text(
        "[a]\nioengine=null\nsize=1m\nfilename=x\ntime_based=1\nrate_iops=20\n"
        f"runtime={text}\n")
    said = subprocess.run([fio_binary, "--output-format=json",
                           tmp_path / "x.fio"], check=True, timeout=60,
                          capture_output=True, text=True, cwd=tmp_path).stdout
    took = int(re.search(r'"job_runtime" : (\d+)', said)[1]) / 1000
    if text in OTHER:
        assert took < 5
        with pytest.raises(Problem, match="is no plain time"):
            aswritten.length({"runtime": text})
    else:
        seconds = aswritten.length({"runtime": text})
        assert seconds == dict(TIMES)[text] and took >= seconds - 0.01

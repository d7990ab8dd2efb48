# SPDX-License-Identifier: GPL-2.0-only
# Options of fio with two names: of both, the one that is set last counts, for
# fio, and so for all that is read from a job file before fio is started.
import re
import subprocess

import pytest

from fiolab.ab import matrix
from fiolab.base.problem import Problem
from fiolab.fio import fairness, jobfile, metrics, sidespec
from fiolab.fio.jobfile import Job
from fiolab.fio.jobs import (aswritten, delays, jobgroups, mapping, syncing,
                             trims, written)
from fiolab.fio.jobs.optionnames import ALIASES

MIB = 1 << 20
# One that reads by the name that is looked for first, and writes by the last.
ORDERS = ["[global]\nrw=read\n[a]\nreadwrite={}\n",
          "[global]\nreadwrite=read\n[a]\nrw={}\n",
          "[a]\nrw=read\nreadwrite={}\n", "[a]\nREADWRITE=read\nrw={}\n"]


def test_they_are_those_of_this_fio(fio_binary):
    """Of each option that it has."""
    every = re.findall(r"^ *(\w+)", subprocess.run(
        [fio_binary, "--cmdhelp=all"], stdout=subprocess.PIPE, text=True,
        check=True).stdout, re.M)
    said = subprocess.run(
        ["sh", "-c", 'fio=$1; shift; for name; do "$fio" --cmdhelp="$name"; '
         "done", "-", fio_binary, *every], stdout=subprocess.PIPE, text=True,
        check=True).stdout
    found = {alias: name for name, alias in re.findall(
        r"^ *(\w+): .*\n *alias: (\w+)$", said, re.M)}
    assert len(found) > 15 and found.items() <= ALIASES.items()


@pytest.mark.parametrize("text", ORDERS)
def test_the_last_says_whether_a_job_writes(text):
    values, = jobfile.in_force(text.format("randwrite"), *mapping.READ)
    assert values["rw"] == "randwrite"
    job = Job("x.fio", text.format("write:8") + "fsync=1\nverify=crc32c\n")
    assert syncing.each_write(job.text) and not written.needed(job)
    assert jobgroups.split("x.fio", job.text)


@pytest.mark.parametrize("text", ORDERS)
def test_the_last_says_whether_blocks_stray(text):
    """They would end behind the part."""
    job = Job("x.fio", text.format("randwrite:8") + "bs=64k\nblockalign=512\n")
    with pytest.raises(Problem, match="blockalign"):
        fairness.ends_inside(job, 32 * MIB)


@pytest.mark.parametrize("text", ORDERS)
def test_the_last_says_whether_a_file_is_trimmed(text):
    with pytest.raises(Problem, match="block devices alone"):
        trims.on_devices(Job("x.fio", text.format("randtrim")), "/f")


@pytest.mark.parametrize("text, first", [
    ("offset=1m\nfileoffset=2m", 2), ("fileoffset=2m\noffset=1m", 1),
    ("size=1m\noffset=1m\nfileoffset=0", 0)])
def test_the_last_says_where_a_job_begins(text, first):
    job = aswritten.AsWritten("x.fio", f"[a]\n{text}\nsize=4m\n")
    assert job.ranges(0, 8 * MIB) == [(first * MIB, (first + 4) * MIB)]
    assert not re.search("fileoffset", job.effective(["size=8M"]))


@pytest.mark.parametrize("text", [
    "timeout=9\nruntime=2", "runtime=9\ntimeout=2", "timeout=2"])
def test_the_last_says_how_long(text):
    values, = jobfile.in_force("[a]\n" + text, *delays.READ)
    assert aswritten.length(values) == 2


def test_the_last_says_which_blocks():
    text = "[a]\nbsrange=4k-1m\nblocksize_range=4k-8k\n"
    assert jobfile.in_force(text, *mapping.READ) == [{"bsrange": "4k-8k"}]


@pytest.mark.parametrize("line", [
    "bsrange=4k-64k", "blocksize_range=4k-64k", "bssplit=4k/50:64k/50",
    "blocksize=64k"])
@pytest.mark.parametrize("axis", ["bs", "blocksize"])
def test_an_axis_of_blocks_replaces_all_that_says_their_size(axis, line):
    """Or the job's own would be in force, in all cells alike."""
    made = matrix.expand([Job("x.fio", f"[a]\n{line}\n")], [f"{axis}=4k,128k"])
    assert [one.text.split() for one in made] == [
        ["[global]", f"bs={size}", "[a]"] for size in ("4k", "128k")]


def test_two_names_are_one_axis():
    with pytest.raises(Problem, match="'rw' is twice"):
        matrix.expand([Job("x.fio", "[a]\n")],
                      ["rw=read,write", "readwrite=trim"])


@pytest.mark.parametrize("name", ["fileoffset", "TIMEOUT", "nr_files", "ss",
                                  "allrandrepeat", "io_limit"])
def test_what_the_comparison_sets_has_both_names(name):
    assert jobfile.reserved(name)
    with pytest.raises(Problem, match="is set by the comparison"):
        sidespec.parse(f"libaio,{name.lower()}=1", "build")


@pytest.mark.parametrize("name", ["mem", "iomem", "MEM"])
def test_buffers_are_in_no_file(name, monkeypatch):
    """Which reads would overwrite; by whatever name, and by a variable."""
    monkeypatch.setenv("MEMORY", "mmapshared:/precious")
    for value in ("mmap:/precious", "${MEMORY}"):
        with pytest.raises(Problem, match="has its buffers in a file"):
            jobgroups.split("x.fio", f"[a]\n{name} = {value}\n")
    with pytest.raises(Problem, match="cannot be an axis"):
        matrix.expand([Job("x.fio", "[a]\n")],
                      [f"{name.lower()}=malloc,mmap:/precious"])
    with pytest.raises(Problem, match="into a file"):
        sidespec.parse(f"libaio,{name.lower()}=mmap:/precious", "build")
    assert jobgroups.split("x.fio", f"[a]\n{name}=mmap\n")


@pytest.mark.parametrize("axis, line", [
    ("rwmixread=10,90", "rwmixwrite=30"), ("rwmixwrite=10,90", "rwmixread=30"),
    ("cpus_allowed=0,1", "cpumask=1"), ("cpumask=1,2", "cpus_allowed=0")])
def test_an_axis_replaces_what_sets_the_same_by_another_name(axis, line):
    made = matrix.expand([Job("x.fio", f"[a]\n{line}\n")], [axis])
    assert len(made) == 2 and not any(line in one.text for one in made)


def test_what_fio_tells_of_a_job_has_the_names_of_its_file():
    job = {"job options": {"rw": "read", "ReadWrite": "randwrite"}}
    assert metrics.option(job, "", "rw") == "randwrite"

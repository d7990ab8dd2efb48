# SPDX-License-Identifier: GPL-2.0-only
# Jobs that trim: which are refused, before anything is written, and what a real
# run of one tells.
import os
from pathlib import Path

import pytest

import targets
from abrun import FAST, sentence

from fiolab.base.problem import Problem
from fiolab.fio import fiorun
from fiolab.fio.jobfile import Job
from fiolab.fio.jobs import trims

TRIMS = "trims (rw={}), which fio does on block devices alone, and {} is none"
OLD, NEW = "fio-3.33", "fio-3.34-12-gabc"


@pytest.mark.parametrize("rw", ["trim", "randtrim", "trimwrite:64k"])
def test_a_trim_on_a_file_is_refused_at_once(rw, ab, shm, tmp_path):
    (tmp_path / "x.fio").write_text(f"[global]\nrw={rw}\ndirect=1\n[a]\n")
    Path(shm, "old").touch()
    words = ["--b", "psync", "--job", str(tmp_path / "x.fio"), *FAST]
    for more, path in [(["--target", f"{shm}/new"], f"{shm}/new"),
                       (["--target", f"{shm}/old", "--destroy-data"],
                        f"{shm}/old"), ([], ""),
                       (["--self-check"], "the file of a self-check")]:
        done = ab(*words, *more)
        sentence(done, TRIMS.format(rw, path) if path else "is none: give")
        assert "writing" not in done.stderr and os.listdir(shm) == ["old"]


@pytest.mark.root
@pytest.mark.fio
def test_a_trim_on_a_loop_device_is_compared(ab, shm, tmp_path):
    """As the sentence says."""
    (tmp_path / "x.fio").write_text("[a]\nrw=randtrim\ndirect=1\n")
    with targets.loop_of(shm, 16 << 20) as device:
        done = ab("--b", "psync", "--job", str(tmp_path / "x.fio"), "--pairs",
                  "1", "--target", device, "--destroy-data", "--pairing",
                  "alternate", *FAST)
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    assert set(cell["latency"]) == {"trim"}


ON = "filename=/dev/x\ndirect=1\n"
VERIFIED = "verify=crc32c\ntrim_percentage=50\ntrim_backlog=9\n"


@pytest.mark.parametrize("text, does", [
    (VERIFIED, True), (VERIFIED.replace("verify=", "verify_pattern=0xc\n#"),
                       True),
    (f"{VERIFIED}verify=0\n", False), (f"{VERIFIED}trim_backlog=0\n", False),
    (f"{VERIFIED}rw=read\n", False), (f"{VERIFIED}rw=trim\n", True)])
def test_a_share_of_what_is_verified_is_trimmed(text, does):
    """By BLKDISCARD, as all trims are."""
    job = Job("x.fio", f"[a]\nrw=randwrite\n{text}")
    if not does:
        trims.on_devices(job, "/f")
    else:
        with pytest.raises(Problem, match="trims .*block devices alone"):
            trims.on_devices(job, "/f")


@pytest.mark.parametrize("text, version, why", [
    ("[a]\nrw=trimwrite\ndirect=1\n", OLD, "opens what trims without O_DIREC"),
    ("[a]\nrw=randtrimwrite:8\ndirect=1\n", OLD, "rw=randtrimwrite"),
    ("[a]\nrw=trimwrite\ndirect=1\n", NEW, ""),
    ("[a]\nrw=trimwrite\n", NEW, "without direct=1"),
    (f"[a]\nrw=write\n{VERIFIED}", NEW, "without direct=1"),
    (f"[a]\nrw=write\n{VERIFIED}direct=1\n", OLD, ""),
    ("[a]\nrw=trim\n", OLD, ""), ("[a]\nrw=randwrite\n", OLD, ""),
    (f"[global]\n{ON}[a]\nrw=write\n[b]\nrw=randtrim\n", OLD, ""),
    (f"[global]\n{ON}[a]\nrw=randread\ndirect=0\n[b]\nrw=trim\n", OLD, ""),
    (f"[global]\n{ON}[a]\nrw=rw\ndirect=0\n[b]\nrw=trim\n", NEW, "direct=1"),
    # Each in a part of its own:
    ("[a]\nrw=write\n[b]\nrw=randtrim\n", OLD, "")])
def test_what_is_trimmed_is_not_written_through_the_page_cache(text, version,
                                                               why):
    job = Job("x.fio", text)
    if not why:
        trims.not_of_cached_writes(job, "/dev/x", version)
        return
    with pytest.raises(Problem, match=f"{why}.*EBUSY.*/dev/x is"):
        trims.not_of_cached_writes(job, "/dev/x", version)


@pytest.mark.parametrize("version, older", [
    ("fio-3.33", True), ("fio-3.33-99-gabc", True), ("fio-2.99", True),
    ("fio-3.34", False), ("fio-4.1", False), ("fio-x", False), ("", False)])
def test_which_fio_is_older(version, older):
    assert fiorun.older(version, trims.DIRECT_TRIMS) == older


@pytest.mark.fio
@pytest.mark.root
def test_trims_beside_writes_of_a_real_run(ab, tmp_path, loop, fio_binary):
    """On a device that is held, after the fill of it went through the page
    cache; refused at once of a fio with which they would fail."""
    job = tmp_path / "trim.fio"
    job.write_text("[t]\nrw=trimwrite\nbs=64k\niodepth=4\ndirect=1\n")
    done = ab("--a", "libaio", "--b", "libaio", "--job", str(job), *FAST,
              "--pairs", "1", "--target", loop, "--destroy-data")
    if fiorun.older(fiorun.version(str(fio_binary)), trims.DIRECT_TRIMS):
        sentence(done, "name fio 3.34 or later")
        assert "writing" not in done.stderr
        return
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    assert cell["pairs"][0]["values"]["A"]["trim_mean_us"] > 0
    assert set(cell["latency"]) == {"trim", "write"}

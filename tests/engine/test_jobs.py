# SPDX-License-Identifier: GPL-2.0-only
# Every job file of the project, with the kaio engine, on tmpfs and on ext4,
# forked and as a thread: shortened, and with every byte verified.
import configparser
from pathlib import Path

import pytest

JOBS = sorted((Path(__file__).resolve().parents[2] / "jobs").glob("*.fio"))
SIZE = "8m"
FOREVER = ("time_based", "runtime", "ramp_time")


def parse(path):
    """The job file; fio's format is INI, with # and ; comments."""
    parser = configparser.ConfigParser(
        interpolation=None, allow_no_value=True, delimiters=("=",))
    parser.optionxform = str
    parser.read(path)
    return parser


def shortened(path, out, thread):
    """The same jobs, once over a small file, with verification."""
    jobs = parse(path)
    for section in jobs.values():
        for option in FOREVER:
            section.pop(option, None)
        if "size" in section:
            section["size"] = SIZE
    jobs["global"].update(thread=str(int(thread)), verify="crc32c",
                          verify_fatal="1", verify_state_save="0")
    with open(out, "w", encoding="utf-8") as file:
        jobs.write(file, space_around_delimiters=False)
    return out


def environment(engine, target):
    return {"ENGINE": "external:%s" % engine, "TARGET": target}


def fill(fio, path, target):
    """Give a reading job's file blocks with checksums."""
    jobs = parse(path)
    for name in jobs.sections():
        if "read" in jobs[name].get("rw", ""):
            fio(target, rw="write", bs=jobs[name]["bs"], size=SIZE,
                verify="crc32c", do_verify=0, end_fsync=1).ok()


def test_there_are_job_files():
    assert len(JOBS) >= 8


@pytest.mark.slow
@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_job_verifies(fio, engine, path, target, as_thread, tmp_path):
    fill(fio, path, target)
    short = shortened(path, tmp_path / path.name, as_thread)
    result = fio.raw("--output-format=json", short,
                     env=environment(engine, target)).ok()
    job = result.job
    assert job["read"]["io_bytes"] + job["write"]["io_bytes"] >= 8 << 20
    # Whatever was written was also read back, and checked.
    assert job["read"]["total_ios"] > 0


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_job_runs_as_it_is(fio, engine, path, shm_file, tmp_path):
    """Unchanged but for its length, also with fio's own engine."""
    text = path.read_text(encoding="utf-8")
    for old, new in (("runtime=30", "runtime=1"), ("ramp_time=2", ""),
                     ("size=256m", "size=8m")):
        text = text.replace(old, new)
    short = tmp_path / path.name
    short.write_text(text, encoding="utf-8")
    result = fio.raw("--output-format=json", short,
                     env=environment(engine, shm_file)).ok()
    assert result.json["global options"]["ioengine"].endswith("fio-kaio.so")
    assert result.job["read"]["total_ios"] + result.job["write"]["total_ios"]

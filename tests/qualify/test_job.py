# SPDX-License-Identifier: GPL-2.0-only
# From stimuli to fio's job files: what stands in them, that fio takes them
# all, and that a device gets what the table says (real runs on a file in
# memory).
import json
import os
from pathlib import Path
import shutil
import subprocess
import tempfile

import pytest

from fiolab.qualify import jobtext
from fiolab.qualify.suite import pts
from fiolab.qualify.suite.model import Stimulus
from fiolab.qualify.suite.profiles import CLIENT, ENTERPRISE, QUICK

pytestmark = pytest.mark.fio
MIB = 1 << 20
FIO = shutil.which(os.environ.get("FIO", "fio"))
BASE = "[global]\nioengine=psync\nfilename={}\ngroup_reporting=1\n"


def lines(stimulus, profile=ENTERPRISE, size=64 * MIB, **more):
    load, = jobtext.loads([stimulus], profile)
    return jobtext.section(load, profile, size, 7, **more)


def test_a_timed_stimulus_has_the_profiles_threads_and_depth():
    found = lines(pts.cell("4K", 65))
    assert found[:9] == ["[000-4K-65-35]", "stonewall", "rw=randrw",
                         "rwmixread=65", "bs=4k", "numjobs=4", "iodepth=32",
                         "offset=0", f"size={64 * MIB}"]
    assert "time_based=1" in found and "runtime=60000ms" in found
    assert "numjobs=2" in lines(pts.cell("4K", 65), CLIENT)


def test_a_stimulus_may_have_its_own():
    found = lines(Stimulus("a", "randwrite", "512/4:1k/96", 0, 1, 1, wait=5,
                           options=("random_distribution=zipf",)))
    for line in ("numjobs=1", "iodepth=1", "bssplit=512/4:1k/96",
                 "exec_prerun=sleep 5", "random_distribution=zipf"):
        assert line in found
    assert not any(line.startswith(("bs=", "rwmixread")) for line in found)


def test_an_amount_is_no_time_and_is_shared_by_the_threads():
    one = Stimulus("a", "randwrite", "4k", threads=4, capacity=2)
    found = lines(one)
    assert f"io_size={2 * 64 * MIB // 4}" in found
    assert not any(line.startswith(("runtime", "time_based"))
                   for line in found)


def test_names_are_words_of_a_shell():
    load, = jobtext.loads([Stimulus("$(x) `y` 4K/7; é", "read", "4k")], QUICK)
    assert load.name == "000-x-y-4K-7"


@pytest.mark.parametrize("bs, block, small", [
    ("512", 512, None), ("512", 4096, 512), ("4k", 4096, None),
    ("512/4:1k/1:4k/95", 4096, 512), ("1536/50:4k/50", 512, None),
    ("1536/50:4k/50", 1024, 1536), ("1m", 4096, None)])
def test_blocks_that_a_device_cannot_do(bs, block, small):
    why = jobtext.left_out(Stimulus("a", "read", bs), block)
    assert (why is None) == (small is None)
    assert small is None or f"{small} bytes" in why


def test_processes_are_cut_at_64_jobs_and_128_threads():
    many = jobtext.loads([Stimulus("a", "read", "4k", threads=1, repeat=130)],
                     QUICK)
    assert [len(one) for one in jobtext.processes(many)] == [64, 64, 2]
    wide = jobtext.loads([Stimulus(str(i), "read", "4k", threads=32)
                      for i in range(9)], QUICK)
    assert [len(one) for one in jobtext.processes(wide)] == [4, 4, 1]
    assert sum(jobtext.processes(wide), []) == wide
    assert len(jobtext.processes(jobtext.loads(
        [Stimulus("a", "read", "4k", threads=200)], QUICK))) == 1


def test_what_continues_has_a_process_of_its_own():
    on = Stimulus("on", "write", "1m", repeat=2, continues=True)
    other = Stimulus("other", "read", "4k")
    found = jobtext.processes(jobtext.loads([other, on, other, other], QUICK))
    assert [len(one) for one in found] == [1, 1, 1, 2]


def test_where_it_continues():
    assert jobtext.next_offset(0, 10, 100) == 10
    assert jobtext.next_offset(80, 10, 100) == 90
    # The next as long would come to the end, where fio goes back to offset.
    assert jobtext.next_offset(85, 10, 100) == 90
    assert jobtext.next_offset(90, 10, 100) == 0
    assert jobtext.next_offset(0, 300, 100) == 0
    found = lines(Stimulus("a", "write", "1m"), offset=MIB)
    assert f"offset={MIB}" in found and f"size={63 * MIB}" in found


@pytest.mark.parametrize("speeds", [[18], [30, 29, 31], [7.3], [99], [250]])
def test_what_continues_leaves_no_part_out(speeds):
    """In a few rounds all but a sliver of the range is written."""
    active, at, done = 1000, 0, set()
    for number in range(300):
        written = round(10 * speeds[number % len(speeds)])
        done.update(at + k % (active - at) for k in range(written))
        at = jobtext.next_offset(at, written, active)
        assert 0 <= at < active
    assert active - len(done) <= 0.1 * max(speeds) * 10


def test_seeds_are_repeated_and_all_different():
    made = {jobtext.seed(1, "iops", "rounds", r, i)
            for r in range(25) for i in range(56)}
    assert len(made) == 25 * 56 and all(0 <= one < 2**31 for one in made)
    assert jobtext.seed(1, "iops", "rounds", 2, 3) in made
    assert jobtext.seed(2, "iops", "rounds", 2, 3) not in made


def texts(profile):
    """Every kind of job file of a profile's tests, as one."""
    for test in pts.tests(profile):
        for phase in test.phases:
            loads = jobtext.processes(jobtext.loads(phase.foreseen(),
                                            profile))[0]
            yield jobtext.text(loads, profile, 64 * MIB, range(len(loads)))


@pytest.mark.slow
@pytest.mark.parametrize("profile", [ENTERPRISE, QUICK],
                         ids=lambda one: one.name)
def test_fio_takes_every_job_file(profile, tmp_path):
    for text in dict.fromkeys(texts(profile)):
        path = tmp_path / "a.fio"
        path.write_text(BASE.format("/dev/null") + text)
        done = subprocess.run([FIO, "--parse-only", str(path)], check=False,
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr + text


# What fio makes of it

def run(stimuli, profile=QUICK, size=8 * MIB, offset=0):
    """{job name: fio's JSON} on a file in memory, and what the file is."""
    loads = jobtext.loads(stimuli, profile)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = Path(folder) / "target"
        path.write_bytes(bytes(size + MIB))
        text = BASE.format(path) + jobtext.text(
            loads, profile, size, range(1, len(loads) + 1), offset)
        (Path(folder) / "a.fio").write_text(text)
        done = subprocess.run(
            [FIO, "--output-format=json+", "a.fio"], cwd=folder, check=True,
            capture_output=True, text=True, timeout=300)
        jobs = json.loads(done.stdout[done.stdout.index("{"):])["jobs"]
        return {one["jobname"]: one for one in jobs}, path.read_bytes()


def test_fio_reports_each_stimulus_once_and_in_the_range():
    found, data = run([Stimulus("w", "randwrite", "4k", repeat=2),
                       Stimulus("r", "randread", "4k", depth=1)])
    assert list(found) == ["000-w", "001-w", "002-r"]
    assert all(one["error"] == 0 for one in found.values())
    assert found["000-w"]["write"]["runtime"] >= 200    # ms, of 250
    assert any(data[:8 * MIB]) and not any(data[8 * MIB:])


def test_an_amount_beyond_the_range_goes_round():
    found, data = run([Stimulus("w", "write", "128k", threads=1, capacity=2)])
    assert found["000-w"]["write"]["io_bytes"] == 16 * MIB
    assert all(any(data[i:i + MIB]) for i in range(0, 8 * MIB, MIB))
    assert not any(data[8 * MIB:])


def test_an_offset_leaves_what_is_before_it():
    _, data = run([Stimulus("w", "write", "64k", threads=1)], offset=4 * MIB)
    assert not any(data[:4 * MIB]) and any(data[4 * MIB:])
    assert not any(data[8 * MIB:])


def test_a_wait_is_no_part_of_the_runtime():
    found, _ = run([Stimulus("w", "randwrite", "4k", threads=1, wait=240)])
    one = found["000-w"]
    assert 200 <= one["job_runtime"] < 600 and one["write"]["runtime"] < 600

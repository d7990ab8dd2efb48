# SPDX-License-Identifier: GPL-2.0-only
# A device that drops off the bus, and a name that is used after its check: by
# way of a node of a loop device that is ours alone, and a fio that takes it
# away just before the real one opens it.
import os
import re
import shutil
import stat
import threading
import time

import pytest

import qualifycontext
import targets
from abrun import sentence
from fiolab.fio import fiorun
from fiolab.qualify.watch import presence
from fiolab.qualify.suite import integrity, queuetests
from fiolab.target import claim, scratchfile, sysfs

pytestmark = pytest.mark.fio
MIB = 1 << 20
SIZE = 64 * MIB
BENCH = ["--size", "16M", "--runtime", "0.2", "--ramp", "0.05", "--pairs", "2",
         "--pairing", "alternate",
         "--a", "psync", "--b", "psync"]
QUICK = ["--engine", "psync", "--profile", "quick", "--no-pdf",
         "--destroy-data"]


@pytest.fixture
def node(need_root, tmp_path, shm):
    """A node in memory, where a file would take O_DIRECT too."""
    with targets.loop_of(str(tmp_path), SIZE, written=True) as loop:
        path = os.path.join(shm, "node")
        os.mknod(path, stat.S_IFBLK | 0o600, os.stat(loop).st_rdev)
        yield path


@pytest.fixture
def fio_that(tmp_path):
    """A fio that does something before, in the runs on the target whose job
    file has a word."""
    def make(script, path, word="filename"):
        fio = tmp_path / "a-fio"
        fio.write_text(f"""#!/bin/sh
if [ "$TARGET" = {path} ] && grep -qs '{word}' effective.fio; then
{script}
fi
exec {shutil.which(os.environ.get('FIO', 'fio'))} "$@"
""")
        fio.chmod(0o755)
        return ["--fio", str(fio)]
    return make


TAKE = 'rm -f "$TARGET"'


# jobs/ab

@pytest.mark.parametrize("job, word", [("randread", "write_iolog"),
                                       ("randwrite", "^ramp_time")])
def test_ab_stops_and_nothing_takes_its_place(ab, node, fio_that, job, word):
    """In the checks before the runs, and in a run."""
    done = ab("--target", node, "--job", job, *BENCH, "--destroy-data",
              *fio_that(TAKE, node, word))
    sentence(done, f"{node} is gone (No such file or directory), so nothing is "
             "done there.")
    assert not os.path.lexists(node)


@pytest.mark.parametrize("other", ['truncate -s 64M "$TARGET"',
                                   'mknod "$TARGET" b 7 9999'])
def test_ab_looks_at_what_the_name_stands_for(ab, node, fio_that, other):
    done = ab("--target", node, "--job", "randread", *BENCH,
              *fio_that(f"{TAKE}; {other}", node, "^ramp_time"))
    sentence(done, f"{node} is no longer the target that was claimed")


@pytest.mark.slow
def test_ab_keeps_what_was_measured(ab, node, fio_that, tmp_path):
    done = ab("--target", node, "--job", "randread", *BENCH, *fio_that(
        f'echo >>{tmp_path}/n; [ $(wc -l <{tmp_path}/n) -lt 6 ] || {TAKE}',
        node, "^ramp_time"))
    assert done.returncode == 1 and "is gone" in done.stderr, done.stderr
    assert len(ab.runs()) == 5 and ab.report()["cells"][0]["effects"]


def test_a_file_that_is_replaced(ab, tmp_path, fio_that):
    path = tmp_path / "file"
    path.write_bytes(bytes(16 * MIB))
    done = ab("--target", path, "--job", "randwrite", *BENCH, "--destroy-data",
              *fio_that(f'{TAKE}; truncate -s 16M "$TARGET"', path,
                        "^ramp_time"))
    sentence(done, "is no longer the target that was claimed")
    assert path.read_bytes() != b""         # it is the user's by now


def test_filling_again_is_of_what_was_claimed(tmp_path, stack):
    """And never of what has the name by then."""
    path, moved = tmp_path / "file", tmp_path / "moved"
    path.write_bytes(bytes(4 * MIB))
    made = scratchfile.prepare(str(path), ["w"], None, True, stack)
    before = path.read_bytes()
    path.rename(moved)
    moved.write_bytes(bytes(4 * MIB))
    path.write_bytes(b"precious")
    scratchfile.fill(made, quiet=True)
    assert path.read_bytes() == b"precious" and moved.read_bytes() == before


@pytest.mark.slow
def test_the_job_files_make_no_target(ab, tmp_path):
    """Those that repeat a run with plain fio: what was there must be there,
    and what the campaign made is made."""
    given = tmp_path / "given"
    given.write_bytes(bytes(16 * MIB))
    for path, there in ((given, True), (tmp_path / "new", False)):
        done = ab("--target", path, "--job", "randread", *BENCH)
        assert done.returncode == 0, done.stderr
        given.unlink(missing_ok=True)
        for job in (ab.out / "jobs").glob("*.fio"):
            found = targets.subprocess.run(
                [shutil.which("fio"), job], cwd=tmp_path, check=False,
                capture_output=True)
            assert (found.returncode != 0) == there
            assert path.exists() != there


# jobs/qualify

def failed(done, qualify):
    assert done.returncode == 1, done.stderr
    report = qualify.report()
    tests = report["targets"][0]["tests"]
    found, = (check for test in tests for check in test["checks"]
              if check["name"] == "present")
    assert (found["result"], report["result"]) == ("fail", "fail")
    assert "The device stayed present" in done.stdout
    return found["text"], tests


@pytest.mark.parametrize("test, job", [
    ("iops", "."), ("planted", "randread"), ("trim", "rw=trim"),
    ("device-full", "read_iolog"), ("fsync", "fdatasync=4"),
    ("power-cut", "end_fsync")])
def test_a_device_that_goes_fails_the_qualification(qualify, node, fio_that,
                                                    test, job):
    more = ["--power-cut", "true"] if test == "power-cut" else []
    done = qualify("--target", node, *QUICK, "--tests", f"{test},mixed-latency",
                   *more, *fio_that(TAKE, node, job))
    assert not os.path.lexists(node)
    text, tests = failed(done, qualify)
    assert re.search(r"is gone \(No such file or directory\).*It was missed at "
                     r"\d{4}-\d\d-\d\dT[\d:]+Z; the kernel", text)
    *_, failing, later = [{"state": "done"}, *tests]
    if test == "device-full":       # the last of all
        failing, later = later, None
    assert failing["name"] == test and failing["state"] == "failed"
    assert "is gone" in failing["why"]
    assert not later or (later["state"], later["why"]) == (
        "not run", f"the device went in the test {test}")


def test_what_the_kernel_said_is_told(qualify, node, fio_that, tmp_path):
    """A loop device whose file has no bytes any more has none, either."""
    backing, = tmp_path.glob("backing-*")
    loop = targets.run("losetup", "--associated", backing, "--noheadings",
                       "--output", "NAME")
    try:
        done = qualify("--target", node, *QUICK, "--tests", "planted",
                       *fio_that(f"truncate -s 0 {backing}; losetup -c {loop}",
                                 node, "randread"))
    finally:
        os.truncate(backing, SIZE)
    text, _ = failed(done, qualify)
    assert "the kernel has no such device any more" in text
    assert re.search(rf"the kernel said at \S+Z: {os.path.basename(loop)}: "
                     r"detected capacity change from \d+ to 0$", text)


def test_who_goes_on_is_told(qualify, node, fio_that, tmp_path):
    """The device is back; that it was gone is not forgotten."""
    number, once = os.stat(node).st_rdev, tmp_path / "once"
    once.touch()
    text, _ = failed(qualify(
        "--target", node, *QUICK, "--tests", "planted,trim", *fio_that(
            f"[ ! -e {once} ] || {{ rm {once}; {TAKE}; }}", node, "randread")),
        qualify)
    os.mknod(node, stat.S_IFBLK | 0o600, number)
    done = qualify("--resume", qualify.out, "--no-pdf", "--destroy-data")
    again, tests = failed(done, qualify)
    assert again == text and [one["state"] for one in tests] == ["done"] * 2


def _unlink_once_it_is_read(node):
    stat_file = sysfs.of(os.stat(node).st_rdev) + "/stat"

    def reads():
        with open(stat_file, encoding="ascii") as file:
            return int(file.read().split()[0])
    first = reads()
    while reads() < first + 10:
        time.sleep(0.05)
    os.unlink(node)


def test_fio_is_ended_when_its_target_goes(node, fio_binary, build_dir,
                                           tmp_path, stack):
    """Not after the hours that a test may last."""
    bench = qualifycontext.bench(node, fio_binary, build_dir, str(tmp_path),
                                 stack, "psync", claimed=True)
    other = threading.Thread(target=_unlink_once_it_is_read, args=[node],
                             daemon=True)
    other.start()
    start = time.monotonic()
    with pytest.raises(claim.Gone):
        bench.executor.run("[long]\nrw=randread\nsize=16m\nrate_iops=10\n"
                           "time_based=1\nruntime=200\n", "long", 200)
    assert time.monotonic() - start < 90
    other.join()
    assert list((tmp_path / "out" / "runs").glob("long.json"))


@pytest.mark.parametrize("test", [
    one for one in (*integrity.TESTS, *queuetests.TESTS)
    if one.name in ("trim", "fsync", "device-full", "planted")],
    ids=lambda test: test.name)
def test_a_missing_node_is_not_taken_for_a_file(node, fio_binary, build_dir,
                                                tmp_path, stack, test):
    bench = qualifycontext.bench(node, fio_binary, build_dir, str(tmp_path),
                                 stack, "psync", claimed=True)
    os.unlink(node)
    found, _ = qualifycontext.run(bench, test)
    assert found["state"] == "failed" and "is gone" in found["why"]
    assert not found["checks"]
    assert presence.gone(bench.target)["result"] == "fail"


def test_a_device_that_is_another_under_its_number(tmp_path, stack):
    """Detached, and attached again: of the same name and number."""
    with targets.loop_of(str(tmp_path), SIZE, written=True) as loop:
        held = claim.hold(loop, stack)
        claim.check_same(held)
        backing, = tmp_path.glob("backing-*")
        targets.run("losetup", "--detach", loop)
        targets.run("losetup", loop, backing)
        with pytest.raises(claim.Gone, match="no longer the target"):
            claim.check_same(held)


# Every start of fio

def test_every_job_file_keeps_fio_from_making_files(qualify, node):
    done = qualify("--target", node, *QUICK, "--tests",
                   "xsr,planted,trim,power-cut,device-full,mixed-latency",
                   "--power-cut", "true", seconds=200)
    assert done.returncode in (0, 2), done.stdout + done.stderr
    jobs = [run["job"] for run in map(qualify_run, (
        qualify.out / "runs").glob("*.json")) if "job" in run]
    assert len(jobs) > 15
    for job in jobs:
        for line in fiorun.KEEP_FILES:
            assert line in job.splitlines()


def qualify_run(path):
    return fiorun.json.loads(path.read_text())

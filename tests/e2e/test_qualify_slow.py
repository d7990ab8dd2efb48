# SPDX-License-Identifier: GPL-2.0-only
# A planted slow device: the same loop device as before, but throttled by the
# kernel.  A limit that it kept must now fail, and the comparison with the run
# before must call it slower.
import contextlib
import os
from pathlib import Path
import shlex
import subprocess

import pytest

import targets
from test_qualify_run import Qualify

MIB = 1 << 20
CELL = "ring QD 32"
SLOW = 1500                 # reads a second
WORDS = ["--profile", "quick", "--tests", "reap", "--size", "32M", "--no-pdf",
         "--destroy-data"]
# Of cgroup 1 and 2: the folder, its file, and what is written there.
KINDS = ((Path("/sys/fs/cgroup/blkio"), "blkio.throttle.read_iops_device",
          "{} {}"), (Path("/sys/fs/cgroup"), "io.max", "{} riops={}"))


def _kind():
    """(folder, file, line) of the throttle there is; None without one."""
    for folder, file, line in KINDS:
        controllers = folder / "cgroup.controllers"
        if (folder / file).exists() or (controllers.exists() and "io" in
                                        controllers.read_text().split()):
            return folder, file, line
    return None


@contextlib.contextmanager
def throttled(device):
    """The cgroup.procs of a group whose reads of a device are slow."""
    kind = _kind()
    if not kind:
        pytest.skip("needs a cgroup that throttles block devices")
    folder, file, line = kind
    if file == "io.max":
        (folder / "cgroup.subtree_control").write_text("+io")
    group = folder / f"kaio-{os.getpid()}"
    group.mkdir()
    try:
        number = os.stat(device).st_rdev
        (group / file).write_text(line.format(
            f"{os.major(number)}:{os.minor(number)}", SLOW))
        yield group / "cgroup.procs"
    finally:
        group.rmdir()


def inside(procs, command):
    """Run a command in a cgroup."""
    script = f"echo $$ >{procs}; exec {shlex.join(command)}"
    return subprocess.run(["sh", "-c", script], timeout=120, text=True,
                          capture_output=True, check=False)


def mean(report):
    test, = report["targets"][0]["tests"]
    cell = next(one for one in test["cells"] if one["name"] == CELL)
    return cell["values"]["iops"]["mean"]


@pytest.mark.usefixtures("need_root")
def test_a_slow_device_fails_the_limit_and_is_called_slower(
        tmp_path, build_dir, shm):
    qualify = Qualify(tmp_path, build_dir)
    qualify.spec.write_text(f'[reap."{CELL}"]\nmin_iops = {4 * SLOW}\n')
    words = [*WORDS, "--spec", qualify.spec]
    with targets.loop_of(shm, 32 * MIB) as device:
        done = qualify("--target", device, *words)
        assert done.returncode == 0, done.stderr
        assert mean(qualify.report()) > 8 * SLOW
        first, qualify.out = qualify.out, tmp_path / "slow"
        with throttled(device) as procs:
            done = inside(procs, qualify.command(
                "--target", device, *words, "--against", first))
    assert done.returncode == 1, done.stderr
    report = qualify.report()
    assert mean(report) == pytest.approx(SLOW, rel=0.3)
    limit, = report["limits"]
    assert limit["result"] == "fail" and limit["bound"] < limit["limit"]
    assert "FAIL" in done.stdout
    row = next(one for one in report["against"]["rows"]
               if (one["cell"], one["metric"]) == (CELL, "iops"))
    assert row["verdict"] == "slower" and row["ratio"] < 0.5

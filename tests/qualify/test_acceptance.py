# SPDX-License-Identifier: GPL-2.0-only
# Whole qualifications: everything on a scratch target, a slow device that is
# found, and the same on another engine.
import os
import re
import subprocess

import pytest

from qualifyrun import sentence
import targets
import throttle
from fiolab.qualify import planning
from fiolab.qualify.suite.profiles import QUICK

MIB = 1 << 20
SHORT = ["--profile", "quick", "--tests", "xsr", "--no-pdf"]
SLOW, ENOUGH = 100, 200         # IOPS
LIMITS = f"""[spec]
name = "8K random write"
[xsr."2: 8K random write"]
min_iops = {ENOUGH}
"""


@pytest.mark.slow
def test_all_of_it(qualify):
    """What make qualify runs.  All checks that could be made pass."""
    # What it leaves in the temporary folder is asked of the shorter runs.
    done = qualify("--scratch", "--profile", "quick", seconds=3600, tidy=False)
    report = qualify.report()
    tests = report["targets"][0]["tests"]
    assert {test["state"] for test in tests} == {"done"}
    assert [test["name"] for test in tests] == [
        test.name for test in planning.tests_of(QUICK, None)]
    checks = [check for test in tests for check in test["checks"]]
    assert not [check for check in checks if check["result"] == "fail"]
    left = [c for c in checks if c["result"] == "not measured"]
    if not targets.why_no_root():
        # Where fio is done before the power is cut, there was no cut.
        assert {c["name"].split()[0] for c in left} <= {"power-cut"}, left
        assert len(checks) - len(left) >= 17
    assert done.returncode == (2 if left else 0), done.stderr
    assert (qualify.out / "report.pdf").read_bytes()[:5] == b"%PDF-"
    page = (qualify.out / "report.html").read_text()
    for test in tests:
        assert test["title"] in page
        # Every figure can be traced to what fio said.
        for source in re.findall(r"runs/[A-Za-z0-9._-]+\.json", str(test)):
            assert (qualify.out / source).exists()


@pytest.mark.slow
@pytest.mark.root
def test_a_slow_device_is_found(qualify, shm):
    """By the spec, which the same device keeps unthrottled, and beside it.  (On a
    busy machine its few rounds may differ too much for a verdict.)"""
    qualify.spec.write_text(LIMITS)
    with targets.loop_of(shm, 64 * MIB) as device:
        words = ["--target", device, "--destroy-data", *SHORT, "--spec",
                 qualify.spec]
        with throttle.to(device, SLOW) as before:
            slow = qualify(*words, preexec_fn=before)
        limit, = qualify.report()["limits"]
        assert slow.returncode == 1 and limit["result"] == "fail", slow.stdout
        assert limit["value"] < 1.5 * SLOW and "mean" in limit["why"]
        earlier = qualify.out.rename(qualify.folder / "slow")
        fast = qualify(*words, "--against", earlier)
    report = qualify.report()
    limit, = report["limits"]
    assert fast.returncode == 0 and limit["result"] == "pass", fast.stdout
    assert limit["bound"] >= ENOUGH and limit["line"] == 4
    row, = [row for row in report["against"]["rows"] if (
        row["cell"], row["metric"]) == ("2: 8K random write", "iops")]
    assert row["ratio"] > ENOUGH / (1.5 * SLOW), row
    assert row["verdict"] in ("faster", "inconclusive"), row


@pytest.mark.slow
@pytest.mark.root
def test_a_drive_of_4096_byte_blocks(qualify, shm):
    """What it can do is done, with blocks that it has; what it cannot do is
    said, and is no figure."""
    with targets.sized_file(os.path.join(shm, "4Kn"), 64 * MIB) as file, \
            targets.loop(file, block=4096) as device:
        targets.run("mkfs.ext4", "-q", "-F", device)
        done = qualify("--target", device, "--destroy-data", "--profile",
                       "quick", "--tests", "dirth,xsr,overlap,device-full",
                       "--no-pdf")
    assert done.returncode == 2, done.stderr
    assert "ext4 file system, which this run destroys" in done.stderr
    xsr, dirth, overlap, end = qualify.report()["targets"][0]["tests"]
    assert dirth["state"] == "not run" and "512 bytes" in dirth["why"]
    assert all(cell["values"] == {} for cell in dirth["cells"])
    assert xsr["state"] == "done" and len(xsr["cells"]) == 3
    for test in (overlap, end):
        assert {one["result"] for one in test["checks"]} == {"pass"}
    assert "in writes of 4096 to" in overlap["checks"][0]["text"]


@pytest.mark.slow
def test_all_of_it_on_another_engine(qualify):
    done = qualify("--scratch", "--size", "32M", "--engine", "libaio",
                   "--profile", "quick", "--tests", "xsr,reap,write-verify",
                   "--no-pdf")
    assert done.returncode == 2, done.stderr
    report = qualify.report()
    assert (report["engine"], report["ioengine"]) == ("libaio", "libaio")
    xsr, verify, reap = report["targets"][0]["tests"]
    assert all(cell["values"]["iops"]["mean"] > 0 and
               "submit_share" not in cell["values"] for cell in xsr["cells"])
    assert {check["result"] for check in verify["checks"]} == {"pass"}
    check, = reap["checks"]
    assert check["result"] == "not measured" and "kaio" in check["text"]


@pytest.mark.slow
def test_engines_are_compared(qualify):
    qualify.spec.write_text('[iops."4K 0/100"]\nmax_mean_us = 1e9\n'
                            '[iops."4K 100/0"]\nmax_mean_us = 1\n')
    done = qualify("--scratch", "--size", "64M", "--profile", "quick",
                   "--tests", "iops", "--ab", "--no-pdf", "--spec",
                   qualify.spec)
    found = qualify.report()["ab"]
    assert (found["engine"], found["compared_with"]) == (
        "kaio", "libaio"), done.stderr
    rows = {(row["cell"], row["metric"]) for row in found["rows"]}
    assert rows >= {("4K 0/100", "lat_mean_us"), ("4K 100/0", "lat_mean_us")}
    assert all(row["ratio"] > 0 and row["n"] == 6 for row in found["rows"])
    assert {(one["cell"], one["this"], one["other"])
            for one in found["verdicts"]} == {("4K 0/100", "pass", "pass"),
                                              ("4K 100/0", "fail", "fail")}
    assert "each of 2 limits" in (qualify.out / "report.html").read_text()


@pytest.mark.parametrize("words, said", [
    ([], "there is nothing to test"),
    (["--target", "/none/x"], "there is no /none/x"),
    (["--target", "/dev/shm"], "neither"),
    (["--scratch", "--target", "/dev/x"], "leave out --target"),
    (["--scratch", "--tests", "speed"], "there is no test 'speed'"),
    (["--scratch", "--engine", "kaio,hold=1"], "is not an option"),
    (["--scratch", "--fio", "/bin/true"], "is not fio"),
    (["--scratch", "--spec", "/none.toml"], "/none.toml"),
    (["--scratch", "--against", "/none"], "/none"),
    (["--scratch", "--size", "1M"], "larger"),
    (["--client", "h", "--target", "/dev/x"], "give --size"),
    (["--resume", "/none"], "/none")])
def test_bad_input_is_one_sentence(words, said, qualify):
    if "--profile" not in words and "--resume" not in words:
        words = [*words, "--profile", "quick"]
    sentence(qualify(*words), said)
    assert not qualify.out.exists()


def test_limits_that_cannot_be_measured_are_named(qualify):
    qualify.spec.write_text('[hir."*"]\nmin_iops = 5\n'
                            '[soak."*"]\nmin_iops = 5\n')
    done = qualify("--scratch", "--plan", "--profile", "quick", "--tests",
                   "iops,soak", "--spec", qualify.spec)
    assert done.returncode == 0, done.stderr
    assert "hir will not be measured: it is not among --tests" in done.stderr
    assert "soak will not be measured: it has checks" in done.stderr


@pytest.mark.slow
def test_make_qualify_is_that(root):
    shown = subprocess.run(["make", "-n", "qualify"], cwd=root, text=True,
                           capture_output=True, check=True).stdout
    assert "jobs/qualify --scratch --profile quick" in shown

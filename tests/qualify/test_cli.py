# SPDX-License-Identifier: GPL-2.0-only
# The command line of jobs/qualify and its plan: what is refused, and with
# which words; nothing here runs a test.
from contextlib import ExitStack
from dataclasses import replace
import os
from pathlib import Path
import shutil
import subprocess

import pytest

ROOT = Path(__file__).resolve().parents[2]
from fiolab.base.problem import Problem
from fiolab.qualify import (cli, command, estimate, planning, qualification, resume,
                            targetset, worker)
from fiolab.qualify.suite import pts
from fiolab.qualify.suite.profiles import ENTERPRISE, PROFILES, QUICK
from fiolab.target import identity

pytestmark = pytest.mark.fio
QUALIFY = str(ROOT / "jobs" / "qualify")


def qualify(*words, **changes):
    return subprocess.run([QUALIFY, *map(str, words)], capture_output=True,
                          text=True, timeout=300, check=False,
                          env={**os.environ, **changes})


def sentence(done, word):
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("qualify: ") and word in last, done.stderr
    return last


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "target"
    path.write_bytes(b"keep me " * (4 << 20))
    return path


PSYNC = ("--engine", "psync", "--profile", "quick")


@pytest.mark.parametrize("words, said", [
    ((), "there is nothing to test"),
    (("--scratch", "--target", "x"), "leave out --target"),
    (("--scratch", "--client", "h"), "leave out --target and --client"),
    (("--client", "h", "--target", "/x"), "give --size"),
    (("--target", "/x", "--ack-log", "/tmp"), "for the cuts of --power-cut"),
    (("--target", "/x", *PSYNC, "--power-cut", "true", "--ack-log", "/none"),
     "the log cannot be kept in /none"),
    (("--target", "/x", *PSYNC, "--power-cut", "true", "--ack-log", "/a;b"),
     "has a character that fio would misread"),
    (("--target", "/x", "--power-cut", "true", "--neighbour", "/y"),
     "leave out --neighbour"),
    (("--resume", "x", "--seed", "1"), "leave out --seed"),
    (("--resume", "x", "--scratch"), "leave out --scratch"),
    (("--resume", "x", "--allow", "shared"), "leave out --allow"),
    (("--resume", "x", "--profile", "quick"), "leave out --profile"),
    (("--resume", "/nonexistent"), "is not a qualification folder"),
    (("--target", "/x", "--power-cut", "x", "--allow", "shared"),
     "leave out --allow shared"),
    (("--target", "/nonexistent", *PSYNC), "there is no /nonexistent"),
    (("--target", "/dev/null", *PSYNC), "/dev/null"),
    (("--target", "/nonexistent", *PSYNC, "--destroy-data"),
     "there is no /nonexistent"),
    (("--scratch", "--engine", "nosuch"), "engine nosuch (name another, or --fio): "),
    (("--scratch", "--engine", "libaio,nosuch=1"), "'nosuch'"),
    (("--scratch", "--engine", "libaio,cmdprio_percentage=maybe"),
     "failed parsing cmdprio_percentage"),
    (("--scratch", "--engine", "external:/x.so"), "no engine at /x.so"),
    (("--target", "/x", *PSYNC, "--tests", "iops", "--power-cut", "true"),
     "--power-cut is for the test power-cut: name that among --tests"),
    (("--scratch", *PSYNC, "--tests", "iops", "--cycles", "3"),
     "--cycles is for the test power-cut"),
    (("--scratch", "--build", "/nonexistent"), "no engine at"),
    (("--scratch", "--fio", "/nonexistent/fio"), "no fio at"),
    (("--scratch", *PSYNC, "--tests", "iops,nosuch"), "no test 'nosuch'"),
    (("--scratch", *PSYNC, "--against", "/nonexistent"), "/nonexistent"),
    (("--scratch", *PSYNC, "--spec", "/nonexistent"), "/nonexistent")])
def test_a_mistake_is_one_sentence(words, said):
    sentence(qualify(*words), said)


@pytest.mark.parametrize("words", [
    ("--profile", "nosuch"), ("--size", "3"), ("--seed", "-1"), ("--nosuch",)])
def test_a_bad_option_is_one_sentence_too(words):
    done = qualify(*words)
    assert sentence(done, "--help") == done.stderr.rstrip("\n")


def test_without_leave_the_plan_is_shown_and_nothing_written(target):
    before = target.read_bytes()
    done = qualify("--target", target, *PSYNC)
    assert "give --destroy-data" in sentence(done, "nothing was written")
    for word in ("iops", "dirth", "total", str(target), "destroyed"):
        assert word in done.stderr
    assert target.read_bytes() == before


def test_the_plan_alone_is_no_failure(target):
    before = target.read_bytes()
    done = qualify("--target", target, *PSYNC, "--plan", "--destroy-data")
    assert done.returncode == 0, done.stderr
    assert "wsat" in done.stdout and "total" in done.stdout
    assert target.read_bytes() == before


@pytest.mark.parametrize("words", [
    (), ("--profile", "pts-c", "--time", "8h"), ("--soak", "3650"),
    ("--profile", "quick", "--size", "17M"), ("--write-speed", "12345")])
def test_the_plan_fits_a_terminal(target, words):
    done = qualify("--target", target, "--engine", "psync", "--plan", *words)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 79


@pytest.mark.parametrize("words, told", [
    (("--tests", "integrity"), True), (("--tests", "iops"), False),
    (("--tests", "integrity", "--power-cut", "true"), False),
    (("--tests", "integrity", "--profile", "quick"), False)])
def test_the_plan_says_that_no_power_will_be_cut(target, words, told):
    """Or the run ends with 2 after days, and nobody has asked for that."""
    done = qualify("--target", target, "--engine", "psync", "--plan", *words)
    assert ("power-cut will not be measured" in done.stdout) == told
    assert ("WIPC writes" in done.stdout) == ("iops" in words)


def test_another_device_than_the_spec_is_of_is_not_overwritten(
        target, tmp_path, monkeypatch, capsys):
    """Known before the first write, and not after days on a wrong drive."""
    known = identity.describe
    monkeypatch.setattr(identity, "describe",
                        lambda path: {**known(path), "model": "Y200"})
    spec = tmp_path / "spec.toml"
    spec.write_text("[device]\nmodel = 'X100*'\n[iops.'*']\nmin_iops = 1\n")
    before = target.read_bytes()
    words = ["--target", str(target), *PSYNC, "--tests", "iops", "--spec",
             str(spec), "--out", str(tmp_path / "out")]
    for more in (["--destroy-data"], ["--destroy-data", "--plan"]):
        with pytest.raises(SystemExit) as end:
            command.main([*words, *more])
        assert end.value.code == 2
        said = capsys.readouterr()
        assert ("is another device than the spec is of: the model is 'Y200', "
                "which is not as 'X100*' asks (line 2); name the right one"
                ) in said.err
        assert ("total" in said.out) == ("--plan" in more)
    assert target.read_bytes() == before and not (tmp_path / "out").exists()
    spec.write_text("[device]\nmodel = 'Y*'\n[iops.'*']\nmin_iops = 1\n")
    assert command.main([*words, "--plan"]) is None


def test_help_names_the_exit_status():
    done = qualify("--help")
    assert done.returncode == 0 and "exit status" in done.stdout


# The plan

def by_name(profile):
    return {test.name: test for test in pts.tests(profile)}


def test_the_time_of_snias_iops_test():
    """7 x 8 stimuli of a minute: 56 min a round, 5 to 25 rounds."""
    one = by_name(ENTERPRISE)["iops"].estimate(ENTERPRISE, 500e9)
    assert (one.least, one.most) == (6, 26)
    fill = 2 * 500e9 / ENTERPRISE.write_speed
    assert one.shortest == pytest.approx(fill + 5 * 56 * 60, rel=0.01)
    assert one.longest == pytest.approx(fill + 25 * 56 * 60, rel=0.01)
    assert one.amount == pytest.approx(2 * 500e9) and one.writes


def test_a_day_is_said_in_days():
    assert [estimate.clock(x) for x in (59.4, 150, 7300, 86400 * 3)] == [
        "59 s", "2.5 min", "2.0 h", "3.0 days"]


def test_tests_by_name_and_group():
    names = [test.name for test in planning.tests_of(QUICK, "hir, iops")]
    assert names == ["iops", "hir"]
    assert {test.group for test in planning.tests_of(QUICK, "pts")} == {"pts"}
    with pytest.raises(Problem, match="there is no test ''"):
        planning.tests_of(QUICK, "iops,")


def test_the_cells_that_a_spec_may_name():
    tests = by_name(QUICK)
    assert "4K 65/35" in tests["iops"].cell_names()
    assert "128K SEQ 0/100" not in tests["iops"].cell_names()
    assert "Max IOPS point" in tests["dirth"].cell_names()
    assert "pre-write" not in tests["dirth"].cell_names()


def test_a_changed_table_is_another_test():
    test = by_name(QUICK)["latency"]
    assert test.digest() == by_name(QUICK)["latency"].digest()
    first, *others = test.phases
    changed = replace(test, phases=(replace(first, rounds=2), *others))
    assert changed.digest() != test.digest()
    assert by_name(QUICK)["dirth"].digest() == by_name(
        QUICK)["dirth"].digest()


def test_the_time_left_is_that_of_the_slowest_target():
    watch = worker.Watch(2, ["a", "b"])
    watch.begin(0, "x", 100)
    watch.begin(1, "y", 900)
    assert 890 < watch.left() <= 900
    assert watch.text == "b: y" and watch.remaining() == "at most 15 min"


def test_another_file_under_the_old_name_is_refused(target):
    with ExitStack() as stack:
        made = targetset.local(str(target), QUICK, None, stack)
        known = {"size": made.size, "total": made.whole,
                 "logical_block": made.logical_block,
                 "identity": identity.describe(made.path)}
        resume._same_targets([made], [known])
        shutil.copy(target, f"{target}.new")
        os.rename(f"{target}.new", target)
        with pytest.raises(Problem, match="inode"):
            resume._same_targets([made], [known])
        with pytest.raises(Problem, match="its size or its block size"):
            resume._same_targets([replace(made, whole=1)], [known])


def test_the_run_to_compare_with_has_the_same_profile():
    other = {"profile": {"name": "pts-c"}}
    qualification._refuse_another_profile(other, PROFILES["pts-c"])
    with pytest.raises(Problem, match="has the profile pts-c"):
        qualification._refuse_another_profile(other, QUICK)


def test_the_seed_is_kept_for_resume():
    asked = cli.request(vars(cli.parser().parse_args(["--scratch"])))
    assert (asked.size, asked.engine) == (256 << 20, "kaio")
    assert asked.seed != cli.request({"scratch": True}).seed
    assert resume.asked({"arguments": {"seed": 7, "of": "others"}}).seed == 7

# SPDX-License-Identifier: GPL-2.0-only
# A side may have more for itself than an engine: what jobs/ab then runs, and
# what it says of it.
import json
import os
import shutil

import pytest

from fiolab.base.problem import Problem
from fiolab.fio import fiorun, sidesettings, sidespec
from abrun import FAST, sentence


def test_settings_are_read_beside_variables():
    side = sidespec.parse("libaio,nowait=1@A=1@nice=5@cpu=3@B=2", "")
    assert (side.ioengine, side.options) == ("libaio", ("nowait=1",))
    assert side.environment == (("A", "1"), ("B", "2"))
    assert side.own == sidesettings.Own(cpu=3, nice=5)
    assert side.own.given() == {"cpu": 3, "nice": 5}
    assert sidespec.parse("libaio", "").own.given() == {}


def test_own_gives_a_side_what_its_text_cannot_hold():
    found = sidesettings.of_letters(["B:nice=1", "A:fio=/a@b/c=d", "B:cpu=0"],
                                    "AB")
    assert found == {"A": [("fio", "/a@b/c=d")],
                     "B": [("nice", "1"), ("cpu", "0")]}
    side = sidespec.parse("libaio", "", found["B"])
    assert side.own == sidesettings.Own(nice=1, cpu=0)
    assert side.text == "libaio@nice=1@cpu=0"


@pytest.mark.parametrize("text, word", [
    ("libaio@cpu=x", "cpu= of side 'libaio@cpu=x': 'x' is not a number"),
    ("libaio@cpu=-1", "not a number from 0"), ("libaio@nice=20", "-20 to 19"),
    ("libaio@nice=1.5", "-20 to 19"), ("libaio@nice=", "has no value"),
    ("libaio@nice=1@nice=2", "sets nice twice"),
    ("libaio@fio=/none", "there is no fio at '/none'"),
    ("libaio@nicer=/x", "is not an environment")])
def test_bad_settings(text, word):
    with pytest.raises(Problem, match=word):
        sidespec.parse(text, "")


@pytest.mark.parametrize("text", ["C:nice=1", "nice=1", "B", "B:nicer=1",
                                  "B:ENV=1", ":nice=1", "b:nice=1"])
def test_bad_own(text):
    with pytest.raises(Problem, match="is not LETTER:NAME=VALUE"):
        sidesettings.of_letters([text], "AB")


def test_a_setting_twice_over_both_ways():
    with pytest.raises(Problem, match="sets nice twice"):
        sidespec.parse("libaio@nice=1", "", [("nice", "2")])


def test_the_fio_of_a_side(fio_binary, tmp_path):
    other = shutil.copy(fio_binary, tmp_path / "fio")
    fio = fiorun.Fio(str(fio_binary), 1, str(tmp_path))
    own = fio.of(sidespec.parse(f"libaio@fio={other}@cpu=0", ""))
    assert (own.path, own.cpu, own.version) == (str(other), 0, fio.version)
    assert (fio.path, fio.cpu) == (str(fio_binary), 1)
    assert fio.of(sidespec.parse("libaio", "")) is fio


def test_a_fio_a_cpu_and_a_nice_value_of_its_own(ab, shm, tmp_path):
    """The other fio notes how it is run."""
    real, other, seen = shutil.which("fio"), tmp_path / "fio", tmp_path / "seen"
    cpu = min(os.sched_getaffinity(0))
    other.write_text(f'#!/bin/sh\ncase "$*" in *effective*) nice; '
                     f'taskset -p $$; esac >>{seen}\nexec {real} "$@"\n')
    other.chmod(0o755)
    done = ab("--a", "libaio", "--b",
              f"libaio@fio={other}@nice=7@cpu={cpu}", "--target", f"{shm}/s",
              "--pairs", "1", *FAST)
    assert done.returncode == 0, done.stderr
    a, b = ab.report()["sides"]
    assert a["own"] == {} and a["fio"] is None
    assert b["own"] == {"fio": str(other), "nice": 7, "cpu": cpu}
    assert b["fio"]["path"] == str(other)
    assert b["fio"]["version"] == ab.report()["fio"]["version"]
    lines = seen.read_text().splitlines()
    assert set(lines[::2]) == {"7"}
    assert {int(line.rpartition(" ")[2], 16) for line in lines[1::2]} == {
        1 << cpu}
    command, = [cell["command"] for cell in ab.report()["cells"]]
    assert f"taskset -c {cpu} nice -n 7 {other} " in command["B"]
    assert str(other) not in command["A"]
    assert f"runs {other}, fio-" in " ".join(done.stdout.split())


def test_another_fio_under_the_name_of_a_sides_is_refused(ab, shm, tmp_path):
    other = tmp_path / "fio"
    other.write_text(f'#!/bin/sh\nexec {shutil.which("fio")} "$@"\n')
    other.chmod(0o755)
    done = ab("--a", "libaio", "--b", f"libaio@fio={other}", "--target",
              f"{shm}/s", "--pairs", "1", *FAST)
    assert done.returncode == 0, done.stderr
    (ab.out / "runs" / "000001.json").unlink()
    before = json.loads((ab.out / "campaign.json").read_text())["sides"]
    with open(other, "a", encoding="ascii") as file:
        file.write("\n")
    sentence(ab("--resume", ab.out), f"fio of side libaio@fio={other} has "
             "changed since the campaign began")
    os.truncate(other, other.stat().st_size - 1)
    done = ab("--resume", ab.out)
    assert done.returncode == 0, done.stderr
    assert json.loads((ab.out / "campaign.json").read_text())[
        "sides"] == before


@pytest.mark.parametrize("arguments, word", [
    (["--b", "libaio@fio=/bin/true"], "'/bin/true' is not fio"),
    (["--b", "libaio@cpu=4095"], "pinned to CPU 4095, which may not be used"),
    (["--b", "libaio", "--own", "C:nice=1"], "is not LETTER:NAME=VALUE"),
    (["--aa", "--own", "B:nice=1"], "LETTER one of A (the sides"),
    (["--b", "libaio@nice=3", "--client", "localhost", "--target", "/x"],
     "cannot be sent to another machine: leave out @nice=")])
def test_mistakes_in_settings(arguments, word, ab):
    sentence(ab("--a", "libaio", *arguments), word)

# SPDX-License-Identifier: GPL-2.0-only
# A side may have more for itself than an engine: what jobs/ab then runs, and
# what it says of it.
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from fiolab.base.problem import Problem
from fiolab.fio import fiorun, sidecommand, sidesettings, sidespec
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
    assert f"runs{other},fio-" in "".join(done.stdout.split())


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


# Commands around each run

def around(tmp_path, before, after="rm {set}", **more):
    """Words of a campaign whose B runs with something set, and what it notes:
    a folder of what is set, and a list of what was done."""
    names = {"set": tmp_path / "set", "log": tmp_path / "log"}
    own = {"before": before, "after": after, **more}
    return names, [word for name, text in own.items() for word in (
        "--own", f"B:{name}={str(text).format(**names)}")]


TWO = ["--a", "libaio", "--b", "libaio"]
SET = "echo '@, = \"'; touch {set}; echo before >>{log}"
PUT_BACK = "rm {set}; echo after >>{log}"


def test_commands_are_run_around_each_run_of_their_side(ab, shm, tmp_path):
    names, own = around(tmp_path, SET, PUT_BACK)
    seen = tmp_path / "seen"
    fio = tmp_path / "fio"      # is it set, in which of the runs?
    fio.write_text(f'#!/bin/sh\ncase "$*" in *effective*) '
                   f'[ -e {names["set"]} ]; echo $ENGINE $? >>{seen}; esac\n'
                   f'exec {shutil.which("fio")} "$@"\n')
    fio.chmod(0o755)
    done = ab("--a", "psync", "--b", "libaio", *own, "--target", f"{shm}/s",
              "--pairs", "2", "--fio", fio, *FAST)
    assert done.returncode == 0, done.stderr
    assert set(seen.read_text().split("\n")) == {"psync 1", "libaio 0", ""}
    assert not names["set"].exists()
    lines = names["log"].read_text().split()
    assert lines == ["before", "after"] * (len(lines) // 2)
    assert len(lines) // 2 == seen.read_text().count("libaio")
    runs = {run["role"]: run for run in ab.runs()}
    assert "commands" not in runs["A"]
    first, second = runs["B"]["commands"]
    assert (first["when"], first["status"], first["output"]) == (
        "before", 0, '@, = "')
    assert (second["when"], second["status"], second["output"]) == (
        "after", 0, "")
    cell, = ab.report()["cells"]
    assert [(one["role"], one["when"], one["status"], one["runs"])
            for one in cell["commands"]] == [("B", "after", 0, 2),
                                             ("B", "before", 0, 2)]
    assert "@before= of B: exit status 0 in 2 runs" in " ".join(
        done.stdout.split())
    assert "@before= of B: exit status 0 in 2 runs" in (
        ab.out / "report.html").read_text()
    assert subprocess.run(["sh", "-c", cell["command"]["B"]], check=False,
                          capture_output=True).stdout.startswith(b'@, = "')
    assert names["log"].read_text().split()[-2:] == ["before", "after"]


def after_some(names, count):
    """A command that fails from its so-manyeth run on."""
    return (f"echo before >>{names['log']}; touch {names['set']}; "
            f"[ $(grep -c before {names['log']}) -lt {count} ] || "
            "{ echo no more; exit 3; }")


def test_a_command_that_fails_costs_its_pair_and_three_the_campaign(
        ab, shm, tmp_path):
    names, own = around(tmp_path, "", PUT_BACK)
    own[1] = "B:before=" + after_some(names, 6)     # two pairs or so
    done = ab(*TWO, *own, "--target", f"{shm}/s", "--pairs", "9", *FAST)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1, done.stderr
    assert "3 pairs in a row were lost, the last (@before= of side libaio" in (
        last) and "failed (exit status 3): no more): mend that" in last
    assert not names["set"].exists()
    lost = [run for run in ab.runs() if "failed" in run]
    assert len(lost) == 3 and all(
        [(one["when"], one["status"]) for one in run["commands"]] ==
        [("before", 3), ("after", 0)] for run in lost)
    cell, = ab.report()["cells"]
    assert len(cell["discarded"]) == 3 and cell["pairs"]
    assert {(one["when"], one["status"], one["runs"])
            for one in cell["commands"]} >= {("before", 3, 3)}
    assert "exit status 3 in 3 runs" in " ".join(done.stdout.split())


def test_a_command_that_fails_at_first_ends_it_with_a_sentence(ab, shm,
                                                               tmp_path):
    for before, after, word in [
            ("touch {set}; exit 7", "rm {set}", "failed (exit status 7): no m"),
            ("touch {set}", "rm {set}; echo a; echo b >&2; exit 1",
             "@after= of side libaio"),
            ("touch {set}; echo slow; sleep 99", "rm {set}",
             "failed (still running after 1 s, ended): slow"),
            ("kill -9 $$", "true", "failed (exit status -9)")]:
        names, own = around(tmp_path, before, after, within=1)
        sentence(ab(*TWO, *own, "--target", f"{shm}/s", *FAST), word)
        assert not names["set"].exists() and os.listdir(shm) == []


def test_what_was_set_is_put_back_where_nothing_can_be_kept(tmp_path):
    """As somebody has emptied the temporary folder."""
    folder, mark = tmp_path / "run", tmp_path / "mark"
    folder.mkdir()
    commands = sidecommand.Commands(sidespec.parse("psync", "", [
        ("before", f"echo set; touch {mark}; rm -r {folder}"),
        ("after", f"rm {mark}")]), str(folder))
    commands.before()
    assert mark.exists()
    commands.after()
    assert not mark.exists()
    assert [(one["when"], one["status"], one["output"])
            for one in commands.done] == [("before", 0, "set"),
                                          ("after", 0, "")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["before", "run", "after"])
def test_what_was_set_is_put_back_when_it_is_ended(where, number, ab, shm,
                                                   tmp_path):
    """Wherever it is then; a second signal changes nothing."""
    slow = "echo {0} >>{{log}}; sleep 1.5; "
    names, own = around(
        tmp_path,
        "touch {set}; " + (slow.format("before") if where == "before" else
                           "echo {log} >/dev/null; "),
        (slow.format("after") if where == "after" else "") + "rm {set}")
    with ab.start(*TWO, *own, "--target", f"{shm}/s", "--pairs", "50",
                  "--runtime", "2", "--size", "16M") as started:
        if where == "run":
            ab.await_runs(1, started)
            await_text(names["set"])
        else:
            await_text(names["log"], 4)
        for _ in range(2):
            started.send_signal(number)
            time.sleep(0.2)
        _, said = started.communicate(timeout=120)
    assert started.returncode == 128 + number and "Traceback" not in said
    assert not names["set"].exists()


def await_text(path, lines=0):
    end = time.monotonic() + 120
    while not path.exists() or len(path.read_text().split()) < lines:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_run_that_fails_puts_back_what_was_set(ab, shm, tmp_path):
    names, own = around(tmp_path, "touch {set}; rm -f %s/s" % shm)
    done = ab(*TWO, *own, "--target", f"{shm}/s", *FAST)
    sentence(done, "is gone")
    assert not names["set"].exists()

# SPDX-License-Identifier: GPL-2.0-only
# --time on a real target, with a real fio: the plan, a run and its report, its
# resumption, and fio's sprandom where fio has it.
import json
import os

import pytest

from fiolab.fio import asking, fiorun
from fiolab.qualify.report import schema
from qualifyrun import sentence

pytestmark = pytest.mark.fio
RUN = ("--profile", "quick", "--engine", "psync", "--no-pdf",
       "--destroy-data", "--format", "junit", "--format", "markdown")


def test_a_plan_shows_costs_cuts_and_what_is_left_out(qualify, tmp_path):
    path = tmp_path / "disk"
    path.touch()
    os.truncate(path, 100 << 30)
    done = qualify("--target", path, "--plan", "--time", "8h", "--engine",
                   "psync")
    assert done.returncode == 0, done.stderr
    for words in ("At most 8.0 h were asked for", "left out: ", "shortened",
                  "Profile shortened (shortened to 8.0 h, from SNIA PTS"):
        assert words in done.stdout
    rows = {line.split()[0]: line for line in done.stdout.splitlines()
            if line.startswith("  ")}
    assert " shortened " in rows["iops"] or " PTS " in rows["iops"]
    assert not qualify.out.exists()


@pytest.mark.parametrize("words, said", [
    (("--time", "1s"), "too short for even the smallest plan"),
    (("--time", "1h", "--rounds", "40"), "leave one out")])
def test_bad_times_are_one_sentence(qualify, words, said):
    sentence(qualify("--scratch", *words, "--engine", "psync", "--profile",
                     "quick"), said)


def test_a_time_without_a_unit(qualify):
    done = qualify("--scratch", "--time", "8")
    assert done.returncode == 2 and "write 90m, 8h or 2d" in done.stderr


@pytest.mark.root
@pytest.mark.long
def test_a_run_in_less_time_marks_all_of_it(qualify, loop):
    done = qualify("--target", loop, *RUN, "--tests",
                   "iops,throughput", "--time", "54s")
    assert done.returncode in (0, 2), done.stderr
    data = schema.check(qualify.report())
    plan = json.loads((qualify.out / "plan.json").read_text())
    assert plan["time"]["cuts"] and data["profile"]["name"] == "shortened"
    assert data["profile"]["of"] == "quick"
    assert data["time"]["planned_s"][1] <= 54
    costs = plan["targets"][0]["costs"]
    assert sum(one["longest_s"] for one in costs) <= 54
    tests = data["targets"][0]["tests"]
    assert [one["part"] for one in costs] == [test["name"] for test in tests]
    assert all(test["state"] == "done" for test in tests)
    assert any(test["cuts"] for test in tests)
    for test in tests:
        assert test["extent"] == "shortened"
        assert all(cell["extent"] == "shortened" for cell in test["cells"])
    for name in ("report.txt", "report.html", "report.md", "report.junit.xml"):
        text = (qualify.out / name).read_text().replace("\\", "")
        assert "SHORTENED to 54 s: not quick" in " ".join(text.split()), name
    again = qualify("--resume", qualify.out, "--destroy-data", "--no-pdf")
    assert again.returncode == done.returncode, again.stderr
    for old, new in zip(tests, qualify.report()["targets"][0]["tests"],
                        strict=True):
        assert {key: (old[key], new[key]) for key in old
                if old[key] != new[key]} == {}
    sentence(qualify("--resume", qualify.out, "--rounds", "40"),
             "planned for a time")


@pytest.mark.root
@pytest.mark.long
def test_sprandom_fills_the_target_where_fio_has_it(qualify, loop, fio_binary,
                                                    tmp_path):
    (tmp_path / "private").mkdir()
    fio = fiorun.Fio(fio_binary, None, str(tmp_path / "private"))
    if not asking.knows(fio, "sprandom"):
        pytest.skip(f"{fio.version} has no sprandom")
    done = qualify("--target", loop, *RUN, "--tests", "iops", "--time",
                   "37s", "--fio", fio_binary)
    assert done.returncode in (0, 2), done.stderr
    test, = qualify.tests()
    assert any("sprandom" in cut for cut in test["cuts"]), test["cuts"]
    assert test["phases"][0]["title"].endswith("fio's sprandom, 4K")
    wrote = test["phases"][0]["rounds"][0]["results"][0]["bytes_written"]
    assert wrote > qualify.report()["targets"][0]["active_bytes"]


def test_a_fio_is_asked_and_not_its_version(fio_binary, tmp_path):
    fio = fiorun.Fio(fio_binary, None, str(tmp_path))
    assert asking.knows(fio, "iodepth")
    assert not asking.knows(fio, "sprandom_of_nobody")

# SPDX-License-Identifier: GPL-2.0-only
# What the table of jobs/ab says beside its figures, and its JSON file.
import json
import os
from pathlib import Path
import sys

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "jobs"))

from fiolab import campaign, cli, fio, report, side, target  # noqa: E402
from fiolab.jobfile import Job  # noqa: E402
from fiolab.problem import Problem  # noqa: E402

JOB = Job("x.fio", "[global]\nsize=1g\nloops=2\n[a]\nbs=4k\n")


class FakeFio:
    version, cpu = "fio-0", None


def made(drift=0.0, pairs=8, job=JOB):
    """A plan and a measured cell; A' differs from A by a share of drift."""
    libaio = side.parse("libaio", "")
    plan = campaign.Plan(FakeFio(), (libaio, libaio), pairs, 0.5, 0.1, None)
    disk = target.Target("/f", 16 << 20, False, "disk (x)", writable=True)
    cell = campaign.Cell(job, disk, ["AB", "BA"] * (pairs // 2))
    options = fio.base_options(libaio, disk, 1)
    for block in range(pairs):
        noise = (-1) ** block * (1 + block) / 1000
        for role, value in (("A", 1), ("B", 1 + noise), ("A'", 1 + noise +
                                                         drift)):
            cell.runs.append({"role": role, "iops": 1000 * value, "steal": 0,
                              "cpu_us": value, "repeats": 0,
                              "options": options})
    return plan, cell


def table(*arguments, **changes):
    plan, cell = made(*arguments, **changes)
    cli.judge_all(campaign.evaluate([cell]))
    return report.table(plan, [cell]), report.data(plan, [cell], 1)


def test_a_floor_that_excludes_0_is_a_warning():
    quiet, drifted = (" ".join(table(drift)[0].split())
                      for drift in (0.0, 0.1))
    words = "warning: the A/A floor excludes 0: this machine drifted"
    assert words not in quiet and drifted.count(words) == 1


def test_the_table_says_what_was_buffered_and_what_was_changed():
    text, data = table()
    assert "disk (x), 16 MiB, buffered (page cache)" in text
    assert "from the job file: size 1g -> 16M; dropped: loops" in text
    assert data["cells"][0]["direct"] is False
    direct = Job("x.fio", "[a]\ndirect=1\nbs=4k\n")
    text, data = table(job=direct)
    assert "disk (x), 16 MiB, O_DIRECT\n" in text
    assert "from the job file" not in text
    assert data["cells"][0]["direct"] is True


def test_the_json_is_whole_or_absent(tmp_path):
    path = tmp_path / "out.json"
    path.write_text("old")
    output = report.Output(str(path), 60)
    output.close()
    assert os.listdir(tmp_path) == ["out.json"] and path.read_text() == "old"
    output = report.Output(str(path), 60)
    output.save({"a": 1})
    output.close()
    assert json.loads(path.read_text()) == {"a": 1}
    assert os.listdir(tmp_path) == ["out.json"]


def test_a_json_that_cannot_be_written_is_found_at_once(tmp_path):
    with pytest.raises(Problem, match="is a folder"):
        report.Output(str(tmp_path), 60)
    with pytest.raises(Problem, match="cannot write"):
        report.Output(str(tmp_path / "none" / "out.json"), 60)


@pytest.mark.parametrize("pairs, cells, need", [(6, 1, 7), (7, 1, None),
                                                (7, 2, 8), (9, 8, 10),
                                                (20, 8, None)])
def test_too_few_pairs_are_warned_of(pairs, cells, need, capsys):
    cli._warn_of_few_pairs(pairs, cells)
    said = capsys.readouterr().err
    assert (f"takes at least {need} pairs" in said) if need else said == ""

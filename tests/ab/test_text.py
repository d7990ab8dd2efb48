# SPDX-License-Identifier: GPL-2.0-only
# The text that jobs/ab prints, and report.csv: known figures in known places,
# 79 columns whatever the names are, nothing that a terminal or a spreadsheet
# would obey.
import copy
import csv
import os

import numpy as np
import pytest

import abreport
import hostile
from fiolab.ab import schema
from fiolab.ab.report import csvreport, textreport
from fiolab.base import files
from fiolab.base.problem import Problem
from fiolab.report import wording


@pytest.fixture
def data():
    return abreport.typical()


def effect(**changes):
    """An effect whose every figure is known."""
    return {"metric": "iops", "name": "IOPS", "unit": "1/s", "n": 20,
            "role": "primary", "better": "higher", "ratio": 1.2164,
            "median": {"A": 286532.4, "B": 347587.1}, "ci95": [1.164, 1.259],
            "ci90": [1.17, 1.25], "aa": {"ratio": 1.01,
                                         "ci95": [0.994, 1.089]},
            "p": 1.9e-6, "p_holm": 7.6e-6, "tost_p": 0.99,
            "verdict": "faster", "reason": "p 7.6e-06", "detectable": 0.05,
            **changes}


def with_effects(data, *effects):
    data["cells"] = data["cells"][:1]
    data["cells"][0]["effects"] = list(effects)
    return data


def plain(text):
    return " ".join(text.split())


def test_the_row_of_a_metric(data):
    text = textreport.text(with_effects(data, effect()))
    assert ("  IOPS             286,532   347,587   +21.6%    +16.4..+25.9%"
            "     -0.6..+8.9%\n") in text
    assert "  verdict on B, IOPS: FASTER (p 7.6e-06)\n" in text
    assert "Verdict on B (kaio) against A (libaio):\n" \
        "  IOPS: faster in 1 of 1 cell\n" in text


def test_what_has_no_bound_is_not_available(data):
    few = effect(ci95=None, ci90=None, aa=None, detectable=None, n=3,
                 verdict="no verdict", reason="3 pairs cannot reach it")
    row = next(x for x in textreport.text(with_effects(data, few)).splitlines()
               if x.startswith("  IOPS  "))
    assert row.split() == ["IOPS", "286,532", "347,587", "+21.6%", "n/a",
                           "n/a"]


def test_the_verdict_comes_first(data):
    text = textreport.text(data)
    assert text.index("Verdict on B") < text.index("randread, ")
    assert "IOPS: faster in 1, inconclusive in 1 of 2 cells" in text


def test_a_floor_that_excludes_0_is_a_warning(data):
    words = "warning: the A/A floor excludes 0: this machine drifted"
    drifted = effect(aa={"ratio": 1.1, "ci95": [1.05, 1.15]})
    assert words in plain(textreport.text(with_effects(data, drifted)))
    assert words not in plain(textreport.text(with_effects(data, effect())))


def test_the_target_and_what_was_changed(data):
    text = textreport.text(data)
    assert "  RAM (tmpfs /dev/shm), 256 MiB, O_DIRECT\n" in text
    assert "  from the job file: runtime 30 -> 0.5 s, ramp_time 2" in text
    data["cells"][0]["changes"] = data["cells"][1]["changes"] = ""
    data["cells"][0]["target"]["direct"] = "none"
    text = textreport.text(data)
    assert "256 MiB, buffered (page cache)\n" in text
    assert "from the job file" not in text


def test_discarded_pairs_are_named(data):
    gone = [{"pair": i, "host": "h1", "why": "its server died"}
            for i in range(9)]
    data["cells"][0]["discarded"] = gone
    text = textreport.text(data)
    assert "  pair 1 on h1 discarded: its server died\n" in text
    assert "  4 more pairs discarded\n" in text
    assert "  pair 8 discarded: fio did no I/O\n" in text


def test_hosts_calls_and_an_early_stop(data):
    data.update(finished=False, clients=["h1", "h2"])
    cell = data["cells"][0]
    cell["hosts"] = {"h1": {"effects": [effect()]}}
    cell["calls_per_io"]["A"] = None
    text = textreport.text(data)
    assert "Stopped early, after 40 of 40 pairs" in text
    assert "one look, at the end" in plain(text)
    assert "clients: h1, h2" in text and "h1: IOPS +21.6% faster" in text
    assert "system calls per I/O: not counted" in text


def test_a_sequential_campaign_says_how_long_it_took(data):
    data.update(pairs=None, max_time_s=60, precision=None)
    first, second = data["cells"]
    first.update(closed=True, seconds=42.0)
    second.update(closed=False, seconds=40.0)
    for one in second["effects"]:
        one.update(detectable=0.04, verdict="inconclusive")
    text = plain(textreport.text(schema.check(data)))
    assert "pairs, until decided or for 1 min, of 0.5 s runs" in text
    assert "decided after 20 pairs, 42 s" in text
    # 40 s for 4% are 160 for 2%.
    assert ("inconclusive after 20 pairs, 40 s; effects of 2% need about "
            "--max-time 210") in text
    assert "hold after every pair" in text
    data["finished"] = False
    text = plain(textreport.text(data))
    assert ("Stopped early, after 40 pairs: the verdicts that are reached "
            "hold") in text
    assert "stopped after 20 pairs, 40 s" in text


def test_cells_that_go_on_share_the_time(data):
    """And what is decided, but not as precisely as asked for, is not called
    inconclusive."""
    data.update(pairs=None, max_time_s=60, precision=0.001)
    first, second = data["cells"]
    for cell, seconds in ((first, 20.0), (second, 40.0)):
        cell.update(closed=False, seconds=seconds)
        for one in cell["effects"]:
            one.update(detectable=0.04, verdict="inconclusive")
    text = plain(textreport.text(schema.check(data)))
    # 60 s for 4% of both: 180 more for 2%.
    assert text.count("need about --max-time 240") == 2
    for one in first["effects"]:
        one["verdict"] = "faster"
    text = plain(textreport.text(data))
    assert "time was up after 20 pairs, 20 s" in text
    assert "inconclusive after 20 pairs, 40 s" in text


def test_the_self_check_is_told(data):
    data["self_check"] = {**abreport.SELF_CHECK}
    assert "\nSelf-check passed: planted: IOPS x 0.80;" in textreport.text(data)
    data["self_check"]["passed"] = False
    assert "\nSelf-check FAILED: planted" in textreport.text(data)


def test_three_sides(data):
    rng = np.random.default_rng(3)
    found = abreport.report([abreport.cell(rng, 0, effect=0.2),
                             abreport.cell(rng, 1, effect=-0.2, b="C")], 3)
    text = textreport.text(schema.check(found))
    assert "Verdict on B (kaio) against A (libaio):\n  IOPS: faster" in text
    assert "Verdict on C (io_uring) against A (libaio):\n  IOPS: slow" in text
    assert "C against A" in text and "verdict on C, IOPS: SLOWER" in text


def test_cells_are_named_by_what_they_differ_in(data):
    names = wording.cell_names
    assert names(data) == {0: "randread · RAM (tmpfs /dev/shm)",
                           1: "randread · disk (ext4 on vda)"}
    ram, disk = data["cells"]
    assert names({**data, "cells": [ram]})[0].endswith("(tmpfs /dev/shm)")
    disk["target"] = {**ram["target"], "path": "/dev/shm/other"}
    assert names(data)[1] == "randread · other"
    disk["job"], disk["target"] = "randwrite", ram["target"]
    assert names(data) == {0: "randread", 1: "randwrite"}
    disk["job"], disk["b"] = "randread", "C"
    data["sides"] = abreport.report([], 3)["sides"]
    assert names(data) == {0: "kaio · randread", 1: "io_uring · randread"}
    disk["b"] = "B"
    assert names(data)[1] == ("randread · kaio-ab-00000000.tmp · cell 1")
    assert names({**data, "cells": []}) == {}


def test_many_cells_take_a_line_each():
    rng = np.random.default_rng(3)
    cells = [abreport.cell(rng, i, n=6, metrics=("iops", "cpu_us"),
                           job=f"job-{i}") for i in range(40)]
    lines = textreport.text(abreport.report(cells)).splitlines()
    for i in range(40):
        assert sum(line.startswith(f"  job-{i} ") for line in lines) == 1
    assert len(lines) < 60


def test_a_figure_stands_in_the_column_of_its_metric():
    """A cell of alternating pairs decides no CPU time, and of one without a
    pair there is nothing to say."""
    rng = np.random.default_rng(1)
    cells = [abreport.cell(rng, i, n=6, metrics=("cpu_us", "iops"))
             for i in range(8)]
    cells[6]["effects"] = [effect()]
    cells[7].update(effects=[], pairs=[])
    text = textreport.text(abreport.report(cells))
    head, *rows = text[text.index("  cell   "):].splitlines()[:9]
    column = head.index("IOPS")
    assert rows[6][:column].rstrip() == rows[6][:35].rstrip()
    assert rows[6][column:].split() == ["+21.6%", "faster"]
    assert not rows[7][35:].strip()
    assert "not a pair in 1 of 8 cells" in text


def test_nothing_measured():
    cell = abreport.cell(np.random.default_rng(1), 0)
    cell.update(pairs=[], effects=[], latency={}, order_effect={})
    for cells in ([], [cell]):
        text = textreport.text(schema.check(abreport.report(cells)))
        assert text.startswith("A = libaio\n")


@pytest.mark.parametrize("attack", hostile.ATTACKS, ids=hostile.IDS)
@pytest.mark.parametrize("many", [False, True])
def test_hostile_text_stays_in_79_columns(attack, many, data):
    bad = schema.check(hostile.report(data, attack))
    if many:
        bad["cells"] = bad["cells"] * 5
    text = textreport.text(bad)
    text.encode()
    lines = text.split("\n")
    assert max(map(len, lines)) <= 79
    shown = set(text) - {"\n"}
    assert all(c.isprintable() for c in shown), shown
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in text and "漢" not in text


def test_figures():
    assert [wording.percent(x) for x in (1.216, 0.5, 1.0, 9.99, 12.04)] == [
        "+21.6%", "-50.0%", "+0.0%", "+899.0%", "12x"]
    assert wording.span([0.994, 1.089]) == "-0.6..+8.9%"
    assert wording.span([0.9, 20]) == "-10.0%..20x"
    assert [wording.figure(x) for x in (0, 0.0123, 7.312, 273.2, 1e6, None)
            ] == ["0.00", "0.0123", "7.31", "273", "1,000,000", "n/a"]
    assert [wording.duration(x) for x in (12, 4200, 4.2e6, 3e9)] == [
        "12 ns", "4.2 µs", "4.2 ms", "3 s"]
    assert wording.size(256 << 20) == "256 MiB"


@pytest.mark.parametrize("verdict, better, ratio, tone", [
    ("faster", "higher", 1.1, "good"), ("slower", "higher", 0.9, "bad"),
    ("less CPU", "lower", 0.9, "good"), ("more CPU", "lower", 1.1, "bad"),
    ("equivalent", "lower", 1.1, "same"),
    ("inconclusive", "higher", 1.1, "open"),
    ("no verdict", "higher", 1.1, "open")])
def test_tone(verdict, better, ratio, tone):
    assert wording.tone(effect(verdict=verdict, better=better,
                               ratio=ratio)) == tone


# report.csv

def rows(data, tmp_path):
    path = tmp_path / "report.csv"
    csvreport.write(data, path)
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_row_for_each_effect_and_host(data, tmp_path):
    with_effects(data, effect())["cells"][0]["hosts"] = {
        "h1": {"effects": [effect(ratio=1.5, ci95=None, aa=None)]}}
    both, host = rows(data, tmp_path)
    assert both["host"] == "" and both["a"] == "libaio"
    assert both["b"] == "kaio" and both["metric"] == "iops"
    assert [float(both[k]) for k in ("ratio", "ci95_low", "ci95_high",
                                     "aa_ci95_high", "median_b", "n")] == [
        1.2164, 1.164, 1.259, 1.089, 347587.1, 20]
    assert (host["host"], host["ratio"]) == ("h1", "1.5")
    assert host["ci95_low"] == host["aa_ratio"] == ""


@pytest.mark.parametrize("attack", hostile.ATTACKS, ids=hostile.IDS)
def test_hostile_text_in_the_csv(attack, data, tmp_path):
    """The same rows, one line each, and no formula."""
    found = rows(hostile.report(data, attack), tmp_path)
    assert len(found) == 14 + 4
    text = (tmp_path / "report.csv").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 19
    for row in found:
        assert None not in row and float(row["ratio"]) > 0
        assert not row["job"].startswith(tuple("=+-@"))
        assert row["verdict"] and int(row["n"]) == 20


def test_a_file_is_whole_or_absent(data, tmp_path):
    path = tmp_path / "report.csv"
    path.write_text("old")
    csvreport.write(data, path)
    assert os.listdir(tmp_path) == ["report.csv"]
    before = copy.deepcopy(data)
    with pytest.raises(Problem, match="^cannot write .*: make room"):
        csvreport.write(data, tmp_path / "none" / "x.csv")
    with pytest.raises(Problem, match="cannot write"):
        files.write_report(tmp_path, "x")
    assert data == before and os.listdir(tmp_path) == ["report.csv"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_a_sentence(monkeypatch, tmp_path):
    """The part file goes to a device that is always full."""
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "x")
    (tmp_path / "r.csv.x.part").symlink_to("/dev/full")
    monkeypatch.setattr(files, "MODE", "w")
    with pytest.raises(Problem, match="No space left"):
        files.write_report(tmp_path / "r.csv", "text" * 10000)
    assert os.listdir(tmp_path) == []

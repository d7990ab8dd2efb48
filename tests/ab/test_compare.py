# SPDX-License-Identifier: GPL-2.0-only
# `ab compare`: what it finds, what it makes of damaged reports, and as a check
# in CI: what cannot be judged is a failure, and never passes in silence.
import copy
from itertools import permutations
import json
from pathlib import Path
import sys

import numpy as np
import pytest

import abreport
from fiolab.ab import twocampaigns
from fiolab.ab.report import comparetext
from fiolab.base.problem import Problem
from fiolab.stats import paired

GOOD = abreport.typical()


def command(tmp_path, new, *more, old=GOOD):
    """The exit status of `ab compare`."""
    paths = []
    for name, one in (("old", old), ("new", new)):
        paths.append(str(tmp_path / f"{name}.json"))
        Path(paths[-1]).write_text(json.dumps(one))
    with pytest.raises(SystemExit) as end:
        twocampaigns.main([*paths, *more])
        sys.exit(0)
    return end.value.code


def refused(capsys, tmp_path, new, *more, old=GOOD):
    """The sentence with which it ends."""
    assert command(tmp_path, new, *more, old=old) == 1
    return capsys.readouterr().err


def changed(change):
    """GOOD, with the values of every run of its first cell changed."""
    data = copy.deepcopy(GOOD)
    for pair in data["cells"][0]["pairs"]:
        for values in pair["values"].values():
            change(values)
    return data


@pytest.mark.parametrize("value", [-5, 0, 1e-200, 1e200])
def test_damaged_figures_are_one_sentence(value, tmp_path, capsys):
    bad = changed(lambda values: values.update(iops=value))
    assert "values.A.iops is not from 1e-30 to 1e+30" in refused(
        capsys, tmp_path, bad)


def test_a_pair_without_a_role_is_one_sentence(tmp_path, capsys):
    bad = copy.deepcopy(GOOD)
    del bad["cells"][0]["pairs"][0]["values"]["A'"]
    assert "values.A' is missing" in refused(capsys, tmp_path, bad)


def test_the_widest_figures_have_a_ratio(tmp_path):
    wild = copy.deepcopy(GOOD)
    for pair in wild["cells"][0]["pairs"]:
        pair["values"]["A"]["iops"] = 1e30
        pair["values"]["B"]["iops"] = 1e-30
    made = tmp_path / "made.json"
    assert command(tmp_path, wild, "--json", str(made)) == 0
    assert 0 < json.loads(made.read_text())[0]["changes"][0]["ratio"] < 1e-50


# --fail-if

def test_nothing_fails_between_equal_campaigns(tmp_path, capsys):
    words = [x for word in ("slower", "more-cpu", "longer")
             for x in ("--fail-if", word)]
    assert command(tmp_path, GOOD, *words) == 0
    assert capsys.readouterr().err == ""


def test_a_metric_that_vanished_is_a_failure(tmp_path, capsys):
    new = changed(lambda values: values.update(iops=None))
    assert command(tmp_path, new) == 0
    assert "RAM (tmpfs /dev/shm) has no iops in NEW" in capsys.readouterr().err
    assert command(tmp_path, new, "--fail-if", "slower") == 3
    assert "kaio on randread: iops was not measured" in capsys.readouterr().err
    assert command(tmp_path, new, "--fail-if", "inconclusive") == 3
    assert command(tmp_path, new, "--fail-if", "more-cpu") == 0
    assert command(tmp_path, GOOD, "--fail-if", "slower", old=new) == 3


def test_a_metric_that_neither_has_is_a_failure_only_if_asked_for(tmp_path,
                                                                  capsys):
    one = changed(lambda values: [values.pop(name) for name in list(values)
                                  if name.startswith("lat_")])
    assert command(tmp_path, one, "--fail-if", "slower", old=one) == 0
    assert capsys.readouterr().err == ""
    assert command(tmp_path, one, "--fail-if", "longer", old=one) == 3


def test_a_cell_that_vanished_is_a_failure(tmp_path, capsys):
    new = copy.deepcopy(GOOD)
    del new["cells"][1]
    assert command(tmp_path, new) == 0
    assert "disk (ext4 on vda) is in OLD only" in capsys.readouterr().err
    assert command(tmp_path, new, "--fail-if", "slower") == 3
    assert "(disk (ext4 on vda)) is not in NEW" in capsys.readouterr().err
    assert command(tmp_path, GOOD, "--fail-if", "slower", old=new) == 0


@pytest.mark.parametrize("pairs, reason", [
    (3, "iops has too few pairs"),
    (4, "iops has too few pairs for so many comparisons")])
def test_too_few_pairs_for_any_verdict_are_a_failure(pairs, reason, tmp_path,
                                                     capsys):
    new, old = copy.deepcopy(GOOD), copy.deepcopy(GOOD)
    for one in (old, new):
        for cell in one["cells"]:
            del cell["pairs"][pairs:]
            for effect in cell["effects"]:
                effect["n"] = pairs
    for pair in new["cells"][0]["pairs"]:
        pair["values"]["B"]["iops"] *= 0.5
    assert command(tmp_path, new, old=old) == 0
    assert command(tmp_path, new, "--fail-if", "slower", old=old) == 3
    assert reason in capsys.readouterr().err


def test_an_unfinished_campaign_is_a_failure(tmp_path, capsys):
    new = {**GOOD, "finished": False}
    assert command(tmp_path, new) == 0
    assert command(tmp_path, new, "--fail-if", "slower") == 3
    assert "a campaign is not finished" in capsys.readouterr().err


def test_nothing_measured_in_both_is_one_sentence(tmp_path, capsys):
    none = copy.deepcopy(GOOD)
    for cell in none["cells"]:
        for pair in cell["pairs"]:
            pair["values"] = {role: {} for role in pair["values"]}
    assert "no metric was measured in both" in refused(
        capsys, tmp_path, none)


def test_what_reports_say_reaches_no_terminal_raw(tmp_path, capsys):
    new = {**GOOD, "fio": {"path": "fio", "version": "fio-\x1b[2J\u202e"}}
    assert command(tmp_path, new) == 0
    err = capsys.readouterr().err
    assert "fio-" in err and err.isascii() and "\x1b" not in err


# Comparing campaigns

def campaign(change=1.0, n=20, seed=1):
    """A report in which IOPS of B is so many times what it is at seed 1."""
    found = abreport.report([abreport.cell(np.random.default_rng(seed), 0,
                                           n=n, effect=0.1)])
    for pair in found["cells"][0]["pairs"]:
        pair["values"]["B"]["iops"] *= change
    return found


def verdict_of(old, new):
    (_, changes), = twocampaigns.compare(old, new)
    return next(c for c in changes if c.metric == "iops")


def test_a_regression_is_found_and_nothing_else():
    old = campaign()
    assert verdict_of(old, campaign(0.8, seed=2)).verdict == "slower"
    assert verdict_of(old, campaign(1.25, seed=2)).verdict == "faster"
    assert verdict_of(old, campaign(seed=2)).verdict in ("inconclusive",
                                                         "equivalent")
    assert verdict_of(old, campaign(0.8, 1)).verdict == "no verdict"


def test_a_machine_that_is_slower_as_a_whole_is_no_regression():
    old, new = campaign(), campaign(seed=2)
    for pair in new["cells"][0]["pairs"]:
        for values in pair["values"].values():
            values["iops"] *= 0.5
    assert verdict_of(old, new).verdict in ("inconclusive", "equivalent")


def test_campaigns_without_a_common_cell():
    other = campaign()
    other["cells"][0]["job_text"] += "bs=8k\n"
    with pytest.raises(Problem, match="no cell in common"):
        twocampaigns.compare(campaign(), other)


def test_the_text_of_a_comparison_fits():
    found = twocampaigns.compare(campaign(), campaign(0.8, seed=2))
    assert all(len(line) <= 80 for line in comparetext.lines(found))


def test_the_exit_status_of_fail_if(tmp_path, capsys):
    old, slower = campaign(), campaign(0.8, seed=2)
    assert command(tmp_path, slower, old=old) == 0
    assert command(tmp_path, slower, "--fail-if", "slower", old=old) == 3
    assert "iops slower" in capsys.readouterr().err
    assert command(tmp_path, slower, "--fail-if", "more-cpu", old=old) == 0
    assert command(tmp_path, old, "--fail-if", "slower", old=slower) == 0
    assert "ab compare: " in refused(capsys, tmp_path, {"schema": "x"}, old=old)


def correlated(rng, n, r):
    """Differences of which each keeps so much of the one before."""
    x = rng.normal(0, 1, n)
    for i in range(1, n):
        x[i] = r * x[i - 1] + np.sqrt(1 - r * r) * x[i]
    return x


@pytest.mark.parametrize("n", [20, 100])
@pytest.mark.parametrize("r, low, high", [(0, 0.002, 0.022), (0.7, 0.5, 1)])
def test_neighbours_that_are_alike_are_told_from_others(n, r, low, high,
                                                        monkeypatch):
    """1,000 times, at p < 0.01."""
    monkeypatch.setattr(paired, "SHUFFLES", 2000)
    rng = np.random.default_rng(1)
    found = np.mean([paired.neighbours(correlated(rng, n, r))[1] < 0.01
                     for _ in range(1000)])
    assert low <= found <= high


def test_the_p_of_few_pairs_is_that_of_all_their_orders():
    d = [3, 1, 2, 5, 6, 4]
    centred = np.array(list(permutations(range(6)))) - 2.5
    sums = (centred[:, 1:] * centred[:, :-1]).sum(1)
    mine = np.array(d) - 3.5
    exact = np.mean(sums >= (mine[1:] * mine[:-1]).sum() - 1e-9)
    assert paired.neighbours(d)[1] == pytest.approx(exact, abs=0.015)


def test_a_campaign_that_drifts_is_warned_of():
    old, new = campaign(n=12), campaign(n=12, seed=2)
    assert not any("alike" in said for said in twocampaigns.warnings(old, new))
    for i, pair in enumerate(new["cells"][0]["pairs"]):
        pair["values"]["B"]["iops"] *= 1 + i / 20
    said, = (s for s in twocampaigns.warnings(old, new) if "alike" in s)
    assert "in NEW neighbouring pairs are alike (correlation 0." in said


@pytest.mark.parametrize("old, new, shown", [
    (None, None, None), ("1", "1", None),
    ("1", "0", "LIBAIO_REFILL of {} (is the return stack refilled after "
     "system calls?) is 1 in OLD and 0 in NEW"),
    (None, "1", "is not said in OLD and 1 in NEW")])
def test_campaigns_that_differ_by_the_return_stack(old, new, shown):
    pair = []
    for value in (old, new):
        data = copy.deepcopy(GOOD)
        if value is not None:
            data["sides"][1]["environment"]["LIBAIO_REFILL"] = value
        pair.append(data)
    said = [text for text in twocampaigns.warnings(*pair)
            if "LIBAIO_REFILL" in text]
    text = GOOD["sides"][1]["text"]
    assert len(said) == (shown is not None)
    assert not said or shown.format(text) in said[0]


def test_other_targets_and_jobs_of_b_are_other_cells():
    """Of sides whose texts are the same."""
    one = abreport.typical()
    for change in ({"target_b": {**one["cells"][0]["target"],
                                 "label": "disk (ext4 on vdb)"}},
                   {"job_b": {"name": "randread", "path": "x/randread.fio",
                              "text": "[a]\nbs=8k\n"}}):
        other = abreport.typical()
        other["cells"][0].update(change)
        first, second = map(twocampaigns.cells_of, (one, other))
        assert len(set(first) & set(second)) == len(first) - 1

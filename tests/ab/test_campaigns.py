# SPDX-License-Identifier: GPL-2.0-only
# In short what tests/lib/campaigns.py shows in an hour: what is planted is
# found, what is not there is not, and duets say what alternating pairs say.
# None of it is a matter of speed: each holds on a busy machine too, only later.
import json

import pytest

import campaigns

pytestmark = [pytest.mark.fio, pytest.mark.slow]
OPTIONS = ["--size", "64M"]


@pytest.fixture
def one(shm, tmp_path):
    """One campaign on memory: its only effect."""
    def run(kind, *words):
        report, _ = campaigns.campaign(kind, tmp_path, "--target", f"{shm}/s",
                                       *OPTIONS, *words)
        (cell,), = [report["cells"]]
        assert cell["pairing"] == "duet"
        return cell["effects"][0]
    return run


@pytest.mark.parametrize("percent", ["3", "6"])
def test_what_is_planted_is_found_and_its_size_too(one, percent):
    effect = one(percent, "--max-time", "300")
    assert effect["verdict"] == "more CPU"
    low, high = effect["ci95"]
    assert low <= 1 + float(percent) / 100 <= high


def test_nothing_is_found_where_nothing_is(one):
    effect = one("aa", "--max-time", "300")
    assert effect["verdict"] in ("equivalent", "inconclusive")


def test_series_are_cut_into_campaigns(shm, tmp_path, capsys):
    path = tmp_path / "series.json"
    campaigns.main(["record", "30", "--pairs", "12", "--out", path, "--target",
                    f"{shm}/s"])
    assert len(json.loads(path.read_text())["cells"][0]["pairs"]) == 12
    campaigns.main(["cut", path, "--count", "5"])
    assert "more CPU: 5 of 5" in capsys.readouterr().out


def test_duets_and_alternating_pairs_agree(shm, capsys):
    campaigns.main(["agree", "--count", "2", "--pairs", "9", "--target",
                    f"{shm}/s"])
    assert capsys.readouterr().out.count("; alternate x") == 2

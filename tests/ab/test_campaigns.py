# SPDX-License-Identifier: GPL-2.0-only
# In short what tests/lib/campaigns.py shows in an hour: what is planted is
# found, and as large as it is; what is not there is not; and duets say what
# alternating pairs say.
# None of it is a matter of speed: each holds on a busy machine too, only later.
import contextlib
import json
import re

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


def test_the_two_sides_of_a_plant_differ_in_its_share_alone(tmp_path):
    none, some = (path.read_text()
                  for path in campaigns.handicap(tmp_path, 0, 0.1))
    assert "LD_PRELOAD=" in none and " CPU_SHARE=0\n" in none
    assert none.replace("CPU_SHARE=0\n", "CPU_SHARE=0.1\n") == some


def test_what_is_planted_is_found(one):
    """The tenth, and no more, though the library that plants costs something
    itself, too."""
    effect = one("10", "--max-time", "300")
    assert effect["verdict"] == "more CPU"
    assert 1.06 < effect["ratio"] < 1.14


def test_nothing_is_found_where_nothing_is(one):
    """One in twenty such campaigns may err, but never by much."""
    effect = one("aa", "--max-time", "300")
    assert (effect["verdict"] in ("equivalent", "inconclusive") or
            0.97 < effect["ratio"] < 1.03)


def test_series_are_cut_into_campaigns(shm, tmp_path, capsys):
    path = tmp_path / "series.json"
    campaigns.main(["record", "30", "--pairs", "12", "--out", path, "--target",
                    f"{shm}/s"])
    assert len(json.loads(path.read_text())["cells"][0]["pairs"]) == 12
    campaigns.main(["cut", path, "--count", "5"])
    assert "more CPU: 5 of 5" in capsys.readouterr().out


def test_duets_and_alternating_pairs_agree_on_the_sign(shm, capsys):
    """Nine alternating pairs on a busy machine tell no more."""
    with contextlib.suppress(SystemExit):       # two intervals apart
        campaigns.main(["agree", "--count", "2", "--pairs", "9", "--target",
                        f"{shm}/s"])
    found = re.findall(r"(?:duet|alternate) x ([0-9.]+)",
                       capsys.readouterr().out)
    assert len(found) == 4 and all(float(ratio) < 1 for ratio in found)

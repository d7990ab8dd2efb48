# SPDX-License-Identifier: GPL-2.0-only
# `ab history`: campaigns of a known truth, in any order on the command line;
# what it finds in them, what it leaves out and says so, its exit status, and
# its page.  The rule for changes itself is in test_changepoint.py.
import copy
import json
import sys

import numpy as np
import pytest

import abreport
import hostile
import pagechecks
from fiolab.ab.series import history, historycommand, historypage, historytext
from fiolab.base.problem import Problem
from outline import (Outline, is_well_formed, links_lead_somewhere,
                     needs_nothing_else)

BEFORE, AFTER = 0.21, 0.10      # of B: so it becomes slower


def campaign(i, effect=BEFORE, cells=1, seed=None, **changes):
    """One of day i."""
    rng = np.random.default_rng(i if seed is None else seed)
    made = [abreport.cell(rng, number, n=8, effect=effect)
            for number in range(cells)]
    for number, cell in enumerate(made):
        cell["target"]["label"] = f"place {number}"
    return abreport.report(
        made, created=f"2026-11-{i + 1:02d}T10:00:00Z", **changes)


def slower(count=24, at=14, **changes):
    return [campaign(i, BEFORE if i < at else AFTER, **changes)
            for i in range(count)]


def on_kernel(report, kernel):
    report["environment"]["kernel"] = kernel
    return report


def data_of(reports, metrics=(), across=()):
    return history.make(
        [history.Given(f"r{i}", "", one) for i, one in enumerate(reports)],
        history.chosen(metrics), across, ["jobs/ab", "history"])


def series(data, metric="iops"):
    return next(one for one in data["series"] if one["metric"] == metric)


def command(tmp_path, reports, *more):
    """The exit status of `ab history`."""
    paths = []
    for i, one in enumerate(reports):
        (tmp_path / f"{i}.json").write_text(json.dumps(one))
        paths.append(f"{tmp_path}/{i}.json=commit{i}")
    with pytest.raises(SystemExit) as end:
        historycommand.main([*paths, *more])
        sys.exit(0)
    return end.value.code


@pytest.fixture(scope="module")
def changed():
    return data_of(slower(), ["primary"])


def test_a_change_is_dated_sized_and_named(changed):
    iops, cpu = series(changed), series(changed, "cpu_us")
    change, = iops["changes"]
    assert abs(change["at"] - 14) <= 1 and change["after"] == change["at"] - 1
    assert change["verdict"] == "slower" and change["p"] <= 0.05
    assert change["ci95"][0] < (1 + AFTER) / (1 + BEFORE) < change["ci95"][1]
    assert cpu["changes"][0]["verdict"] == "more CPU"
    assert not iops["drift"] and len(iops["levels"]) == 2
    assert iops["newest"] == {"verdict": "slower", "first": 0,
                              "ratio": pytest.approx(0.909, abs=0.02),
                              "last": change["after"]}


def test_campaigns_are_taken_in_the_order_of_their_dates(changed):
    reports = slower()
    np.random.default_rng(1).shuffle(reports)
    found = data_of(reports, ["primary"])
    assert found["series"] == changed["series"]


def test_nothing_is_found_where_nothing_is():
    data = data_of([campaign(i) for i in range(24)])
    assert [one["changes"] for one in data["series"]] == [[]] * 7
    assert history.failures(data, ["slower", "more-cpu", "longer",
                                   "inconclusive"]) == []


def test_what_was_mended_is_no_failure():
    data = data_of([campaign(i, AFTER if 8 <= i < 16 else BEFORE)
                    for i in range(24)], ["iops"])
    one = series(data)
    assert [c["verdict"] for c in one["changes"]] == ["slower", "faster"]
    assert one["newest"] is None and history.failures(data, ["slower"]) == []


def test_a_part_of_a_regression_that_is_left_is_a_failure():
    """-20%, of which half came back: the last change is to the better."""
    data = data_of([campaign(i, 0.2 if i < 9 else -0.1 if i < 18 else 0.05)
                    for i in range(27)], ["iops"])
    assert series(data)["changes"][-1]["verdict"] == "faster"
    assert series(data)["newest"]["last"] <= 9
    assert "slower than before" in history.failures(data, ["slower"])[0]


@pytest.mark.parametrize("across, compared", [((), 23), (("kernel",), 24)])
def test_a_campaign_on_another_kernel_is_shown_and_takes_no_part(across,
                                                                 compared):
    reports = slower()
    on_kernel(reports[5], "5.10.0")
    data = data_of(reports, ["iops"], across)
    assert sum(one["compared"] for one in data["campaigns"]) == compared
    assert len(series(data)["points"]) == 24
    if not across:
        said, = data["warnings"]
        assert said == ("campaign 6 is not compared: kernel is 5.10.0, not "
                        "6.18.1")
        assert said.split(": ")[1] in historytext.text(data)


@pytest.mark.parametrize("change, word", [
    ({"runtime_s": 3.0}, "runtime is 3 s"), ({"cpu": 0}, "cpu is 0"),
    ({"finished": False}, "not finished"),
    ({"fio": {"path": "f", "version": "fio-3.99"}}, "fio is fio-3.99")])
def test_other_conditions_are_told(change, word):
    data = data_of([*slower(9), campaign(9, **change)], ["iops"])
    assert word in data["campaigns"][9]["differs"][0]
    said = history.failures(data, ["slower"])
    assert "the newest campaign is not compared" in said[0]


def test_too_few_campaigns_are_said_with_how_many_it_takes():
    data = data_of([campaign(i) for i in range(5)], ["iops"])
    assert series(data)["reason"] == (
        "too few campaigns: 5 cannot show a change in one of 1 series, 10 can")
    assert "too few" in history.failures(data, ["slower"])[0]
    assert all(len(line) <= 79
               for line in historytext.text(data).splitlines())
    assert history.failures(data, []) == []


def test_a_cell_that_the_newest_lacks_is_a_failure():
    data = data_of([*slower(20, cells=2), campaign(20)], ["iops"])
    assert len(data["series"]) == 2
    assert any("place 1: IOPS not in the newest campaign" in said
               for said in history.failures(data, ["slower"]))


def test_a_metric_that_none_has_is_a_failure():
    data = data_of(slower(), ["iops"])
    assert "cpu_us was not measured" in history.failures(data, ["more-cpu"])[0]


def test_one_campaign_or_the_same_twice_is_one_sentence(tmp_path, capsys):
    with pytest.raises(Problem, match="one campaign has no history"):
        data_of([campaign(1)])
    path = tmp_path / "a.json"
    path.write_text(json.dumps(campaign(1)))
    with pytest.raises(SystemExit):
        historycommand.main([str(path), f"{path}=again"])
    assert "is given twice" in capsys.readouterr().err


def test_the_command_its_exit_status_and_its_files(tmp_path, capsys):
    made, page = tmp_path / "made.json", tmp_path / "page.html"
    more = ["--metric", "primary", "--json", str(made), "--html", str(page)]
    assert command(tmp_path, slower(), *more) == 0
    out = capsys.readouterr().out
    assert "slower from campaign 15 (2026-11-15 10:00, commit14) on" in out
    assert all(len(line) <= 79 for line in out.splitlines())
    data = json.loads(made.read_text())
    history.HISTORY.check(data)
    assert data["campaigns"][3]["label"] == "commit3"
    assert "commit14" in page.read_text()
    assert command(tmp_path, slower(), "--fail-if", "slower",
                   "--metric", "iops") == 3
    assert "IOPS slower than before" in capsys.readouterr().err


def test_the_schema_refuses_what_is_damaged(changed):
    bad = copy.deepcopy(changed)
    bad["series"][0]["points"][0]["campaign"] = 24
    with pytest.raises(Exception, match="is no campaign"):
        history.HISTORY.check(bad)


# The page

def many_cells():
    """A drift, another kernel, labels; more series than get a picture."""
    reports = [campaign(i, 0.2 + 0.01 * i, cells=5) for i in range(20)]
    on_kernel(reports[3], "5.10.0")
    return data_of(reports)


def attacked():
    data = data_of(slower(12, 6))
    attack = " ".join(hostile.ATTACKS)
    return hostile.poison(data, lambda text: f"{attack}{text}{attack}",
                          hostile.FIXED)


PAGES = {"changed": lambda: data_of(slower()), "many": many_cells,
         "two": lambda: data_of([campaign(0), campaign(1)]),
         "hostile": attacked}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_whole(name):
    page = historypage.page(PAGES[name]())
    outline = Outline(page)
    needs_nothing_else(page, outline)
    is_well_formed(outline)
    if name != "hostile":       # whose text names a picture's part
        links_lead_somewhere(page, outline)


def test_of_many_series_some_have_no_picture_and_the_page_says_so():
    page = historypage.page(many_cells())
    assert page.count('class="plot"') == historypage.DRAWN
    assert f"{35 - historypage.DRAWN} series without a change" in page


@pytest.fixture(scope="module", params=pagechecks.some(PAGES, ("two",)))
def shown(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("html") / f"{request.param}.html"
    historypage.write(PAGES[request.param](), path)
    return path


@pytest.mark.browser
@pytest.mark.parametrize("size", pagechecks.PAGES,
                         ids=lambda size: f"{size[0]}-{size[1]}")
def test_the_page_in_a_browser(browser, shown, size):
    page = pagechecks.opened(browser, shown, size, "history-")
    pagechecks.is_alone(page)
    pagechecks.fits_its_width(page)
    pagechecks.has_contrast(page)
    assert page.evaluate(pagechecks.SMALLEST) >= 10
    assert page.evaluate(pagechecks.CROWDED) == []
    assert page.evaluate(pagechecks.OUTSIDE) == []
    assert all(pagechecks.spoken(page)["image"])

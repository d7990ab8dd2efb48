# SPDX-License-Identifier: GPL-2.0-only
# --time: what is cut and left out for it, that the plan keeps it, and that no
# shortened figure passes for one of PTS, in whatever form of the report; no
# test is run here.
import copy
import csv
from dataclasses import replace
import io
import json
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

import qualifydata
import shorterdata
from fiolab.base.problem import Problem
from fiolab.qualify import planning, readings
from fiolab.qualify.fleet import batch
from fiolab.qualify.limits import against
from fiolab.qualify.records import junitreport, markdownreport
from fiolab.qualify.report import (csvreport, htmlreport, phrases, schema,
                                   textreport)
from fiolab.qualify.shorter import (budget, chooser, figuremarks, fills,
                                    ladder)
from fiolab.qualify.suite.profiles import (CLIENT, ENTERPRISE, PROFILES, QUICK,
                                           SHORTENED)
from fiolab.target.target import Target

HOUR = 3600
SIZES = (int(30.72e12), int(3.84e12), int(0.24e12), 256 << 20)


def draft(profile=ENTERPRISE, names=None, sizes=SIZES[1:2], **more):
    return chooser.Draft(planning.tests_of(profile, names), profile, sizes,
                         **more)


def chosen(seconds, *args, kept=(), **more):
    made = draft(*args, **more)
    assert chooser.choose(made, seconds, kept)
    return made


def cuts(made):
    """{test: {field: value} of its own profile} of those that are cut."""
    return {test.name: test.own for test in made.made()
            if hasattr(test, "cuts")}


def reckoned(made):
    return sum(test.estimate(made.profile, made.sizes[0]).longest
               for test in made.made())


# The rule

@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda p: p.name)
@pytest.mark.parametrize("sprandom", [True, False])
@pytest.mark.parametrize("size", SIZES[::3])
def test_a_plan_keeps_the_time_or_there_is_none(profile, sprandom, size):
    """Of times from a hundredth of the whole on; all of it cuts nothing."""
    whole = draft(profile, sizes=[size]).seconds()
    found = 0
    for share in (0.01, 0.05, 0.1, 0.2, 0.6):
        made = draft(profile, sizes=[size], sprandom=sprandom)
        if chooser.choose(made, share * whole):
            found += 1
            assert reckoned(made) <= share * whole * (1 + 1e-9)
            assert made.steps
    assert found >= 2
    assert not chosen(whole, profile, sizes=[size]).steps


def test_what_is_no_test_counts_too():
    made = draft(names="iops", fixed=HOUR)
    assert not chooser.choose(made, HOUR)
    alone = chosen(20 * HOUR, names="iops")
    beside = chosen(20 * HOUR, names="iops", fixed=5 * HOUR)
    assert reckoned(beside) + 5 * HOUR <= 20 * HOUR
    assert reckoned(beside) < reckoned(alone)


def test_a_device_that_writes_faster_is_cut_less():
    fast = replace(ENTERPRISE, write_speed=3e9)
    assert draft(fast).seconds() < draft().seconds()
    assert [chooser.choose(draft(one, "throughput", SIZES[:1]), 12 * HOUR,
                           ["throughput"]) for one in (ENTERPRISE, fast)] == [
        False, True]
    assert readings.chosen(ENTERPRISE, None, None,
                           write_speed=3000.0) == fast


def test_of_several_targets_the_slowest_counts():
    made = chosen(8 * HOUR, names="iops", sizes=SIZES[1:3])
    assert made.steps == chosen(8 * HOUR, names="iops").steps


def test_what_leaves_the_figures_to_pts_comes_first():
    whole = draft(names="iops,throughput").seconds()
    made = chosen(whole - 1, names="iops,throughput")
    assert {cut.field for cut, _ in made.steps} == {"most"}
    assert all(getattr(test, "keeps", True) for test in made.made())
    for test in made.made():
        assert figuremarks.planned(test, ENTERPRISE) == figuremarks.PTS
    shorter = chosen(whole / 2, names="iops,throughput").made()
    assert figuremarks.CUT in {figuremarks.planned(test, ENTERPRISE)
                               for test in shorter}


def test_a_test_that_was_named_is_never_left_out():
    made = draft(names="iops,hir,xsr")
    assert not chooser.choose(made, 2 * HOUR, ["iops", "hir", "xsr"])
    made = chosen(5 * HOUR, names="iops,hir,xsr", kept=["iops"])
    assert made.out and "iops" not in made.out
    assert [test.name for test in made.made()] == [
        name for name in ("iops", "hir", "xsr") if name not in made.out]


def test_a_preconditioning_is_shared_where_a_test_finds_its_own():
    """Sequential writes before latency and IOPS, random ones before HIR and
    DIRTH; who is first, or comes after another, has all of its own."""
    made = chosen(8 * HOUR, names="pts", sizes=[int(0.96e12)])
    tests = made.made()
    for before, test in zip([None, *tests], tests):
        own = getattr(test, "own", None)
        if own and own.shared and test.name != "throughput":
            assert before.name in ladder.AFTER[test.name]
            assert not any(phase.purge for phase in test.test.phases)
        else:
            assert test.phases[0].purge
    shared = [name for name, own in cuts(made).items() if own.shared]
    assert {"latency", "iops"} <= set(shared)


@pytest.mark.parametrize("sprandom", [True, False])
def test_short_rounds_come_after_a_fill(sprandom):
    """Whatever shortens rounds of random writes has one before it."""
    for hours in (3, 4, 6, 8):
        made = chosen(hours * HOUR, names="iops", sizes=[int(0.96e12)],
                      sprandom=sprandom)
        test, = made.made()
        short = test.own.thin or test.own.minute < 60 or test.own.most < 10
        named = [phase.name for phase in test.phases if not phase.keep]
        assert named == (["fill", "fill at random"] if short else
                         ["WIPC 128K"])
        if short:
            assert (test.phases[0] == fills.ONE_PASS) == sprandom
    options = fills.ONE_PASS.stimuli[0].options
    assert "sprandom=1" in options and fills.ONE_PASS.purge


def test_the_ladder_names_tests_that_there_are():
    known = {test.name for test in planning.all_tests(ENTERPRISE)}
    out = [one for one in ladder.STEPS if isinstance(one, str)]
    cut = {name for one in ladder.STEPS if isinstance(one, ladder.Cut)
           for name in one.tests}
    assert set(out) | cut <= known and len(set(out)) == len(out)
    assert "iops" not in out                # something is left
    rest = [test for test in planning.all_tests(ENTERPRISE)
            if test.name not in (*out, "iops")]
    assert all(test.estimate(ENTERPRISE, SIZES[0]).longest < 120
               for test in rest), rest
    fields = {one.field for one in ladder.STEPS
              if isinstance(one, ladder.Cut)}
    for field in fields:
        assert hasattr(ENTERPRISE, field)


def test_a_cut_test_is_another_than_the_whole():
    whole, = draft(names="iops").tests
    short, = chosen(8 * HOUR, names="iops").made()
    assert short.digest() != whole.digest()
    again, = chosen(8 * HOUR, names="iops").made()
    assert short.digest() == again.digest()
    assert short.cell_names() < whole.cell_names()


# The command line

@pytest.mark.parametrize("text, seconds", [
    ("90m", 5400), ("8h", 8 * HOUR), ("2d", 48 * HOUR), ("45s", 45),
    ("1.5h", 5400), ("30min", 1800)])
def test_a_time_is_read(text, seconds):
    assert budget.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "8", "0h", "-1h", "h", "8 h", "8w",
                                  "1e9h", "nanh"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(Exception, match="write 90m, 8h or 2d"):
        budget.duration(text)


def _qualification(seconds, names=None, profile=ENTERPRISE, spec=None):
    return SimpleNamespace(
        asked=SimpleNamespace(time=seconds, tests=names, ab=False),
        tests=planning.tests_of(profile, names), profile=profile, time=None,
        targets=[SimpleNamespace(size=SIZES[1], clients=("host",))],
        other_side=None, spec=spec)


def test_too_short_a_time_is_one_sentence_with_a_time_that_is_enough():
    with pytest.raises(Problem) as caught:
        budget.shorten(_qualification(600, "iops"))
    text = str(caught.value)
    assert text.startswith("--time 10m is too short for even the smallest plan")
    assert text.count(".") - text.count(".", 0, text.index(":")) <= 2
    enough = text.partition("reckoned at ")[2].partition(":")[0]
    budget.shorten(made := _qualification(budget.duration(enough), "iops"))
    assert made.time["planned_s"][1] <= budget.duration(enough)


def test_a_profile_that_is_cut_loses_its_name():
    for profile in (ENTERPRISE, CLIENT, QUICK):
        whole = draft(profile).seconds()
        made = _qualification(whole / 4, profile=profile)
        budget.shorten(made)
        assert (made.profile.name, made.profile.of) == (SHORTENED,
                                                         profile.name)
        assert profile.name not in made.profile.title
    made = _qualification(1e9)
    budget.shorten(made)
    assert made.profile == ENTERPRISE and made.time["left_out"] == []
    assert "Nothing is cut." in budget.lines(made)


def test_the_plan_says_what_is_cut_and_left_out():
    budget.shorten(made := _qualification(8 * HOUR))
    text = "\n".join(budget.lines(made))
    for test in made.tests:
        for cut in getattr(test, "cuts", ()):
            assert cut in text
    for one in made.time["left_out"]:
        assert one["test"] in text and one["title"] in text
    assert len(made.tests) + len(made.time["left_out"]) == len(
        planning.all_tests(ENTERPRISE))


def test_a_resumed_run_has_the_plan_of_its_beginning():
    budget.shorten(made := _qualification(8 * HOUR))
    known = json.loads(json.dumps(made.time))
    again = _qualification(8 * HOUR)
    budget.again(again, known)
    assert again.profile == made.profile
    assert [test.digest() for test in again.tests] == [
        test.digest() for test in made.tests]
    with pytest.raises(Problem, match="shortens tests in another way"):
        budget.again(_qualification(8 * HOUR),
                     {**known, "cuts": [[999, "iops"]]})


def test_limits_that_the_time_leaves_out_are_warned_of():
    def limit(test, cell):
        return SimpleNamespace(test=test, cell=cell)
    spec = SimpleNamespace(limits=[
        limit("xsr", "*"), limit("iops", "32K 50/50"),
        limit("iops", "4K 0/100"), limit("iops", "*"), limit("device", "x")])
    made = _qualification(8 * HOUR, spec=spec)
    budget.shorten(made)
    said = budget.warnings(made)
    assert [one.split(" will")[0] for one in said] == [
        "the limits on xsr, *", "the limits on iops, 32K 50/50"]


# What the reports say

def test_each_figure_is_marked():
    data = schema.check(shorterdata.report())
    extents = {test["name"]: test["extent"] for test in
               data["targets"][0]["tests"]}
    assert extents["iops"] == "shortened" and extents["wsat"] == "PTS"
    for test in data["targets"][0]["tests"]:
        assert test["group"] == "pts" or test["extent"] == "whole"
        assert {cell["extent"] for cell in test["cells"]} <= {test["extent"]}
    for one in data["limits"]:
        assert one["extent"] == extents.get(one["test"]) or not one["cell"]


def test_who_did_not_become_steady_in_a_cut_search_is_none_of_pts():
    data = shorterdata.report(short=())
    test = next(one for one in data["targets"][0]["tests"]
                if one["name"] == "iops")
    phase = next(one for one in test["phases"] if one["steady"])
    kept = SimpleNamespace(group="pts", keeps=True, cuts=("round 10",))
    for reached, extent in ((True, "PTS"), (False, "shortened")):
        phase["steady"]["reached"] = reached
        figuremarks.mark(kept, test, ENTERPRISE)
        assert test["extent"] == extent == test["cells"][0]["extent"]


def test_all_forms_of_the_report_say_it():
    data = shorterdata.report()
    banner = figuremarks.banner(data)
    assert banner.startswith("SHORTENED to 8.0 h: not pts-e")
    text = "\n".join(textreport.lines(data))
    page = htmlreport.render(data)
    marked = markdownreport.text(data)
    for made in (text, page, marked):
        flat = " ".join(made.replace("\\", "").split())
        assert "SHORTENED to 8.0 h: not pts-e" in flat
        assert "fewer cells" in flat and "Completion paths" in flat
        assert "shortened figures, not pts" in flat.lower()
    rows = list(csv.DictReader(io.StringIO(csvreport.text(data))))
    assert {row["figures"] for row in rows if row["test"] == "iops"} == {
        "shortened"}
    assert {row["figures"] for row in rows if row["test"] == "wsat"} == {"PTS"}


def test_junit_skips_the_case_that_the_figures_are_those_of_the_profile():
    root = ElementTree.fromstring(junitreport.text(shorterdata.report()))
    case, = (one for one in root.iter("testcase")
             if one.get("name") == "the figures are those of the profile")
    assert "not pts-e" in case.find("skipped").get("message")
    suite = next(one for one in root.iter("testsuite")
                 if one.get("name").endswith(": IOPS"))
    told = {one.get("name"): one.get("value")
            for one in suite.iter("property")}
    assert told["figures"] == "shortened: fewer cells"


def test_a_part_of_a_device_is_none_of_pts():
    """Of 480 GB the first gigabyte is steady before the device is full."""
    data = copy.deepcopy(qualifydata.report(targets=1))
    target, = data["targets"]
    target["active_bytes"], data["time"] = 1 << 30, None
    used = Target("/dev/x", 1 << 30, whole=target["size_bytes"])
    for test in target["tests"]:
        made = SimpleNamespace(group=test["group"])
        part = figuremarks.part_of(used, ENTERPRISE)
        figuremarks.mark(made, test, ENTERPRISE, part)
        assert test["extent"] == figuremarks.planned(made, ENTERPRISE, part)
        assert test["extent"] == ("shortened" if test["group"] == "pts"
                                  else "whole")
        for whole in (used.whole, used.whole + 4096):   # in whole MiB
            assert not figuremarks.part_of(replace(
                used, size=used.whole, whole=whole), ENTERPRISE)
    figuremarks.mark_limits(data)
    assert not any("--time" in (one["why"] or "") for one in data["limits"])
    schema.check(data)
    said = "ONLY A PART of the device: not PTS; 1.074 GB of"
    for made in ("\n".join(textreport.lines(data)), htmlreport.render(data),
                 markdownreport.text(data), junitreport.text(data)):
        flat = " ".join(made.replace("\\", "").split())
        assert said in flat and "(--size)" in flat
    assert "on shortened figures, not PTS's" in phrases.headline(data)
    assert {row["figures"] for row in csv.DictReader(io.StringIO(
        csvreport.text(data))) if row["group"] == "pts"} == {"shortened"}


def test_the_headline_counts_limits_on_shortened_figures():
    data = shorterdata.report()
    count = figuremarks.on_shortened(data)
    assert count and f"{count} limit" in phrases.headline(data)
    assert "shortened" not in phrases.headline(shorterdata.report(short=()))


def test_a_limit_on_what_was_left_out_says_so():
    data = shorterdata.report(short=())
    data["limits"] = [{**data["limits"][0], "test": "reap", "cell": "x",
                       "why": "the test is not in this run"}]
    figuremarks.mark_limits(data)
    assert data["limits"][0]["why"].endswith("(--time left it out)")
    assert data["limits"][0]["extent"] is None


# Comparisons

def _verdicts(this, other):
    found = against.compare(this, other)
    return {(row["test"], row["cell"], row["metric"]):
            (row["verdict"], row["reason"]) for row in found["rows"]}, found


def test_a_shortened_figure_is_not_compared_with_one_of_pts():
    this, other = shorterdata.report(), copy.deepcopy(qualifydata.report(targets=1))
    other["time"], other["profile"]["of"] = None, "pts-e"
    for test in other["targets"][0]["tests"]:
        figuremarks.mark(SimpleNamespace(group=test["group"]), test, ENTERPRISE)
    for one, two in ((this, other), (other, this)):
        rows, found = _verdicts(one, two)
        for (test, *_), (verdict, reason) in rows.items():
            if test == "iops":
                assert verdict == "no verdict" and "shortened" in reason
            elif test == "xsr":
                assert verdict != "no verdict" or "shortened" not in reason
        assert any("shortened" in one for one in found["warnings"])


def test_figures_that_were_cut_alike_are_compared():
    this, other = shorterdata.report(), shorterdata.report()
    rows, found = _verdicts(this, other)
    assert any(verdict != "no verdict" for (test, *_), (verdict, _)
               in rows.items() if test == "iops")
    assert any("none of PTS" in one for one in found["warnings"])
    other["targets"][0]["tests"][0]["cuts"] = ["something else"]
    rows, _ = _verdicts(this, other)
    assert all(verdict == "no verdict" for (test, *_), (verdict, _)
               in rows.items() if test == "iops")


def test_an_older_report_counts_as_whole():
    this, other = shorterdata.report(), copy.deepcopy(qualifydata.report(targets=1))
    rows, _ = _verdicts(this, other)
    assert all(verdict == "no verdict" for (test, *_), (verdict, _)
               in rows.items() if test == "iops")


def test_a_summary_refuses_runs_that_were_cut_in_another_way():
    runs = [("a", shorterdata.report()), ("b", shorterdata.report())]
    batch.summary(runs)
    runs[1][1]["targets"][0]["tests"][0]["cuts"] = []
    with pytest.raises(Problem, match="shortened in another way"):
        batch.summary(runs)
    runs[1][1]["profile"]["name"] = "pts-e"
    runs[1][1]["targets"][0]["tests"][0]["cuts"] = ["fewer cells"]
    with pytest.raises(Problem, match="its profile has name"):
        batch.summary(runs)

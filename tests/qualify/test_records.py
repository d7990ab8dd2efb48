# SPDX-License-Identifier: GPL-2.0-only
# What a lab keeps of a run beside its figures: operator, samples and fields of
# the spec in the head of every form of the report; and qualify.json as JUnit's
# XML and as markdown, each read by a program that is not ours.
import argparse
from dataclasses import replace
import html
import json
import os
from pathlib import Path
import re
import subprocess
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
from consumers import cases, check_xsd, rendered, tables
import finishedrun
import hostile
from outline import Outline
import qualifydata
from fiolab.base.problem import Problem
from fiolab.qualify import cli, qualification, result, targetset
from fiolab.qualify.limits import specfile
from fiolab.qualify.records import junitreport, markdownreport
from fiolab.qualify.report import htmlreport, phrases, schema, textreport
from fiolab.qualify.suite import profiles, pts

QUALIFY = str(ROOT / "jobs" / "qualify")
GOOD = """[record]
project = "X400 refresh"
"test order" = 4711
room = 2.5
"""


# The spec's fields

def spec(tmp_path, text):
    path = tmp_path / "spec.toml"
    path.write_text(text)
    return specfile.load(str(path))


def test_fields_of_the_spec(tmp_path):
    found = spec(tmp_path, GOOD)
    assert found.record == (("project", "X400 refresh"),
                            ("test order", "4711"), ("room", "2.5"))
    assert found.limits == () and found.device == ()


@pytest.mark.parametrize("text, says", [
    ("x = ''", 'line 2: "x" must be text in quotes'),
    ("x = true", 'line 2: "x" must be text'), ("x = []", "must be text"),
    ("x = 2001-01-01", "must be text in quotes"),
    (f"x = '{'y' * 201}'", "line 2: \"x\" is longer than 200 letters"),
    ("\n".join(f"x{i} = 1" for i in range(31)), "line 1: [record] has more"),
    ("x = 1\n[record.x]\ny = 1", "line 3: this table is too deep"),
    ("x = 1\n[recrod]\nx = 1",
     "did you mean record?")])
def test_wrong_fields_are_a_sentence(tmp_path, text, says):
    with pytest.raises(Problem) as caught:
        spec(tmp_path, f"[record]\n{text}")
    assert says in str(caught.value) and "\n" not in str(caught.value)


def record(operator=None, fields=()):
    return result._record(SimpleNamespace(
        asked=qualification.Request(operator=operator),
        spec=SimpleNamespace(record=fields) if fields else None))


def test_what_was_not_given_is_not_there():
    assert record() is None
    assert record("A. Person") == {"operator": "A. Person", "fields": {}}
    assert record(fields=(("a", "1"),)) == {"operator": None,
                                            "fields": {"a": "1"}}


# The options

@pytest.mark.parametrize("text", ["", "  ", "a\nb", "x" * 201])
def test_a_name_is_text_on_one_line(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no text of 1 to"):
        cli._words(text)


def given(*words):
    return vars(cli.parser().parse_args(["--target", "/x", *words]))


def test_they_are_kept_for_a_resumed_run():
    asked = cli.request(given("--operator", "A. Person", "--sample", "17",
                              "--sample", "18"))
    assert (asked.operator, asked.sample) == ("A. Person", ["17", "18"])
    with pytest.raises(Problem, match="leave out --sample"):
        cli.refuse({"resume": "x", "sample": ["1"]})


def test_each_target_has_its_sample(tmp_path, stack):
    path = tmp_path / "target"
    path.write_bytes(bytes(32 << 20))
    made = qualification.Qualification(
        qualification.Request(target=[str(path)], sample=["1", "2"]),
        profiles.QUICK, (), None, stack)
    with pytest.raises(Problem, match="there is 1 target and --sample was "
                       "given 2 times"):
        targetset.make(made)
    made.asked = replace(made.asked, sample=["1"])
    targetset.make(made)


def test_of_a_host_nobody_sees_whether_size_is_all(monkeypatch, stack):
    """So that a figure of a part of a device is not called PTS's unsaid."""
    monkeypatch.setattr(targetset, "_hosts", lambda *_: [])
    said = []
    for profile in (profiles.ENTERPRISE, profiles.QUICK):
        for tests in (pts.tests(profile), ()):
            made = qualification.Qualification(qualification.Request(
                target=["/dev/x"], client="host", size=1 << 30), profile,
                tests, None, stack)
            targetset.make(made)
            said.append(made.warnings)
    assert said == [[targetset.NOT_SEEN], [], [], []]


# The head of the report

def test_the_text_has_them():
    out = "\n".join(textreport.lines(finishedrun.DATA))
    assert "sample 17" in out
    for line in ("Operator: A. Person", "Project: X400 refresh",
                 "Rack: B 12"):
        assert line in out.splitlines()
    assert out.index("Rack: B 12") < out.index("tests of")


def test_the_page_has_them():
    text = Outline(htmlreport.render(schema.check(finishedrun.DATA))).words()
    head = text[:text.index("Acceptance")]
    text = text[:text.index("What was tested")]
    assert "sample 17" in head
    assert "Operator A. Person Project X400 refresh Rack B 12" in text


def test_a_report_without_them_is_one_too():
    data = {name: x for name, x in finishedrun.DATA.items()
            if name not in ("record", "fleet", "interference")}
    data["targets"] = [{name: x for name, x in one.items()
                        if name not in ("sample", "seat", "neighbour")}
                       for one in data["targets"]]
    schema.check(data)
    for text in ("\n".join(textreport.lines(data)), htmlreport.render(data),
                 junitreport.text(data), markdownreport.text(data)):
        assert "Operator" not in text and "sample 17" not in text


# junit

@pytest.fixture(scope="module")
def full():
    return qualifydata.report(targets=2)


WORDS = {"pass": None, "fail": "Failure", "not measured": "Skipped"}
STATES = {"done": None, "failed": "Failure", "stopped": "Skipped",
          "not run": "Skipped"}


def test_junit_has_a_case_for_each_limit_check_and_test(full):
    text = junitreport.text(full)
    check_xsd(ElementTree.fromstring(text))
    found = cases(text)
    titles = {(target["name"], test["name"]): f"{target['name']}: "
              f"{test['title']}" for target in full["targets"]
              for test in target["tests"]}
    for target, test, check in phrases.checks(full):
        suite = titles[target["name"], test["name"]] if test \
            else target["name"]
        assert found.pop((suite, check["title"])) == WORDS[check["result"]]
    for one in full["limits"]:
        suite = titles.get((one["target"], one["test"]), one["target"])
        name = f"{one['cell']}: {one['key']}" if one["cell"] else one["key"]
        assert found.pop((suite, name)) == WORDS[one["result"]]
    for target in full["targets"]:
        for test in target["tests"]:
            assert found.pop((titles[target["name"], test["name"]], "the test "
                              "was run")) == STATES[test["state"]]
    assert found == {
        ("qualification", "finished"): None,
        ("qualification", "the figures are those of the profile"): None}


def test_junit_says_why_and_how_long(full):
    whole = ElementTree.fromstring(junitreport.text(full))
    failed = [one.get("message") for one in whole.iter("failure")]
    assert "is 644,490, asked for ≥ 700,000; the bound 644,490 is below the " \
        "limit." in failed
    test = full["targets"][0]["tests"][0]
    suite = whole.find(f"testsuite[@name='/dev/nvme0n1: {test['title']}']")
    assert float(suite.get("time")) == pytest.approx(test["seconds"])
    told = {one.get("name"): one.get("value")
            for one in whole.iter("property")}
    assert told["Operator"] == "A. Person" and told["Rack"] == "B 12"
    assert told["Sample"] == "18" and told["Firmware"] == "GDC5602Q"


@pytest.mark.parametrize("changes, case, state", [
    ({"finished": False}, "finished", "Failure"),
    ({"profile": {**finishedrun.DATA["profile"], "scaled": True}},
     "the figures are those of the profile", "Skipped")])
def test_junit_of_a_run_that_qualifies_nothing(changes, case, state):
    found = cases(junitreport.text({**finishedrun.DATA, **changes}))
    assert found["qualification", case] == state


# markdown

def test_markdown_has_the_limits_the_checks_and_the_tests(full):
    text = markdownreport.text(full)
    page = rendered(text)
    rows = tables(page)
    for one in full["limits"]:
        row = next(row for row in rows if row[:2] == [
            phrases.where(one, full), phrases.metric_of(one)]
            and row[2] == phrases.bar(one))
        assert row[3] == phrases.bound(one)
        assert row[4].startswith(f"{phrases.MARKS[one['result']]} "
                                 f"{one['result']}")
    names = [row[0] for row in rows]
    for target in full["targets"]:
        for test in target["tests"]:
            assert f"{target['name']}, {test['title']}" in names
    words = html.unescape(re.sub("<[^>]*>", "", page))
    for _, _, check in phrases.checks(full):
        assert f"{check['title']}: {check['text']}" in words
    loud = words[:words.index("Checks that passed")]
    assert "7 of 4,096 writes past the end" in loud
    assert "0 mismatches" not in loud
    assert "Operator A. Person; Project X400 refresh" in words
    assert "Sample 18; Device EXAMPLE" in words


def test_markdown_says_first_what_it_is_worth():
    text = markdownreport.text({**finishedrun.DATA, "finished": False})
    assert text.startswith(f"**{phrases.SCALED}**")
    assert "**Stopped early" in text.partition("| test")[0]


@pytest.mark.parametrize("attack", hostile.OF_A_PAGE)
def test_hostile_text_changes_nothing(attack):
    data = qualifydata.poisoned(attack)
    twin = qualifydata.poisoned("x")
    data["record"] = {"operator": attack, "fields": {attack: attack}}
    twin["record"] = {"operator": "x", "fields": {"x": "x"}}
    text = junitreport.text(data)
    check_xsd(ElementTree.fromstring(text))
    results = [sorted(map(str, cases(junitreport.text(one)).values()))
               for one in (data, twin)]
    assert results[0] == results[1]
    assert not set(text) & {chr(n) for n in range(32) if n != 10}

    def tags(one):
        return re.findall(r"</?[a-z0-9]+", rendered(markdownreport.text(one)))
    assert tags(data) == tags(twin)


# As users have them

def run(*words):
    return subprocess.run([QUALIFY, *map(str, words)], capture_output=True,
                          text=True, timeout=300, check=False)


def test_a_field_by_any_name_is_made_fit_to_show(tmp_path):
    """Masses of figures are not looked through; a text of that name is."""
    data = qualifydata.report(targets=1)
    data["record"] = {"operator": None, "fields": {
        name: "a\x1b[2Jb\ufffe" for name in ("pairs", "bins", "other")}}
    ElementTree.fromstring(junitreport.text(data))
    for text in (markdownreport.text(data), htmlreport.render(data),
                 "\n".join(textreport.lines(data))):
        assert "\x1b" not in text and "\ufffe" not in text


def test_export_of_a_run_leaves_it_as_it_is(tmp_path):
    path = finishedrun.make(tmp_path / "out")
    before = sorted(os.listdir(path))
    done = run("export", path, "--format", "junit", "--format",
               f"markdown={tmp_path}/x.md")
    assert done.returncode == 0, done.stderr
    assert done.stdout == junitreport.text(finishedrun.DATA)
    assert (tmp_path / "x.md").read_text() == markdownreport.text(
        finishedrun.DATA)
    assert sorted(os.listdir(path)) == before
    assert run("verify", path).returncode == 0
    damaged = {**finishedrun.DATA, "limits": 3}
    (path / "qualify.json").write_text(json.dumps(damaged))
    done = run("export", path, "--format", "junit")
    assert done.returncode == 2 and "is damaged: limits" in done.stderr


@pytest.mark.fio
def test_a_run_has_them_all(qualify, shm):
    path = os.path.join(shm, "target")
    with open(path, "wb") as file:
        file.truncate(32 << 20)
    qualify.spec.write_text(GOOD + qualify.spec.read_text())
    done = qualify("--target", path, "--destroy-data", "--profile", "quick",
                   "--tests", "xsr", "--engine", "psync", "--no-pdf", "--spec",
                   qualify.spec, "--operator", "A. Person", "--sample", "17",
                   "--format", "junit", "--format", "markdown=-")
    assert done.returncode == 0, done.stderr
    report = qualify.report()
    assert report["record"] == {"operator": "A. Person", "fields": {
        "project": "X400 refresh", "test order": "4711", "room": "2.5"}}
    assert report["targets"][0]["sample"] == "17"
    assert report["targets"][0]["seat"] is None and report["fleet"] is None
    found = cases((qualify.out / "report.junit.xml").read_text())
    assert found[f"{path}: {report['targets'][0]['tests'][0]['title']}",
                 "1: 1M sequential write: max_mean_us"] is None
    assert "Operator `A. Person`" in done.stdout
    assert "Test order: 4711" in (qualify.out / "report.txt").read_text()
    assert run("verify", qualify.out).returncode == 0
    # Who goes on with it leaves no report that is older than the others.
    (qualify.out / "manifest.sha256").unlink()
    for name in ("report.pdf", "report.junit.xml"):
        (qualify.out / name).write_text("old")
    done = qualify("--resume", qualify.out, "--no-pdf")
    assert done.returncode == 0, done.stderr
    assert cases((qualify.out / "report.junit.xml").read_text()) == found
    assert not (qualify.out / "report.pdf").exists()

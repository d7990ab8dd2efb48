# SPDX-License-Identifier: GPL-2.0-only
# qualify.json: what is right is read, what is wrong is refused with a sentence
# that names the place, and the page that describes it names every field.
import copy
import json

import pytest

import jsonchecks
import manydevices
import qualifydata
import shorterdata
import tailsdata
from fiolab.base.problem import Problem
from fiolab.qualify.report import schema

GOOD = tailsdata.report()
PAGE = (jsonchecks.DOCS / "qualify-schema.md").read_text()
CELL = "targets.0.tests.0.cells.0"
PHASE = "targets.0.tests.0.phases.1"


def changed(path, value):
    return jsonchecks.changed(GOOD, path, value)


def refused(data, *words):
    return jsonchecks.refused(schema.check, data, *words)


def test_a_report_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "qualify.json"
    path.write_text(json.dumps(GOOD, allow_nan=False))
    assert schema.load(path) == GOOD


@pytest.mark.parametrize("data", [
    qualifydata.scaled(), qualifydata.passed(), changed("limits", []),
    changed("targets", []) | {"limits": []}, changed("spec", None),
    changed("against", None), changed("ab", None), changed("kaio", None),
    changed(f"{CELL}.latency", None), changed(f"{CELL}.values", {}),
    changed(f"{CELL}.why", "the blocks of the device are larger"),
    changed(f"{CELL}.values.iops.low", None),
    changed(f"{PHASE}.rounds.0.start", 1790000000.5),
    changed(f"{PHASE}.steady.tracked.0.mean", None),
    changed("targets.0.smart", {"before": None, "after": None,
                                "why": "no tool"}),
    changed("targets.0.identity", {}), changed("later_field", {"a": [1]}),
    changed("targets.0.path", "/tmp/\udcff")])
def test_what_is_allowed(data):
    assert schema.check(data) is data


@pytest.mark.parametrize("path, value, place", [
    ("result", "passed", "result is none of pass, fail, not measured"),
    ("finished", 1, "finished is neither true nor false"),
    ("targets", {}, "targets is not a list"),
    ("targets.0.size_bytes", 1.5, "targets[0].size_bytes is not a whole"),
    ("targets.0.tests.0.state", "ok", "targets[0].tests[0].state is none of"),
    ("targets.0.tests.0.group", "x", "tests[0].group is none of"),
    ("targets.0.tests.0.name", "wsat", "targets[0].tests share a name"),
    (f"{CELL}.name", "64K 100/0", "tests[0].cells share a name"),
    (f"{CELL}.values.iops.n", -1, "cells[0].values.iops.n is not from 0"),
    (f"{CELL}.values.iops.mean", "1", "values.iops.mean is not a number"),
    (f"{CELL}.values.iops.mean", float("nan"), "not a finite number"),
    (f"{CELL}.values.iops.mean", float("inf"), "not a finite number"),
    (f"{CELL}.values.iops.sources", KeyError, "iops.sources is missing"),
    (f"{CELL}.stimulus.rw", None, "stimulus.rw is not text"),
    (f"{PHASE}.rounds.0.results.0.values.iops", True, "iops is not a number"),
    (f"{PHASE}.steady.tracked.0.holds", None, "holds is neither true"),
    (f"{PHASE}.steady.tracked.0.series", [1, "2"], "series[1] is not a numb"),
    ("targets.0.tests.0.grids.0.z", [[1]], "grids[0].z is not y by x"),
    ("targets.0.tests.8.tables.0.rows", [[1]], "tables[0].rows are not as"),
    ("targets.0.tests.8.tables.0.rows", [[[]] * 4], "rows[0][0] is not a n"),
    ("targets.0.tests.2.cells.9.latency.bins", [[2, 1], [2, 1]],
     "latency.bins is not in ascending order"),
    ("targets.0.tests.7.checks.0.result", "ok", "checks[0].result is none"),
    ("limits.0.target", "/dev/other", "limits[0].target is none of the"),
    ("limits.0.result", "maybe", "limits[0].result is none of"),
    ("spec.confidence", 95, "spec.confidence is not from 0 to 1"),
    ("against.rows.0.ci95", [2.0, 1.0], "against.rows[0].ci95 ends before"),
    ("against.rows.0.ratio", 0, "against.rows[0].ratio is not above 0"),
    ("against.other.path", 7, "against.other.path is not text"),
    ("ab.verdicts.0.this", "x", "ab.verdicts[0].this is none of"),
    ("ab.rows", None, "ab.rows is not a list"),
    ("environment", None, "environment is not an object"),
    ("profile.scaled", None, "profile.scaled is neither true nor false")])
def test_what_is_damaged_is_named(path, value, place):
    refused(changed(path, value), "is damaged: ", place)


def test_targets_have_names_of_their_own():
    data = copy.deepcopy(GOOD)
    data["targets"] *= 2
    refused(data, "targets share a name")


@pytest.mark.parametrize("data", [None, [], 7, "x", {}, {"a": 1}])
def test_what_is_no_report(data):
    refused(data, "is not a report of jobs/qualify")


@pytest.mark.parametrize("version", ["kaio-qualify/2", "kaio-ab/1", None, 1,
                                     "x" * 5000, "<script>\n"])
def test_another_version_is_refused(version):
    refused(changed("schema", version), "only 'kaio-qualify/1'")


@pytest.mark.parametrize("content", [
    b"", b"{", b"\xff\xfe", b'{"schema": NaN}', b"[" * 200000,
    json.dumps(GOOD).encode()[:-9]])
def test_what_is_not_json(content, tmp_path):
    path = tmp_path / "qualify.json"
    path.write_bytes(content)
    with pytest.raises(Problem, match="is not JSON.*qualify.json"):
        schema.load(path)


@pytest.mark.parametrize("name", ["none.json", ".", "a\nb\udcff"])
def test_a_file_that_cannot_be_read(name, tmp_path):
    with pytest.raises(Problem, match="^cannot read .*[.]$"):
        schema.load(tmp_path / name)


def test_the_page_names_every_field():
    assert jsonchecks.unnamed(PAGE, "qualify") == []


def test_the_page_names_no_other_field():
    """Of the tables, that is; the report has every one of them, or that of
    several devices, or of less time."""
    names = jsonchecks.fields(PAGE)
    assert len(names) > 100
    assert sorted(set(names) - jsonchecks.keys(GOOD) - jsonchecks.keys(
        qualifydata.several(manydevices.slow_one())) - jsonchecks.keys(
            shorterdata.report())) == []


def test_the_page_states_the_version():
    assert f"`{schema.REPORT.version}`" in PAGE

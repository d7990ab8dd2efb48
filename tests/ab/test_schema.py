# SPDX-License-Identifier: GPL-2.0-only
# report.json: what is right is read, what is wrong is refused with a sentence
# that names the place, and the page that describes it names every field.
import json
from pathlib import Path
import subprocess

import pytest

ROOT = Path(__file__).resolve().parents[2]
import abreport
import jsonchecks
from fiolab.ab import schema
from fiolab.base.problem import Problem

GOOD = abreport.typical()
GOOD["cells"][1] = abreport.as_duet(GOOD["cells"][1], parts=True)
GOOD["cells"][0] |= {"pairing": "alternate", "duet": None, "no_duet": "why"}
GOOD["cells"][0]["target"]["written"] = {
    "share": 1.0, "bytes": 256 << 20, "compressed": 0.0}
PAGE = (jsonchecks.DOCS / "report-schema.md").read_text()


def changed(path, value):
    return jsonchecks.changed(GOOD, path, value)


def refused(data, *words):
    return jsonchecks.refused(schema.check, data, *words)


def test_a_report_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps(GOOD, allow_nan=False))
    assert schema.load(path) == GOOD


@pytest.mark.parametrize("data", [
    abreport.report([]), changed("cells.0.effects.0.ci95", None),
    changed("cells.0.effects.0.aa", None),
    changed("cells.0.pairs.0.values.A.iops", None),
    changed("cells.0.pairs.0.values.A.ctx", 0),
    changed("cells.0.later_field", {"a": [1]}),
    changed("self_check", {"found": True}),
    changed("cells.0.target.path", "/tmp/\udcff")])
def test_what_is_allowed(data):
    assert schema.check(data) is data


@pytest.mark.parametrize("path, value, place", [
    ("cells.0.effects.1.ci95", [1.0], "cells[0].effects[1].ci95"),
    ("cells.0.effects.1.ci95", [1.2, 1.1], "ends before it begins"),
    ("cells.0.effects.1.ratio", 0, "effects[1].ratio is not above 0"),
    ("cells.0.effects.1.ratio", float("nan"), "not a finite number"),
    ("cells.0.effects.1.ratio", float("inf"), "not a finite number"),
    ("cells.0.effects.1.ratio", True, "is not a number"),
    ("cells.0.effects.1.p", 1.5, "is not from 0 to 1"),
    ("cells.0.effects.1.verdict", KeyError, "effects[1].verdict is missing"),
    ("cells.0.effects.1.n", 21, "more pairs than the 20"),
    ("cells.0.pairs.3.pair", 4, "has a pair twice"),
    ("cells.0.pairs.3.order", "BB", "none of AB, BA"),
    ("cells.0.pairs.3.values.B", KeyError, "values.B is missing"),
    ("cells.0.pairs.3.values.B.iops", "1", "values.B.iops is not a number"),
    ("cells.0.pairs.3.values.A'", KeyError, "values.A' is missing"),
    ("cells.0.pairs.3.values.A'.iops", -5, "A'.iops is not from 1e-30"),
    ("cells.0.pairs.3.values.A.cpu_us", 0, "A.cpu_us is not from 1e-30"),
    ("cells.0.pairs.3.values.B.later", "x", "B.later is not a number"),
    ("cells.0.latency.read.A.bins", [[2, 1], [2, 1]], "ascending order"),
    ("cells.0.latency.read.A.percentiles", {"x": 1}, "not a percentile"),
    ("cells.0.b", "C", "not the letter of a side"),
    ("cells.0.b", "A", "not the letter of a side"),
    ("cells.1.id", 0, "share an id"),
    ("cells.0.command", [], "is not an object"),
    ("cells.0.job_text", None, "job_text is not text"),
    ("cells", {}, "cells is not a list"),
    ("sides.1.letter", "C", "not lettered"),
    ("finished", 1, "neither true nor false"),
    ("seed", -1, "seed is not from 0"),
    ("pairs", 2.5, "not a whole number"),
    ("seed", 10 ** 400, "not a finite number"),
    ("environment", None, "environment is not an object"),
    ("title", 7, "title is not text")])
def test_what_is_damaged_is_named(path, value, place):
    refused(changed(path, value), "is damaged: ", place)


def test_one_side_is_no_comparison():
    refused(changed("sides", GOOD["sides"][:1]), "not lettered")


@pytest.mark.parametrize("data", [None, [], 7, "x", {}, {"a": 1}])
def test_what_is_no_report(data):
    refused(data, "is not a report of jobs/ab")


@pytest.mark.parametrize("version", ["kaio-ab/2", "kaio-ab/", None, 1, [1],
                                     "x" * 5000, "<script>\n"])
def test_another_version_is_refused(version):
    refused(changed("schema", version), "only 'kaio-ab/1'")


def test_a_hostile_name_stays_in_the_sentence():
    data = changed("cells.0.pairs.0.values.A", {"\n\x1b[31m" * 90: "x"})
    refused(data, "is damaged")


@pytest.mark.parametrize("content", [
    b"", b"{", b"\xff\xfe", b"NaN", b'{"schema": NaN}', b"[" * 200000,
    b'{"schema": "kaio-ab/1", "a": Infinity}', b"1" * 5000,
    json.dumps(GOOD).encode()[:-9]])
def test_what_is_not_json(content, tmp_path):
    path = tmp_path / "report.json"
    path.write_bytes(content)
    with pytest.raises(Problem, match="is not JSON") as caught:
        schema.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["none.json", ".", "a\nb\udcff"])
def test_a_file_that_cannot_be_read(name, tmp_path):
    with pytest.raises(Problem, match="^cannot read .*[.]$"):
        schema.load(tmp_path / name)


def test_the_page_names_every_field():
    assert jsonchecks.unnamed(PAGE, "report", "common") == []


def test_the_page_names_no_other_field():
    """Of the tables, that is; the report has every one of them."""
    names = jsonchecks.fields(PAGE)
    assert len(names) > 50
    assert sorted(set(names) - jsonchecks.keys(GOOD)) == []


def test_the_page_states_the_version():
    assert f"`{schema.REPORT.version}`" in PAGE


@pytest.mark.parametrize("name", ["common", "report", "campaign", "qualify",
                                  "plan"])
def test_what_is_required_is_described(name):
    for one in jsonchecks.schema_records(name):
        assert set(one.get("required", ())) <= set(one["properties"]), one


def test_the_pages_are_those_of_the_schemas():
    subprocess.run([ROOT / ".ci" / "schema-pages", "--check"], check=True)

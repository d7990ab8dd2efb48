# SPDX-License-Identifier: GPL-2.0-only
# The forms of report.json for other programs: each is read by a program that
# is not ours, or held to its published rules, and names cannot break any.
import csv
import html
import io
import json
import os
import re
from xml.etree import ElementTree

import junitparser
import numpy as np
from prometheus_client.openmetrics import parser as openmetrics_parser
from prometheus_client.parser import text_string_to_metric_families
import pytest

import abreport
from abrun import FAST
from consumers import cases, check_xsd, rendered, tables
import hostile

from fiolab.ab import schema
from fiolab.ab.report import (csvreport, failing, fioplot, junitreport,
                              markdownreport, openmetrics)
from fiolab.base import files
from fiolab.base.problem import Problem
from fiolab.report import markdown, spreadsheet, wording

EFFECTIVE = "[global]\nioengine=libaio\n[a]\nrw={}\nbs={}\niodepth={}\n"


def with_jobs(data, *texts):
    """The report, its cells' effective job files these; fio's CPU times."""
    for cell, text in zip(data["cells"], texts):
        cell["effective"] = {role: text for role in "AB"}
        cell["fio_cpu"] = {role: {"usr": 10.5, "sys": 50.25} for role in "AB"}
    return data


@pytest.fixture
def report():
    return with_jobs(abreport.typical(), EFFECTIVE.format("randread", "4k", 64),
                     EFFECTIVE.format("randread", "4k", 1))


@pytest.fixture(params=hostile.OF_A_PAGE)
def attack(request):
    """A report in which all free text is hostile, and still one by schema."""
    data = hostile.poison(
        with_jobs(abreport.typical(), *[EFFECTIVE.format("randread", "4k", 1)
                                        ] * 2),
        lambda text: request.param + text, {*hostile.FIXED, "effective"})
    return schema.check(json.loads(json.dumps(data)))


def judged(data, metric, verdict):
    for cell in data["cells"]:
        for effect in cell["effects"]:
            if effect["metric"] == metric:
                effect["verdict"] = verdict
    return data


# csv

def records(text):
    """The records of RFC 4180, by its grammar."""
    field = r'(?:"(?:[^"]|"")*"|[^",\r\n]*)'
    record = re.compile(rf"({field}(?:,{field})*)\r\n")
    found, end = [], 0
    while end < len(text):
        match = record.match(text, end)
        assert match, f"no record at {text[end:end + 80]!r}"
        found.append([one[1:-1].replace('""', '"') if one[:1] == '"' else one
                      for one in re.findall(rf"({field})(?:,|$)", match[1])
                      ][:len(csvreport.COLUMNS)])
        end = match.end()
    return found


def test_csv_is_that_of_rfc_4180(attack):
    text = csvreport.text(attack)
    found = records(text)
    assert found[0] == list(csvreport.COLUMNS)
    assert {len(one) for one in found} == {len(csvreport.COLUMNS)}
    assert found == list(csv.reader(io.StringIO(text, newline="")))
    effects = sum(len(cell["effects"]) for cell in attack["cells"])
    assert len(found) == 1 + effects
    assert not any(value.startswith(spreadsheet.FORMULA) and not re.fullmatch(
        r"-?[0-9.e+-]+", value) for one in found[1:] for value in one)


# junit

def test_junit_has_a_case_for_each_cell_and_metric(report):
    text = junitreport.text(report)
    check_xsd(ElementTree.fromstring(text))
    found = cases(text)
    effects = [(cell, effect) for cell in report["cells"]
               for effect in cell["effects"]]
    assert len(found) == len(effects) + 1
    names = wording.cell_names(report)
    for cell, effect in effects:
        result = found[f"{names[cell['id']]}: kaio against libaio",
                       effect["name"]]
        assert result == ("Skipped" if effect["verdict"] in wording.OPEN
                          else None)
    assert found["campaign", "finished"] is None


@pytest.mark.parametrize("metric, verdict, words, result", [
    ("iops", "slower", None, "Failure"), ("iops", "slower", [], None),
    ("iops", "slower", ["more-cpu"], None), ("iops", "faster", None, None),
    ("cpu_us", "more CPU", None, "Failure"),
    ("lat_p99_us", "longer", None, "Failure"),
    ("iops", "inconclusive", None, "Skipped"),
    ("iops", "inconclusive", ["inconclusive"], "Failure"),
    ("cpu_us", "no verdict", ["slower", "inconclusive"], "Failure"),
    ("lat_p50_us", "inconclusive", ["inconclusive"], "Skipped"),
    ("bw_mib", "less bandwidth", None, None)])
def test_a_case_fails_by_the_rules_of_fail_if(report, metric, verdict, words,
                                              result):
    text = junitreport.text(judged(report, metric, verdict), words)
    name = report["cells"][0]["effects"][
        list(abreport.METRICS).index(metric)]["name"]
    assert {found for (_, case), found in cases(text).items()
            if case == name} == {result}
    whole = junitparser.JUnitXml.fromstring(text.encode())
    assert whole.failures == sum(suite.failures for suite in whole)
    if metric != "iops" or words is None:
        return
    said = failing.failures(report, words)
    assert len(said) == (2 if result == "Failure" else 0)


def test_what_junit_cannot_pass(report):
    report["finished"] = False
    for cell in report["cells"]:
        cell["effects"] = [e for e in cell["effects"]
                           if e["metric"] != "cpu_us"]
    found = cases(junitreport.text(report, ["more-cpu"]))
    assert found["campaign", "finished"] == "Failure"
    assert found["campaign", "more-cpu can be told"] == "Failure"
    said = " ".join(failing.failures(report, ["more-cpu"]))
    assert "not finished" in said and "more-cpu" in said
    assert failing.failures(report, []) == []


@pytest.mark.parametrize("words", [["slower"], ["inconclusive"]])
def test_a_cell_without_a_pair_passes_nothing(report, words):
    """Time may be up before all cells had one."""
    cell = report["cells"][0]
    cell["effects"], cell["pairs"] = [], []
    said = " ".join(failing.failures(report, words))
    assert f"{cell['target']['label']}): no pair was measured" in said
    name = f"{wording.cell_names(report)[cell['id']]}: kaio against libaio"
    for named, result in ((words, "Failure"), (None, "Skipped")):
        found = cases(junitreport.text(report, named))
        assert found[name, "measured"] == result


def of_a_duet(data):
    """The first cell, as a duet has it: CPU time is what it tells."""
    cell = data["cells"][0]
    cell["pairing"] = "duet"
    cell["effects"] = [e for e in cell["effects"] if e["metric"] == "cpu_us"]
    return cell


def test_what_fails_in_a_duet(report):
    """Where a duet is alone, slower is more CPU, from which IOPS follow."""
    cell = of_a_duet(report)
    report["cells"] = [cell]
    cell["effects"][0]["verdict"] = "more CPU"
    assert len(failing.failures(report, ["slower"])) == 1
    assert "Failure" in cases(junitreport.text(report)).values()
    assert "longer can be told" not in str(cases(junitreport.text(report)))
    said, = failing.failures(report, ["longer"])
    assert "tells longer" in said
    cell["effects"][0]["verdict"] = "less CPU"
    assert failing.failures(report, ["slower", "inconclusive"]) == []


def test_a_duet_and_its_alternating_cell_have_their_metrics(report):
    cell, other = of_a_duet(report), report["cells"][1]
    other["target"] = cell["target"]
    for effect in (*cell["effects"], *other["effects"]):
        effect["verdict"] = {"cpu_us": "more CPU", "iops": "slower"}.get(
            effect["metric"], "equivalent")
    assert len(failing.failures(report, ["slower"])) == 1
    assert len(failing.failures(report, ["more-cpu"])) == 1


def test_junit_of_a_hostile_report(attack):
    text = junitreport.text(attack)
    check_xsd(ElementTree.fromstring(text))
    # Two cells of one name are not told apart by it, but their cases are.
    whole = junitparser.JUnitXml.fromstring(text.encode())
    effects = sum(len(cell["effects"]) for cell in attack["cells"])
    assert sum(len(list(suite)) for suite in whole) == effects + 1
    assert not set(text) & {chr(n) for n in range(32) if n != 10}


# markdown

def test_markdown_is_a_table_of_the_primary_metrics(report):
    text = markdownreport.text(report)
    found = tables(rendered(text.partition("<details>")[0]))
    assert found[0] == ["cell", "metric", "A", "B", "B vs A", "95% CI",
                        "verdict"]
    names = wording.cell_names(report)
    assert found[1:] == [
        [names[cell["id"]], effect["name"],
         *(wording.figure(effect["median"][role]) for role in "AB"),
         wording.percent(effect["ratio"]), wording.span(effect["ci95"]),
         f"{wording.MARKS[wording.tone(effect)]} {effect['verdict']}"]
        for cell in report["cells"] for effect in wording.primaries(cell)]
    assert len(tables(rendered(text))) == 2 + sum(
        len(cell["effects"]) for cell in report["cells"])


def test_markdown_says_how_pairs_were_made(report):
    """Folded, and nothing where there is nothing to say."""
    assert "How the pairs" not in markdownreport.text(report)
    first, second = report["cells"]
    report["cells"] = [abreport.as_duet(first, parts=True),
                       {**second, "no_duet": "its jobs | do not begin"}]
    page = " ".join(html.unescape(re.sub("<[^>]*>", " ", rendered(
        markdownreport.text(report)))).split())
    assert "How the pairs were made" in page
    assert "three at once on one CPU (a duet)" in page
    assert "effect of the third of the target" in page
    assert "no duet: its jobs | do not begin" in page


@pytest.mark.parametrize("pairs, level, stopped", [
    (20, "90%", "a verdict needs all of them"),
    (None, "99%", "the verdicts that are reached hold")])
def test_markdown_says_by_which_rule(report, pairs, level, stopped):
    report.update(pairs=pairs, max_time_s=60)
    text = markdownreport.text(report)
    assert f"else equivalent if the {level} CI" in rendered(text)
    assert "Stopped early" not in text
    report["finished"] = False
    assert stopped in rendered(markdownreport.text(report))


@pytest.mark.parametrize("name", [
    *hostile.ATTACKS, "a|b", "`|`", "``", "`a", "a\\|b", "\\", "@user", "#12",
    "http://x.y", "www.x.y", "  a", "**b**", "a\\", "|", "<b>", "[a](b)"])
def test_a_name_is_in_its_cell_as_it_is(name):
    row = f"| a | b |\n|--|--|\n| {markdown.code(name)} | x |\n"
    page = rendered(row)
    seen = " ".join(wording.short(name, 200).split())
    assert [" ".join(cell.split()) for cell in tables(page)[1]] == [seen, "x"]
    assert "<a " not in page and page.count("<code>") == 1
    page = rendered(f"| a | b |\n|--|--|\n| {markdown.plain(name)} | x "
                    "|\n")
    assert not re.search("<(?!/?(table|thead|tbody|tr|th|td)[> ])", page)
    assert [" ".join(cell.split()) for cell in tables(page)[1]] == [
        " ".join(wording.line(name).split()), "x"]


def tags(text):
    return re.findall(r"</?[a-z0-9]+", rendered(text))


def test_markdown_of_a_hostile_report(attack):
    harmless = with_jobs(abreport.typical(), "", "")
    assert tags(markdownreport.text(attack)) == tags(
        markdownreport.text(harmless))


# openmetrics

def samples(text):
    return [one for family in
            openmetrics_parser.text_string_to_metric_families(text)
            for one in family.samples]


def test_openmetrics_is_read_by_prometheus_own_parser(report):
    text = openmetrics.text(report)
    families = {family.name: family for family in
                openmetrics_parser.text_string_to_metric_families(text)}
    assert {family.type for family in families.values()} == {"gauge"}
    assert {name: families[name].unit for name in families} == {
        name: unit for name, (unit, _) in openmetrics.FAMILIES.items()
        if name in families}
    cell, = (cell for cell in report["cells"] if cell["id"] == 1)
    for effect in cell["effects"]:
        value, = (one.value for one in families["kaio_ab_effect_ratio"].samples
                  if one.labels["cell"] == "1"
                  and one.labels["metric"] == effect["metric"])
        assert value == effect["ratio"]
    assert sum(one.value for one in families["kaio_ab_verdict"].samples) == sum(
        len(cell["effects"]) for cell in report["cells"])
    assert text.endswith("\n# EOF\n")


def test_the_older_format_of_prometheus_is_read_alike(report):
    text = openmetrics.text(report)
    older = [(one.name, one.labels, one.value) for family in
             text_string_to_metric_families(text) for one in family.samples]
    assert older == [(one.name, one.labels, one.value)
                     for one in samples(text)]


def test_openmetrics_of_a_hostile_report(attack):
    text = openmetrics.text(attack)
    assert not set(text) & {chr(n) for n in range(32) if n != 10}
    found = [one for one in samples(text)
             if one.name == "kaio_ab_effect_ratio"]
    cells = attack["cells"]
    assert len(found) == sum(len(cell["effects"]) for cell in cells)
    for one in found:
        cell, = (c for c in cells if str(c["id"]) == one.labels["cell"])
        assert one.labels["job"] == wording.clean(cell["job"]).replace(
            "\t", "\\t")


# fio-plot

# What fio-plot 1.1.16 takes of a file, in jsonimport.py, jsonparsing.py and
# jsonparsing_support.py; a file is looked for by these three options.
ASKED = ("rw", "iodepth", "numjobs")
TAKEN = ("latency_ms", "latency_us", "latency_ns", "usr_cpu", "sys_cpu",
         "jobname")


def read_as_fio_plot(path, way):
    """The row that fio-plot makes of a file."""
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    assert {"fio version", "global options", "jobs"} <= set(data)
    job, = data["jobs"]
    options = {**job["job options"], **data["global options"]}
    row = {name: options[name] for name in (*ASKED, "bs")}
    row |= {name: job[name] for name in TAKEN}
    one = job[way]
    row |= {name: one[name] for name in ("bw", "iops", "iops_stddev")}
    row |= {"lat": one["lat_ns"]["mean"], "lat_stddev": one["lat_ns"]["stddev"]}
    assert path.endswith("{rw}-{iodepth}-{numjobs}.json".format(**row))
    return row


def files_in(folder):
    return sorted(os.path.relpath(os.path.join(where, name), folder)
                  for where, _, names in os.walk(folder) for name in names)


def test_fio_plot_finds_a_file_for_each_depth(report, tmp_path):
    report["cells"][1]["target"] = report["cells"][0]["target"]
    fioplot.write(report, str(tmp_path))
    place = "kaio-ab-00000000.tmp"
    assert files_in(tmp_path) == sorted(
        f"{place}/{side}/4k/randread-{depth}-1.json"
        for side in ("A-libaio", "B-kaio") for depth in (1, 64))
    row = read_as_fio_plot(f"{tmp_path}/{place}/B-kaio/4k/randread-64-1.json",
                           "read")
    cell = report["cells"][0]
    effects = {effect["metric"]: effect for effect in cell["effects"]}
    both = cell["latency"]["read"]["B"]
    assert row["iops"] == pytest.approx(effects["iops"]["median"]["B"])
    assert row["bw"] == pytest.approx(
        effects["bw_mib"]["median"]["B"] * 1024, abs=1)
    assert row["lat"] == both["mean_ns"] and row["usr_cpu"] == 10.5
    shares = [row["latency_" + unit].values() for unit in ("ns", "us", "ms")]
    assert sum(map(sum, shares)) == pytest.approx(100)
    values = np.repeat(*zip(*both["bins"]))
    assert row["lat_stddev"] == pytest.approx(values.std(), rel=0.05)
    assert row["latency_us"]["500"] == pytest.approx(100 * np.mean(
        (values >= 250e3) & (values < 500e3)))


def test_a_mixed_load_is_shared_by_its_counts(report, tmp_path):
    report["cells"] = report["cells"][:1]
    with_jobs(report, EFFECTIVE.format("randrw:8", "4k", 8))
    cell, = report["cells"]
    third = abreport.latency_of(np.random.default_rng(3), 90000, n=20000)
    cell["latency"]["write"] = {role: third for role in "AB"}
    fioplot.write(report, str(tmp_path))
    rows = [read_as_fio_plot(f"{tmp_path}/kaio-ab-00000000.tmp/A-libaio/4k/"
                             "randrw-8-1.json", way)
            for way in ("read", "write")]
    assert rows[0]["iops"] == pytest.approx(2 * rows[1]["iops"])
    assert sum(row["iops"] for row in rows) == pytest.approx(
        cell["effects"][0]["median"]["A"])


def test_files_of_both_ways_are_not_taken_for_reads(report):
    """fio-plot -r read takes all files whose names begin so."""
    with_jobs(report, *[EFFECTIVE.format("readwrite:4", "4k", 8)] * 2)
    found = fioplot.documents(report)
    assert {place[-1] for place in found} == {"rw-8-1.json"}
    assert {made["jobs"][0]["job options"]["rw"] for made in found.values()
            } == {"rw"}


def test_a_duet_has_no_iops_for_fio_plot(report, capsys):
    report["cells"][0]["pairing"] = "duet"
    assert {place[0] for place in fioplot.documents(report)} == {
        "kaio-ab-1.tmp"}
    assert "--pairing alternate" in capsys.readouterr().err


@pytest.mark.parametrize("text, word", [
    ("[a]\nrw=randread\n[b]\n", "2 jobs"), ("[a]\nrw=randtrim\n", "randtrim"),
    ("[a]\nrw=randrw\nbs=4k,8k\n", "block size"),
    ("[a]\niodepth=${X}\n", "iodepth is a variable"),
    ("[a]\nbs=${X}\n", "bs is a variable"),
    ("[a]\niodepth=1k\n", "iodepth=1k is no plain number")])
def test_what_fio_plot_has_no_place_for_is_said(report, tmp_path, capsys, text,
                                                word):
    with_jobs(report, text)
    fioplot.write(report, str(tmp_path))
    assert word in capsys.readouterr().err
    assert len(files_in(tmp_path)) == 2         # of the other cell
    with_jobs(report, text, text)
    with pytest.raises(Problem):
        fioplot.write(report, str(tmp_path))


def test_cells_that_would_share_a_file_have_folders(report):
    """As those of a matrix of what is no part of a file's name."""
    for cell, job in zip(report["cells"], ("a norandommap=0", "a/../b")):
        cell["job"], cell["target"] = job, report["cells"][0]["target"]
    with_jobs(report, *[EFFECTIVE.format("randread", "4k", 64)] * 2)
    places = fioplot.documents(report)
    assert len(places) == 4
    assert {place[1] for place in places} == {"a_norandommap=0", "a_.._b"}
    assert {place[2:] for place in places} == {      # fio-plot's labels
        (side, "4k", "randread-64-1.json") for side in ("A-libaio", "B-kaio")}


def test_targets_have_folders_of_their_own(report):
    """By their whole path where the last name is the same; B has its own."""
    a, b = report["cells"]
    a["target"] = {**a["target"], "path": "/dev/shm/f"}
    b["target"] = {**b["target"], "path": "/mnt/f"}
    b["target_b"] = {**b["target"], "path": "/mnt/g"}
    b["effective"]["B"] = EFFECTIVE.format("randread", "8k", 2)
    found = {"/".join(place): made["jobs"][0]["job options"]["bs"]
             for place, made in fioplot.documents(report).items()}
    assert found == {
        "1_dev_shm_f/A-libaio/4k/randread-64-1.json": "4k",
        "1_dev_shm_f/B-kaio/4k/randread-64-1.json": "4k",
        "2_mnt_f/A-libaio/4k/randread-1-1.json": "4k",
        "g/B-kaio/8k/randread-2-1.json": "8k"}


def test_fio_plot_of_a_hostile_report(attack, tmp_path):
    fioplot.write(attack, str(tmp_path / "x"))
    assert os.listdir(tmp_path) == ["x"]
    for name in files_in(tmp_path):
        assert re.fullmatch(r"[A-Za-z0-9_.,=+/-]+", name) and "/../" not in name
        read_as_fio_plot(f"{tmp_path}/{name}", "read")


# As users have them

@pytest.mark.fio
def test_a_campaign_writes_them_and_export_the_same(ab, shm, tmp_path):
    words = ["--format", "junit", "--format", "markdown", "--format",
             "openmetrics", "--format", f"csv={tmp_path}/x.csv"]
    done = ab("--a", "psync", "--b", "psync", "--matrix", "iodepth=1,2",
              "bs=4k,8k", "--target", f"{shm}/new", *FAST, "--pairs", "1",
              *words, "--format", "fio-plot")
    assert done.returncode == 0, done.stderr
    out = ab.out
    names = {"report.junit.xml", "report.md", "report.metrics.txt"}
    assert names < set(os.listdir(out))
    first = {name: (out / name).read_bytes() for name in names}
    assert (tmp_path / "x.csv").read_bytes() == (out / "report.csv"
                                                 ).read_bytes()
    assert files_in(out / "fio-plot") == sorted(
        f"new/{side}-psync/{bs}/randread-{depth}-1.json" for side in "AB"
        for bs in ("4k", "8k") for depth in (1, 2))
    for name in files_in(out / "fio-plot"):
        row = read_as_fio_plot(str(out / "fio-plot" / name), "read")
        assert row["sys_cpu"] > 0 and row["iops"] > 0
    for name in names:
        (out / name).unlink()
    done = ab("export", out, *words)
    assert done.returncode == 0, done.stderr
    assert {name: (out / name).read_bytes() for name in names} == first
    done = ab("export", out / "report.json", "--format", "markdown=-")
    assert done.stdout.encode() == first["report.md"]


@pytest.mark.fio
def test_fail_if_of_one_campaign_is_an_exit_status(ab, shm, tmp_path):
    words = ["--a", "psync", "--b", "psync", "--target", f"{shm}/new", *FAST,
             "--pairs", "1"]
    done = ab(*words, "--fail-if", "inconclusive", "--format", "junit")
    assert done.returncode == failing.STATUS
    assert "no verdict" in done.stderr.splitlines()[-1]
    found = cases((ab.out / "report.junit.xml").read_text())
    assert "Failure" in found.values()
    out = ab.out
    assert ab("export", out, "--format", f"junit={tmp_path}/y"
              ).returncode == 0
    assert ab("export", out, "--format", f"junit={tmp_path}/y", "--fail-if",
              "slower").returncode == 0
    assert ab("export", out, "--format", f"junit={tmp_path}/y", "--fail-if",
              "inconclusive").returncode == failing.STATUS


@pytest.mark.fio
@pytest.mark.parametrize("words, said", [
    (["--format", "xml"], "not NAME"), (["--format", "junit="], "not NAME"),
    (["--format", "fio-plot=-"], "folder"), ([], "--format")])
def test_mistakes_of_export_are_sentences(ab, tmp_path, words, said):
    done = ab("export", tmp_path, *words)
    assert done.returncode == 2 and said in done.stderr
    done = ab("export", tmp_path, "--format", "csv")
    assert done.returncode == 1 and "report.json" in done.stderr


def test_what_is_no_file_is_not_replaced(tmp_path):
    """A device of the user's, such as /dev/null, stays one; a link, too."""
    pipe, link, real = (tmp_path / name for name in ("pipe", "link", "real"))
    os.mkfifo(pipe)
    link.symlink_to(real)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        for path in (pipe, link):
            files.write_report(str(path), "a\r\n")
        assert os.read(reader, 9) == b"a\r\n" and pipe.is_fifo()
    finally:
        os.close(reader)
    assert link.is_symlink() and real.read_bytes() == b"a\r\n"
    with pytest.raises(Problem, match="it is a folder"):
        files.write_report(str(tmp_path), "")
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe", "real"]


@pytest.mark.parametrize("created", ["", "yesterday", "0000-00-00T00:00:00Z"])
def test_a_report_of_no_moment_is_damaged(created, report):
    report["created"] = created
    with pytest.raises(Problem, match="created is no date"):
        schema.check(report)

# SPDX-License-Identifier: GPL-2.0-only
# Does a figure rest on enough I/Os?  fiolab.fio.metrics.enough says so, and
# no table, file or limit has a percentile of fewer: here with rounds of which
# some have enough and others not.
import json

import pytest

import qualifydata
from fiolab.fio import metrics
from fiolab.qualify import cells, values
from fiolab.qualify.limits import judging, specfile
from fiolab.qualify.report import cellpage
from fiolab.qualify.suite import profiles
from fiolab.qualify.suite.model import Stimulus

NAME = "4K 0/100"


def entry(count, ns=1000):
    """fio's of a run of so many writes."""
    none = {"runtime": 0, "total_ios": 0, "io_bytes": 0, "lat_ns": {
        "N": 0, "mean": 0, "max": 0, "bins": {}}}
    some = {"runtime": 1000, "total_ios": count, "io_bytes": count << 12,
            "lat_ns": {"N": count, "mean": ns, "max": ns,
                       "bins": {str(ns): count}}}
    return {"jobname": NAME, "ctx": 1, "usr_cpu": 1, "sys_cpu": 1,
            "job_runtime": 1000, "read": none, "write": some, "trim": none}


def cell(*counts):
    """Of rounds of so many I/Os each."""
    rounds = [{"round": number, "results": [{
        "stimulus": NAME, "values": values.of([entry(count)], [])[0],
        "bytes_written": 0, "source": f"runs/r{number}.json"}]}
              for number, count in enumerate(counts, 1)]
    found = cells.plain(Stimulus(NAME, "randwrite", "4k", 0), rounds,
                        profiles.QUICK)
    return {**found, "window": [1, len(counts)], "steady": True}


@pytest.mark.parametrize("counts, mean, n", [
    ((320, 320, 320), None, 0), ((10_000, 999, 10_000), None, 2),
    ((1000, 1000, 1000), 1.0, 3)])
def test_a_mean_is_of_all_rounds_or_there_is_none(counts, mean, n):
    """Of p99.9; one over the rounds that have it is of fast rounds."""
    found = cell(*counts)["values"].get("lat_p99_9_us")
    assert (found and found["mean"], found["n"] if found else 0) == (mean, n)
    assert found is None or found["low"] is None or mean


def test_a_page_shows_none_and_a_limit_measures_none():
    found = cell(10_000, 999, 10_000)
    test = {"cells": [found], "phases": [], "checks": [], "name": "t",
            "state": "done", "why": None, "tables": [], "grids": []}
    shown = cellpage.cells(test)
    names = [name for name, _ in shown["heads"]]
    assert "p99" in names and "p99.9" not in names
    limit = specfile.Limit(1, "t", NAME, "max_p99_9_us",
                           *specfile.KEYS["max_p99_9_us"][:2], 5, "us")
    row, = judging.judge(specfile.Spec("s", "s", 0.95, (limit,)), {
        "name": "x", "identity": {}, "tests": [test]})
    assert (row["result"], row["value"]) == ("not measured", None)
    assert row["why"] == "only 2 of the window's rounds have the figure"


def test_the_columns_of_a_whole_report_have_enough():
    """Whatever the invented device did: no percentile in its JSON is of fewer
    I/Os than it takes."""
    data = json.loads(json.dumps(qualifydata.report()))
    found = [one["latency"] for target in data["targets"]
             for test in target["tests"] for one in test["cells"]
             if one["latency"]]
    assert found
    for latency in found:
        for name in latency["percentiles"]:
            if name in metrics.PERCENTILES:
                assert metrics.enough(latency["n"], name)


@pytest.mark.parametrize("count, share, is_enough", [
    (1, "50", False), (2, "50", True), (99, "99", False), (100, "99", True),
    (320, "99.9", False), (320, "99.999", False), (99_999, "99.999", False),
    (100_000, "99.999", True)])
def test_what_is_enough(count, share, is_enough):
    """One is beyond it."""
    assert metrics.enough(count, share) == is_enough


@pytest.mark.parametrize("count, has", [(99, False), (100, True)])
def test_of_a_campaign_too(count, has):
    found = metrics.figures([entry(count)])
    assert (found["lat_p99_us"] is not None) == has
    assert found["lat_mean_us"] == 1.0

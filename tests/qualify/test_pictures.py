# SPDX-License-Identifier: GPL-2.0-only
# The pictures of a qualification: all that was measured is in them, their
# labels stay apart, thinning keeps what counts, and nothing breaks on few,
# equal, missing or extreme figures.
import copy
import re

import numpy as np
import pytest

import inventeddevice
import qualifydata
from fiolab.qualify.report import (cellpage, distribution, pictures, sweep,
                                   testpage, timeline)
from fiolab.report import svg

DATA = qualifydata.report()
TESTS = {test["name"]: test for test in DATA["targets"][0]["tests"]}
ROUNDS = TESTS["iops"]["phases"][1]


@pytest.fixture(autouse=True)
def style():
    with svg.styled():
        yield


def text_of(picture):
    return re.findall(r"<text[^>]*>([^<]*)</text>", picture)


def round_of(number, value, stimulus="x", repeat=1):
    return {"round": number, "start": None, "seconds": 60.0 * repeat,
            "results": [{"stimulus": stimulus, "values": {"iops": value},
                         "bytes_written": 10 ** 9, "source": "r#x"}] * repeat}


def phase_of(values, name="x"):
    rounds = [round_of(i + 1, y) for i, y in enumerate(values)]
    state = inventeddevice.tracked(inventeddevice.Named("x", "iops", "X",
                                                        "1/s"),
                                   [y or 0.0 for y in values])
    n = len(values)
    return {"name": name, "title": name, "purged": None, "rounds": rounds,
            "steady": {"reached": state["holds"], "rounds": n, "window": 5,
                       "first": max(1, n - 4), "last": n,
                       "tracked": [state]}}


# Convergence and window

def test_convergence_names_every_line():
    names = testpage.stimuli(ROUNDS)
    shown = [(mix, part) for mix, part, _ in testpage.families(names)]
    assert [mix for mix, _ in shown] == [" 100/0", " 65/35", " 0/100"]
    assert sorted(n for _, part in shown for n in part) == sorted(names)
    for mix, part, short in testpage.families(names):
        picture = pictures.convergence(ROUNDS, part, "iops", "p", short)
        assert {"1M", "64K", "4K", "0.5K"} <= set(text_of(picture))


def test_seven_mixes_of_eight_sizes_are_seven_pictures():
    names = [f"{size} {mix}/{100 - mix}" for mix in range(7)
             for size in "ABCDEFGH"]
    found = testpage.families(names)
    assert len(found) == 7 and all(len(part) == 8 for _, part, _ in found)


def test_a_picture_never_has_too_many_lines():
    found = testpage.families([f"cell{i}" for i in range(30)])
    assert max(len(part) for _, part, _ in found) <= testpage.LINES
    assert sum(len(part) for _, part, _ in found) == 30


@pytest.mark.parametrize("values", [
    [1.0], [5.0, 5.0], [0.0] * 6, [1e-9, 1e9, 1, 1, 1, 1], [None, 2.0, 3.0],
    [1e12] * 30])
def test_any_series_can_be_drawn(values):
    phase = phase_of(values)
    picture = pictures.convergence(phase, ["x"], "iops", "p")
    assert "nan" not in picture and "x" in text_of(picture)


def test_nothing_to_converge():
    assert pictures.convergence(phase_of([None]), ["x"], "iops", "p") is None


def test_per_round_is_the_mean_of_the_repeats():
    phase = phase_of([1.0])
    phase["rounds"][0]["results"] = [
        {"stimulus": "x", "values": {"iops": y}} for y in (1.0, 2.0, None)]
    assert pictures.per_round(phase, "x", "iops") == ([1], [1.5])


def test_the_window_shows_mean_band_and_fit():
    steady = ROUNDS["steady"]
    picture = pictures.window(steady, steady["tracked"][0], "p")
    assert {"+10%", "−10%", "mean", "fit"} <= set(text_of(picture))
    assert "y = " in picture


def test_the_window_shows_what_leaves_the_band():
    steady = phase_of([1.0, 9.0, 1.0, 9.0, 1.0])["steady"]
    picture = pictures.window(steady, steady["tracked"][0], "p")
    assert "it does not hold" in picture
    low, high = pictures._limits_of(4.2, [1.0, 9.0])
    assert low < 1 and high > 9


def test_no_window_of_too_few_rounds():
    steady = phase_of([1.0, 2.0])["steady"]
    assert pictures.window(steady, steady["tracked"][0], "p") is None


@pytest.mark.parametrize("places", [[0.5] * 6, [0, 0.01, 0.02, 1.0],
                                    [1.0, 0.0], [3]])
def test_labels_stay_apart_and_in_order(places):
    found = pictures.apart(places, 0.1)
    order = sorted(range(len(places)), key=places.__getitem__)
    gaps = [found[b] - found[a] for a, b in zip(order, order[1:])]
    assert all(gap > 0.085 for gap in gaps)


@pytest.mark.parametrize("value, unit, said", [
    (120000, "1/s", "120k"), (3.2e6, "1/s", "3.2M"), (850, "MB/s", "850"),
    (3200, "us", "3.2 ms"), (0, "us", "0"), (0.05, "share", "5%")])
def test_ticks(value, unit, said):
    assert pictures.tick(value, unit) == said


# Over time

def test_saturation_is_over_what_was_written():
    found = testpage._timelines(TESTS["wsat"], "p")
    assert len(found) == 3
    assert "GB written" in text_of(found[0]["svg"])
    assert "IOPS" in text_of(found[0]["svg"])


def test_recovery_from_another_load_is_over_time():
    found = testpage._timelines(TESTS["xsr"], "p")
    words = text_of(found[0]["svg"])
    assert {"stimulus 1", "stimulus 2", "stimulus 3", "min"} <= set(words)


def test_samples_go_on_from_phase_to_phase():
    phases = [phase_of([1.0, 2.0], "a"), phase_of([3.0], "b")]
    (_, x1, y1), (_, x2, y2) = timeline.series(phases, "iops")
    assert list(x1) == [60, 120] and list(x2) == [180]
    assert list(y1) == [1, 2] and list(y2) == [3]


def test_many_samples_keep_their_range():
    rng = np.random.default_rng(1)
    phase = phase_of([1.0])
    phase["rounds"] = [round_of(1, float(y)) for y in
                       rng.uniform(50, 150, 5000)]
    picture = timeline.samples([phase], "iops", "p")
    assert len(picture) < 60_000 and "5,000 samples" in picture


def test_idle_time_against_the_baseline():
    found = timeline.waits(TESTS["hir"])
    assert [wait for wait, *_ in found] == ["5 s", "10 s", "15 s", "25 s",
                                            "50 s"]
    assert all(len(a) == len(b) == 60 for _, a, b in found)
    words = text_of(timeline.recovery(TESTS["hir"], "p"))
    assert {"5 s", "50 s", "after the wait", "without"} <= set(words)
    assert timeline.recovery(TESTS["wsat"], "p") is None


def test_what_has_no_story_over_time():
    for name in ("iops", "throughput", "latency", "verify", "depth"):
        assert testpage._timelines(TESTS[name], "p") == []


# Depth

def test_the_sweep_shows_depths_and_knee():
    figure, = testpage._sweeps(TESTS["depth"], "p")
    words = text_of(figure["svg"])
    assert "knee 64" in words and {"mean", "p99", "1"} <= set(words)
    assert "Beyond the knee" in figure["caption"]


def test_a_sweep_shows_medians_as_its_table_does():
    cells = copy.deepcopy(TESTS["depth"]["cells"])
    cells[0]["values"]["iops"].update(values=[1000, 2000, 9000], mean=4000)
    figure, = testpage._sweeps({**TESTS["depth"], "cells": cells}, "p")
    assert "depth 1: 2,000;" in figure["svg"]
    assert "medians of the rounds." in figure["caption"]


def test_a_sweep_without_a_knee():
    test = {**TESTS["depth"], "cells": TESTS["depth"]["cells"][:4]}
    figure, = testpage._sweeps(test, "p")
    assert "knee" not in figure["svg"]


def test_sweeps_are_told_apart():
    cells = [{**cell, "name": f"{way} {cell['name']}"} for way in
             ("ring", "eventfd") for cell in TESTS["depth"]["cells"]]
    found = sweep.families(cells)
    assert [sweep.captions(key)[:4] for key, _ in found] == ["ring", "even"]
    assert all(len(each) == 11 for _, each in found)


# Latency

def latency():
    return next(c["latency"] for c in TESTS["wsat"]["cells"] if c["latency"])


def test_the_histogram_counts_every_io():
    found = latency()
    edges, counts = distribution.rebinned(found["bins"])
    assert counts.sum() == found["n"]
    assert edges[0] <= found["bins"][0][0] <= found["bins"][-1][0] <= edges[-1]


def test_five_nines_are_said_and_shown():
    words = text_of(distribution.percentiles(latency(), "x", "p"))
    assert "99.999" in words
    assert "p99.999" in text_of(distribution.histogram(latency(), "x", "p"))
    assert len([w for w in words if w.endswith((" ms", " µs"))]) >= 6


@pytest.mark.parametrize("bins", [[[1000, 1]], [[1000, 7], [1001, 1]],
                                  [[1, 1], [10 ** 12, 1]]])
def test_any_distribution_can_be_drawn(bins):
    n = sum(count for _, count in bins)
    found = {"n": n, "mean_ns": 1000.0, "max_ns": bins[-1][0],
             "percentiles": {"50": bins[0][0]}, "bins": bins}
    assert "nan" not in distribution.histogram(found, "x", "p")
    assert "nan" not in (distribution.percentiles(found, "x", "q") or "")


def test_no_ios_no_picture():
    empty = {"n": 0, "mean_ns": None, "max_ns": None, "percentiles": {},
             "bins": []}
    assert distribution.histogram(empty, "x", "p") is None
    assert distribution.percentiles(empty, "x", "p") is None


# Heat maps

@pytest.mark.parametrize("z, levels", [
    ([[1, 2], [3, 5]], [[0, 2], [4, 8]]), ([[1, 10], [100, 1000]],
                                          [[0, 3], [5, 8]]),
    ([[7, 7], [7, None]], [[0, 0], [0, 0]]), ([[None]], [[0]]),
    ([[0, 1000]], [[0, 8]])])
def test_shades(z, levels):
    grid = {"title": "t", "metric": "lat_mean_us", "unit": "us", "x_label": "x",
            "x": [0] * len(z[0]), "y_label": "y", "y": list(range(len(z))),
            "z": z}
    found = cellpage.heat(grid)
    assert [[level for _, level in row] for _, row in found["rows"]] == levels
    assert found["less"] is True

# SPDX-License-Identifier: GPL-2.0-only
# When I/Os were late: windows of the engine put together, times that stand out
# and what the kernel said then, limits on tails, the heat map; and a device
# that the kernel slows down for a while, found in all of them.
import contextlib
import dataclasses
import json
import math
import os
import re
import threading
import time

import pytest

import qualifycontext
import qualifydata
import tailsdata
import targets
from tailsdata import BEGAN, MS, cell, kernel, latency, line, tails
import throttle
from fiolab.fio import metrics
from fiolab.qualify.limits import judging, orderbound, specfile
from fiolab.qualify.report import heatmap, htmlreport
from fiolab.qualify.suite import queuetests
from fiolab.qualify.suite.kinds import Table
from fiolab.qualify.suite.model import Phase, Stimulus
from fiolab.qualify.suite.profiles import QUICK
from fiolab.qualify.tails import outlierlist, overtime, windows
from fiolab.report import svg, wording
from fiolab.stats import oddwindows

MIB = 1 << 20


# Windows of the engine

def told(begin, *each, width=1000 * MS):
    """What a thread tells: (number, longest, {ns: I/Os})."""
    return {"job": "x", "lat_windows": {
        "begin_ns": begin, "width_ns": width, "windows": [
            [number, longest, [list(one) for one in bins.items()]]
            for number, longest, bins in each]}}


def test_threads_are_put_together():
    """Theirs begin 3 ms apart; a second in which nothing ended is one."""
    found = [windows.Window.of(one) for one in windows.of_run([
        told(10 ** 18, (0, 500, {511: 3}), (2, 700, {767: 1})),
        told(10 ** 18 + 3 * MS, (0, 600, {511: 1, 639: 2}), (2, 600, {639: 4}))])]
    assert [(one.count, one.max_ns, one.whole) for one in found] == [
        (6, 600, False), (0, 0, True), (5, 700, False)]
    assert found[0].bins == {511: 4, 639: 2}
    assert [one.begin for one in found] == [1e9, 1e9 + 1, 1e9 + 2]


def test_windows_of_two_widths_are_put_together():
    found = [windows.Window.of(one) for one in windows.of_run([
        told(10 ** 18, (0, 5, {5: 1}), (1, 7, {7: 2}), width=2000 * MS),
        told(10 ** 18, *((i, 9, {9: 1}) for i in range(4)))])]
    assert [(one.count, one.max_ns, one.seconds) for one in found] == [
        (3, 9, 2), (4, 9, 2)]


def test_runs_of_two_widths_are_put_together():
    """A run of 4,090 s has windows of 1 s, and one of 4,110 s of 2 s: in
    neither does a time stand out, and one hour is as long as the other."""
    runs = [[[BEGAN + i * width, width, 5, [[5, 1000 * width]],
              0 < i < count - 1] for i in range(count)]
            for width, count in ((2, 2055), (1, 4090))]
    for order in (runs, runs[::-1]):
        found = overtime.of([{"seconds": len(one) * one[0][1], "windows": one}
                             for one in order])
        assert found["outliers"] == []
        assert found["usual"] == {"max_ns": 5, "iops": 1000}
        assert found["width_s"] * len(found["counts"]) == pytest.approx(
            8200, rel=0.01)
        assert sum(map(sum, found["counts"])) == 8200 * 1000


def test_an_engine_that_tells_none():
    assert windows.of_run([{"job": "x"}]) == windows.of_run([]) == []
    found = overtime.of([{"seconds": 60.0, "windows": []}, None])
    assert found == {"seconds": 60.0, "why": overtime.NONE}
    assert overtime.of([None]) is None


# What stands out

def test_a_late_and_an_empty_time_stand_out():
    counts = [400, 1000, 1010, 990, 20, 0, 30, 1000, 1000, 1000, 300]
    longest = [5, 5, 6, 5, 300, 0, 300, 5, 40, 5, 5]
    whole = [False, *9 * [True], False]
    assert oddwindows.spans(counts, longest, whole) == [(4, 6), (8, 8)]


def test_without_most_windows_none_stands_out():
    assert oddwindows.spans([1000] * 4, [5, 5, 5, 500], [True] * 4) == []
    assert oddwindows.spans([0] * 9 + [7], [0] * 9 + [5], [True] * 10) == []


def test_at_most_half_may_be_disturbed():
    for late in range(11):
        counts = [1000] * (20 - late) + [10] * late
        longest = [5] * (20 - late) + [900] * late
        found = oddwindows.spans(counts, longest, [True] * 20)
        assert found == ([(20 - late, 19)] if 0 < late <= 10 else [])


def test_20_throttled_seconds_are_one_outlier():
    found = overtime.of([latency()])
    one, = found["outliers"]
    assert (one["after_s"], one["seconds"]) == (20, 20)
    assert (one["begin"] - BEGAN, one["end"] - BEGAN) == (20, 40)
    assert one["max_ns"] == 330 * MS and one["iops"] == 100
    assert found["usual"] == {"max_ns": 220_000, "iops": 40_000}
    assert sum(map(sum, found["counts"])) == 40 * 40_000 + 20 * 100


def test_long_runs_are_drawn_with_few_windows_and_lose_nothing():
    found = overtime.of([latency(range(3000, 3002), 3600)])
    assert len(found["counts"]) <= overtime.COLUMNS
    assert len(found["max_ns"]) == len(found["counts"])
    assert sum(map(sum, found["counts"])) == 3598 * 40_000 + 200
    one, = found["outliers"]
    assert (one["after_s"], one["seconds"]) == (3000, 2)


def test_the_list_says_what_the_kernel_said_then():
    test = tails(
        line(10, "too early"), line(21, "another's", device=False),
        line(22, "nvme0: timeout", "warning"), line(30, "nvme0: reset"),
        line(60, "late"), cells=[cell(latency())])
    table, = test["tables"]
    row, = table["rows"]
    assert len(row) == len(table["columns"])
    assert row == ["4K 0/100", 20, 20, 330.0, 100, 40_000,
                   "nvme0: reset (and 1 more)", "not known"]


def test_a_log_that_was_not_read_is_not_silence():
    for known, said in (({**kernel(), "why": "no root"}, "not known"),
                        (None, "not known"), (kernel(), "nothing")):
        test = {"cells": [cell(latency())], "tables": [], "kernel": known}
        outlierlist.add(test)
        assert test["tables"][0]["rows"][0][-2] == said
    assert not tails(cells=[cell(latency(()))])["tables"]


# Limits

SPEC = """[tails."4K 0/100"]
"max_outliers_over(5ms)_per_hour" = {0}
"""


def judged(tmp_path, text, *cells):
    path = tmp_path / "spec.toml"
    path.write_text(text)
    return judging.judge(specfile.load(str(path)), {
        "name": "/dev/x", "identity": {}, "tests": [{
            "name": "tails", "state": "done", "why": None, "phases": [],
            "cells": list(cells)}]})


@pytest.mark.parametrize("limit, result", [
    (120_000, "fail"), (119_999, "fail"), (126_000, "pass")])
def test_outliers_an_hour(tmp_path, limit, result):
    """2,000 in a minute; the 95% bound of a Poisson process is 2,074.8."""
    found, = judged(tmp_path, SPEC.format(limit), cell(latency()))
    assert found["result"] == result
    assert found["value"] == pytest.approx(120_000)
    assert found["bound"] == pytest.approx(60 * 2074.8, rel=1e-3)
    assert found["key"] == "max_outliers_over(5ms)_per_hour"


def test_none_in_a_minute_is_no_proof_of_none_an_hour(tmp_path):
    """But of at most 3 in that time: -ln 0.05 = 2.996."""
    quiet = cell(latency(()))
    found, = judged(tmp_path, SPEC.format(20), quiet)
    assert found["result"] == "fail" and found["value"] == 0
    assert "more time could tell" in found["why"]
    assert found["bound"] == pytest.approx(-60 * math.log(0.05))
    found, = judged(tmp_path, SPEC.format(180), quiet)
    assert found["result"] == "pass"


def test_an_io_in_the_bin_of_the_limit_counts():
    one = latency((), fast=(5_000_000, 10))
    assert orderbound.bin_end(5_000_000) > 5_000_000
    found = judging._of_tail(cell(one), specfile.Limit(
        1, "tails", "x", "k", "outliers", "max", 1, "1/h", 0, 5000), 0.95)
    assert found.value == pytest.approx(9 * 60 * 60)


def test_without_a_histogram_outliers_are_not_measured(tmp_path):
    found, = judged(tmp_path, SPEC.format(1), {
        **cell(latency()), "latency": None, "over_time": None})
    assert found["result"] == "not measured"
    assert "keeps no histogram" in found["why"]


@pytest.mark.parametrize("limit, result", [(330, "pass"), (329.9, "fail")])
def test_the_longest_in_ms(tmp_path, limit, result):
    found, = judged(tmp_path, f'[tails."*"]\nmax_max_ms = {limit}\n',
                    cell(latency()))
    assert found["result"] == result
    assert (found["value"], found["unit"]) == (330_000, "us")
    assert found["limit"] == pytest.approx(1000 * limit)


@pytest.mark.parametrize("key, said", [
    ("max_outliers_over(5)_per_hour", "is no time"),
    ("max_outliers_over(0ms)_per_hour", "is no time"),
    ("max_outliers_over(TIME)_per_hour", "is no time"),
    ("max_outliers_over()_per_hour", "is no time"),
    ("max_outliers_per_hour", "did you mean max_outliers_over(TIME)_per_hour"),
    ("max_p99_us(5ms)", "unknown key")])
def test_wrong_times_are_refused(tmp_path, key, said):
    path = tmp_path / "spec.toml"
    path.write_text(f'[tails."*"]\n"{key}" = 1\n')
    with pytest.raises(specfile.Problem, match=re.escape(said)):
        specfile.load(str(path))


# Six nines, with bounds

def test_six_nines_take_a_million():
    assert not metrics.enough(999_999, "99.9999")
    assert metrics.enough(1_000_000, "99.9999")
    bins = [[1000, 1_999_998], [5000, 2]]
    found = metrics.percentiles(bins, 2_000_000)
    assert found["99.9999"] == 1000
    assert "99.9999" not in metrics.percentiles([[1000, 999_999]], 999_999)


def test_bounds_are_those_of_limits_and_only_where_there_are_some():
    one = {"bins": [[1000, 99_000], [2000, 990], [9000, 10]], "max_ns": 9000,
           "percentiles": {"99": 1000, "99.9": 2000, "99.99": 9000}}
    found = orderbound.bounds(one, 0.95)
    assert found["99"] == orderbound.order_bound(one, 0.99, 0.95)
    assert set(found) == {"99", "99.9", "99.99"}
    assert set(orderbound.bounds({**one, "percentiles": {"99.999": 9000}},
                                 0.95)) == set()


def test_what_takes_longer_than_the_longest():
    """At least one of n would have been longer, with 95%, if 3/n were."""
    for n in (10, 1000, 10 ** 6):
        share = orderbound.longer(n, 0.95)
        assert (1 - share) ** n == pytest.approx(0.05)
        assert share <= 3 / n


# The picture

def test_a_single_io_is_seen():
    shades = heatmap.levels([[0, 1, 40_000]])
    assert list(shades[0]) == [0, heatmap.FAINTEST, heatmap.DARKEST]


def test_the_heat_map_has_all_that_was_counted():
    """Each rectangle, of neighbours of one shade, is drawn once."""
    over = overtime.of([latency()])
    with svg.styled():
        picture = heatmap.picture(over, "4K 0/100", "p")
    for level in set(heatmap.levels(over["counts"]).flat) - {0}:
        assert f"var(--h{level})" in picture
    assert "1 time that stands out" in picture and "330 ms" in picture
    assert "20 s after the first I/O" in picture
    assert len(picture) < 200_000
    assert not re.search("#01022", picture)


def test_the_page_has_picture_list_and_bounds():
    data = tailsdata.report()
    data["targets"][0]["tests"] = data["targets"][0]["tests"][-2:]
    page = htmlreport.render(data)
    assert "in windows of 1 s" in page and "p99 ≤ 2 ms" in page
    assert outlierlist.TITLE in page and "reset controller" in page
    # Of 1,602,000, at most 1 in a third of them.
    assert "With 95%, at most" in page and "1 I/O in 534,7" in page
    assert "p99.9999" in page


# On a device

SECONDS = 9
SHORT = dataclasses.replace(QUICK, minute=60, threads=2, depth=4)


def timed(seconds=SECONDS):
    """The test tails, of reads alone."""
    return Table("tails", "Tails over time", None, (
        queuetests.FILL, Phase("tails", "reads", (Stimulus(
            "4K 100/0", "randread", "4k", seconds=seconds),),
            histogram=True)), queuetests.GROUP)


@contextlib.contextmanager
def slowed(device, slow, iops, after, seconds):
    """Throttled for so long, from a while after its first reads on."""
    def change():
        targets.await_reads(device)
        over.wait(after)
        slow(iops)
        over.wait(seconds)
        slow(0)
    over, later = threading.Event(), threading.Thread(target=change)
    later.start()
    try:
        yield
    finally:
        over.set()
        later.join()


def run(device, fio_binary, build_dir, tmp_path, stack, seconds):
    bench = qualifycontext.bench(device, fio_binary, build_dir, str(tmp_path),
                                 stack, profile=SHORT)
    bench.executor.target.given = bench.executor.target.size
    found, _ = qualifycontext.run(bench, timed(seconds))
    outlierlist.add(found)
    qualifydata.hold(found)
    assert found["state"] == "done", found["why"]
    one, = found["cells"]
    assert one["over_time"]["why"] is None
    # All that fio counted; it may count up to the depth more at the end.
    assert sum(map(sum, one["over_time"]["counts"])) == pytest.approx(
        one["latency"]["n"], abs=2 * 4)
    return found, one


@pytest.mark.fio
def test_an_engine_without_windows(shm, fio_binary, build_dir, tmp_path, stack):
    path = os.path.join(shm, "target")
    with targets.sized_file(path, 16 * MIB):
        bench = qualifycontext.bench(path, fio_binary, build_dir,
                                     str(tmp_path), stack, "libaio", SHORT)
        found, _ = qualifycontext.run(bench, timed(0.5))
    one, = found["cells"]
    assert one["over_time"] == {"seconds": one["over_time"]["seconds"],
                                "why": overtime.NONE}
    assert one["latency"]["longer"] < 1
    assert not json.dumps(found).count("Outlier")


@pytest.mark.fio
def test_a_throttled_time_is_found(need_root, shm, engine, fio_binary,
                                   build_dir, tmp_path, stack):
    """100 I/Os a second instead of 20,000 or so, for 3 of 12 s: found as a
    time that stands out, where it was, and by the limits; the rest of the
    run, which is as fast as before, is not."""
    throttled(3, 12, shm, fio_binary, build_dir, tmp_path, stack)


@pytest.mark.fio
@pytest.mark.slow
def test_20_throttled_seconds_are_found(need_root, shm, engine, fio_binary,
                                        build_dir, tmp_path, stack):
    throttled(20, 60, shm, fio_binary, build_dir, tmp_path, stack)


def throttled(lasting, seconds, shm, fio_binary, build_dir, tmp_path, stack):
    with targets.loop_of(shm, 32 * MIB, written=True) as device, \
            throttle.slowed(device) as slow, \
            slowed(device, slow, 100, seconds / 3, lasting):
        began = time.time()
        found, one = run(device, fio_binary, build_dir, tmp_path, stack,
                         seconds)
    over = one["over_time"]
    # (One I/O of a busy machine may take longer than any of that time.)
    worst = min(over["outliers"], key=lambda each: each["iops"])
    longest = max(filter(None, over["max_ns"]))
    # 8 in flight at 100 a second: each takes 80 ms.
    assert worst["max_ns"] > 50 * MS
    assert worst["iops"] < 0.8 * over["usual"]["iops"]
    assert lasting - 1.5 <= worst["seconds"] < 0.8 * seconds
    assert began + seconds / 3 - 2 <= worst["begin"] <= time.time()
    table = next(one for one in found["tables"]
                 if one["title"] == outlierlist.TITLE)
    assert any(row[3] == worst["max_ns"] / 1e6 for row in table["rows"])
    with svg.styled():
        (picture, caption, _), = heatmap.drawn(found, "p")
    assert "out." in caption and "no time stands out" not in caption
    assert wording.duration(float(longest)) in picture
    rows = judged(tmp_path, '[tails."4K 100/0"]\nmax_max_ms = 20\n'
                  '"max_outliers_over(40ms)_per_hour" = 100\n', one)
    assert [row["result"] for row in rows] == ["fail", "fail"]
    # 100 a second in that time, most of them.
    assert rows[1]["value"] * seconds / 3600 > 40 * lasting

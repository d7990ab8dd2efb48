# SPDX-License-Identifier: GPL-2.0-only
# The summary on the terminal: 79 columns of plain characters whatever the
# report holds, the result before the figures, and every limit and check.  And
# the words that page and terminal share.
import re

import pytest

import hostile
import qualifydata
from fiolab.fio.metrics import LIMITS
from fiolab.qualify.report import (cachewords, phrases, steadywords,
                                   textreport)
from fiolab.report import wording


@pytest.fixture(scope="module")
def full():
    return qualifydata.report(targets=2)


def said(data):
    return "\n".join(textreport.lines(data))


@pytest.mark.parametrize("make", [qualifydata.report, qualifydata.scaled,
                                  qualifydata.passed, qualifydata.empty])
def test_it_keeps_to_the_width(make):
    lines = textreport.lines(make())
    assert lines and all(len(line) <= 79 for line in lines)
    assert all(line.isascii() and line == line.rstrip() for line in lines)


def test_hostile_text_stays_in_its_line():
    data = qualifydata.poisoned(" ".join(hostile.ATTACKS))
    lines = textreport.lines(data)
    assert max(map(len, lines)) <= 79
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e]", "".join(lines))


def test_the_result_comes_before_any_figure(full):
    out = said(full)
    assert out.index("FAIL: 2 OF 16 LIMITS AND 2 OF 20 CHECKS") < out.index(
        "limits") < out.index("checks") < out.index("tests of")


def test_each_limit_has_its_bound_and_its_reason():
    out = said(qualifydata.report())
    assert re.search(r"pass +IOPS, 4K 0/100 +>= 120,000 +130,680 +line 6", out)
    assert re.search(r"FAIL +IOPS, 4K 100/0 +>= 700,000 +644,490 +line 7", out)
    assert "Steady state was not reached in 25 rounds." in out
    assert re.search(r"not measured Latency, 4K 0/100: p99 latency\n"
                     r" +asked for <= 60.00 us, is n/a; line 16", out)


def test_every_check_is_there(full):
    out = " ".join(said(full).split())
    for _, _, check in phrases.checks(full):
        assert f"{check['title']}: {check['text']}" in out


def test_each_test_says_whether_it_was_steady():
    out = said(qualifydata.report())
    assert "steady state NOT REACHED in 25 rounds; in rounds 21 to 25:" in \
        " ".join(out.split())
    assert "steady state reached in round 6, window 2 to 6" in out
    assert re.search(r"not run +Long soak", out)
    assert re.search(r"FAILED +Device full, 3 s: fio ended", out)


def test_steady_states_of_one_test_are_told_apart():
    data = qualifydata.report()
    test = data["targets"][0]["tests"][0]
    assert "block sizes" not in said(data).lower()
    test["phases"].append({**test["phases"][-1], "title": "Another size"})
    out = said(data)
    for phase in test["phases"][-2:]:
        assert f"{phase['title']}: steady state reached in round 6" in out


def test_a_scaled_run_says_that_it_qualifies_nothing():
    lines = textreport.lines(qualifydata.scaled())
    assert lines[0] == "SCALED DOWN: qualifies nothing"
    assert sum("qualifies nothing" in line for line in lines) == 2


def test_an_early_stop_and_warnings():
    out = said(qualifydata.report(finished=False,
                                  warnings=[f"w{i}." for i in range(9)]))
    assert "Stopped early" in out and "4 more warnings" in out


def test_comparisons_say_how_much_is_of_which_verdict(full):
    out = " ".join(said(full).split())
    assert re.search(r"Against \S+: of \d+ figures 1 slower, .*1 equivalent",
                     out), out
    assert ("kaio beside libaio: of 3 figures 1 longer, 1 inconclusive, 1 "
            "equivalent. longer iops, 4K 0/100, p99: +15.0%") in out
    assert "Each of 2 limits" in out


def test_a_test_that_was_stopped_is_not_said_to_have_missed_it():
    """Only the phase in which it ended; those before it had all rounds."""
    data = qualifydata.report()
    test = next(t for t in data["targets"][0]["tests"]
                if any(p["steady"] for p in t["phases"]))
    missed = {"reached": False, "rounds": 3}
    one, two = ({"steady": {**missed}} for _ in range(2))
    for state, last in (("done", "NOT REACHED in 3 rounds"), (
            "stopped", "not reached when the test ended, after 3 rounds")):
        test.update(state=state, phases=[one, two])
        assert steadywords.steady(test, one) == "NOT REACHED in 3 rounds"
        assert steadywords.steady(test, two) == last


def test_without_a_steady_state_it_says_what_it_came_to():
    """Of what was not steady, in the last window, beside what is allowed."""
    rows = [{"label": "4K random write", "unit": "IOPS", "holds": False,
             "mean": 1234.0, "measured_excursion": 421.9, "allowed_excursion":
             246.8, "measured_slope": 12.34, "allowed_slope": 123.4},
            {"label": "Its latency", "unit": "us", "holds": True},
            {"label": "Reads", "unit": "IOPS", "holds": False, "mean": None}]
    phase = {"breaks": [22], "steady": {
        "reached": False, "rounds": 25, "first": 22, "last": 25,
        "tracked": rows}}
    assert steadywords.steady({"state": "done", "phases": [phase]}, phase) == (
        "NOT REACHED in 25 rounds; resumed before round 22; in rounds 22 to "
        "25: 4K random write 1,234, range 34.19% (20.00% allowed), slope 1.00% "
        "(10.00% allowed); Reads has no window yet")


def test_what_the_kernel_said_is_in_the_summary(full):
    out = " ".join(said(full).split())
    assert ("The kernel's log: 0 errors and 1 warning named the device, 1 "
            "error and 0 warnings did not.") in out
    assert out.count("The kernel's log: ") == 2     # of one test of each


def test_where_it_was_resumed():
    assert phrases.places([]) == "with nothing left to run"
    assert phrases.places([
        {"target": "/dev/a", "test": "iops", "phase": "Rounds", "round": 4},
        {"target": "/dev/b", "test": "trim", "phase": None, "round": None}
    ]) == "/dev/a in iops, before round 4 of Rounds; /dev/b in trim"


# The words

@pytest.mark.parametrize("result, limits, checks, headline", [
    ("pass", ["pass"] * 3, ["pass"], "Pass: all 3 limits and the one check"),
    ("pass", [], ["pass"] * 2, "Pass: all 2 checks"),
    ("fail", ["pass", "fail"], ["pass"], "Fail: 1 of 2 limits"),
    ("fail", ["pass"], ["fail", "pass"], "Fail: 1 of 2 checks"),
    ("not measured", ["pass"], ["not measured"],
     "Not measured: 1 of 1 check"),
    ("not measured", ["pass"], ["pass"], "Not measured: 1 of 2 tests not "
     "done"),
    ("not measured", [], [], "Not measured: 1 of 2 tests not done"),
    ("pass", [], [], "Pass: nothing was judged")])
def test_the_headline(result, limits, checks, headline):
    tests = [{"checks": [{"result": r} for r in checks], "state": "done"},
             {"checks": [], "state": "stopped"}]
    data = {"result": result, "limits": [{"result": r} for r in limits],
            "targets": [{"tests": tests}]}
    assert phrases.headline(data) == headline


@pytest.mark.parametrize("found, line", [
    ([], ""), (None, ""), (["runs/a.json#x"], "runs/a.json#x"),
    (["runs/a.json#x"] * 3, "runs/a.json#x"),
    ([f"runs/a-r{i:02d}-000.json#4K 0/100" for i in range(3, 8)],
     "runs/a-r03…07-000.json#4K 0/100 (5 runs)"),
    ([f"runs/a-r{i}.json#x" for i in (9, 10)], "runs/a-r9…10.json#x (2 runs)"),
    ([f"runs/a.json#QD {i}" for i in (1, 11)], "runs/a.json#QD 1…11 (2 runs)"),
    (["runs/a.json#x", "other.json#y"], "runs/a.json#x…other.json#y (2 runs)")
])
def test_sources_in_one_line(found, line):
    assert phrases.sources(found) == line


def test_a_bound_that_rounds_to_the_limit_shows_more_digits():
    limit = {"limit": 120000, "bound": 119999.9, "unit": "1/s",
             "metric": "iops", "key": "min_iops"}
    assert phrases.bound(limit).startswith("119999.9")
    assert phrases.bound({**limit, "bound": 120000}) == "120,000"


@pytest.mark.parametrize("key, value, bound, said", [
    ("min_iops", 110000, 90000, "IOPS 90,000 (95% bound)"),
    ("min_iops", 390, 0, "IOPS 390"), ("min_iops", 390, None, "IOPS 390"),
    ("max_mean_us", 99000, 110000, "mean latency 110,000 µs (95% bound)"),
    ("max_mean_us", 110000, 4e6, "mean latency 110,000 µs")])
def test_a_limit_that_the_figure_itself_misses_shows_that(key, value, bound,
                                                          said):
    """Not its bound, which of a few rounds may be anything."""
    of = LIMITS[key]
    limit = {"key": key, "metric": of.name, "unit": of.unit, "limit": 100000,
             "value": value, "bound": bound, "confidence": 0.95,
             "target": "d", "test": "t", "cell": "c"}
    shown = phrases.failure(limit, {"targets": []})
    assert shown.startswith(f"t, c: {said}, asked for "), shown


@pytest.mark.parametrize("value, unit, amount", [
    (1203.4, "us", "1,203 µs"), (0.042, "share", "4.20%"),
    (None, "us", "n/a"), (120000, "1/s", "120,000"),
    (2100.5, "MB/s", "2,100 MB/s"), (4.2, "%", "4.20%")])
def test_amounts(value, unit, amount):
    assert phrases.amount(value, unit) == amount


@pytest.mark.parametrize("seconds, said", [
    (None, "n/a"), (0, "0 s"), (0.00017, "0 s"), (4.123, "4.12 s"),
    (60, "1 min"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (86400, "24 h")])
def test_times(seconds, said):
    assert wording.time(seconds) == said


@pytest.mark.parametrize("asked, told, kernel, said", [
    (False, False, "write back", "off"),
    (False, True, "write back", "on, as the device says; off was asked for"),
    (False, None, "write through", "off, as the kernel believes (write thr"),
    (False, None, "write back", "off was asked for and not set: on, as the "
     "kernel believes"),
    (True, None, None, "on was asked for and not set: not known")])
def test_the_header_says_off_only_where_it_was_read_back(asked, told, kernel,
                                                         said):
    data = qualifydata.passed()
    data["profile"]["write_cache"] = asked
    data["targets"][0]["write_cache"] = {"device": told, "kernel": kernel}
    assert f"write cache {said}" in " ".join("\n".join(
        textreport.lines(data)).split())


def test_a_report_that_knows_nothing_of_the_cache():
    data = qualifydata.passed()
    for target in data["targets"]:
        del target["write_cache"]
    assert "not known" in cachewords.of(data)
    data["profile"]["write_cache"] = None
    assert cachewords.of(data) == "as it is"

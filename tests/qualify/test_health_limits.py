# SPDX-License-Identifier: GPL-2.0-only
# What samples of a device's health mean: whether it throttled in a window,
# write amplification, [health] limits that pass, fail and are not measured, and
# how the report tells all of it.  The samples are of healthdata.py.
import copy
import csv
import io
import json

import pytest

import faketools
import healthdata
import inventeddevice
import qualifydata
from fiolab.base.problem import Problem
from fiolab.qualify.limits import healthlimits, judging, specfile
from fiolab.qualify.report import (healthcsv, healthpicture, healthwords,
                                   htmlreport, schema, steadywords, textreport)
from fiolab.qualify.watch import healthfacts, throttling
from fiolab.report import svg
from fiolab.target import health
from fiolab.target.drive import amplification, extendedlog, sample

NVME = {"nvme": {"thermal_management": True, "warning_temperature_c": 70,
                 "critical_temperature_c": 80}}
SILENT = {"nvme": {"thermal_management": False, "warning_temperature_c": None,
                   "critical_temperature_c": None}}


def told_of(**values):
    return {"values": {"temperature_c": 40, "thm_temp1_total_time": 0,
                       "warning_temp_time": 0, **values}}


# Throttling, between two samples and in a round

@pytest.mark.parametrize("before, now, names", [
    ({}, {}, []), ({"thm_temp1_trans_count": 1},) * 2 + ([],),
    ({"thm_temp1_trans_count": 1}, {"thm_temp1_trans_count": 2},
     ["thm_temp1_trans_count"]),
    ({"thm_temp2_total_time": 0}, {"thm_temp2_total_time": 3},
     ["thm_temp2_total_time"]),
    ({"warning_temp_time": 0}, {"warning_temp_time": 1},
     ["warning_temp_time"]),
    ({"critical_comp_time": 0}, {"critical_comp_time": 1},
     ["critical_comp_time"]),
    ({"throttle_events": 254}, {"throttle_events": 255}, ["throttle_events"]),
    ({"throttle_level": 2}, {"throttle_level": 2}, ["throttle_level"]),
    ({"over_temperature_time": 7}, {"over_temperature_time": 8},
     ["over_temperature_time"]),
    ({"sda: throttle_level": 0}, {"sda: throttle_level": 1},
     ["sda: throttle_level"]),
    # One that was not told before has not grown, nor has heat itself.
    ({}, {"thm_temp1_trans_count": 9}, []),
    ({"temperature_c": 40}, {"temperature_c": 95}, []),
    ({"media_errors": 0}, {"media_errors": 9}, [])])
def test_by_what_a_device_throttles(before, now, names):
    assert throttling.by(before, now) == names


WARNED = {"nvme": {"warning_temperature_c": 70, "thermal_management": False}}


@pytest.mark.parametrize("known, values, result", [
    (NVME, [{}, {}], []), (NVME, [{}, {"thm_temp1_total_time": 5}],
                           ["thm_temp1_total_time"]),
    (NVME, [{}], None), (NVME, [], None),
    # A counter that the device does not keep is 0 for ever.
    (SILENT, [{}, {}], None), ({}, [{}, {}], None),
    # One that has counted is one that it keeps.
    ({}, [{"warning_temp_time": 7}] * 2, []),
    (SILENT, [{"throttle_level": 0}] * 2, []),
    (SILENT, [{"throttle_level": 1}], ["throttle_level"]),
    # Half a minute above the warning temperature counts no minute.
    (WARNED, [{"temperature_c": 70}, {"temperature_c": 69}],
     ["temperature_c"]),
    (WARNED, [{"temperature_c": 69}] * 2, []),
    (NVME, [{"temperature_c": 70}] * 2, []),
    (WARNED, [{"temperature_c": 70, "throttle_level": 0}] * 2, []),
    (SILENT, [{"temperature_c": 99}] * 2, None),
    (SILENT, [{}, {"over_temperature_time": 0}], None)])
def test_whether_it_throttled_in_a_round(known, values, result):
    assert throttling.of_round([told_of(**one) for one in values],
                               throttling.Counters(known)) == result


def test_of_an_array_each_must_tell():
    known = {"members": [{"name": "sda"}, {"name": "sdb1",
                                           "partition_of": "sdb"}]}
    counters = throttling.Counters(known)
    one = {"values": {"sda: over_temperature_time": 0}}
    both = {"values": {**one["values"], "sdb: over_temperature_time": 0}}
    assert throttling.of_round([one, one], counters) is None
    assert throttling.of_round([both, one], counters) is None
    assert throttling.of_round([both, both], counters) == []


def test_the_samples_of_a_round_that_was_begun_anew_are_not_of_it():
    """After a break it is another part of the run."""
    hot = healthdata.record(0, 0, 2, 0, {"throttle_level": 1}, True)
    cool = [healthdata.record(9, 0, 2, i, {"throttle_level": 0}, True, part=1)
            for i in range(2)]
    counters = throttling.Counters({})
    for part, rounds in ((0, [2]), (1, [])):
        assert throttling.of_phase(
            0, [{"round": 2, "part": part}],
            throttling.by_round([hot, *cool]), counters)["rounds"] == rounds


# A test and a target as the report has them

@pytest.fixture(scope="module")
def whole():
    return qualifydata.report()


@pytest.fixture
def data(whole):
    return copy.deepcopy(whole)


def first(data):
    target, = data["targets"]
    return target, target["tests"][0]


def told(data, hot=(), known=NVME, **changes):
    """The same report with these samples of its first test, which is the only
    one; changes: of the last sample."""
    target, test = first(data)
    target["tests"], target["identity"] = [test], {
        **target["identity"], "nvme": {**target["identity"]["nvme"],
                                       **known["nvme"]}}
    test["health"] = healthdata.of_rounds(test, hot)
    test["health"]["samples"][-1]["values"].update(changes)
    target["health"] = healthfacts.tell(target["tests"], target["identity"])
    return target, test


def window(test):
    """(the phase's place, its first round in the window, one before it)"""
    (phase, rounds), = throttling.windows(test)
    return test["phases"].index(phase), rounds[0], rounds[0] - 1


def test_rounds_in_which_it_throttled_are_marked(data):
    _, test = first(data)
    number, inside, _ = window(test)
    _, test = told(data, [(number, inside)])
    assert test["phases"][number]["throttling"] == {
        "rounds": [inside], "by": ["thm_temp1_total_time"], "unknown": []}
    said = steadywords.steady(test, test["phases"][number])
    assert f"the device THROTTLED in round {inside}" in said


def test_what_samples_come_to(data):
    target, test = told(data, [(0, 1)], media_errors=2)
    found = target["health"]
    assert found["temperature_c"] == {"lowest": 40, "highest": 69}
    assert found["count"] == len(test["health"]["samples"])
    assert found["grown"]["media_errors"] == 2
    assert found["written"]["ratio"] == pytest.approx(2.2, rel=0.01)
    assert found["links_slower"] == []
    assert "40 to 69 °C, write amplification 2.2" in healthwords.said(test)
    assert "media errors +2" in healthwords.summary(target)


def test_a_link_that_became_slower_is_a_warning(data):
    target, _ = told(data, link_lanes=2)
    assert target["health"]["links_slower"] == ["link_lanes"]
    assert any("became slower during the tests (PCIe lanes)" in one
               for one in healthwords.warnings(target))


def test_a_throttled_window_is_a_warning_and_another_round_is_none(data):
    _, test = first(data)
    number, inside, before = window(test)
    target, _ = told(data, [(number, inside)])
    said, = healthwords.warnings(target)
    assert f"throttled in round {inside} of " in said
    assert "light throttling" in said
    if before:
        target, _ = told(data, [(number, before)])
        assert healthwords.warnings(target) == []


def test_without_samples_nothing_is_told(data):
    target, test = first(data)
    for one in target["tests"]:
        one["health"] = None
    assert healthfacts.tell(target["tests"], NVME) is None
    target["health"] = None
    assert healthwords.said(test) is healthwords.summary(target) is None
    assert healthcsv.text(data) is None
    schema.check(data)
    htmlreport.render(data)


def test_a_log_that_was_never_read_is_told(data):
    target, test = first(data)
    for one in target["tests"]:
        one["health"] = None
    test["health"] = {"samples": [], "why": ["nvme smart-log X: no answer."]}
    target["health"] = healthfacts.tell(target["tests"], NVME)
    assert target["health"] == {"count": 0,
                                "why": ["nvme smart-log X: no answer."]}
    assert "was not sampled. nvme smart-log X" in healthwords.said(test)
    assert healthwords.warnings(target) == [
        f"{target['name']}: nvme smart-log X: no answer."]
    schema.check(data)
    assert "was not sampled" in htmlreport.render(data)


# At a time of the clock

NOON = 1795521600           # 2026-11-24T12:00:00Z


def at(second, **values):
    return {"at": f"2026-11-24T12:00:{second:02d}Z", "values": {
        "temperature_c": 40 + second, "throttle_level": 0, **values}}


@pytest.mark.parametrize("begin, end, said", [
    (0, 1, "50 °C"), (11, 12, "60 °C, throttled"), (9, 11, "60 °C, throttled"),
    (21, 22, "70 °C, throttled, media_errors grew"), (40, 50, "not known"),
    (-9, -5, "not known"), (30, 31, "70 °C, throttled, media_errors grew")])
def test_what_its_health_was_at_a_time(begin, end, said):
    samples = [at(0), at(10), at(20, throttle_level=1, media_errors=0),
               at(30, throttle_level=2, media_errors=1)]
    assert healthfacts.then(samples, NOON + begin, NOON + end) == said


def test_without_samples_its_health_is_not_known():
    assert healthfacts.then([], 0, 1) == healthfacts.then([at(0)], 0, NOON + 9
                                                          ) == "not known"


# Write amplification

@pytest.mark.parametrize("one, two, ratio", [
    ({"media_written_bytes": 0, "data_units_written": 0},
     {"media_written_bytes": 1536 * 10 ** 6, "data_units_written": 2000}, 1.5),
    ({"NAND_Writes_32MiB": 0, "Host_Writes_32MiB": 0},
     {"NAND_Writes_32MiB": 300, "Host_Writes_32MiB": 100}, 3),
    ({"NAND_Writes_1GiB": 800, "Host_Writes_32MiB": 20000},
     {"NAND_Writes_1GiB": 900, "Host_Writes_32MiB": 21600}, 2),
    # Of Intel's 3710, 241 in the unit of 225: the database names 225 alone.
    ({"NAND_Writes_32MiB": 0, "Host_Writes_32MiB": 0, "Total_LBAs_Written": 0},
     {"NAND_Writes_32MiB": 300, "Host_Writes_32MiB": 100,
      "Total_LBAs_Written": 100}, 3),
    ({"NAND_Writes_32MiB": 0, "Total_LBAs_Written": 0},
     {"NAND_Writes_32MiB": 64, "Total_LBAs_Written": 1 << 22}, 1),
    ({"Host_Program_Page_Count": 0, "FTL_Program_Page_Count": 0},
     {"Host_Program_Page_Count": 1000, "FTL_Program_Page_Count": 500}, 1.5),
    # Too little, in units of either counter.
    ({"media_written_bytes": 0, "data_units_written": 0},
     {"media_written_bytes": 10 ** 7, "data_units_written": 10}, None),
    ({"NAND_Writes_1GiB": 800, "Host_Writes_32MiB": 20000},
     {"NAND_Writes_1GiB": 802, "Host_Writes_32MiB": 21600}, None)])
def test_write_amplification(one, two, ratio):
    found = amplification.between([one, two])
    assert found.ratio == ratio and (found.why is None) == (ratio is not None)
    assert amplification.added([found] * 3).ratio == ratio


@pytest.mark.parametrize("one, two", [
    ({}, {}), ({"media_written_bytes": 0}, {"media_written_bytes": 9}),
    ({"data_units_written": 0}, {"data_units_written": 900})])
def test_what_is_not_told_has_no_amplification(one, two):
    assert amplification.between([one, two]) is None


def test_a_counter_that_begins_anew_tells_no_amplification():
    """Whether or not it is beyond what it was at first by the end."""
    for media in ([0, 9 * 10 ** 8, 10 ** 6], [0, 9 * 10 ** 8, 10 ** 9],
                  [0, 9 * 10 ** 8, 0, 10 ** 9], [10 ** 9, 0]):
        found = amplification.between([
            {"media_written_bytes": one, "data_units_written": 2000 * i}
            for i, one in enumerate(media)])
        back = media != sorted(media)
        assert (found.ratio is None, found.why) == (
            back, amplification.BACK if back else None)
        assert amplification.added([found, amplification.Written(
            9, 9, False, 999)]).back == back
    pages = {"Host_Program_Page_Count": 5, "FTL_Program_Page_Count": 9}
    assert amplification.between(
        [pages, {**pages, "FTL_Program_Page_Count": 0}]).back


def test_units_of_intel_are_32_mib():
    """Of one more of them nobody knows how much it was."""
    one, two = (extendedlog.of_intel({"Device stats": {
        "nand_bytes_written": {"raw": nand},
        "host_bytes_written": {"raw": 2000}}}) for nand in (5000, 5001))
    found = amplification.between([{**one, "data_units_written": 0},
                                   {**two, "data_units_written": 60}])
    assert found.media == 32 << 20 and found.ratio is None


def test_write_amplification_of_a_sata_drive_as_smartctl_tells_it():
    one, two = (health.flat(json.loads(healthdata.smartctl_ata(
        nand=nand, host=host))) for nand, host in ((800, 20000),
                                                   (900, 21600)))
    assert amplification.between([one, two]).ratio == 2


# The table of the spec

def load(tmp_path, text):
    path = tmp_path / "vendor.toml"
    path.write_text(text)
    return specfile.load(str(path))


def test_a_spec_may_have_health_alone(tmp_path):
    found = load(tmp_path, "[health]\nmax_temperature_c = 70\n"
                 "max_throttled_windows = 0\nmin_spare_percent = 99.5\n")
    assert [(one.line, one.test, one.key, one.sense, one.limit, one.unit)
            for one in found.health] == [
        (2, "health", "max_temperature_c", "max", 70, "°C"),
        (3, "health", "max_throttled_windows", "max", 0, "n"),
        (4, "health", "min_spare_percent", "min", 99.5, "%")]
    assert found.limits == found.device == ()
    specfile.check_names(found, {})


@pytest.mark.parametrize("text, words", [
    ("[health]\nmax_temprature_c = 7\n", 'line 2: unknown key '
     '"max_temprature_c": did you mean max_temperature_c?'),
    ("[health]\nmax_temperature_c = -1\n", "line 2: max_temperature_c must be "
     "a finite number above 0, or 0."),
    ("[health]\nmax_temperature_c = inf\n", "finite number"),
    ("[health]\nmax_temperature_c = 'hot'\n", "is no number"),
    ("[health]\nmax_throttled_windows = true\n", "is no number"),
    ("[helth]\nmax_temperature_c = 7\n", "did you mean health?"),
    ("[health]\n", "has no limit"),
    ('[health."x"]\nmax_temperature_c = 7\n', "too deep"),
    ("[health]\nmin_iops = 7\n", 'unknown key "min_iops"')])
def test_what_is_wrong_with_it_is_one_sentence(text, words, tmp_path):
    with pytest.raises(Problem) as caught:
        load(tmp_path, text)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_zero_is_no_limit_of_a_cell(tmp_path):
    with pytest.raises(Problem, match="above 0"):
        load(tmp_path, '[iops."4K 0/100"]\nmin_iops = 0\n')


# Limits

def judged(tmp_path, target, key, bar, excused=()):
    spec = load(tmp_path, f"[health]\n{key} = {bar}\n")
    row, = healthlimits.judge(spec, target, excused)
    assert row["test"] == "health" and row["bound"] is None
    return row


CASES = [
    # key, changes of the last sample, value, what it keeps, what it misses
    ("max_temperature_c", {"temperature_c": 71}, 71, 71, 70),
    ("max_new_media_errors", {"media_errors": 3}, 3, 3, 2),
    ("max_new_unsafe_shutdowns", {"unsafe_shutdowns": 15}, 1, 1, 0),
    ("max_new_link_errors", {"aer_correctable": 5}, 5, 5, 4),
    ("min_spare_percent", {"available_spare": 97}, 97, 97, 98),
    ("max_used_percent", {"percentage_used": 4}, 4, 4, 3)]


@pytest.mark.parametrize("key, changes, value, keeps, misses", CASES)
def test_limits_that_are_kept_and_missed(key, changes, value, keeps, misses,
                                         data, tmp_path):
    target, _ = told(data, **changes)
    target["smart"] = {"before": {}, "after": {**changes, "temperature_c": 1},
                       "why": None, "rows": []}
    for bar, result in ((keeps, "pass"), (misses, "fail")):
        row = judged(tmp_path, target, key, bar)
        assert (row["value"], row["result"]) == (value, result)
    data["limits"] = [row]
    schema.check(data)
    page, text = htmlreport.render(data), "\n".join(textreport.lines(data))
    assert "health" in page and row["metric"] in text


@pytest.mark.parametrize("key", [case[0] for case in CASES])
def test_what_is_not_told_is_not_measured(key, data, tmp_path):
    target, test = first(data)
    target["tests"] = [test]
    test["health"] = target["health"] = None
    target["smart"] = {"before": {"x": 1}, "after": {"x": 1}}
    row = judged(tmp_path, target, key, 1)
    assert row["result"] == "not measured" and row["value"] is None
    assert row["why"] in (healthlimits.NOT_TOLD, healthlimits.NO_SAMPLES)


def test_without_the_log_after_the_tests_no_counter_is_kept(data, tmp_path):
    """But one that has grown has."""
    target, _ = told(data, media_errors=3)
    target["smart"] = {"before": {"media_errors": 0}, "after": None}
    row = judged(tmp_path, target, "max_new_media_errors", 3)
    assert row["result"] == "not measured" and "after the tests" in row["why"]
    assert judged(tmp_path, target, "max_new_media_errors", 2)[
        "result"] == "fail"


def test_errors_between_the_samples_count(data, tmp_path):
    target, _ = told(data)
    target["smart"] = {"before": {"media_errors": 7},
                       "after": {"media_errors": 8}}
    for one in target["tests"][0]["health"]["samples"]:
        one["values"].pop("media_errors", None)
    assert judged(tmp_path, target, "max_new_media_errors", 0)["value"] == 1


def test_a_counter_that_was_told_but_once_has_not_grown(data, tmp_path):
    """It is not known what it was before."""
    target, test = first(data)
    target["tests"], test["health"], target["health"] = [test], None, None
    target["smart"] = {"before": {"x": 1}, "after": {"media_errors": 8}}
    row = judged(tmp_path, target, "max_new_media_errors", 0)
    assert row["result"] == "not measured" and row["value"] is None


def test_a_counter_that_begins_anew_has_not_shrunk(data, tmp_path):
    """As those of the bus, when a device was plugged anew: 3 and 2 more."""
    target, test = told(data)
    samples = test["health"]["samples"]
    for one in samples:
        one["values"].pop("aer_correctable", None)
    for one, value in zip(samples, (9, 12, 0, 2)):
        one["values"]["aer_correctable"] = value
    target["health"] = healthfacts.tell(target["tests"], target["identity"])
    assert target["health"]["grown"]["aer_correctable"] == 5
    row = judged(tmp_path, target, "max_new_link_errors", 4)
    assert (row["result"], row["value"]) == ("fail", 5)


def test_a_run_that_was_stopped_keeps_no_limit(data, tmp_path):
    target, test = told(data)
    test["state"] = "stopped"
    row = judged(tmp_path, target, "max_temperature_c", 90)
    assert row["result"] == "not measured" and "not done" in row["why"]
    assert judged(tmp_path, target, "max_temperature_c", 30)[
        "result"] == "fail"


def test_a_sample_without_a_temperature_is_no_cool_one(data, tmp_path):
    target, test = told(data)
    del test["health"]["samples"][2]["values"]["temperature_c"]
    row = judged(tmp_path, target, "max_temperature_c", 90)
    assert row["result"] == "not measured" and row["value"] == 49
    assert row["why"].startswith("1 of ")
    assert judged(tmp_path, target, "max_temperature_c", 48)[
        "result"] == "fail"


def test_no_throttling_in_a_window(data, tmp_path):
    _, test = first(data)
    number, inside, before = window(test)
    key = "max_throttled_windows"
    for hot, value, result in (([], 0, "pass"), ([(number, inside)], 1,
                                                 "fail")):
        target, _ = told(copy.deepcopy(data), hot)
        row = judged(tmp_path, target, key, 0)
        assert (row["value"], row["result"]) == (value, result)
    if before:
        target, _ = told(copy.deepcopy(data), [(number, before)])
        assert judged(tmp_path, target, key, 0)["result"] == "pass"


def test_what_only_prepares_is_no_window():
    """A fill before a test without a steady state: hot or not, no figure is
    of it."""
    fill, measured = ({"steady": None, "title": name, "rounds": [
        {"round": 1, "results": [{"stimulus": name}]}]}
        for name in ("SEQ 128K", "QD 1"))
    test = {"cells": [{"name": "QD 1"}], "phases": [fill, measured]}
    assert throttling.windows(test) == [(measured, [1])]


def test_throttling_that_is_not_counted_is_not_measured(data, tmp_path):
    target, test = told(data, known=SILENT)
    for one in test["health"]["samples"]:
        for name in ("throttle_level", "throttle_events"):
            one["values"].pop(name, None)
    target["health"] = healthfacts.tell(target["tests"], target["identity"])
    row = judged(tmp_path, target, "max_throttled_windows", 0)
    assert row["result"] == "not measured" and "keeps no count" in row["why"]
    assert row["value"] is None


@pytest.mark.parametrize("bar, result", [(2.3, "pass"), (2.1, "fail")])
def test_a_limit_on_write_amplification(bar, result, data, tmp_path):
    target, _ = told(data)
    row = judged(tmp_path, target, "max_write_amplification", bar)
    assert row["result"] == result and row["value"] == pytest.approx(2.2)


def test_write_amplification_that_is_not_told(data, tmp_path):
    target, test = told(data)
    for one in test["health"]["samples"]:
        one["values"].pop("media_written_bytes", None)
    target["health"] = healthfacts.tell(target["tests"], target["identity"])
    row = judged(tmp_path, target, "max_write_amplification", 2)
    assert row["result"] == "not measured"
    assert row["why"] == amplification.NONE


@pytest.mark.parametrize("samples, after, excused, value", [
    ((14, 34), 34, True, 0), ((14, 34), 35, True, 0), ((14, 34), 34, False, 20),
    ((15, 34), 34, True, 1), ((14, 34, 35), 35, True, 0), ((), 34, True, 0),
    ((), 34, False, 20)])
@pytest.mark.parametrize("key, name", [
    ("max_new_unsafe_shutdowns", "unsafe_shutdowns"),
    ("max_new_link_errors", "port_aer_nonfatal")])
def test_what_a_power_cut_provokes_is_no_fault(
        key, name, samples, after, excused, value, data, tmp_path):
    """But what had come when it began is, or once another test has begun."""
    target, test = told(data)
    for one in test["health"]["samples"]:
        one["values"] = {**one["values"], name: 14}
    target["smart"] = {"before": {name: 14}, "after": {name: after + 2},
                       "why": None, "rows": []}
    later = [{"whole": True, "values": {name: one}}
             for one in (after, after + 2)]
    target["tests"].append({**test, "name": "power-cut", "health": {
        "why": [], "samples": [{"whole": True, "values": {name: one}}
                               for one in samples]}})
    target["tests"].append({**test, "health": {"why": [], "samples": later}})
    names = {"power-cut"} if excused else ()
    assert judged(tmp_path, target, key, 0, names)["value"] == value + 2
    assert judged(tmp_path, target, "max_new_media_errors", 0,
                  names)["value"] == 0


def test_the_overall_result_follows(data, tmp_path):
    target, _ = told(data, temperature_c=99)
    row = judged(tmp_path, target, "max_temperature_c", 70)
    assert judging.overall([row], []) == "fail"


TOOLS = {
    # kind: (tool, what it tells at first and at last)
    "qemu": ("nvme", [faketools.SMART_LOG_2] * 2),
    "nvme": ("nvme", [healthdata.smart_log(60),
                      healthdata.smart_log(75, media_errors="2")]),
    "nvme by smartctl": ("smartctl", [
        healthdata.smartctl_nvme(), healthdata.smartctl_nvme(
            media_errors=1, unsafe_shutdowns=15)]),
    "sata": ("smartctl", [healthdata.smartctl_ata(50),
                          healthdata.smartctl_ata(61, pending=8)]),
    "scsi": ("smartctl", [healthdata.SMARTCTL_SCSI] * 2)}


@pytest.mark.parametrize("name, key, bar, value, result", [
    ("qemu", "max_temperature_c", 45, 50, "fail"),
    ("qemu", "min_spare_percent", 10, 0, "fail"),
    ("qemu", "max_new_media_errors", 0, 0, "pass"),
    ("nvme", "max_temperature_c", 75, 75, "pass"),
    ("nvme", "max_new_media_errors", 1, 2, "fail"),
    ("nvme by smartctl", "max_new_unsafe_shutdowns", 0, 1, "fail"),
    ("nvme by smartctl", "max_new_media_errors", 0, 1, "fail"),
    ("sata", "max_temperature_c", 60, 61, "fail"),
    ("sata", "max_new_media_errors", 0, 8, "fail"),
    ("sata", "max_used_percent", 2, 2, "pass"),
    ("sata", "min_spare_percent", 10, None, "not measured"),
    ("scsi", "max_temperature_c", 36, 36, "pass"),
    ("scsi", "max_used_percent", 2, 3, "fail"),
    ("scsi", "max_new_media_errors", 0, 0, "pass"),
    ("scsi", "max_new_link_errors", 0, None, "not measured")])
def test_limits_by_what_the_tools_tell(name, key, bar, value, result, fake,
                                       tmp_path):
    tool, texts = TOOLS[name]
    kind, records = name.partition(" ")[0].replace("qemu", "nvme"), []
    for number, text in enumerate(texts):
        fake.add(tool, {"": text})
        values, whys = sample.take([sample.Source(
            "", lambda seconds: health.brief("/dev/x", kind, seconds))])
        assert whys == []
        records.append(healthdata.record(number, None, None, number, values,
                                         True))
    test = {**inventeddevice.DONE, "health": {"samples": records, "why": []}}
    target = {"name": "/dev/x", "tests": [test],
              "health": healthfacts.tell([test], {}),
              "smart": {"before": records[0]["values"],
                        "after": records[-1]["values"]}}
    row = judged(tmp_path, target, key, bar)
    assert (row["value"], row["result"]) == (value, result)


# The report

def test_health_csv_has_a_row_of_each_sample(data):
    target, test = told(data, [(0, 1)], temperature_c=72)
    rows = list(csv.DictReader(io.StringIO(healthcsv.text(data))))
    assert len(rows) == len(test["health"]["samples"])
    assert rows[-1]["temperature_c"] == "72"
    assert rows[0]["phase"] == test["phases"][0]["title"]
    assert rows[0]["target"] == target["name"]
    assert {"at", "round", "part", "took", "media_written_bytes",
            "link_lanes"} <= set(rows[0])
    # Each row has all, though of most samples only changes are kept.
    assert all(row["media_errors"] == "0" for row in rows)


def test_no_title_of_a_phase_is_a_formula(data):
    """As that of a job of the user's may begin as one."""
    _, test = told(data)
    test["phases"][0]["title"] = "-1+1"
    assert ",'-1+1," in healthcsv.text(data)


def test_a_sample_of_a_phase_that_a_stopped_run_had_begun(data):
    _, test = told(data)
    test["health"]["samples"][-1]["phase"] = 99
    assert healthcsv.text(data)
    htmlreport.render(data)


def test_the_picture_is_under_the_iops_of_the_same_test(data):
    target, test = told(data, [(0, 1)], media_errors=1)
    with svg.styled():
        drawn, about = healthpicture.picture(test, target["identity"], "p")
    assert "IOPS and temperature over time" in drawn
    assert "throttled (hatched), by light throttling" in about
    assert "grew (crosses): media errors" in about
    assert ">warning<" in drawn and "Temperature, °C" in drawn
    page = htmlreport.render(data)
    assert "The device&#39;s health" in page or "device's health" in page
    assert "health.csv" in page


def test_a_test_without_rounds_has_the_temperature_alone():
    test = {**inventeddevice.DONE, "health": {"why": [], "samples": [
        healthdata.record(i, None, None, 10 * i, healthdata.FULL, True)
        for i in range(5)]}}
    with svg.styled():
        drawn, about = healthpicture.picture(test, {}, "p")
        assert "Temperature over time" in drawn and about == "40 °C"
        test["health"]["samples"] = test["health"]["samples"][:1]
        assert healthpicture.picture(test, {}, "p") is None


def test_the_page_and_the_terminal_mark_a_throttled_window(whole):
    page = htmlreport.render(whole)
    assert "A throttled window:" in page
    assert "slowed itself down" in page
    text = " ".join("\n".join(textreport.lines(whole)).split())
    assert "THROTTLED in round" in text
    assert "write amplification 2.20" in text

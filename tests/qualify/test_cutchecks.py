# SPDX-License-Identifier: GPL-2.0-only
# What is made of the power cuts that were: which of their counts fails a check,
# which is only told, and how long the device may take.  Made up; and torn
# writes on a device that tears them.
import re
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from cutlab import cut_of, cut_strip, limited, strip  # noqa: F401
from fiolab.base.problem import Problem
from fiolab.qualify.suite import acklog, powercut, realcut
from qualifycontext import results, text

GOOD = {"why": None, "synced": 1000, "in_flight": 5, "failed": True,
        **dict.fromkeys(("lost", "broken", "unreadable", "torn_block",
                         "torn_atomic", "torn_larger", "unsynced_lost"), 0)}
NAMES = ("synced", "contents", "torn", "load")


def judged(*cuts, atomic=4096):
    """{check: result} of cuts that differ so from a good one."""
    context = SimpleNamespace(store=lambda *_: "source",
                              target=SimpleNamespace(logical_block=512))
    found = powercut.checks(context, [
        {**GOOD, "first_lost": 0, "first_broken": 0, **one} for one in cuts],
        atomic)
    return dict(zip(NAMES, (one["result"] for one in found))), found


@pytest.mark.parametrize("what, check, result", [
    ("lost", "synced", "fail"), ("broken", "contents", "fail"),
    ("torn_block", "torn", "fail"), ("torn_atomic", "torn", "fail"),
    ("torn_larger", "torn", "pass"), ("unsynced_lost", "synced", "pass")])
def test_one_of_a_thousand(what, check, result):
    """A single block or write, in one of two cuts."""
    found, _ = judged({}, {what: 1})
    assert found == {**dict.fromkeys(NAMES, "pass"), check: result}


def test_what_was_not_measured():
    assert judged({"synced": 99})[0]["synced"] == "not measured"
    assert judged({"in_flight": 0, "failed": False})[0]["load"] == \
        "not measured"
    found, _ = judged({}, {"why": "no cut"})
    assert found == dict.fromkeys(NAMES, "not measured")
    found, _ = judged({"lost": 1}, {"why": "no cut"})
    assert found["synced"] == "fail"
    found, _ = judged({}, {"why": "no cut", "lost": 1, "broken": 1})
    assert (found["synced"], found["contents"]) == ("fail", "fail")
    assert found["load"] == "not measured"


def test_torn_writes_are_told_apart():
    _, found = judged({"torn_block": 1, "torn_atomic": 2, "torn_larger": 3})
    assert found[2]["text"].startswith(
        "1 writes were torn inside a logical block (512 bytes), 2 though of no "
        "more than 4,096 bytes, which the device says are atomic, and 3 larger")


def tears(log, path):
    """Of each block in flight the first sector arrives, and no other."""
    units, floor = np.array(log.units), log.floor()
    with open(path, "r+b") as file:
        for unit in np.flatnonzero(units["tried"] > units["acked"]):
            start = int(unit) * log.unit
            file.seek(start)
            for at in range(start, start + log.unit, acklog.SECTOR):
                stamp = np.array([(units["tried"] if at == start else floor)[
                    unit], log.count("key") ^ at], "=u8")
                file.write(stamp.tobytes() * (acklog.SECTOR // stamp.nbytes))


@pytest.mark.parametrize("atomic, result", [(1 << 20, "fail"), (0, "pass")])
def test_a_device_that_tears(cut_strip, strip, monkeypatch, atomic, result):
    """Writes in flight, of which it says that they are atomic, or does not."""
    made, logs = acklog.AckLog.made, []

    def kept(*words):
        logs.append(made(*words))
        return logs[0]
    monkeypatch.setattr(acklog.AckLog, "made", kept)
    monkeypatch.setattr(realcut, "atomic_write", lambda _: atomic)
    strip.then = lambda path: tears(logs[0], path)
    found = cut_strip()
    assert results(found) == {
        **dict.fromkeys(results(found), "pass"), "power-cut torn": result}
    said = re.match(r"0 writes were .* bytes\), (\d+) though .* and (\d+) larger",
                    text(found, "power-cut torn"))
    assert [count != "0" for count in said.groups()] == [atomic > 0,
                                                         atomic == 0], said


def test_a_cut_that_cannot_begin(cut_strip, monkeypatch):
    def none(*_):
        raise Problem("no room.")
    monkeypatch.setattr(realcut, "run_command", none)
    found = cut_strip()
    assert results(found)["power-cut synced"] == "not measured"
    assert "the cut failed: no room." in text(found, "power-cut synced")


def test_a_cut_that_breaks_off(cut_strip, strip, monkeypatch):
    """By what nobody has thought of: it is none."""
    def breaks(*_):
        strip.off()
        strip.on()
        raise ZeroDivisionError
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(realcut, "run_command", breaks)
    found = cut_strip()
    assert results(found)["power-cut synced"] == "not measured"
    assert "did not come to its end" in text(found, "power-cut synced")


def test_a_device_that_takes_its_time(cut_strip, monkeypatch):
    """From the end of the command until its last block can be read."""
    seen, is_back = [], realcut.is_back

    def late(target):
        seen.append(time.monotonic())
        return seen[-1] - seen[0] > 1.5 and is_back(target)
    monkeypatch.setattr(realcut, "is_back", late)
    found = cut_strip()
    ready, = found["cells"]
    assert 1.5 <= ready["values"]["ready_s"]["mean"] <= seen[-1] - seen[0] + 1
    assert limited(found, 1.4) == "fail" and limited(found, 300) == "pass"

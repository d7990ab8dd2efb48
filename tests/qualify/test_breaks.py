# SPDX-License-Identifier: GPL-2.0-only
# A run that was resumed: no window of steady state, and no figure of a cell,
# has rounds from both sides of a break, whatever the series and wherever the
# breaks; and the report says when and where each target went on.  The same by
# real runs is in tests/qualify/test_runner.py and tests/qualify/test_run.py.
import random
from types import SimpleNamespace

import pytest

from fiolab.base import machine
from fiolab.qualify import cells, phaserun, result, resume
from fiolab.qualify.suite import derive, profiles
from fiolab.qualify.suite.model import Phase, Stimulus, tracked

NAME = "4K 0/100"
STIMULUS = Stimulus(NAME, "randwrite", "4k", 0)
PHASE = Phase("rounds", "Rounds", (STIMULUS,), 25,
              (tracked(NAME, "iops", "4K"),))


def phase(parts, figures):
    """A PhaseRun that has rounds of these parts of the run."""
    made = object.__new__(phaserun.PhaseRun)
    made.bench = SimpleNamespace(profile=profiles.ENTERPRISE)
    made.phase, made.stimuli, made.purged = PHASE, [STIMULUS], None
    made.rounds = [
        {"round": number, "part": part, "results": [
            {"stimulus": NAME, "values": {"iops": iops}, "bytes_written": 0,
             "source": f"runs/{number}.json"}]}
        for number, (part, iops) in enumerate(zip(parts, figures), 1)]
    made.latencies = [[None] for _ in parts]
    return made


def some(rng):
    """Parts and figures of a phase: several breaks, steady or not."""
    parts, part = [], 0
    for _ in range(rng.randint(1, 40)):
        part += rng.random() < 0.2
        parts.append(part)
    spread = rng.choice((0.001, 0.05, 0.5))
    return parts, [1000 * rng.uniform(1 - spread, 1 + spread) for _ in parts]


@pytest.mark.parametrize("seed", range(20))
def test_no_window_spans_a_break(seed):
    rng, reached = random.Random(seed), 0
    for _ in range(50):
        parts, figures = some(rng)
        made = phase(parts, figures)
        state, entry = made.steady(), made.entry()
        window = {parts[number - 1] for number in range(
            state["first"], state["last"] + 1)}
        assert window == {parts[-1]}
        assert {one["part"] for one in derive.window(entry)} == window
        cell, = cells.of([made])
        assert {parts[int(source[5:-5]) - 1] for source in cell["values"][
            "iops"]["sources"]} == window
        assert entry["breaks"] == [number for number in range(
            2, len(parts) + 1) if parts[number - 1] != parts[number - 2]]
        if state["reached"]:
            assert parts[-5:].count(parts[-1]) == 5
            reached += 1
    assert reached > 5


def test_steady_figures_before_a_break_do_not_count():
    """Nor is it reached before there are enough after it."""
    for after in range(1, 5):
        made = phase([0] * 9 + [1] * after, [1000.0] * (9 + after))
        assert made.steady()["reached"] is False
    assert phase([0] * 9 + [1] * 5, [1000.0] * 14).steady()["reached"]
    assert phase([0] * 9, [1000.0] * 9).steady()["reached"]


def test_there_is_room_for_a_window_after_a_break():
    assert phase([0] * 24 + [1], [1.0] * 25)._most() == 29
    assert phase([0] * 3, [1.0] * 3)._most() == 25


# When, and where

def entry(name, *rounds, part=0):
    return {"name": name, "part": part, "phases": [
        {"title": "Rounds", "rounds": [{"round": number, "part": one}
                                       for number, one in enumerate(
                                           rounds, 1)]}] if rounds else []}


TARGETS = [
    {"name": "/dev/a", "tests": [entry("iops", 0, 0, 0, 1, 1),
                                 entry("trim", part=2), entry("wsat", 2, 2)]},
    {"name": "/dev/b", "tests": [entry("iops", 0, 0, 0), entry("trim", part=0),
                                 entry("wsat", 0, 2)]}]


def test_where_each_target_went_on():
    found = result._resumed(["T1", "T2"], TARGETS)
    assert [one["at"] for one in found] == ["T1", "T2"]
    first, second = (one["places"] for one in found)
    assert first == [
        {"target": "/dev/a", "test": "iops", "phase": "Rounds", "round": 4},
        {"target": "/dev/b", "test": "wsat", "phase": "Rounds", "round": 2}]
    assert second == [
        {"target": "/dev/a", "test": "trim", "phase": None, "round": None},
        {"target": "/dev/b", "test": "wsat", "phase": "Rounds", "round": 2}]


def test_a_run_that_had_nothing_left_went_on_nowhere():
    assert result._resumed(["T"], [{"name": "x", "tests": [entry("a", 0)]}]) \
        == [{"at": "T", "places": []}]


def test_another_kernel_is_told():
    known = {"environment": machine.describe(), "warnings": []}
    resume._warn_of_another_kernel(known)
    assert known["warnings"] == []
    known["environment"]["kernel"] = "1.2.3"
    resume._warn_of_another_kernel(known)
    assert "begun on the kernel 1.2.3 and resumed on" in known["warnings"][0]

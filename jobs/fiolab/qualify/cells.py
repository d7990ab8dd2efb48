# SPDX-License-Identifier: GPL-2.0-only
# The figures that count: of each stimulus, the rounds of the measurement
# window, their mean and its confidence bounds.
from statistics import fmean

from ..fio.metrics import TABLE
from ..stats import bounds
from . import jobtext, values
from .limits import orderbound
from .suite import derive
from .tails import overtime


def _of_round(results, metric):
    """None where one of its runs has no such figure, as a percentile of too
    few I/Os: what the others have is not that of the round."""
    known = [r["values"][metric] for r in results]
    if not known or None in known:
        return None
    return max(known) if TABLE[metric].longest else fmean(known)


def _samples(rounds, name, metric):
    """[(value, sources)]: one of each round; of each repeat where there is
    but one round."""
    groups = [[r for r in one["results"] if r["stimulus"] == name]
              for one in rounds]
    if len(groups) == 1:
        groups = [[result] for result in groups[0]]
    return [(_of_round(results, metric), [r["source"] for r in results])
            for results in groups if results]


def _value(rounds, name, metric):
    """None where no round has the figure; without a mean where not all have:
    it would be one of the rounds with many I/Os."""
    samples = _samples(rounds, name, metric)
    numbers = [number for number, _ in samples]
    known = [number for number in numbers if number is not None]
    if not known:
        return None
    mean = low = high = None
    if len(known) == len(numbers):
        mean = fmean(numbers)
        low, high = bounds.mean_bounds(numbers, bounds.CONFIDENCE)
    return {"mean": mean, "n": len(known), "values": numbers,
            "low": low, "high": high,
            "sources": [one for _, each in samples for one in each]}


def _latencies(phase, rounds, name):
    """Of all runs in the window, where the phase keeps histograms."""
    numbers = {one["round"] for one in rounds}
    return [latency for one, kept in zip(phase.rounds, phase.latencies)
            if one["round"] in numbers
            for result, latency in zip(one["results"], kept)
            if result["stimulus"] == name]


def _pooled(latencies):
    """With the bounds of its percentiles, and of what takes longer yet."""
    found = values.pool(latencies)
    return found and {**found, "bounds": orderbound.bounds(
        found, bounds.CONFIDENCE), "longer": orderbound.longer(
            found["n"], bounds.CONFIDENCE)}


def shape(stimulus, profile):
    return {"rw": stimulus.rw, "bs": stimulus.bs,
            "read_percent": stimulus.read,
            "threads": jobtext.threads_of(stimulus, profile),
            "depth": jobtext.depth_of(stimulus, profile)}


def plain(stimulus, rounds, profile):
    """A cell of rounds that are no search for a steady state."""
    first = next(r for r in rounds[0]["results"]
                 if r["stimulus"] == stimulus.name)
    known = {metric: _value(rounds, stimulus.name, metric)
             for metric in first["values"]}
    return {"name": stimulus.name, "stimulus": shape(stimulus, profile),
            "steady": None, "window": None, "latency": None,
            "values": {metric: value for metric, value in known.items()
                       if value}}


def _cell(phase, stimulus, rounds, state):
    latencies = _latencies(phase, rounds, stimulus.name)
    return {**plain(stimulus, rounds, phase.bench.profile),
            "steady": state and state["reached"],
            "window": state and [state["first"], state["last"]],
            "latency": _pooled(latencies),
            "over_time": overtime.of(latencies)}


def of(phases):
    """The cells of a test, from its phases' runs."""
    found = []
    for phase in phases:
        if not phase.phase.keep or not phase.rounds:
            continue
        state = phase.steady()
        rounds = derive.window(phase.entry())
        found += [_cell(phase, one, rounds, state) for one in phase.stimuli
                  if one.record]
    return found


def omitted(stimulus, why, phase):
    """A cell that the device cannot do."""
    return {"name": stimulus.name,
            "stimulus": shape(stimulus, phase.bench.profile), "steady": None,
            "window": None, "values": {}, "latency": None, "why": why}

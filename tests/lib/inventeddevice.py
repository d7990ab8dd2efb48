# SPDX-License-Identifier: GPL-2.0-only
"""Tests of a qualification as jobs/qualify would report them, drawn from an
invented device whose figures follow from a few rules, so that what has to be
seen is known.  The tests of SNIA are those of fiolab.qualify.pts, run here on
the invention; steady state is computed by its definition, not by the project.
"""
import collections
import math
import re

import numpy as np

from fiolab.qualify.suite import derive

SIZE = 480103981056
START = 1790000000
UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20}
TAIL = {"lat_p50_us": 0.93, "lat_p99_us": 2.1, "lat_p99_9_us": 3.9,
        "lat_p99_99_us": 8.2, "lat_p99_999_us": 14.0, "lat_max_us": 31.0}
PERCENTILES = (50, 90, 99, 99.9, 99.99, 99.999)
Named = collections.namedtuple("Named", "stimulus metric label unit")
DONE = {"section": None, "state": "done", "why": None, "seconds": 60.0,
        "phases": [], "cells": [], "checks": [], "tables": [], "grids": [],
        "part": 0, "health": None, "kernel": {
            "why": None, "start": "2026-11-24T18:00:00Z", "lost": 0, "left": 0,
            "names": ["nvme0n1", "nvme0", "0000:03:00.0"],
            "counts": {"device": {}, "other": {}}, "lines": []}}


# The invented device

def block(bs):
    """Bytes; of a mixture, those of its most frequent part."""
    if "/" in bs:
        bs = max(bs.split(":"), key=lambda part: int(part.split("/")[1]))
        bs = bs.split("/")[0]
    number, unit = re.fullmatch(r"(\d+)([km]?)", bs).groups()
    return int(number) * UNITS[unit]


def rate(stimulus, profile, fresh):
    """IOPS; fresh: 1 right after the purge, 0 when it is long past."""
    size, queue = block(stimulus.bs), shape(stimulus, profile)
    total = queue[0] * queue[1]
    reads = stimulus.read / 100
    ceiling = {1: 3.3e9, 0: 1.9e9}[round(reads)] / size
    ceiling = min(ceiling, 640e3 * reads + (1 - reads) * (
        130e3 + 300e3 * fresh if "rand" in stimulus.rw else 420e3))
    alone = 1 / (reads * 82e-6 + (1 - reads) * 24e-6 + size / 2.4e9)
    return 1 / (1 / (alone * total) + 1 / ceiling)


def shape(stimulus, profile):
    return (stimulus.threads or profile.threads,
            stimulus.depth or profile.depth)


def values(rng, stimulus, profile, fresh):
    threads, depth = shape(stimulus, profile)
    iops = rate(stimulus, profile, fresh) * math.exp(rng.normal(0, 0.012))
    mean = 1e6 * threads * depth / iops
    reads = stimulus.read / 100
    found = {"iops": iops, "read_iops": iops * reads,
             "write_iops": iops * (1 - reads),
             "mbps": iops * block(stimulus.bs) / 1e6, "lat_mean_us": mean}
    for name, times in TAIL.items():
        found[name] = mean * times * math.exp(rng.normal(0, 0.03))
    return {**found, "submit_share": 0.021 + 0.002 * rng.random()}


def latency(rng, mean_us, n=200000, buckets=500):
    """Log-normal with a tail, in fio's kind of buckets."""
    sample = mean_us * 1e3 * np.exp(rng.normal(0, 0.18, n))
    tail = rng.random(n) < 0.002
    sample[tail] *= rng.uniform(3, 14, tail.sum())
    edges = np.geomspace(sample.min() * 0.99, sample.max() * 1.01, buckets)
    counts, _ = np.histogram(sample, edges)
    return {"n": n, "mean_ns": float(sample.mean()),
            "max_ns": float(sample.max()),
            "percentiles": {f"{q:g}": float(np.percentile(sample, q))
                            for q in PERCENTILES},
            "bins": [[round(float(ns)), int(c)]
                     for ns, c in zip(edges[1:], counts) if c]}


# Steady state, by its definition

def tracked(one, series, window=5):
    empty = dict.fromkeys(("mean", "allowed_excursion", "measured_excursion",
                           "allowed_slope", "measured_slope", "slope",
                           "intercept"))
    found = {**{name: getattr(one, name) for name in Named._fields},
             "series": series, **empty, "holds": False}
    if len(series) < window:
        return found
    rounds = range(len(series) - window + 1, len(series) + 1)
    part = series[-window:]
    slope, intercept = map(float, np.polyfit(rounds, part, 1))
    mean = float(np.mean(part))
    found.update(mean=mean, allowed_excursion=0.2 * mean,
                 measured_excursion=max(part) - min(part), slope=slope,
                 allowed_slope=0.1 * mean, intercept=intercept,
                 measured_slope=abs(slope) * (window - 1))
    return {**found, "holds": found["measured_excursion"] <= 0.2 * mean
            and found["measured_slope"] <= 0.1 * mean}


def steady(phase, rounds):
    series = {t: [float(np.mean([r["values"][t.metric] for r in one["results"]
                                 if r["stimulus"] == t.stimulus]))
                  for one in rounds] for t in phase.tracked}
    found = [tracked(*each) for each in series.items()]
    n = len(rounds)
    return {"reached": all(t["holds"] for t in found), "rounds": n,
            "window": 5, "first": n - 4 if n >= 5 else None,
            "last": n if n >= 5 else None, "tracked": found}


# Phases, cells, tests

class Making:
    """One test on one target."""

    def __init__(self, rng, test, profile, restless=False):
        self.rng, self.test, self.profile = rng, test, profile
        self.restless, self.clock, self.written = restless, START, 0.0
        self.phases, self.kept = [], {}

    def result(self, stimulus, source, age):
        fresh = math.exp(-2.2 * self.written / SIZE)
        found = values(self.rng, stimulus, self.profile, fresh)
        if self.restless:
            for name in found:
                found[name] *= 1 + 0.3 * math.sin(2.1 * age)
        seconds = stimulus.seconds or 60
        written = found["write_iops"] * block(stimulus.bs) * seconds
        if stimulus.capacity:
            written = stimulus.capacity * SIZE
        elif "rand" in stimulus.rw:     # what makes a device lose its pace
            self.written += written
        return {"stimulus": stimulus.name, "values": found,
                "bytes_written": round(written),
                "source": f"{source}#{stimulus.name}"}

    def round(self, stimuli, phase, number):
        source = (f"runs/{self.test.name}-{phase.name.replace(' ', '-')}"
                  f"-r{number:02d}.json")
        found = [self.result(s, source, number - 1) for s in stimuli
                 for _ in range(s.repeat) if s.record]
        seconds = sum(s.seconds * s.repeat for s in stimuli)
        self.clock += seconds
        return {"round": number, "part": 0, "seconds": seconds,
                "results": found,
                "start": f"2026-11-24T0{number % 10}:00:00Z"}

    def phase(self, phase):
        stimuli = (phase.stimuli(self.phases) if callable(phase.stimuli)
                   else phase.stimuli)
        self.kept[phase.name] = {s.name: (s, phase) for s in stimuli
                                 if s.record and phase.keep}
        if phase.purge:
            self.written = 0.0
        rounds, state = [], None
        for number in range(1, phase.rounds + 1):
            rounds.append(self.round(stimuli, phase, number))
            state = steady(phase, rounds) if phase.tracked else None
            if state and state["reached"]:
                break
        self.phases.append({
            "name": phase.name, "title": phase.title, "steady": state,
            "rounds": rounds, "breaks": [], "by": phase.by or None,
            "purged": {"method": "nvme-format", "seconds": 7.2}
            if phase.purge else None})

    def cell(self, stimulus, phase, found):
        state = found["steady"]
        names = dict.fromkeys(name for r in found["rounds"][0]["results"]
                              for name in r["values"])
        return {"name": stimulus.name, "stimulus": {
                    "rw": stimulus.rw, "bs": stimulus.bs,
                    "read_percent": stimulus.read, **dict(zip(
                        ("threads", "depth"),
                        shape(stimulus, self.profile)))},
                "steady": state and state["reached"],
                "window": state and [state["first"], state["last"]],
                "values": {name: value(found, stimulus.name, name)
                           for name in names},
                "latency": latency(self.rng, derive.mean(
                    found, stimulus.name, "lat_mean_us"))
                if phase.histogram else None}

    def run(self):
        for phase in self.test.phases:
            self.phase(phase)
        cells = [self.cell(*made, found) for found in self.phases
                 for made in self.kept[found["name"]].values()]
        extra = self.test.derive(self.phases) if self.test.derive else {}
        return {**DONE, "name": self.test.name, "title": self.test.title,
                "group": "pts", "section": self.test.section,
                "seconds": float(self.clock - START), "phases": self.phases,
                "cells": cells, **extra}


def value(found, stimulus, name):
    rounds = derive.window(found)
    each = [derive.mean(found, stimulus, name, [one]) for one in rounds]
    half = (2.13 * np.std(each, ddof=1) / math.sqrt(len(each))
            if len(each) > 1 else None)
    mean = float(np.mean(each))
    return {"mean": mean, "n": len(each), "values": each,
            "low": half and mean - half, "high": half and mean + half,
            "sources": [r["source"] for one in rounds
                        for r in one["results"]
                        if r["stimulus"] == stimulus]}

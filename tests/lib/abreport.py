# SPDX-License-Identifier: GPL-2.0-only
"""A report.json as jobs/ab makes it, drawn from a known truth: noise, drift
and effects are chosen by the caller, so that tests know what has to be seen.
The statistics are the normal ones: quick, and independent of fiolab.stats.
"""
import math

import numpy as np

START = 1790000000.0
# metric: name, unit, role, better, value of A, spread, power of B's effect
METRICS = {
    "iops": ("IOPS", "1/s", "primary", "higher", 70000, 0.04, 1),
    "cpu_us": ("CPU us per I/O", "us", "primary", "lower", 7.3, 0.02, -0.8),
    "bw_mib": ("bandwidth", "MiB/s", "secondary", "higher", 273, 0.04, 1),
    "lat_mean_us": ("latency mean", "us", "secondary", "lower", 456, 0.04,
                    -1),
    "lat_p50_us": ("latency p50", "us", "secondary", "lower", 420, 0.05, -1),
    "lat_p99_us": ("latency p99", "us", "secondary", "lower", 1240, 0.12,
                   -0.5),
    "ctx_per_io": ("context switches per I/O", "1", "secondary", "lower",
                   0.51, 0.02, 0)}
WORDS = {"iops": ("faster", "slower"),
         "bw_mib": ("more bandwidth", "less bandwidth"),
         "cpu_us": ("more CPU", "less CPU"),
         "ctx_per_io": ("more switches", "fewer switches")}
PERCENTILES = (50, 90, 99, 99.9, 99.99, 99.999)
SIDES = ("libaio", "kaio", "io_uring", "kaio,submit=adaptive")


def pairs_of(rng, n, effect, drift):
    """n pairs; A drifts by a share over the whole time, B is A times e."""
    found = []
    for i in range(n):
        trend = 1 + drift * i / max(1, n - 1)
        values = {role: {} for role in ("A", "B", "A'")}
        for metric, (*_, middle, spread, power) in METRICS.items():
            for role in values:
                moved = (1 + effect) ** power if role == "B" else 1.0
                noise = math.exp(rng.normal(0, spread))
                values[role][metric] = middle * trend * moved * noise
        found.append({"pair": i, "order": ("AB", "BA")[i % 2], "seed": i + 1,
                      "start": START + 2.9 * i, "values": values})
    return found


def summary(d, z=1.96):
    """(estimate, low, high) of differences, as ratios."""
    middle, half = float(np.median(d)), z * d.std(ddof=1) / math.sqrt(len(d))
    return [math.exp(x) for x in (middle, middle - half, middle + half)]


def effect_of(metric, pairs, comparisons):
    name, unit, role, better, *_ = METRICS[metric]
    a, b, floor = (np.array([p["values"][r][metric] for p in pairs])
                   for r in ("A", "B", "A'"))
    d = np.log(b / a)
    ratio, low, high = summary(d)
    t = abs(d.mean()) / (d.std(ddof=1) / math.sqrt(len(d)))
    p = math.erfc(t / math.sqrt(2))
    aa, *aa95 = summary(np.log(floor / a))
    ci90 = summary(d, 1.645)[1:]
    found = {"metric": metric, "name": name, "unit": unit, "role": role,
             "better": better, "n": len(d), "ratio": ratio, "p": p,
             "median": {"A": float(np.median(a)), "B": float(np.median(b))},
             "ci95": [low, high], "ci90": ci90, "tost_p": 0.5,
             "aa": {"ratio": aa, "ci95": aa95},
             "p_holm": min(1.0, p * comparisons),
             "detectable": math.expm1(2.8 * d.std() / math.sqrt(len(d)))}
    return {**found, **verdict_of(found)}


def verdict_of(found):
    low, high = found["ci90"]
    if 0.98 < low and high < 1.02:
        return {"verdict": "equivalent", "reason": "90% CI inside +-2%"}
    if found["p_holm"] <= 0.05 and not found["ci95"][0] <= 1 <= found[
            "ci95"][1]:
        up, down = WORDS.get(found["metric"], ("longer", "shorter"))
        return {"verdict": up if found["ratio"] > 1 else down,
                "reason": f"p {found['p_holm']:.2g}"}
    return {"verdict": "inconclusive",
            "reason": "smallest detectable effect about "
            f"{100 * found['detectable']:.1f}%"}


def latency_of(rng, middle_ns, n=40000, buckets=400):
    """Log-normal with a tail, in fio's kind of buckets."""
    sample = middle_ns * np.exp(rng.normal(0, 0.35, n))
    tail = rng.random(n) < 0.004
    sample[tail] *= rng.uniform(4, 30, tail.sum())
    edges = np.geomspace(sample.min() * 0.99, sample.max() * 1.01, buckets)
    counts, _ = np.histogram(sample, edges)
    return {"n": n, "mean_ns": float(sample.mean()),
            "percentiles": {f"{q:g}": float(np.percentile(sample, q))
                            for q in PERCENTILES},
            "bins": [[round(float(ns)), int(c)]
                     for ns, c in zip(edges[1:], counts) if c]}


def cell(rng, number, n=20, effect=0.2, b="B", drift=0.0, comparisons=14,
         metrics=tuple(METRICS), job="randread", hosts=(), text="[a]\n"):
    pairs = pairs_of(rng, n, effect, drift)
    target = f"/dev/shm/kaio-ab-{number:08x}.tmp"
    return {
        "id": number, "job": job, "job_path": f"jobs/{job}.fio", "b": b,
        "job_text": f"# random reads\n{text}bs=4k\niodepth=64\ndirect=1\n",
        "changes": "runtime 30 -> 0.5 s, ramp_time 2 -> 0.1 s",
        "fio_cpu": {role: {"usr": 9.5, "sys": 61.25} for role in "AB"},
        "timeline": None,
        "job_b": None, "target_b": None,
        "stream": "first 500 I/Os identical on both sides",
        "target": {"path": target, "label": "RAM (tmpfs /dev/shm)",
                   "size": 256 << 20, "direct": "all", "handed": False,
                   "members": 1,
                   "why": "no device: shows the engine's own cost"},
        "command": {r: f"ENGINE={r} TARGET={target} fio "
                    f"--output-format=json cell-{number}-{r}.fio"
                    for r in "AB"},
        "effective": {r: f"[global]\nioengine={r}\nfilename={target}\n"
                      f"size=256M\n{text}bs=4k\niodepth=64\n" for r in "AB"},
        "closed": False, "seconds": 2.9 * n,
        "calls_per_io": {"A": 2.01, "B": 1.01}, "repeats": 0,
        "order_effect": {"iops": 0.014, "cpu_us": -0.021},
        "steal": {"mean": 0.007, "max": 0.092}, "discarded": [],
        "commands": COMMANDS, "pairs": pairs, "hosts": {h: {"effects": [
            effect_of(m, pairs, comparisons) for m in metrics[:2]]}
            for h in hosts},
        "effects": [effect_of(m, pairs, comparisons) for m in metrics],
        "latency": {"read": {
            "A": latency_of(rng, 420e3),
            "B": latency_of(rng, 420e3 / (1 + effect))}}}


OWN = {"fio": "/x/fio", "target": "/t", "filename": "Malloc0", "job": "b.fio",
       "cpu": 1, "nice": 0, "before": "echo 1", "after": "true", "within": 9}
COMMANDS = [{"role": "B", "when": when, "status": 0, "runs": 20,
             "seconds": 0.004, "output": "", "others": False}
            for when in ("before", "after")]
DUET_SIDE = {"cpu": 0.31, "asleep": 0.0, "more": 0.008, "elsewhere": 0.0}


def as_duet(cell, parts=False, **side):
    """The cell as one whose runs were made at once; parts: it writes."""
    sides = {role: {**DUET_SIDE, **side} for role in ("A", "B", "A'")}
    for i, pair in enumerate(cell["pairs"]):
        where = {role: (n + i) % 3 for n, role in enumerate(sides)}
        pair["duet"] = {"skew_s": 0.004, "kernel": 0.02, "others": 0.05,
                        "sides": sides, "repeats": [],
                        "parts": where if parts else None}
    middle = {"median": 0.004, "max": 0.008}
    return {**cell, "pairing": "duet", "latency": {}, "duet": {
        "skew_s": middle, "kernel": middle, "others": middle, "sides": sides,
        "paced": False,
        "repeats": [{"pair": 3, "why": "they began 60 ms apart"}],
        "place_effect": {"cpu_us": 0.004 if parts else None}}}


def report(cells, sides=2, **changes):
    """The whole report around cells."""
    effects = [e for c in cells for e in c["effects"]]
    return {
        "schema": "kaio-ab/1", "version": "0.9.0",
        "title": "kaio against libaio",
        "created": "2026-11-24T20:00:00Z", "finished": True, "seed": 401341546,
        "command": ["jobs/ab", "--side", "libaio", "--side", "kaio"],
        "pairs": max((len(c["pairs"]) for c in cells), default=20),
        "max_time_s": None, "precision": None, "alpha": 0.05, "margin": 0.02,
        "comparisons": len(effects), "runtime_s": 0.5, "ramp_s": 0.1,
        "cpu": 1, "fio": {"path": "/usr/bin/fio", "version": "fio-3.33",
                          "sha256": "2e546a17" * 8},
        "clients": sorted({h for c in cells for h in c["hosts"]}),
        "environment": {
            "kernel": "6.18.1", "machine": "x86_64", "cpus": 2,
            "cpu_model": "Example CPU @ 2.50GHz", "memory_bytes": 24 << 30,
            "distribution": "Debian GNU/Linux 12 (bookworm)",
            "governor": None, "clocksource": "tsc", "load_1m": 0.4,
            "virtual": "kvm"},
        "sides": [{"letter": "ABCD"[i], "text": SIDES[i], "options": [],
                   "ioengine": SIDES[i].split(",")[0], "environment": {},
                   "library": None, "own": OWN if i else {}, "fio": None}
                  for i in range(sides)],
        "cells": cells, "warnings": [], "self_check": None, **changes}


SELF_CHECK = {"planted": 0.8, "ratio": 0.81, "ci95": [0.78, 0.84],
              "verdict": "slower", "found": True, "false": [], "passed": True,
              "text": "planted: IOPS x 0.80; measured: x 0.81"}


def typical(seed=1):
    """Two cells as in the README: RAM, where B gains, and a disk."""
    rng = np.random.default_rng(seed)
    ram = cell(rng, 0, effect=0.21)
    disk = cell(rng, 1, effect=0.0, drift=-0.15)
    disk["target"] = {**disk["target"], "path": "/w/build/kaio-ab-1.tmp",
                      "label": "disk (ext4 on vda)",
                      "why": "the device sets the pace, so it hides the "
                      "engines' difference"}
    disk["discarded"] = [{"pair": 7, "host": None, "why": "fio did no I/O"}]
    return report([ram, disk], warnings=[
        "The load was 1.4 when the campaign began: other work disturbs it."])

# SPDX-License-Identifier: GPL-2.0-only
"""Parts of the qualify.json of qualifydata.py that no rule of the invented
device gives: integrity and queue tests, and comparisons.
"""
import math

from inventeddevice import DONE, latency

DEPTHS = tuple(1 << i for i in range(11))
MODEL, SERIAL = "EXAMPLE MZ7L3480HCHQ-00A07", "S64HNE0T501234"


# Integrity and queue

def check(name, title, text, result="pass", source=True):
    return {"name": name, "title": title, "result": result, "text": text,
            "source": f"runs/{name}.json#verify" if source else None}


def identity():
    return {
        "name": "nvme0n1", "model": MODEL, "serial": SERIAL,
        "firmware": "GDC5602Q", "vendor": "EXAMPLE", "kind": "nvme",
        "size_bytes": 480103981056, "write_cache": "write through",
        "scheduler": "none", "rotational": False, "transport": "pcie",
        "queues": 32, "bus": {
            "address": "0000:03:00.0", "link_speed": "16.0 GT/s PCIe",
            "link_width": "4", "max_link_speed": "16.0 GT/s PCIe",
            "max_link_width": "4", "power_state": "D0", "sata_speed": None},
        "integrity": {"format": "nvme", "tag_bytes": 0, "of_device": True},
        "namespaces": [{"name": "nvme0n1", "size_bytes": 480103981056}],
        "nvme": {"version": "1.4.0", "namespaces_max": 32, "lba_format": 1,
                 "lba_formats": 4, "data_bytes": 512, "metadata_bytes": 8,
                 "metadata": "in a buffer of its own", "protection": 1,
                 "protection_place": "last bytes of the metadata",
                 "power_state": 0, "power_states": 5,
                 "thermal_management": True, "warning_temperature_c": 70,
                 "critical_temperature_c": 82, "extended_log": "ocp",
                 "extended_log_why": None, "why": None},
        "array": None, "members": None, "below": None}


def kernel():
    """Two lines in the log."""
    def line(number, level, device, text):
        return {"sequence": 4000 + number, "level": level, "text": text,
                "seconds": 11.25 * number, "device": device}
    return {"why": None, "start": "2026-11-24T18:00:00Z", "lost": 0, "left": 0,
            "names": ["nvme0n1", "nvme0", "0000:03:00.0"],
            "counts": {"device": {"warning": 1}, "other": {"err": 1}},
            "lines": [line(1, "warning", True, "nvme nvme0: I/O 12 QID 3 "
                           "timeout, completion polled"),
                      line(2, "err", False, "I/O error, dev sdq, sector 8 op "
                           "0x0:(READ) flags 0x0 phys_seg 1 prio class 2")]}


def integrity():
    checks = [
        check("write-verify", "Everything written is read back",
              "480 GB written and read with crc32c: 0 mismatches."),
        check("overlap", "Overlapping sizes", "40,960 overlapping writes of "
              "0.5K to 1M in 1 GiB: 0 mismatches."),
        check("planted", "A planted corruption is found", "One byte changed "
              "at offset 268,435,712: found, and at that offset."),
        check("power-cut", "Acknowledged synced writes survive a power cut",
              "20 cuts under load, 81,337 acknowledged writes, all there."),
        check("trim-read", "Reads after trim", "1,024 trimmed ranges: all "
              "zeroes, as the device promises."),
        check("soak", "Long soak", "The soak needs 12 h and was left out.",
              "not measured", False)]
    return [
        {**DONE, "name": "verify", "title": "Write and verify",
         "group": "integrity", "checks": checks[:3], "seconds": 5210.0},
        {**DONE, "name": "powercut", "title": "Power cut",
         "group": "integrity", "checks": checks[3:4], "seconds": 812.0,
         "tables": [{"title": "Cuts", "note": "each after a random time under "
                     "load", "columns": ["cut", "after s", "acknowledged",
                                         "lost"],
                     "rows": [[i + 1, 3.1 + 0.37 * i, 4066 + 11 * i, 0]
                              for i in range(20)]}]},
        {**DONE, "name": "trim", "title": "Trim", "group": "integrity",
         "checks": checks[4:5], "seconds": 61.0},
        {**DONE, "name": "soak", "title": "Long soak", "group": "integrity",
         "state": "not run", "why": "its 12 h were left out with --skip soak",
         "seconds": None, "checks": checks[5:]}]


def sweep_cell(rng, depth):
    iops = 1 / (1 / (11500 * depth) + 1 / 612e3)
    mean = 1e6 * depth / iops
    figures = {"iops": iops, "mbps": iops * 4096 / 1e6, "lat_mean_us": mean,
               "lat_p50_us": 0.95 * mean, "lat_p99_us": 1.9 * mean,
               "lat_p99_9_us": 2.7 * mean, "lat_p99_999_us": 6 * mean,
               "submit_share": min(0.4, 0.012 + depth / 4000)}
    source = f"runs/depth.json#QD {depth}"
    return {"name": f"QD {depth}", "steady": None, "window": None,
            "stimulus": {"rw": "randread", "bs": "4k", "read_percent": 100,
                         "threads": 1, "depth": depth},
            "values": {name: {
                "mean": x, "n": 3, "values": [x * (1 + 0.01 * math.sin(i))
                                              for i in (1, 2, 3)],
                "low": 0.98 * x, "high": 1.02 * x, "sources": [source] * 3}
                for name, x in figures.items()},
            "latency": latency(rng, mean) if depth in (1, 64) else None}


def queue(rng):
    cells = [sweep_cell(rng, depth) for depth in DEPTHS]
    rows = [[c["stimulus"]["depth"], c["values"]["iops"]["mean"],
             c["values"]["lat_mean_us"]["mean"],
             c["values"]["submit_share"]["mean"]] for c in cells]
    return [
        {**DONE, "name": "depth", "title": "Depth sweep", "group": "queue",
         "seconds": 690.0, "cells": cells, "tables": [
             {"title": "Depth and throughput", "rows": rows, "note":
              "Medians of 3 rounds.", "columns": [
                  "depth", "IOPS", "mean latency us", "submit share"]}],
         "checks": [check("depth-submit", "io_submit does not block",
                          "At the knee 2.8% of the run was inside io_submit, "
                          "at most 5% is taken as not blocking.")]},
        {**DONE, "name": "full", "title": "Device full", "group": "queue",
         "state": "failed", "why": "fio ended with status 1: write: No space "
         "left on device", "seconds": 3.0,
         "checks": [check("enospc", "A full device says so",
                          "7 of 4,096 writes past the end were reported as "
                          "done.", "fail")]}]


# A load of the user's own

def own():
    copied = {"path": "/lab/mixed.fio", "copy": "own-00.fio", "sha256": "5" * 64}
    return {**DONE, "name": "job/mixed", "title": "Job mixed", "group": "job",
            "section": "/lab/mixed.fio", "seconds": 93.0, "job": {
                **copied, "logs": [{**copied, "path": "/lab/trace.bin",
                                    "copy": "own-00-log-0"}]},
            "tables": [{"title": "The jobs", "note": "size 10g -> 32M",
                        "columns": ["job", "I/O", "block size", "jobs",
                                    "depth", "from byte", "to byte"],
                        "rows": [["reads", "randread", "4k", 1, 8, 0, 1 << 25],
                                 ["log", "replays /lab/trace.bin", "4096", 1,
                                  32, 0, 1712128]]}]}


# Endurance

def _checkpoint(number, of):
    looked = {"source": "runs/t00-endurance-p01-r0001-scrub.json", "from":
              1 << 30, "read_back_bytes": 90e9, "all": number == of,
              "wrong": None, "guard_wrong": None, "guard": {
                  "writes": 180_000 * number, "blocks": 200_000, "wrong": 0,
                  "first": None}}
    return {"load_seconds": 1800.0, "taken_up": looked if number == 3 else
            None, "refilled": False, "read_bytes": 240e9,
            "guard_written_bytes": 6.3e9, **looked}


def _soaked(number, of):
    source = f"runs/t00-endurance-p01-r{number:04d}-000.json#000-enterprise"
    return {"round": number, "start": "2026-11-24T18:00:00Z", "part":
            int(number > 2), "seconds": 1990.0, "checkpoint": _checkpoint(
                number, of), "results": [{
                    "stimulus": "enterprise", "bytes_written": 360e9,
                    "values": {"iops": 52e3 - 400 * number,
                               "lat_mean_us": 2400, "lat_p99_us": 9800},
                    "source": source}]}


def endurance(of=6):
    rounds = [_soaked(number, of) for number in range(1, of + 1)]
    written = 366.3e9 * of
    return {**DONE, "name": "endurance-enterprise", "title": "Endurance, enterprise load",
            "group": "endurance", "seconds": 1990.0 * of, "section":
            "like JESD219's enterprise workload", "phases": [{
                "name": "load", "title": "Endurance, checkpoints", "purged":
                None, "steady": None, "breaks": [3], "rounds": rounds}],
            "endurance": {
                "load": "like JESD219's enterprise workload",
                "said": ["Sizes and places are as published."],
                "asked_seconds": 1800.0 * of, "seconds": 1800.0 * of,
                "checkpoints": of, "checkpoints_asked": of, "written_bytes":
                written, "read_bytes": 240e9 * of, "read_back_bytes": 90e9 *
                (of + 1), "drive_writes": written / 480e9,
                "drive_writes_per_day": written / 480e9 * 48 / of,
                "broken_off": 1, "refilled": 0},
            "checks": [],
            "tables": [{"title": "Endurance over time", "note": "Of the load "
                        "alone.", "columns": ["until hours", "GB written"],
                        "rows": [[i / 2, 366.3] for i in range(1, of + 1)]}]}


# Comparisons

def ab(path):
    def row(cell, metric, label, unit, better, this, ratio, ci, verdict, why):
        return {"target": path, "test": "iops", "cell": cell,
                "metric": metric, "label": label, "unit": unit,
                "better": better, "this": this, "other": this / ratio,
                "ratio": ratio, "ci95": ci, "p": 0.01, "p_holm": 0.04,
                "verdict": verdict, "reason": why, "n": 10}
    return {"engine": "kaio", "compared_with": "libaio", "rows": [
                row("4K 100/0", "iops", "IOPS", "1/s", "higher", 651e3, 1.001,
                    [0.996, 1.006], "equivalent", "90% CI inside +-2%"),
                row("4K 0/100", "iops", "IOPS", "1/s", "higher", 131e3, 1.012,
                    [0.98, 1.05], "inconclusive", "smallest detectable "
                    "effect about 4%"),
                row("4K 0/100", "lat_p99_us", "p99", "us", "lower", 310.0,
                    1.15, [1.09, 1.21], "longer", "p 0.0008")],
            "verdicts_of_the_spec": "each of 2 limits on these cells has the "
            "same result with either engine", "note": "10 pairs of runs for "
            "each cell.", "verdicts": [
                {"target": path, "cell": "4K 100/0", "key": "min_iops",
                 "this": "fail", "other": "fail"},
                {"target": path, "cell": "4K 0/100", "key": "min_iops",
                 "this": "pass", "other": "pass"}]}


def against():
    def row(cell, metric, label, unit, better, this, ratio, ci, verdict, why):
        return {"target": "/dev/nvme0n1", "other_target": "/dev/nvme0n1",
                "test": "iops", "cell": cell, "metric": metric,
                "label": label, "unit": unit, "better": better, "this": this,
                "other": this / ratio, "ratio": ratio, "ci95": ci,
                "p": 0.008, "p_holm": 0.024, "verdict": verdict,
                "reason": why, "detectable": 0.02, "n": [5, 5]}
    return {"other": {"path": "/lab/runs/gdc5502/qualify.json",
                      "created": "2026-10-02T09:12:44Z",
                      "identity": {"model": MODEL, "serial": SERIAL,
                                   "firmware": "GDC5502Q"}},
            "rows": [
                row("4K 0/100", "iops", "IOPS", "1/s", "higher", 131e3, 1.081,
                    [1.06, 1.1], "faster", "p 0.024"),
                row("4K 100/0", "iops", "IOPS", "1/s", "higher", 651e3, 0.957,
                    [0.94, 0.97], "slower", "p 0.024"),
                row("64K 65/35", "iops", "IOPS", "1/s", "higher", 31e3, 1.002,
                    [0.99, 1.01], "equivalent", "90% CI inside +-2%"),
                row("4K 0/100", "lat_p99_us", "latency p99", "us", "lower",
                    2051, 1.04, [0.93, 1.15], "inconclusive",
                    "smallest detectable effect about 9%"),
                {**row("8K 0/100", "iops", "IOPS", "1/s", "higher", 1, 1,
                       None, "no verdict", "the other run: steady state was "
                       "not reached in 25 rounds"), "ratio": None, "p": None,
                 "p_holm": None, "detectable": None, "other": None}],
            "warnings": ["the two runs have different fio: fio-3.33, "
                         "fio-3.36"],
            "note": "Rounds of the measurement windows, unpaired; Welch's "
            "test, corrected by Holm over 4 comparisons."}

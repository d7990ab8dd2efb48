# SPDX-License-Identifier: GPL-2.0-only
"""A qualify.json as jobs/qualify makes it, of an invented device.

    data = qualifydata.report()             # every group, one target
    data = qualifydata.report(profile=profiles.ENTERPRISE, targets=2)
    data = qualifydata.scaled()             # the quick profile
    data = qualifydata.poisoned(attack)     # every text from outside hostile
    qualifydata.hold(test)                  # against the schema
"""
import dataclasses

import numpy as np

import healthdata
import hostile
from inventeddevice import DONE, SIZE, Making
from qualifyparts import (MODEL, ab, against, check, endurance, identity,
                          integrity, kernel, own, queue)

from fiolab.qualify.fleet import batch, interference
from fiolab.qualify.report import schema
from fiolab.qualify.suite import profiles, pts
from fiolab.qualify.watch import healthfacts
from fiolab.target.drive import smartlog

# Long enough to see every kind of picture, and no longer.
SHORT = dataclasses.replace(profiles.ENTERPRISE, repeats=1 / 6, thin=True)


# The whole

def target(rng, path, profile, restless, host=None):
    tests = []
    for test in pts.tests(profile):
        making = Making(rng, test, profile, restless=restless or
                        test.name == "latency")
        tests.append(making.run())
    smart = {"critical_warning": 0, "temperature_c": 38,
             "available_spare": 100, "available_spare_threshold": 10,
             "percentage_used": 1, "data_units_written": 4102201,
             "media_errors": 0, "power_on_hours": 212,
             "num_err_log_entries": 0, "tool": "smartctl 7.3"}
    after = {**smart, "temperature_c": 58, "power_on_hours": 331,
             "data_units_written": 120533411, "num_err_log_entries": 2}
    last = len(tests[0]["phases"]) - 1
    hot = last, tests[0]["phases"][last]["rounds"][-1]["round"]
    tests[0] = {**tests[0], "kernel": kernel(), "health":
                healthdata.of_rounds(tests[0], [hot], faults=True)}
    return {
        "name": f"{host}:{path}" if host else path, "host": host,
        "path": path, "size_bytes": SIZE,
        "active_bytes": SIZE * profile.active // 100, "logical_block": 512,
        "physical_block": 4096, "identity": identity(), "sample": "17",
        "seat": None,
        "write_cache": {"name": "nvme0n1", "device": False, "kernel":
                        "write through", "how": "NVMe feature 6", "why": None,
                        "members": []},
        "smart": {"before": smart, "after": after, "why": None,
                  "rows": smartlog.rows(smart, after)},
        "health": healthfacts.tell(tests, identity()),
        "purge": {"method": "nvme-format", "why": "the device is NVMe and "
                  "nvme-cli is here"},
        "written": {"share": 1.0, "filled_bytes": 0},
        "checks": [check("kernel", "The kernel reported no error of the device",
                         "0 errors and 1 warning named it in 11 tests, 1 error "
                         "and 0 warnings did not", source=False),
                   check("smart", "The device's health log reports no failure",
                         "5 attributes tell of failures, and none does",
                         source=False)],
        "tests": [*tests, *integrity(), *queue(rng), endurance(), own()]}


def limit(line, where, key, metric, bar, unit, result="pass", why=None,
          **found):
    test, cell, path = where
    better = 1 if key.startswith("min") else -1
    factor = bar and {"pass": 1.1, "fail": 0.93}.get(result)
    mean = factor and bar * factor ** better
    return {"line": line, "target": path, "test": test, "cell": cell,
            "key": key, "metric": metric, "limit": bar, "unit": unit,
            "value": mean, "bound": mean and mean * (1 - 0.01 * better),
            "confidence": 0.95, "n": 5 if mean else 0, "result": result,
            "why": why, "source": [f"runs/{test}-rounds-r{i:02d}.json#{cell}"
                                   for i in range(3, 8)] if mean else [],
            **found}


def limits(path):
    identity = {**limit(2, ("device", None, path), "model", "model", None, "",
                        "pass", None), "value": None, "bound": None,
                "confidence": None, "n": None, "pattern": "EXAMPLE MZ7L3*",
                "found": MODEL, "source": [], "why": f"the model is {MODEL!r},"
                " which is as 'EXAMPLE MZ7L3*' asks"}
    return [
        identity,
        limit(6, ("iops", "4K 0/100", path), "min_iops", "iops", 120000,
              "1/s"),
        limit(7, ("iops", "4K 100/0", path), "min_iops", "iops", 700000,
              "1/s", "fail", "the bound 644,490 is below the limit"),
        limit(11, ("throughput", "128K SEQ 0/100", path), "min_mbps", "mbps",
              1500, "MB/s", "pass", "Student's bound of the mean of 5 "
              "rounds"),
        limit(12, ("throughput", "1M SEQ 100/0", path), "min_mbps", "mbps",
              2800, "MB/s"),
        limit(16, ("latency", "4K 0/100", path), "max_p99", "lat_p99_us", 60,
              "us", "not measured",
              "steady state was not reached in 25 rounds"),
        limit(20, ("depth", "QD 64", path), "max_submit_share_percent",
              "submit_share", 5, "%"),
        limit(24, ("wsat", "4K 0/100", path), "max_excursion_percent",
              "excursion", 20, "%", "pass", "observed (max - min)/mean of 5 "
              "rounds, which has no bound", bound=None, confidence=None)]


def report(profile=SHORT, targets=1, seed=1, restless=False, **changes):
    """restless: steady state is never reached."""
    rng = np.random.default_rng(seed)
    made = [target(rng, f"/dev/nvme{i}n1", profile, restless)
            for i in range(targets)]
    return several({
        "schema": "kaio-qualify/1", "version": "0.9.0",
        "created": "2026-11-24T20:00:00Z",
        "finished": True, "command": [
            "jobs/qualify", "--target", "/dev/nvme0n1", "--profile", "pts-e",
            "--spec", "vendor.toml", "--destroy-data"], "seed": 401341546,
        "engine": "kaio", "ioengine": "external:/usr/lib/fio/fio-kaio.so",
        "kaio": "kaio 1.0, built for fio-3.33",
        "refill": "1",
        "fio": {"path": "/usr/bin/fio", "version": "fio-3.33"},
        "environment": {
            "kernel": "6.18.1", "machine": "x86_64", "cpus": 32,
            "cpu_model": "Example CPU @ 2.50GHz", "memory_bytes": 256 << 30,
            "distribution": "Debian GNU/Linux 12 (bookworm)",
            "governor": "performance", "clocksource": "tsc", "load_1m": 0.04,
            "virtual": None},
        "profile": {"name": profile.name, "title": profile.title,
                    "threads": profile.threads, "depth": profile.depth,
                    "active_percent": profile.active,
                    "write_cache": profile.write_cache,
                    "readings": ["WSAT: tracked as the mean of the round"],
                    "minute_s": profile.minute, "scaled": profile is not SHORT
                    and profile.scaled},
        "record": {"operator": "A. Person", "fields": {
            "project": "X400 refresh", "rack": "B 12"}},
        "spec": {"path": "vendor.toml", "name": "Example 480 GB, rev. B",
                 "confidence": 0.95},
        "resumed": [{"at": "2026-11-24T19:00:00Z", "places": [
            {"target": made[0]["name"], "test": "wsat",
             "phase": "Write saturation", "round": 3}]}],
        "targets": made, "limits": [one for t in made
                                    for one in limits(t["name"])],
        "result": "fail", "ab": ab(made[0]["name"]), "against": against(),
        "warnings": ["The scheduler of /dev/nvme0n1 could not be read."],
        "fleet": None, "interference": None, **changes})


def several(data):
    """With what a report of more than one target has."""
    names = [one["name"] for one in data["targets"]]
    if len(names) == 1:
        return data
    for i, one in enumerate(data["targets"]):
        one["seat"] = {"cpus": f"{4 * i}-{4 * i + 3}", "node": i % 2,
                       "interrupts": f"{4 * i}", "shared": []}
        one["sample"] = str(17 + i)
    found = {"4k": [{"source": f"runs/t00-fleet-interference-4k-r{i:04d}.json",
                     "alone": [400_000 + 900 * i] * len(names),
                     "together": [300_000 + 500 * i, *[399_000 + 800 * i]
                                  * (len(names) - 1)]} for i in range(8)]}
    planned = interference.Plan(8, ("4k",), 2.0)
    return {**data, "fleet": batch.summary([(None, data)]),
            "interference": interference.summary(names, found, planned)}


def passed(**changes):
    """Nothing failed, nothing left out."""
    data = report(**changes)
    for one in data["targets"]:
        one["tests"] = [t for t in one["tests"]
                        if t["name"] not in ("soak", "full", "latency")]
    data["limits"] = [x for x in data["limits"] if x["result"] == "pass"]
    return {**data, "result": "pass", "ab": None, "against": None,
            "warnings": []}


def empty(**changes):
    """Asked to end before anything was run."""
    data = passed()
    for one in data["targets"]:
        one["tests"] = [{**DONE, "name": t["name"], "title": t["title"],
                         "group": t["group"], "state": "not run",
                         "why": "the command was asked to end"}
                        for t in one["tests"]]
        one["identity"], one["health"] = {}, None
        one["smart"] = {"before": None, "after": None, "why": "no tool",
                        "rows": []}
        one["checks"] = []
    return {**data, "result": "not measured", "finished": False,
            "limits": [], "spec": None, "kaio": None, **changes}


def hold(test):
    """A test as one was really run: refused where no report may have it."""
    data = empty()
    data["targets"][0]["tests"] = [test]
    schema.check(data)


# Words with a meaning for the program, and names that stand for others.
FIXED = {"schema", "created", "result", "state", "group", "metric", "key",
         "better", "judgement", "verdict", "start", "target", "test", "this",
         "other"}


def poisoned(attack):
    data = hostile.poison(report(), lambda text: f"{text}{attack}", FIXED)
    target, = data["targets"]
    target["identity"][attack] = attack
    target["smart"]["before"][attack] = {attack: [attack]}
    data["ab"][attack] = attack
    for one in data["limits"]:
        one["target"] = target["name"]
    for test in target["tests"]:
        for cell in test["cells"]:
            cell["why"] = attack
    return data


def scaled(**changes):
    return report(profiles.QUICK, result="not measured", against=None,
                  ab=None, limits=[], spec=None, **changes)

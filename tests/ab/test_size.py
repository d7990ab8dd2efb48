# SPDX-License-Identifier: GPL-2.0-only
# A campaign of 10,000 runs in 500 MB, and its page in 12: 167 cells of 20 pairs,
# loaded, judged and reported, whose runs are copies of real ones with other
# figures; and a report of one cell of 3,333 pairs.  The time is printed.
import copy
import json
import os
from pathlib import Path
import random
import subprocess
import sys

import numpy as np
import pytest

import abreport
from abrun import FAST, Ab

ROOT = Path(__file__).resolve().parents[2]
CELLS, PAIRS, OF_ONE = 167, 20, 3333
BYTES, PAGE = 500 << 20, 12 << 20
pytestmark = pytest.mark.slow
# (ru_maxrss would begin with that of the parent.)
PROGRAM = """
import re, resource, sys, time
sys.path.insert(0, sys.argv[1])
start = time.monotonic()
from fiolab.ab import schema
from fiolab.ab.report import csvreport, htmlreport, textreport
folder = sys.argv[2]
data = schema.load(folder + "/report.json")
text = textreport.text(data)
htmlreport.write(data, folder + "/report.html")
csvreport.write(data, folder + "/report.csv")
used = resource.getrusage(resource.RUSAGE_SELF)
with open("/proc/self/status") as file:
    peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", file.read())[1])
print(used.ru_utime + used.ru_stime, peak / 1024,
      time.monotonic() - start, len(text.splitlines()))
"""


def multiply(out):
    """Make CELLS cells of PAIRS pairs of a campaign of one."""
    plan = json.loads((out / "campaign.json").read_text())
    runs = {run["role"]: run for run in (
        json.loads(path.read_text()) for path in (out / "runs").iterdir())}
    cell = plan["cells"][0]
    plan["cells"] = [{**cell, "id": number} for number in range(CELLS)]
    plan["pairs"] = plan["arguments"]["pairs"] = PAIRS
    (out / "campaign.json").write_text(json.dumps(plan))
    from fiolab.ab import campaignfolder
    from fiolab.stats.pairing import SEQUENCES, pair_seed
    found, rng = campaignfolder.read(plan), random.Random(1)
    for number in range(CELLS):
        for pair in range(PAIRS):
            order = SEQUENCES[found.cells[number].orders[pair]]
            for position, role in enumerate(order):
                run = another(runs[role], rng)
                run.update(cell=number, pair=pair, role=role,
                           seed=pair_seed(plan["seed"], number, pair))
                name = f"{found.number(number, pair, position):06d}.json"
                (out / "runs" / name).write_text(
                    json.dumps(run, separators=(",", ":")))


def another(run, rng):
    """A copy with other figures, and with bins up to 400."""
    run = copy.deepcopy(run)
    for name, value in run["values"].items():
        run["values"][name] = value * rng.lognormvariate(0, 0.05)
    bins = run["latency"]["read"]["bins"]
    ns = bins[-1][0]
    while len(bins) < 400:
        ns += max(1, ns // 64)
        bins.append([ns, 1 + rng.randrange(9)])
    return run


def test_ten_thousand_runs(tmp_path, shm):
    ab = Ab(tmp_path)
    assert ab("--b", "psync", "--pairs", "1", "--target", f"{shm}/s",
              *FAST).returncode == 0
    multiply(ab.out)
    assert len(os.listdir(ab.out / "runs")) == 10020
    with subprocess.Popen(ab.command("--resume", ab.out), text=True,
                          stdout=subprocess.DEVNULL, env=ab.environment,
                          stderr=subprocess.PIPE) as process:
        err = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, err
    report = ab.report()
    assert len(report["cells"]) == CELLS
    assert {len(cell["pairs"]) for cell in report["cells"]} == {PAIRS}
    spent = usage.ru_utime + usage.ru_stime
    print(f"{spent:.1f} s of CPU, {usage.ru_maxrss >> 10} MiB, report.html "
          f"{(ab.out / 'report.html').stat().st_size >> 10} KiB")
    assert usage.ru_maxrss << 10 < BYTES
    assert (ab.out / "report.html").stat().st_size < PAGE


def test_one_cell_of_ten_thousand_runs(tmp_path):
    rng = np.random.default_rng(6)
    cell = abreport.cell(rng, 0, n=OF_ONE, effect=rng.normal(0, 0.05))
    cell["latency"] = {"read": {
        role: abreport.latency_of(rng, 4e5, 400000, 1500) for role in "AB"}}
    with open(tmp_path / "report.json", "w", encoding="ascii") as file:
        json.dump(abreport.report([cell]), file, allow_nan=False)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT / "jobs"), str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=900)
    seconds, megabytes, elapsed, lines = map(float, done.stdout.split())
    print(f"{seconds:.1f} s of CPU, {elapsed:.1f} s, {megabytes:.0f} MB, "
          f"{lines:.0f} lines")
    assert megabytes < BYTES >> 20
    assert (tmp_path / "report.html").stat().st_size < PAGE

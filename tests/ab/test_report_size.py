# SPDX-License-Identifier: GPL-2.0-only
# A campaign of 10,000 runs is reported in under 500 MB: one cell of 3,333
# pairs, and 166 cells of 20 pairs.  The time is printed.
import json
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest

import abreport

ROOT = Path(__file__).resolve().parents[2]
MEGABYTES = 500
# (ru_maxrss would begin with that of the parent.)
PROGRAM = """
import re, resource, sys, time
sys.path.insert(0, sys.argv[1])
start = time.monotonic()
from fiolab.ab import csvreport, htmlreport, schema, textreport
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


def campaign(cells, pairs):
    rng = np.random.default_rng(6)
    found = [abreport.cell(rng, i, n=pairs, effect=rng.normal(0, 0.05),
                           job=f"job-{i}") for i in range(cells)]
    shared = {role: abreport.latency_of(rng, 4e5, 400000, 1500)
              for role in "AB"}
    for each in found:
        each["latency"] = {"read": shared}
    return abreport.report(found)


@pytest.mark.slow
@pytest.mark.parametrize("cells, pairs", [(1, 3333), (166, 20)])
def test_ten_thousand_runs(cells, pairs, tmp_path):
    with open(tmp_path / "report.json", "w", encoding="ascii") as file:
        json.dump(campaign(cells, pairs), file, allow_nan=False)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT / "jobs"), str(tmp_path)],
        capture_output=True, text=True, check=True, timeout=900)
    seconds, megabytes, elapsed, lines = map(float, done.stdout.split())
    print(f"{cells} cells of {pairs} pairs: {seconds:.1f} s of CPU, "
          f"{elapsed:.1f} s, {megabytes:.0f} MB, {lines:.0f} lines")
    assert megabytes < MEGABYTES
    assert (tmp_path / "report.html").stat().st_size < 12 << 20

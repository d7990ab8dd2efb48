# SPDX-License-Identifier: GPL-2.0-only
# A campaign of 10,000 runs: loaded, judged and reported in 500 MB.  The runs are
# copies of real ones with other figures; the time is printed.
import copy
import json
import os
import random
import subprocess

import pytest

from abrun import FAST, Ab

CELLS, PAIRS = 167, 20
BYTES = 500 << 20


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


@pytest.mark.slow
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

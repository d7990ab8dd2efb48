# SPDX-License-Identifier: GPL-2.0-only
"""The test pace of jobs/qualify on a device whose highest rate is known
beforehand, as null_blk completes each I/O after a time that is told to it, of
so many at once.  The guest's clock counts instructions, so that the host, and
whatever else it does, is in no figure."""
import json
from pathlib import Path

import pytest

GUEST = Path(__file__).resolve().parents[1] / "lib" / "guestpace.py"
DEPTH, COMPLETION = 4, 0.01
CEILING = DEPTH / COMPLETION        # I/Os a second
SECONDS, BOUND = 6, 0.15            # of a run; of p99
BELOW, ABOVE = 90, 110              # percent of what it does at most
VM = {"cpus": 1, "icount": True, "specs": [
    "null_blk,id=paced,irqmode=2,size=32M,memory_backed=0,submit_queues=1,"
    f"hw_queue_depth={DEPTH},completion_nsec={round(1e9 * COMPLETION)}"]}
# From RAM, as the device's time goes on while pages come from the host.
SCRIPT = """set -e
mkdir build
cp "$1" fio
cp "$2" build/fio-kaio.so
shift 2
exec /usr/bin/python3 "$@"
"""


@pytest.fixture(scope="module")
def found(vm, fio_binary, engine, san):
    """The test, in qualify.json."""
    if san:
        pytest.skip("a sanitized engine needs the sanitizer preloaded")
    return json.loads(vm.check(
        "sh", "-c", SCRIPT, "sh", fio_binary, engine, GUEST, "/dev/lab/paced",
        "/tmp/fio", "/tmp/build", "/tmp/pace", SECONDS, round(1e6 * BOUND),
        BELOW, ABOVE, cwd="/tmp", seconds=1800))


@pytest.fixture(scope="module")
def cells(found):
    assert found["state"] == "done", found["why"]
    return {one["name"].removeprefix("4K 100/0 "): one
            for one in found["cells"]}


def mean(cells, name, metric):
    return cells[name]["values"][metric]["mean"]


def test_what_it_does_at_most_is_what_its_completions_allow(cells):
    """4 in flight of 10 ms each are 400 a second, whatever asks for more."""
    assert 0.95 * CEILING <= mean(cells, "closed loop", "iops") <= CEILING
    assert mean(cells, f"{ABOVE}%", "iops") <= 1.01 * CEILING


def test_less_is_kept_and_more_is_late(cells):
    """A run ends as much behind its schedule as that is above the device's."""
    most = mean(cells, "closed loop", "iops")
    below, above = f"{BELOW}%", f"{ABOVE}%"
    assert mean(cells, below, "iops") > 0.9 * most * BELOW / 100
    assert mean(cells, below, "due_p50_us") < 3e6 * COMPLETION
    assert mean(cells, below, "behind_us") < 1e6 * BOUND
    behind = SECONDS * (1 - 100 * CEILING / (ABOVE * most))
    assert mean(cells, above, "behind_us") > 0.5e6 * behind > 0


def test_the_knee_is_where_the_completion_time_puts_it(cells):
    """The highest rate that keeps p99 is below the ceiling, and the next that
    was tried above it."""
    one, = cells["highest"]["paces"]
    assert 0.8 * CEILING < one["iops"] < CEILING < one["missed_iops"]
    print(f"\nat most {mean(cells, 'closed loop', 'iops'):.1f} of "
          f"{CEILING:.0f} IOPS; {one['iops']} keep p99, {one['missed_iops']} "
          "do not")

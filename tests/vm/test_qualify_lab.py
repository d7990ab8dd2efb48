# SPDX-License-Identifier: GPL-2.0-only
"""jobs/qualify on drives of several kinds, as a lab has it: own loads with limits
that they keep and miss, limits on what the drives say of their health, a drive
that the kernel throttles for a while, two namespaces as noisy neighbours, and
eight devices of which one is slow."""
import csv
from dataclasses import dataclass
import json
from pathlib import Path
import subprocess
import time

import pytest

SIZE = 32 << 20
FLEET, SLOW = 8, 5
COMPLETION, SLOWER = 1, 3           # seconds, of the fleet and its slow one
VM = {"specs": [
    "nvme,id=nvme,lba=4096,namespaces=2,size=32M", "ahci,id=sata,size=32M",
    "scsi,id=scsi,size=32M",
    "null_blk,id=made,size=32M,irqmode=2,completion_nsec=10000000", *(
        f"null_blk,id=fleet{i},size=32M,memory_backed=0,irqmode=2,"
        f"hw_queue_depth=128,completion_nsec="
        f"{1_000_000_000 * (SLOWER if i == SLOW else COMPLETION)}"
        for i in range(FLEET))]}
LONG = 3600                         # seconds of a command, under emulation
QUICK = ("--profile", "quick", "--no-pdf")


@pytest.fixture(scope="module")
def qualify(vm, root, build_dir, fio_binary, engine):
    """A function: qualify.json of a command, which ends with that status."""
    def run(name, status, *words, meanwhile=lambda out, running: None):
        out, began = vm.shared / name, time.monotonic()
        running = vm.start(root / "jobs/qualify", "--build", build_dir,
                           "--fio", fio_binary, "--out", out, *words)
        meanwhile(out, running)
        done = running.wait(LONG)
        print(f"\n{name}: {time.monotonic() - began:.0f} s")
        assert done.status == status, done
        return json.loads((out / "qualify.json").read_text())
    return run


def written(vm, name, text):
    path = vm.shared / name
    path.write_text(text)
    return path


# Loads of one's own, and health, with limits that are kept and missed

# For 2 s, as the profile quick shortens it.
MINE = """[global]
direct=1
bs=4k
time_based
runtime=480
size=8m
[reads]
rw=randread
iodepth=4
[writes]
rw=randwrite
iodepth=2
"""
# QEMU's NVMe drive has 50 degrees and no spare, its SATA drive 31 degrees.
LIMITS = """[job.mine.reads]
max_mean_us = 60_000_000
[job.mine.writes]
min_iops = 1_000_000
[health]
max_temperature_c = 45
max_new_media_errors = 0
min_spare_percent = 1
"""
KEPT, MISSED, UNKNOWN = "pass", "fail", "not measured"


@dataclass(frozen=True)
class Device:
    path: str
    kind: str
    health: tuple           # the results of [health], in its order


DEVICES = {
    "nvme": Device("/dev/lab/nvme", "nvme", (MISSED, KEPT, MISSED)),
    "sata": Device("/dev/lab/sata", "sata", (KEPT, KEPT, UNKNOWN)),
    "scsi": Device("/dev/lab/scsi", "scsi", (UNKNOWN,) * 3),
    "null_blk": Device("/dev/lab/made", "null", (UNKNOWN,) * 3)}


@pytest.fixture(scope="module")
def own(vm, qualify):
    """Of all of them at once.  While it runs, the NVMe drive's reliability is
    degraded (a bit of its critical warning)."""
    def warn(bits):
        vm.monitor.do("qom-set", {
            "path": "/machine/peripheral/dev-nvme",
            "property": "smart_critical_warning", "value": bits})

    def meanwhile(out, running):
        end = time.monotonic() + LONG
        while not any(out.glob("rounds/t00-job*-r0001.json")):
            assert time.monotonic() < end and running.status is None, \
                running.err
            time.sleep(0.2)
        warn(4)
    try:
        data = qualify(
            "own", 1, *QUICK, "--repeat", "2", "--job",
            written(vm, "mine.fio", MINE), "--spec",
            written(vm, "own.toml", LIMITS), "--destroy-data", *(
                word for one in DEVICES.values()
                for word in ("--target", one.path)), meanwhile=meanwhile)
    finally:
        warn(0)
    return dict(zip(DEVICES, data["targets"])), data["limits"]


@pytest.mark.parametrize("name", DEVICES)
def test_limits_on_a_load_of_ones_own_pass_and_fail(own, name):
    targets, limits = own
    target, device = targets[name], DEVICES[name]
    assert target["identity"]["kind"] == device.kind
    test, = target["tests"]
    assert (test["name"], test["state"]) == ("job/mine", "done"), test["why"]
    assert [one["name"] for one in test["cells"]] == ["reads", "writes"]
    assert [(one["cell"], one["result"]) for one in limits
            if one["target"] == target["name"] and one["test"] == "job/mine"
            ] == [("reads", KEPT), ("writes", MISSED)]


@pytest.mark.parametrize("name", DEVICES)
def test_limits_of_health_are_tripped_by_what_the_drive_says(own, name):
    targets, limits = own
    found = [one for one in limits if one["test"] == "health" and
             one["target"] == targets[name]["name"]]
    test, = targets[name]["tests"]
    # Of a drive that a busy host keeps from answering less is known.
    late = any(why.endswith("no answer in time.")
               for why in (test["health"] or {"why": ()})["why"])
    assert len(found) == len(DEVICES[name].health)
    for one, asked in zip(found, DEVICES[name].health):
        assert one["result"] in (asked, UNKNOWN if late else asked), one
        assert late or (one["value"] is None) == (asked == UNKNOWN), one


def test_a_warning_that_comes_while_it_runs_fails_its_check(own):
    targets, _ = own
    bad = {name: [one["text"] for one in target["checks"]
                  if one["result"] == MISSED]
           for name, target in targets.items()}
    (said,) = bad.pop("nvme")
    assert "critical warning" in said and "reliability" in said
    assert not any(bad.values()), bad


# A drive that the kernel throttles

THROTTLED = 20
LATE = """[job.late.reads]
max_max_ms = 100
"max_outliers_over(150ms)_per_hour" = 100
"max_outliers_over(30s)_per_hour" = 200
"""
# When it has read a while: 5 reads a second, for so long.
THROTTLE = f"""set -e
read at <$1/stat
first=${{at%% *}}
left=600
until at=$(cat $1/stat); set -- $1 $at; [ $(($2 - first)) -ge 300 ]
do
	left=$((left - 1))
	[ $left != 0 ]
	sleep 1
done
sleep 10
date +%s.%N
echo "$(cat $1/dev) riops=5" >/sys/fs/cgroup/slow/io.max
sleep {THROTTLED}
echo "$(cat $1/dev) riops=max" >/sys/fs/cgroup/slow/io.max
date +%s.%N
"""


def test_20_throttled_seconds_are_found(vm, root, build_dir, fio_binary,
                                        engine):
    """In the heat map, among the times that stand out, and by the limits."""
    job = written(vm, "late.fio", "[reads]\nrw=randread\ndirect=1\nbs=4k\n"
                  "size=16m\ntime_based\nruntime=70\n")
    vm.check("sh", "-c", "cd /sys/fs/cgroup && echo +io >cgroup.subtree_control"
             " && mkdir slow && dd if=/dev/zero of=/dev/lab/nvme bs=1M "
             "count=16 oflag=direct")
    disk = vm.check("readlink", "-f", "/dev/lab/nvme").strip()
    out = vm.shared / "late"
    running = vm.start(
        "sh", "-c", 'echo $$ >/sys/fs/cgroup/slow/cgroup.procs; exec "$@"',
        "sh", root / "jobs/qualify", "--build", build_dir, "--fio", fio_binary,
        "--out", out, "--profile", "pts-c", "--no-pdf", "--repeat", "1",
        "--job", job, "--spec", written(vm, "late.toml", LATE), "--target",
        disk)
    times = vm.check("sh", "-c", THROTTLE, "sh", "/sys/block/" + Path(
        disk).name, seconds=LONG)
    begin, end = map(float, times.split())
    done = running.wait(LONG)
    assert done.status == 1, done
    data = json.loads((out / "qualify.json").read_text())
    test, = data["targets"][0]["tests"]
    over = test["cells"][0]["over_time"]
    standing_out = sum(max(0, min(one["end"], end) - max(one["begin"], begin))
                       for one in over["outliers"])
    assert standing_out >= THROTTLED - 3, over["outliers"]
    table = next(one for one in test["tables"]
                 if one["title"] == "Outlier windows")
    assert any(row[4] < row[5] / 2 for row in table["rows"])
    # The heat map has the reads of that time, most of which took so long: some
    # the kernel lets go together.
    assert _late(over, 100e6) >= 0.5 * 5 * THROTTLED
    assert "over time, in windows of 1 s" in (out / "report.html").read_text()
    assert [one["result"] for one in data["limits"]] == [MISSED, MISSED, KEPT]


def _late(over, ns):
    """I/Os of a heat map in rows from so many ns on."""
    return sum(count for row in over["counts"]
               for count, edge in zip(row, over["edges_ns"]) if edge >= ns)


# Two namespaces

def test_a_namespace_is_the_noisy_neighbour_of_another(vm, qualify):
    """Of which no more is written than what was given."""
    given = SIZE // 2
    vm.check("sh", "-c", "yes old | head -c %d >/tmp/old && for name in nvme "
             "nvme-2; do dd if=/tmp/old of=/dev/lab/$name bs=1M oflag=direct; "
             "done" % SIZE)
    data = qualify("neighbour", 2, *QUICK, "--tests", "neighbour", "--size",
                   f"{given >> 20}M", "--target", "/dev/lab/nvme", "--neighbour",
                   "/dev/lab/nvme-2", "--destroy-data")
    target, = data["targets"]
    test, = target["tests"]
    assert test["state"] == "done", test["why"]
    other = vm.check("readlink", "-f", "/dev/lab/nvme-2").strip()
    assert (target["neighbour"]["path"], target["neighbour"]["active_bytes"]
            ) == (other, given)
    assert target["neighbour"]["model"] == target["identity"]["model"]
    table, = [one for one in test["tables"] if "neighbour IOPS" in
              one["columns"]]
    # Alone, beside three kinds of load, and, as it trims at last, once more.
    assert [bool(row[-2]) for row in table["rows"]] == [
        False, True, True, True, False, True]
    for name in ("nvme", "nvme-2"):
        within, beyond = (vm.run("cmp", *words, f"/dev/lab/{name}", "/tmp/old")
                          for words in (("-n", given), ("-i", given)))
        assert (within.status, beyond.status) == (1, 0), name


# Many

# For 20 s, as the profile quick shortens it.
MANY = """[reads]
rw=randread
direct=1
bs=4k
time_based
runtime=4800
"""


def test_the_slow_one_of_eight_is_found(vm, root, qualify):
    """All at once; by the table of the run, and of `jobs/qualify summary`."""
    data = qualify(
        "fleet", 2, *QUICK, "--repeat", "2", "--job",
        written(vm, "many.fio", MANY), *(
            word for i in range(FLEET)
            for word in ("--target", f"/dev/lab/fleet{i}")))
    fleet, names = data["fleet"], [one["name"] for one in data["targets"]]
    assert [len(one["devices"]) for one in fleet["batches"]] == [FLEET]
    row, = [one for one in fleet["rows"] if one["metric"] == "iops"]
    assert 0 < row["median"] <= 1.05 / COMPLETION
    assert [(one["device"], one["worse"]) for one in row["outliers"]] == [
        (SLOW, True)]
    assert data["interference"]["rows"], data["interference"]["why"]
    text = subprocess.run(
        [root / "jobs/qualify", "summary", vm.shared / "fleet", "--format",
         "csv"], check=True, capture_output=True, text=True,
        timeout=300).stdout
    assert [one["device"] for one in csv.DictReader(text.splitlines())
            if one["outlier"] == "1" and one["metric"] == "iops"] == [
        names[SLOW]]

# SPDX-License-Identifier: GPL-2.0-only
# What the sides of a duet do: I/O of others for them, and writes beside each
# other; and whose figure of CPU time counts.
import math
import re
import subprocess
from types import SimpleNamespace

import pytest

from abrun import QUICK
import targets
from fiolab.fio import cpushare, duet


def test_workers_of_io_uring_are_counted(ab, shm):
    """fio's own figure leaves out io-wq's, which do the I/O of tmpfs."""
    done = ab.measured("--a", "libaio", "--b", "io_uring", "--pairs", "1",
                       "--pairing", "duet", "--target", f"{shm}/s", *QUICK)
    if done.returncode and "io_uring" in done.stderr:
        pytest.skip("io_uring may not be used here")
    assert done.returncode == 0, done.stderr
    runs = {run["role"]: run["values"] for run in ab.runs()}
    sides = ab.report()["cells"][0]["duet"]["sides"]
    if sides["B"]["more"] < 0.1:
        pytest.skip("this kernel does it without workers")
    a, b = (runs[role]["cpu_us"] / runs[role]["fio_cpu_us"] for role in "AB")
    assert a < 1.15 < b and sides["A"]["more"] < 0.1


@pytest.mark.root
def test_workers_of_a_loop_device_are_told_and_charged_to_nobody(ab, shm):
    """They copy what is read, for whoever asks."""
    with targets.loop_of(shm, 16 << 20, written=True) as loop:
        done = ab.measured("--a", "libaio", "--b", "libaio", "--pairs", "1",
                           "--pairing", "duet", "--target", loop, *QUICK)
    assert done.returncode == 0, done.stderr
    share = ab.report()["cells"][0]["duet"]["kernel"]["median"]
    assert share > 0.02
    told = re.search(r"charged to nobody: ([\d.]+)% of",
                     " ".join(done.stdout.split()))
    assert float(told[1]) == pytest.approx(100 * share, abs=0.6)


@pytest.mark.parametrize("kind", ["randwrite", "randread", "read"])
def test_each_has_a_third(kind, ab, shm, tmp_path):
    """None reads what another does, nor finds it in the processor's cache."""
    job = tmp_path / "job.fio"
    job.write_text(f"[a]\nrw={kind}\nbs=4k\niodepth=4\n")
    done = ab.measured("--a", "libaio", "--b", "psync", "--pairs", "3",
                       "--pairing", "duet", "--job", str(job), "--target",
                       f"{shm}/s", *QUICK)
    assert done.returncode == 0, done.stderr
    third, seen = 5 << 20, {}
    for run in ab.runs():
        if "options" not in run:    # of a block that the machine disturbed
            continue
        options = dict(line.partition("=")[::2] for line in run["options"])
        assert int(options["size"]) == third
        seen.setdefault(run["pair"], []).append(int(options["offset"]))
    assert all(sorted(where) == [0, third, 2 * third]
               for where in seen.values())
    cell, = ab.report()["cells"]
    for pair in cell["pairs"]:
        assert sorted(pair["duet"]["parts"].values()) == [0, 1, 2]
    check_effects(cell, " ".join(done.stdout.split()))
    check_plain_jobs(ab, third)


def check_effects(cell, said):
    """Of the place (B had each third once) and of the order, which are those
    of the pairs, and are said."""
    pairs = cell["pairs"]
    d = [math.log(pair["values"]["B"]["cpu_us"] /
                  pair["values"]["A"]["cpu_us"]) for pair in pairs]
    # Of the first three, B was in the third behind A's: steps around them.
    first, second, _ = (x - sum(d) / 3 for _, x in sorted(
        (pair["duet"]["parts"]["B"], x) for pair, x in zip(pairs, d)))
    thirds = [first, first + second, 0]
    place = cell["duet"]["place_effect"]["cpu_us"]
    assert place == pytest.approx(max(thirds) - min(thirds))
    assert f"effect of the third of the target: CPU us per I/O " \
        f"{100 * place:.1f}%" in said
    each = {order: [x for x, pair in zip(d, pairs) if pair["order"] == order]
            for order in ("AB", "BA")}
    order = cell["order_effect"]["cpu_us"]
    if all(each.values()):
        a, b = (sum(one) / len(one) for one in each.values())
        assert order == pytest.approx(a - b)
        assert f"(AB less BA): CPU us per I/O {100 * order:+.1f}%" in said
    else:
        assert order is None and "CPU us per I/O n/a" in said


def check_plain_jobs(ab, third):
    """What repeats a run by hand writes where that did, and fio takes it."""
    first = {run["role"]: run["options"] for run in ab.runs()
             if run["pair"] == 0}
    for role in "AB":
        path = ab.out / "jobs" / f"cell-0-{role}.fio"
        lines = path.read_text().splitlines()
        for option in first[role]:
            if option.split("=")[0] in ("size", "offset", "runtime"):
                assert option in lines
        assert f"size={third}" in lines and "exec_prerun" not in str(lines)
        subprocess.run([ab.report()["fio"]["path"], "--parse-only", path],
                       check=True, capture_output=True, timeout=60)


def test_jobs_that_are_threads_beside_processes_count_once(ab, shm, tmp_path):
    job = tmp_path / "job.fio"
    job.write_text("[a]\nrw=randread\nthread\n[b]\nrw=randread\n")
    done = ab.measured("--a", "libaio", "--b", "libaio", "--pairs", "1",
                       "--pairing", "duet", "--job", str(job), "--target",
                       f"{shm}/s", *QUICK)
    assert done.returncode == 0, done.stderr
    for run in ab.runs():
        assert run["values"]["cpu_us"] == run["values"]["clock_cpu_us"]


@pytest.mark.parametrize("own, cpu_us", [(0, 12), (9.99, 12), (10, 220)])
def test_of_a_sleeper_the_clock_from_outside_counts(own, cpu_us, monkeypatch):
    """fio counts whole ms: 0 of any time below one, on both sides alike."""
    kept = {"iops": 100.0, "ios": 50, "fio_cpu_us": own * 1000 / 50}
    monkeypatch.setattr(duet, "figures", lambda _: dict(kept))
    member = SimpleNamespace(jobs=1, finish=lambda _: {"jobs": []})
    found = duet.Member.result(member, 0, cpushare.Spent(
        0.5, 0.0006, 0.0006, 0, 0, 0))
    assert found["cpu_us"] == pytest.approx(cpu_us)


def test_a_kernel_thread_that_ends_takes_nothing_away():
    """A worker that had run for hours, and may not be idle for long."""
    assert cpushare.worked({5: 3600.0, 6: 1.0}, {6: 1.25, 7: 0.5}) == 0.75
    assert 2 not in cpushare.kernel_threads()
    assert all(ran >= 0 for ran in cpushare.kernel_threads().values())

# SPDX-License-Identifier: GPL-2.0-only
# What the sides of a duet do: I/O of others for them, and writes beside each
# other.
import pytest

from abrun import QUICK


def test_workers_of_io_uring_are_counted(ab, shm):
    """fio's own figure leaves out io-wq's, which do the I/O of tmpfs."""
    done = ab("--a", "libaio", "--b", "io_uring", "--pairs", "1", "--pairing",
              "duet", "--target", f"{shm}/s", *QUICK)
    if done.returncode and "io_uring" in done.stderr:
        pytest.skip("io_uring may not be used here")
    assert done.returncode == 0, done.stderr
    runs = {run["role"]: run["values"] for run in ab.runs()}
    sides = ab.report()["cells"][0]["duet"]["sides"]
    if sides["B"]["more"] < 0.1:
        pytest.skip("this kernel does it without workers")
    a, b = (runs[role]["cpu_us"] / runs[role]["fio_cpu_us"] for role in "AB")
    assert a < 1.15 < b and sides["A"]["more"] < 0.1


def test_writes_go_to_thirds(ab, shm, tmp_path):
    job = tmp_path / "job.fio"
    job.write_text("[a]\nrw=randwrite\nbs=4k\niodepth=4\n")
    done = ab("--a", "libaio", "--b", "psync", "--pairs", "2",
              "--pairing", "duet", "--job", str(job), "--target", f"{shm}/s",
              *QUICK)
    assert done.returncode == 0, done.stderr
    third, seen = 5 << 20, {}
    for run in ab.runs():
        options = dict(line.partition("=")[::2] for line in run["options"])
        assert int(options["size"]) == third
        seen.setdefault(run["pair"], []).append(int(options["offset"]))
    assert all(sorted(where) == [0, third, 2 * third]
               for where in seen.values())
    for pair in ab.report()["cells"][0]["pairs"]:
        assert sorted(pair["duet"]["parts"].values()) == [0, 1, 2]

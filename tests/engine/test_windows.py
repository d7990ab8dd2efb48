# SPDX-License-Identifier: GPL-2.0-only
# lat_windows=1: the latencies of a job, second by second, as fio counts them.
import pytest

import enginestats

MIB, MS = 1 << 20, 1_000_000
LOAD = {"rw": "randread", "bs": "4k", "direct": 1, "lat_percentiles": 1,
        "lat_windows": 1}


def windows_of(path):
    """({number: (longest, {ns: I/Os})}, what else it says)"""
    stats, = enginestats.in_file(path)
    found = stats["lat_windows"]
    return {number: (longest, dict(map(tuple, bins)))
            for number, longest, bins in found["windows"]}, found


def total(windows):
    return sum(sum(bins.values()) for _, bins in windows.values())


def test_they_are_what_fio_counted(fio, shm_file, as_thread, tmp_path):
    path = tmp_path / "stats"
    read = fio(shm_file, iodepth=8, size="32m", thread=as_thread, number_ios=5000,
               norandommap=1, stats_file=path, **LOAD).ok().job["read"]
    windows, found = windows_of(path)
    assert total(windows) == read["total_ios"] == 5000
    assert found["width_ns"] == 1000 * MS and found["begin_ns"] > 1e18
    # fio looks at its clock a little later.
    longest = max(one for one, _ in windows.values())
    assert 0.5 * longest <= read["lat_ns"]["max"]
    assert all(max(bins) * 1.0001 >= one > 0 for one, bins in windows.values())


def test_ramp_time_and_syncs_are_left_out(fio, shm_file, tmp_path):
    path = tmp_path / "stats"
    job = fio(shm_file, time_based=1, runtime=1, ramp_time=1, size="1m",
              fsync=4, stats_file=path, **{**LOAD, "rw": "randwrite"}).ok().job
    windows, _ = windows_of(path)
    stats, = enginestats.in_file(path)
    assert total(windows) == pytest.approx(job["write"]["total_ios"], abs=64)
    assert total(windows) < stats["ios_submitted"]


def test_what_comes_short_is_counted_once(fio, shm_file, tmp_path):
    """The file is cut inside of a block: fio asks for the rest once more, and
    counts both as one."""
    with open(shm_file, "wb") as file:
        file.write(bytes(4 * MIB))
    path = tmp_path / "stats"
    read = fio(shm_file, size=4 * MIB, iodepth=4, stats_file=path,
               exec_prerun=f"truncate -s {MIB + 1000} {shm_file}",
               **{**LOAD, "rw": "read", "bs": "64k", "direct": 0}
               ).ok().job["read"]
    assert read["short_ios"] >= 1
    assert total(windows_of(path)[0]) == read["lat_ns"]["N"]


def test_a_pause_is_seen_when_it_was(fio, hanging, tmp_path):
    """The device stops for 2 s: nothing ends then, and all that was in flight
    took so long."""
    device, let_go = hanging
    path = tmp_path / "stats"
    running = fio.start(["--output-format=json", *fio.job_args({
        "filename": device, "iodepth": 4, "number_ios": 100, "stuck": "2s",
        "stats_file": path, "verify_state_save": 0, **LOAD})])
    running.until_it_says("in flight for")
    let_go()
    running.wait().ok()
    windows, _ = windows_of(path)
    longest, bins = windows[min(windows)]
    assert total(windows) == 100 and min(windows) >= 2
    assert longest >= 2000 * MS
    assert sum(n for ns, n in bins.items() if ns > 1900 * MS) == 4


@pytest.mark.parametrize("more", [
    {}, {"stats_file": "s", "disable_lat": 1},
    {"stats_file": "s", "gtod_reduce": 1},
    {"stats_file": "s", "io_submit_mode": "offload"}])
def test_what_it_needs(fio, shm_file, more):
    result = fio(shm_file, size="64k", **{**LOAD, **more})
    assert result.rc != 0
    assert "lat_windows=1 needs a stats_file" in result.text


def test_bins_of_due_are_for_files(fio, shm_file, tmp_path):
    path, load = tmp_path / "stats", {
        "rw": "write", "size": "256k", "rate_iops": 1000, "bs": "4k",
        "due_stats": 1}
    fio(shm_file, stats_file=path, **load).ok()
    stats, = enginestats.in_file(path)
    bins = stats["from_due_bins"]
    assert sum(n for _, n in bins) == stats["from_due_ns"]["ios"] == 64
    assert bins == sorted(bins)
    assert stats["from_due_ns"]["max"] <= bins[-1][0]
    printed, = enginestats.objects(fio(shm_file, **load).ok().stderr)
    assert "from_due_bins" not in printed

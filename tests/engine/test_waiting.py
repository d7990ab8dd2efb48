# SPDX-License-Identifier: GPL-2.0-only
# What submit=adaptive and spin= do under a real fio: batches form, within
# their bound, none waits while fio sleeps, and slat tells; the ring is watched
# instead of a system call, and no longer where that does not pay.
import os

import pytest

import enginestats
import straceout

MIB = 1 << 20
READ = {"rw": "randread", "bs": "4k", "direct": 1, "engine_stats": 1}
ADAPTIVE = {"submit": "adaptive"}


def run(fio, target, **options):
    """fio's numbers, and the engine's."""
    result = fio(target, **{**READ, **options}).ok()
    stats, = enginestats.objects(result.stderr)
    return result.job, stats


# --- submit=adaptive ---

@pytest.mark.parametrize("depth,most", [(2, 1), (4, 2), (16, 8), (64, 32),
                                        (128, 64), (1024, 64)])
def test_batches_follow_completions(fio, shm_file, depth, most):
    """On a RAM disk completions wait all the time: so all but the first are
    in batches, of half the depth and at most 64."""
    job, stats = run(fio, shm_file, size=16 * MIB, iodepth=depth, **ADAPTIVE)
    assert job["read"]["total_ios"] == stats["ios_submitted"] == 4096
    sizes = stats["ios_per_submit"]
    assert all(enginestats.bounds(name)[0] <= most for name in sizes), sizes
    assert stats["io_submit_calls"] <= depth + 16 + 1.1 * 4096 / most, sizes
    assert stats["held_at_most"] == most


@pytest.mark.parametrize("depth,most", [(64, 8), (32, 4)])
def test_a_busy_device_gets_all_but_an_eighth(fio, loop_device, depth, most):
    """It works on others: a longer batch may only be what came together.  (Of
    some runs: on a busy machine the device's worker may take the processor
    from fio, and has then done its work whenever a submission returns.)"""
    for _ in range(20):
        _, stats = run(fio, loop_device, size=16 * MIB, bs="16k",
                       iodepth=depth, **ADAPTIVE)
        sizes = stats["ios_per_submit"]
        few = sum(count for name, count in sizes.items()
                  if enginestats.bounds(name)[1] <= most)
        full = [name for name in sizes
                if enginestats.bounds(name)[0] <= most
                <= enginestats.bounds(name)[1]]
        if full and few > 0.9 * sum(sizes.values()):
            return
    pytest.fail(f"longer batches in each run, at last {sizes}")


@pytest.mark.parametrize("depth", [4, 16])
def test_a_busy_device_with_little_depth_gets_all(fio, loop_device, depth):
    """Of some runs, for the same reason."""
    for _ in range(20):
        _, stats = run(fio, loop_device, size=4 * MIB, bs="16k",
                       iodepth=depth, **ADAPTIVE)
        if stats["ios_per_submit"] == {"1": 256}:
            return
    pytest.fail(f"batches in each run, at last {stats['ios_per_submit']}")


@pytest.mark.parametrize("target", ["shm_file", "loop_device"])
def test_immediate_holds_nothing(fio, request, target):
    _, stats = run(fio, request.getfixturevalue(target), size=4 * MIB,
                   iodepth=64)
    assert stats["ios_per_submit"] == {"1": 1024}


def test_latencies_of_what_is_held(fio, shm_file):
    """An I/O that waits to be submitted is being submitted: in slat, as with
    any other engine; the sum is the whole time."""
    slat = {}
    for submit in ("immediate", "adaptive"):
        job, _ = run(fio, shm_file, size=64 * MIB, iodepth=64, submit=submit)
        means = [job["read"][name]["mean"]
                 for name in ("slat_ns", "clat_ns", "lat_ns")]
        assert means[0] + means[1] == pytest.approx(means[2], rel=0.02)
        slat[submit] = means[0]
    assert slat["adaptive"] > 2 * slat["immediate"], slat


def test_none_is_held_while_fio_waits(fio, loop_device, need_strace):
    """With the first io_getevents, which only wait, made a second longer:
    what were held meanwhile would be as late in slat.  It is entered with
    completions in the ring, but fewer than are wanted."""
    trace = os.path.join(fio.cwd, "trace")
    options = {**READ, **ADAPTIVE, "bs": "128k", "size": 16 * MIB,
               "io_size": 64 * MIB, "iodepth": 32, "iodepth_batch": 1,
               "iodepth_batch_complete_min": 5, "thread": 1}
    waits = 0
    for _ in range(20):     # the device may be done before fio looks
        job = fio(loop_device, strace=(
            "-o", trace, "-e", "trace=io_getevents", "-e",
            "inject=io_getevents:delay_enter=1000000:when=1..3"),
            **options).ok().job
        assert job["read"]["total_ios"] == 512
        assert job["read"]["slat_ns"]["max"] < 900_000_000
        waits += len(straceout.calls(trace))
        if waits >= 3:
            return
    assert waits >= 3


# --- spin ---

def spun(stats):
    return stats["spin_hits"] + stats["spin_misses"]


# Large enough that the completion is not there before fio looks.
DEPTH_1 = {"bs": "256k", "size": 16 * MIB, "io_size": 64 * MIB, "iodepth": 1}


def test_no_spin_waits(fio, loop_device):
    _, stats = run(fio, loop_device, **DEPTH_1)
    assert spun(stats) == 0 and stats["io_getevents_calls"] > 0


def test_a_spin_saves_the_wait(fio, loop_device):
    """What it finds needs no system call, and what it misses needs one.  (Of
    some runs, as a busy machine may take the processor away from each.)"""
    hits = 0
    for _ in range(50):
        _, stats = run(fio, loop_device, spin="10ms", **DEPTH_1)
        assert stats["spin_ns"] == 10_000_000
        assert stats["io_getevents_calls"] == stats["spin_misses"]
        assert stats["spin_events"] == stats["spin_hits"]
        hits += stats["spin_hits"]
        if hits:
            return
    pytest.fail("no completion came while it spun")


def test_too_short_a_spin_waits_as_well(fio, loop_device):
    for _ in range(50):
        _, stats = run(fio, loop_device, spin="1ns", bs="1m", size=16 * MIB,
                       io_size=64 * MIB, iodepth=1)
        assert stats["io_getevents_calls"] == stats["spin_misses"]
        if stats["spin_misses"]:
            return
    pytest.fail("each completion was there before fio looked")


@pytest.mark.parametrize("depth", [1, 8])
def test_auto_tries_spinning(fio, loop_device, depth):
    """For a second, on a device that completes later.  (What it makes of the
    times that it then sees: test_spin_auto.c.)"""
    _, stats = run(fio, loop_device, spin="auto", runtime=1, size=16 * MIB,
                   bs="64k",
                   time_based=None, iodepth=depth)
    assert stats["spin_ns"] == "auto"
    assert 0 < spun(stats)

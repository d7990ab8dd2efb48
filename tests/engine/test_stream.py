# SPDX-License-Identifier: GPL-2.0-only
# The same seed through fio's built-in libaio engine and through kaio gives
# the same stream of I/O; and recorded streams replay.
import pytest

from iolog import ios, log_version, stream

SIZE = 4 << 20
MODES = {
    "read": {"rw": "read"},
    "randread": {"rw": "randread"},
    "write": {"rw": "write"},
    "randwrite": {"rw": "randwrite"},
    "randrw": {"rw": "randrw", "rwmixread": 70},
    "bsrange": {"rw": "randwrite", "bsrange": "4k-64k"},
    "fsync": {"rw": "randwrite", "fsync": 8},
    "fdatasync": {"rw": "randwrite", "fdatasync": 4},
    "fsync1": {"rw": "write", "fsync": 1},
    "sync_file_range": {"rw": "write", "sync_file_range": "write:8"},
    "mixed-syncs": {"rw": "randrw", "fsync": 16, "fdatasync": 5},
}


def record(fio, target, log, engine, depth, **mode):
    job = {"size": SIZE, "bs": "4k", "iodepth": depth, "randseed": 20,
           "write_iolog": log, **mode}
    return fio(target, engine=engine, **job).ok().job


@pytest.mark.parametrize("depth", [1, 16])
@pytest.mark.parametrize("mode", MODES)
def test_same_stream_as_libaio(fio, shm_file, tmp_path, mode, depth):
    logs = [tmp_path / "libaio.log", tmp_path / "kaio.log"]
    first = record(fio, shm_file, logs[0], "libaio", depth, **MODES[mode])
    second = record(fio, shm_file, logs[1], None, depth, **MODES[mode])
    ours, theirs = stream(logs[1]), stream(logs[0])
    assert len(ours) == len(theirs)
    assert ours == theirs
    assert ios(second) == ios(first)


@pytest.mark.parametrize("depth", [1, 16])
@pytest.mark.parametrize("mode", ["randrw", "fsync", "bsrange"])
def test_replay(fio, shm_file, tmp_path, mode, depth):
    """A recorded stream through kaio is the same stream again."""
    log, again = tmp_path / "first.log", tmp_path / "second.log"
    first = record(fio, shm_file, log, "libaio", depth, **MODES[mode])
    replayed = fio(shm_file, iodepth=depth, read_iolog=log, bs="4k",
                   replay_no_stall=1, write_iolog=again).ok().job
    assert [replayed[way]["total_ios"] for way in ("read", "write")] == \
        [first[way]["total_ios"] for way in ("read", "write")]


def test_replay_keeps_the_time(fio, shm_file, tmp_path):
    """td->last_issue is ours to set: a replay paces itself by it.  Without,
    each pause would be as long as the whole of those before: 10 s."""
    log, path = tmp_path / "paced.log", shm_file
    fio(path, rw="write", size=SIZE, write_iolog=log).ok()
    if log_version(log) < 3:
        pytest.skip("the iologs of this fio have no time stamps")
    steps = ["%d %s write %d 4096" % (50000 * n, path, 4096 * n)
             for n in range(1, 21)]
    log.write_text("\n".join(
        ["fio version 3 iolog", "0 %s add" % path, "0 %s open" % path,
         *steps, "1100000 %s close" % path, ""]), encoding="utf-8")
    job = fio(None, iodepth=4, read_iolog=log, name="replay").ok().job
    assert job["write"]["total_ios"] == 20
    assert 900 <= job["write"]["runtime"] <= 7000

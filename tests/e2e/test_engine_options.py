# SPDX-License-Identifier: GPL-2.0-only
# The engine's own options: every value, right and wrong; what each changes in
# the system calls; the statistics, which must be strace's counts; and the
# sentences for what a device does not take.  (Flags: test_flags.py.)
import json
import os
import random
import re
import signal
import sys
import time
from pathlib import Path

import pytest

import enginestats
import straceout
import targets
from test_modes import job_file, server  # noqa: F401

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fuzz"))
from fuzz_jobs import ENGINE, MISSPELLED  # noqa: E402

MIB = 1 << 20
INSIDE = "of its run inside io_submit"
WRONG = {name: wrong for name, (_, wrong) in ENGINE.items() if wrong}
MODES = [
    {"reap": "ring", "submit": "immediate", "spin": "0"},
    {"reap": "ring", "submit": "adaptive", "spin": "auto",
     "iodepth_batch": 16, "iodepth_batch_complete_min": 4},
    {"reap": "syscall", "submit": "adaptive", "spin": "50us"},
    {"reap": "eventfd", "submit": "immediate", "spin": "auto"},
]


def ours(result):
    """The engine's own lines."""
    return re.findall(r"^kaio: .*$", result.text, re.MULTILINE)


# --- spelling ---

@pytest.fixture
def need_refusals(fio):
    """Those of 3.28 say so, but then go on or crash."""
    if fio("nowhere", engine="libaio", more=["--parse-only"],
           userspace_reap="x").rc != 1:
        pytest.skip("this fio goes on after a wrong option of an engine, "
                    "with libaio as well")


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values(fio, need_refusals, name):
    """fio says which option, and ends; nothing is opened."""
    for value in WRONG[name]:
        result = fio("nowhere", more=["--parse-only"], **{name: value})
        assert result.rc == 1, value
        assert name in result.text, value
        assert not os.path.exists(os.path.join(fio.cwd, "nowhere"))


def test_what_spin_takes(fio):
    """The sentence names the value and what to give instead."""
    result = fio("nowhere", more=["--parse-only"], spin="1x")
    assert "spin=1x" in ours(result)[0] and "give auto, or 0" in ours(result)[0]


@pytest.mark.parametrize("line", MISSPELLED)
def test_misspelled_names(fio, engine, tmp_path, line):
    """In a job file; on the command line, getopt takes what is unique."""
    name, _, value = line.partition("=")
    job = job_file(tmp_path / "job.fio", engine, "nowhere", **{name: value})
    result = fio.raw("--parse-only", job)
    assert result.rc == 1 and name in result.text


def right_lines(rng, *without):
    """Each option once, with one of its right values."""
    return {name: rng.choice(right) for name, (right, _) in ENGINE.items()
            if name not in without}


def test_right_values_in_any_order(fio, engine, shm_file, tmp_path):
    """All of them, before and after ioengine=, with and without [global]."""
    for seed in range(6):
        rng = random.Random(seed)
        lines = ["%s=%s" % item for item in right_lines(rng).items()]
        lines += ["ioengine=external:%s" % engine, "filename=" + shm_file]
        rng.shuffle(lines)
        lines.insert(rng.randrange(len(lines)), "size=64k")
        head, tail = (["[global]"], ["[a]"]) if seed % 2 else ([], [])
        path = tmp_path / "job.fio"
        path.write_text("\n".join([*(head or ["[a]"]), *lines, *tail, ""]),
                        encoding="utf-8")
        result = fio.raw("--parse-only", path)
        assert (result.rc, result.stderr) == (0, ""), lines


def remote(fio, address, engine, target, path, **options):
    job = job_file(path / "job.fio", engine, target,
                   **{"rw": "randrw", "size": MIB, **options})
    return fio.raw("--client=" + address, "--output-format=json", job)


def test_through_client_and_server(fio, server, engine,  # noqa: F811
                                   loop_device, tmp_path):
    """Every option arrives; the JSON stays whole."""
    numbers = tmp_path / "numbers"
    result = remote(fio, server, engine, loop_device, tmp_path, direct=1,
                    iodepth=16, engine_stats=1, stats_file=numbers, dsync=1,
                    **MODES[1]).ok()
    got = result.json["client_stats"][0]
    assert got["job options"]["reap"] == "ring"
    assert got["job options"]["submit"] == "adaptive"
    stats, = enginestats.in_file(numbers)
    assert stats["ios_submitted"] == got["read"]["total_ios"] + \
        got["write"]["total_ios"] == 256


def test_wrong_value_through_client_and_server(
        fio, server, engine, loop_device, tmp_path):  # noqa: F811
    """Nothing runs, and the server lives on.  fio 3.33's client either shows
    the sentence (with status 0), or meets the end of the server's child
    first: so it is with libaio, and with fio's own options."""
    result = remote(fio, server, engine, loop_device, tmp_path, spin="1x")
    if result.text:
        assert "kaio: spin=1x is not a time" in result.text
        assert result.json["client_stats"] == []
    else:
        assert result.rc == -signal.SIGPIPE or result.rc > 0
    remote(fio, server, engine, loop_device, tmp_path, spin="1us").ok()


# --- statistics ---

def test_on_stderr_only(fio, shm_file):
    result = fio(shm_file, rw="read", size=MIB, engine_stats=1, iodepth=4).ok()
    assert "kaio:" not in result.stdout
    json.loads(result.stdout)
    stats, = enginestats.objects(result.stderr)
    assert stats["job"] == "job" and stats["ios_submitted"] == 256


def test_off_by_default(fio, shm_file):
    assert ours(fio(shm_file, rw="read", size=MIB, iodepth=4).ok()) == []


@pytest.mark.parametrize("mode", MODES, ids=lambda m: "-".join(m.values())
                         if all(isinstance(v, str) for v in m.values())
                         else "batches")
@pytest.mark.parametrize("where", ["loop_device", "shm_file"])
def test_numbers_are_straces(fio, request, need_strace, mode, where):
    trace = os.path.join(fio.cwd, "trace")
    result = fio(request.getfixturevalue(where), rw="randrw", bs="16k",
                 size=4 * MIB, direct=1, iodepth=32, thread=1, engine_stats=1,
                 fsync=8, strace=("-y", "-o", trace, "-e", "trace=io_submit,"
                                  "io_getevents,epoll_wait,read"),
                 **mode).ok()
    calls = straceout.calls(trace)
    stats, = enginestats.objects(result.stderr)

    def count(name, of=""):
        return sum(call.name == name and of in call.args for call in calls)

    assert stats["io_submit_calls"] == count("io_submit")
    assert stats["io_getevents_calls"] == count("io_getevents")
    assert stats["epoll_and_read_calls"] == count("epoll_wait") + \
        count("read", "[eventfd]")
    sizes = [call.ret for call in calls if call.name == "io_submit"]
    assert stats["ios_submitted"] == sum(sizes)
    for name, seen in stats["ios_per_submit"].items():
        low, high = enginestats.bounds(name)
        assert seen == sum(low <= size <= high for size in sizes)
    if mode["reap"] == "syscall":
        assert stats["ring_events"] == stats["spin_events"] == 0
    assert stats["io_getevents_events"] == sum(
        max(0, call.ret) for call in calls if call.name == "io_getevents")
    assert sum(stats[key] for key in enginestats.FOUND) == \
        stats["ios_submitted"]


def test_file_of_64_jobs(fio, shm_file, tmp_path, as_thread):
    """A line each, none torn; and again, behind them."""
    path = tmp_path / "numbers"
    for runs in (1, 2):
        fio(shm_file, rw="randread", size="64k", numjobs=64, iodepth=4,
            thread=as_thread, stats_file=path).ok()
        stats = enginestats.in_file(path)
        assert len(stats) == 64 * runs
        assert {one["ios_submitted"] for one in stats} == {16}
        assert {one["job_number"] for one in stats} == set(range(1, 65))
    if not as_thread:
        assert len({one["pid"] for one in stats}) == 128


def test_object_says_what_was_in_force(fio, loop_device, tmp_path):
    """Not what was asked for: rate leaves submit=adaptive nothing to hold."""
    path, before = tmp_path / "numbers", time.time()
    common = {"rw": "randread", "size": "64k", "direct": 1, "iodepth": 32,
              "stats_file": path, "submit": "adaptive"}
    fio(loop_device, name="caf\u00e9", reap="eventfd", spin="7us",
        **common).ok()
    fio(loop_device, rate_iops=1000, spin="auto", **common).ok()
    one, other = enginestats.in_file(path)
    assert before - 1 <= one["time"] <= time.time()
    assert one["job"] == "caf\u00e9" and one["fio"].startswith("fio-")
    assert [one[key] for key in ("iodepth", "reap", "spin_ns",
                                 "held_at_most")] == [32, "eventfd", 7000, 16]
    assert [other[key] for key in ("reap", "spin_ns", "held_at_most")] == [
        "ring", "auto", 0]


def test_offload_workers_are_one_job(fio, shm_file, tmp_path, as_thread):
    """fio frees a worker's options before the engine's cleanup."""
    path = tmp_path / "numbers"
    result = fio(shm_file, rw="randread", size="256k", thread=as_thread,
                 io_submit_mode="offload", stats_file=path, engine_stats=1)
    assert result.ok().job["read"]["total_ios"] == 64
    one, = enginestats.in_file(path)
    assert one["job"] == "job" and one["ios_submitted"] == 64
    assert enginestats.objects(result.stderr) == [one]


def test_job_without_a_submission(fio, loop_device, tmp_path):
    path = tmp_path / "numbers"
    fio(loop_device, rw="trim", bs="64k", size=MIB, direct=1,
        stats_file=path).ok()
    one, = enginestats.in_file(path)
    assert one["io_submit_calls"] == one["run_ns"] == one["submit_share"] == 0


@pytest.mark.parametrize("values, calls", [
    ((0, 1), False), ((1, 0), True), ((0,), True), ((1,), False)])
def test_last_userspace_reap_counts(fio, engine, shm_file, tmp_path, values,
                                    calls):
    job = job_file(tmp_path / "job.fio", engine, shm_file, rw="read",
                   size=MIB, engine_stats=1)
    with open(job, "a", encoding="utf-8") as file:
        file.writelines("userspace_reap=%d\n" % value for value in values)
    one, = enginestats.objects(fio.raw("--output-format=json",
                                       job).ok().stderr)
    assert (one["io_getevents_calls"] > 0) == calls


def bad_place(kind, tmp_path):
    path = str(tmp_path / kind)
    if kind == "symlink":
        (tmp_path / "target").write_text("mine", encoding="utf-8")
        os.symlink(tmp_path / "target", path)
    elif kind == "dangling":
        os.symlink(tmp_path / "new", path)
    elif kind == "linked":
        (tmp_path / "real").mkdir()
        os.symlink("real", path)
        path += "/new"
    elif kind == "folder":
        os.mkdir(path)
    elif kind == "missing":
        path += "/file"
    return "/dev/full" if kind == "full" else path


LINK = "a part of the path is a symbolic link"
BAD = {"symlink": LINK, "dangling": LINK, "linked": LINK,
       "folder": "Is a directory", "missing": "No such file",
       "full": "No space left"}


@pytest.mark.parametrize("kind", BAD)
def test_file_cannot_be_written(fio, loop_device, tmp_path, kind):
    """One sentence; the job and its exit status stay as they were."""
    path = bad_place(kind, tmp_path)
    result = fio(loop_device, rw="randread", size=MIB, direct=1,
                 stats_file=path).ok()
    assert result.job["read"]["total_ios"] == 256
    line, = [line for line in ours(result) if INSIDE not in line]
    assert "cannot be appended to " + path in line and BAD[kind] in line
    if kind == "symlink":
        assert os.path.islink(path)
        assert (tmp_path / "target").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "real" / "new").exists()


def test_file_is_a_block_device(fio, shm_file, loop_device):
    """A slip of the finger does not cost a disk."""
    result = fio(shm_file, rw="read", size=MIB, stats_file=loop_device).ok()
    assert [line for line in ours(result) if "it is a block device" in line]
    with open(loop_device, "rb") as device:
        assert device.read(MIB) == bytes(MIB)


def test_file_on_a_full_file_system(fio, need_root, shm_file, tmp_path):
    with targets.small_tmpfs(str(tmp_path), 64 << 10) as small:
        path = os.path.join(small, "numbers")
        Path(path).touch()
        with pytest.raises(OSError), \
                open(os.path.join(small, "fill"), "wb", 0) as file:
            while file.write(bytes(4096)) == 4096:
                pass
            raise OSError
        result = fio(shm_file, rw="read", size=MIB, stats_file=path).ok()
        assert [line for line in ours(result) if "No space left" in line]
        assert os.path.getsize(path) == 0


# --- the time inside io_submit ---


def test_warns_of_buffered_io(fio, ext4_file):
    result = fio(ext4_file, rw="write", size=8 * MIB, iodepth=32,
                 engine_stats=1).ok()
    line, = [line for line in ours(result) if INSIDE in line]
    assert "set direct=1" in line and "job job spent" in line


def test_warns_of_a_ram_disk(fio, shm_file):
    result = fio(shm_file, rw="randread", size=8 * MIB, iodepth=32, direct=1,
                 engine_stats=1).ok()
    assert [line for line in ours(result) if INSIDE in line and "RAM" in line]


def test_no_warning_when_submission_is_quick(fio, loop_device):
    """Asynchronous, and with pauses: submission is next to nothing."""
    result = fio(loop_device, rw="randread", size="64k", direct=1, iodepth=8,
                 bs="4k", rate_iops=20, engine_stats=1).ok()
    assert INSIDE not in result.text
    assert enginestats.objects(result.stderr)[0]["submit_share"] < 0.1


@pytest.mark.parametrize("options", [
    {"iodepth": 1}, {"iodepth": 128, "iodepth_batch": 64,
                     "iodepth_batch_complete_min": 64}])
def test_no_warning_without_reason(fio, loop_device, options):
    """No depth to lose; or many at once, each of which is quick."""
    result = fio(loop_device, rw="randread", size=8 * MIB, direct=1,
                 engine_stats=1, **options).ok()
    assert INSIDE not in result.text


def test_share_of_a_job_of_one(fio, loop_device):
    """The run goes on until its completion is read."""
    result = fio(loop_device, rw="read", bs="4k", size="4k", direct=1,
                 engine_stats=1).ok()
    assert enginestats.objects(result.stderr)[0]["submit_share"] < 1


# --- the words for an error ---

@pytest.fixture(scope="module")
def device_4k(need_root):
    """16 MB on a loop device with sectors of 4096 bytes."""
    with targets.shm_dir() as where, targets.sized_file(
            os.path.join(where, "sectors"), 16 * MIB) as path:
        device = targets.run("losetup", "--find", "--show", "--direct-io=on",
                             "--sector-size=4096", path)
        try:
            yield device
        finally:
            targets.run("losetup", "--detach", device)


def said(result, error):
    """The line after fio's own about the first error."""
    assert result.failed().job["error"] == error
    lines = result.stderr.splitlines()
    first = next(number for number, line in enumerate(lines)
                 if "io_u error on file" in line)
    return lines[first + 1]


MISFITS = {
    "length": ({"bs": 512}, "length 512"),
    "offset": ({"bs": "4k", "offset": 512}, "offset 512"),
    "buffer": ({"bs": "4k", "iomem_align": 8}, "buffer at 0x"),
    "all": ({"bs": 1024, "offset": 1024, "iomem_align": 8},
            "offset 1024, length 1024, buffer at 0x"),
}


@pytest.mark.parametrize("kind", MISFITS)
@pytest.mark.parametrize("rw", ["read", "write"])
def test_misaligned(fio, device_4k, kind, rw):
    """Which of the numbers does not fit, and what would."""
    options, words = MISFITS[kind]
    line = said(fio(device_4k, rw=rw, size=MIB, direct=1, iodepth=4,
                    **options), 22)
    assert "in multiples of 4096 bytes" in line
    assert "which does not fit: " + words in line


def test_would_block(fio, ext4_file):
    """What is not in the page cache cannot be had at once."""
    fio(ext4_file, rw="write", size=MIB, end_fsync=1).ok()
    line = said(fio(ext4_file, rw="read", size=MIB, nowait=1, iodepth=4), 11)
    assert "nowait=1" in line and "ignore_error=EAGAIN" in line


def test_einval_of_a_buffered_file(fio, shm_file, need_strace):
    """Nothing is claimed of blocks that matter to nobody, or do not exist."""
    for direct in (0, 1):
        line = said(fio(shm_file, rw="write", size=100000, bs=1000,
                        direct=direct, strace=(
                            "-o", os.path.join(fio.cwd, "trace"), "-e",
                            "inject=io_submit:error=EINVAL:when=3")), 22)
        assert "(offset 2000, length 1000)" in line
        assert not re.search(r"aligned|multiple|0 bytes", line)
        assert ("try without direct=1" in line) == bool(direct)


def test_misaligned_on_a_file_system(fio, ext4_file):
    """Which says itself what it needs."""
    fio(ext4_file, rw="write", size=MIB, end_fsync=1).ok()
    line = said(fio(ext4_file, rw="read", size=MIB, bs=1000, direct=1), 22)
    assert "in multiples of 512 bytes" in line
    assert "which does not fit: length 1000" in line

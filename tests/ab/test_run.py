# SPDX-License-Identifier: GPL-2.0-only
# jobs/ab as a user runs it, with engines that are built into fio: real
# verdicts, clean ends, and one sentence for each mistake.
import json
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import time

import pytest

import procfile
import targets
from abrun import AB, FAST, check_calls, effect, handicap, sentence

ROOT = Path(__file__).resolve().parents[2]
JOBS = sorted((ROOT / "jobs").glob("*.fio"))


@pytest.mark.slow
def test_a_slower_side_is_found_out(ab, shm, tmp_path):
    target, out = f"{shm}/scratch", tmp_path / "out.json"
    done = ab(*handicap(tmp_path), "--pairs", "12",
              "--target", target, "--json", str(out), "--seed", "1", "--job",
              "latency", *FAST)
    assert done.returncode == 0, done.stderr
    assert not os.path.exists(target)
    cell, = ab.report()["cells"]
    assert cell["target"] == {
        "path": target, "label": "RAM (tmpfs /dev/shm)", "size": 16 << 20,
        "why": "no device: shows the engine's own cost", "direct": "all",
        "handed": False, "members": 1,
        "written": {"share": 1, "bytes": 16 << 20, "compressed": 0}}
    assert "ramp_time 2 -> 0.05 s" in cell["changes"]
    assert json.loads(out.read_text()) == ab.report()
    assert effect(cell, "iops")["verdict"] == "slower"
    check_runs(ab, 12)
    check_the_report(ab, cell)


def check_the_report(ab, cell):
    """All files, and every metric in all of them."""
    assert {"campaign.json", "jobs", "report.csv", "report.html",
            "report.json", "report.txt", "runs"} == set(os.listdir(ab.out))
    assert [e["metric"] for e in cell["effects"]] == [
        "iops", "cpu_us", "bw_mib", "lat_mean_us", "lat_p50_us", "lat_p99_us",
        "ctx_per_io"]
    for name, each in cell["latency"]["read"].items():
        assert name in "AB" and sum(n for _, n in each["bins"]) == each["n"]
        shown = list(each["percentiles"].values())
        assert shown == sorted(shown) and len(shown) == sum(
            each["n"] * (100 - q) >= 100
            for q in (50, 90, 99, 99.9, 99.99, 99.999))
    low, high = effect(cell, "iops")["ci95"]
    assert low < effect(cell, "iops")["ratio"] < high


@pytest.mark.slow
def test_the_command_of_the_report_repeats_a_run(ab, shm, tmp_path):
    """With plain fio, as a shell would run it."""
    target = f"{shm}/a b'c"
    done = ab("--b", "psync", "--pairs", "1", "--target", target, "--job",
              "latency", *FAST)
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    for letter, engine in (("A", "libaio"), ("B", "psync")):
        again = subprocess.run(["sh", "-c", cell["command"][letter]],
                               cwd=tmp_path, timeout=300, text=True,
                               capture_output=True, check=False)
        assert again.returncode == 0, again.stderr
        assert f'"ioengine" : "{engine}"' in again.stdout
        assert f"ioengine={engine}\n" in cell["effective"][letter]
    assert os.listdir(shm) == ["a b'c"]


@pytest.mark.slow
@pytest.mark.parametrize("text, direct", [
    ("[a]\nrw=randread\nbs=4k\n", "none"),
    ("[a]\nbs=4k\n[b]\ndirect=1\nbs=4k\n", "some")])
def test_a_buffered_job_is_not_called_o_direct(text, direct, ab, tmp_path):
    job = tmp_path / "job.fio"
    job.write_text(text + "loops=2\n")
    words = ["--b", "psync", "--pairs", "1", "--job", str(job), "--target",
             str(tmp_path / "scratch"), *FAST]
    done = ab(*words)
    sentence(done, "give --buffered if the page cache is what you mean")
    assert "writing" not in done.stderr and not ab.out.exists()
    done = ab(*words, "--buffered")
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    assert cell["target"]["direct"] == direct
    assert "page cache" in cell["target"]["why"]
    assert cell["changes"].endswith("dropped: loops")
    assert any("the page cache's and not the device's" in said
               for said in ab.report()["warnings"])
    assert "1 pair cannot tell faster from slower" in done.stderr


def test_one_figure_for_reads_and_writes_is_not_wanted(ab, shm, tmp_path):
    """With unified_rw_reporting fio gives no figure of either.  (And what a
    comment holds, or an empty half of a bssplit, is no matter.)"""
    job = tmp_path / "job.fio"
    job.write_bytes(b"# caf\xe9\n[a]\nrw=randread\nbssplit=4k/54:8k/46,\n"
                    b"unified_rw_reporting=1\n")
    done = ab("--b", "psync", "--pairs", "1", "--job", str(job), "--target",
              f"{shm}/s", *FAST)
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    assert cell["changes"] == "dropped: unified_rw_reporting"
    assert list(cell["latency"]) == ["read"]
    assert cell["job_text"].encode("utf-8", "surrogateescape") == \
        job.read_bytes()


def check_runs(ab, pairs):
    """Every block is A' A B or B A A', with one seed of its own."""
    blocks = {}
    for run in ab.runs():
        blocks.setdefault(run["pair"], []).append(run)
        values = run["values"]
        assert values["iops"] > 0 and values["cpu_us"] > 0
        # At depth 1: no two at once.
        assert values["lat_mean_us"] * values["iops"] < 1.5e6
        # Both are CPU time per I/O of a job without threads of its own, but
        # not of the same moments.
        assert 1 / 8 < values["cpu_us"] / values["fio_cpu_us"] < 8
        assert values["rusage_s"] >= values["fio_cpu_us"] * values["ios"] / 1e6
    assert len(blocks) == pairs
    orders = {tuple("A' A B".split()): "AB", tuple("B A A'".split()): "BA"}
    found = [orders[tuple(run["role"] for run in runs)]
             for runs in blocks.values()]
    cell, = ab.report()["cells"]
    assert found == [pair["order"] for pair in cell["pairs"]]
    assert found.count("AB") in (pairs // 2, (pairs + 1) // 2)
    for runs in blocks.values():
        assert len({run["seed"] for run in runs}) == 1
    assert len({runs[0]["seed"] for runs in blocks.values()}) == pairs


@pytest.mark.skipif(os.uname().machine != "x86_64",
                    reason="calls are refilled on x86-64 alone")
def test_all_runs_of_a_side_refill_or_none(ab, shm):
    """What the environment says, and where it is silent what was decided once:
    in every report, and in the command that repeats a run."""
    sides = ["kaio@LIBAIO_REFILL=0", "kaio", "libaio"]
    done = ab(*(word for side in sides for word in ("--side", side)), "--pairs",
              "1", "--target", f"{shm}/scratch", *FAST, LIBAIO_REFILL="")
    assert done.returncode == 0, done.stderr
    report = ab.report()
    zero, asked, none = (side["environment"] for side in report["sides"])
    assert zero == {"LIBAIO_REFILL": "0"} and none == {}
    decided = asked["LIBAIO_REFILL"]
    assert decided in ("0", "1")
    word = f"LIBAIO_REFILL={decided}"
    assert report["cells"][0]["command"]["B"].startswith(f"env {word} ")
    assert "\nB = kaio (external:" in done.stdout
    assert f"\n    {word}\n" in done.stdout
    page = Path(ab.out, "report.html").read_text(encoding="utf-8")
    assert word in page and "LIBAIO_REFILL=0" in page


@pytest.mark.slow
def test_an_engine_against_itself_on_two_targets(ab, shm, tmp_path):
    """One pair: no verdict, but the same I/O and the same system calls."""
    disk = tmp_path / "scratch"
    done = ab("--a", "libaio", "--b", "libaio", "--pairs", "1", "--target",
              f"{shm}/scratch", "--target", str(disk), *FAST)
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines()
               if "/" not in line), done.stdout
    cells = ab.report()["cells"]
    assert [e["verdict"] for cell in cells
            for e in cell["effects"]] == ["no verdict"] * 14
    for cell in cells:
        assert cell["stream"] == "first 500 I/Os identical on both sides"
        check_calls(cell, 2, 2)
    assert not disk.exists() and os.listdir(shm) == []
    assert re.search(r"^\[\d+/12\] \d+ s left: randread", done.stderr, re.M)
    assert "\r" not in done.stderr


def test_writes_syncs_and_verification(ab, shm):
    done = ab("--a", "libaio", "--b", "psync", "--pairs", "1", "--job",
              "verify", "--job", "fsync", "--target", f"{shm}/s:1", *FAST)
    assert done.returncode == 0, done.stderr
    assert [len(cell["effects"]) for cell in ab.report()["cells"]] == [7, 7]
    assert os.listdir(shm) == []


def test_the_seed_moves_the_offsets(shm, tmp_path, fio_binary):
    """A new seed per pair must mean new I/O: fio's randseed alone does not."""
    from fiolab.fio import fiorun as fio, sidespec, streams
    from fiolab.fio.jobs import jobgroups
    from fiolab.target.target import Target
    runner = fio.Fio(fio_binary, None, str(tmp_path))
    scratch = Target(f"{shm}/s", 16 << 20, True, "", writable=True)
    Path(scratch.path).write_bytes(bytes(scratch.size))
    job, libaio = jobgroups.load("randread")[0], sidespec.parse("libaio", "")
    logs = []
    for seed in (1, 1, 2):
        options = fio.base_options(libaio, scratch, seed)
        options += ["number_ios=50", "write_iolog=iolog"]
        _, kept = fio.run(runner, libaio, job, scratch, options, 5,
                          keep=["iolog"])
        logs.append([m.groups() for m in map(streams.LOGGED.search,
                                             kept["iolog"].splitlines()) if m])
    assert len(logs[0]) == 50 and logs[0] == logs[1] != logs[2]


def children(pid):
    found = [int(x) for x in procfile.of_process(
        pid, f"task/{pid}/children").split()]
    return found + [y for x in found for y in children(x)]


def gone(pid):
    state = procfile.of_process(pid, "stat").split()
    return not state or state[2] == "Z"


def a_job_runs(folder):
    """Other than that which tells fio's libaio.so.1."""
    for started in Path(folder).glob("*/*/started"):
        try:
            if "[library]" not in (started.parent /
                                   "effective.fio").read_text():
                return True
        except FileNotFoundError:       # it has just ended
            continue
    return False


def in_a_timed_run(pid, folder):
    """The processes below jobs/ab once one of its timed runs goes on."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        kids = children(pid)
        line = " ".join(procfile.of_process(kid, "cmdline") for kid in kids)
        if len(kids) > 1 and "strace" not in line and a_job_runs(folder):
            return kids
        time.sleep(0.1)
    raise AssertionError("no timed run began")


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130),
                                            (signal.SIGTERM, 143)])
def test_a_signal_cleans_up(number, status, shm, ab):
    """Before the first pair is whole there is nothing to report yet."""
    with ab.start("--a", "libaio", "--b", "libaio", "--target",
                  f"{shm}/scratch", "--size", "16M", "--runtime",
                  "30") as started:
        kids = in_a_timed_run(started.pid, ab.environment["TMPDIR"])
        started.send_signal(number)
        out, err = started.communicate(timeout=300)
    assert started.returncode == status and out == ""
    assert "Traceback" not in err
    assert err.splitlines()[-1].endswith(f"go on with --resume {ab.out}")
    assert all(gone(kid) for kid in kids)
    assert os.listdir(shm) == [] == os.listdir(ab.environment["TMPDIR"])
    assert sorted(os.listdir(ab.out)) == ["campaign.json", "runs"]


def test_a_job_file_cannot_leave_the_pinned_cpu(shm, ab, tmp_path):
    first, last = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    if first == last:
        pytest.skip("needs two CPUs")
    job = tmp_path / "job.fio"
    job.write_text(f"[a]\nrw=randread\nbs=4k\ncpus_allowed={first}\n")
    with ab.start("--a", "libaio", "--b", "libaio", "--job", str(job),
                  "--target", f"{shm}/s", "--size", "16M", "--runtime", "30",
                  "--cpu", str(last)) as started:
        kids = in_a_timed_run(started.pid, ab.environment["TMPDIR"])
        allowed = [re.search(r"^Cpus_allowed_list:\s*(.*)$",
                             procfile.of_process(kid, "status"), re.M)[1]
                   for kid in kids]
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=300)
    assert set(allowed) == {str(last)}


def test_ctrl_c_while_the_packages_load(tmp_path):
    (tmp_path / "scipy").mkdir()
    (tmp_path / "scipy" / "__init__.py").write_text(
        "import time; print('loading', flush=True); time.sleep(60)\n")
    with subprocess.Popen([AB], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)}
                          ) as started:
        assert started.stdout.readline() == "loading\n"
        started.send_signal(signal.SIGINT)
        _, err = started.communicate(timeout=300)
    assert started.returncode == 130 and err == ""


@pytest.mark.root
def test_a_full_disk_for_the_json_is_found_before_the_runs(ab, shm, tmp_path):
    with targets.small_tmpfs(str(tmp_path), 64 << 10) as full:
        done = ab("--b", "libaio", "--json", f"{full}/out.json", "--target",
                  f"{shm}/s", *FAST)
        sentence(done, "cannot write")
        assert "writing" not in done.stderr and os.listdir(full) == []


@pytest.mark.slow
def test_what_was_killed_is_cleaned_up_at_the_next_start(ab, tmp_path):
    words = ["--b", "libaio", "--build", str(tmp_path), *FAST]
    with ab.start(*words) as killed:
        while "comparing" not in killed.stderr.readline():
            pass
        left = list(tmp_path.glob("kaio-ab-*.tmp"))
        for pid in [killed.pid, *children(killed.pid)]:
            os.kill(pid, signal.SIGKILL)
    for folder in Path(ab.environment["TMPDIR"]).iterdir():
        shutil.rmtree(folder)
    assert len(left) == 1 and left[0].exists()
    assert ab(*words, "--pairs", "1").returncode == 0
    assert list(tmp_path.glob("kaio-ab-*.tmp")) == []


@pytest.mark.parametrize("lines, axis, why", [
    ("offset=16M\n", [], None), ("offset_align=1M\noffset=50%\n", [], None),
    ("zonemode=strided\nzonesize=1M\nzonerange=1M\nzoneskip=3M\n", [],
     "give it a target that ends where --size does"),
    ("", ["--matrix", "offset=16M"], "cannot honour"),
    ("", ["--matrix", "zoneskip=1M"], "cannot honour")])
def test_only_the_size_that_was_given_away_is_written(lines, axis, why, ab,
                                                      shm, tmp_path):
    """With --destroy-data it may overwrite --size of it, and no more."""
    target, job = Path(shm) / "mine", tmp_path / "job.fio"
    target.write_bytes(b"x" * (32 << 20))
    job.write_text(f"[a]\nrw=write\nbs=64k\n{lines}")
    done = ab("--b", "psync", "--pairs", "1", "--job", str(job), *axis,
              "--target", str(target), "--destroy-data", *FAST)
    kept = target.read_bytes()
    target.unlink()
    assert kept[16 << 20:] == b"x" * (16 << 20)
    if why:
        sentence(done, why)
        assert kept == b"x" * (32 << 20)        # refused before any write
    else:
        assert done.returncode == 0, done.stderr


def test_a_precious_file_is_safe(ab, tmp_path):
    precious = tmp_path / "precious"
    precious.write_bytes(b"x" * (16 << 20))
    target = ["--b", "libaio", "--target", str(precious), *FAST]
    sentence(ab("--job", "randwrite", *target), "--destroy-data")
    # A job that hides its writing is stopped by fio's own read-only mode.
    sneaky = tmp_path / "sneaky.fio"
    sneaky.write_text("[global]\ndirect=1\n[a]\nrw=randread\nbs=4k\n"
                      "[b]\nrw=${HOW}\nbs=4k\n")
    sentence(ab("--job", str(sneaky), *target, HOW="write"),
             "--destroy-data")
    assert precious.read_bytes() == b"x" * (16 << 20)
    assert ab("--pairs", "1", *target).returncode == 0
    assert precious.read_bytes() == b"x" * (16 << 20)


@pytest.mark.root
def test_a_mounted_device_is_never_written(ab, tmp_path):
    with targets.loop_of(str(tmp_path), 64 << 20) as device:
        targets.run("mkfs.ext4", "-q", "-F", device)
        write = ["--b", "libaio", "--job", "randwrite", "--target", device,
                 "--pairs", "1", *FAST]
        with targets.mounted(device, str(tmp_path / "m")):
            sentence(ab("--destroy-data", *write), "is mounted on")
        sentence(ab(*write), "--destroy-data")
        done = ab("--destroy-data", *write)
        assert done.returncode == 0, done.stderr
        cell, = ab.report()["cells"]
        assert cell["target"]["label"].startswith("device loop")


@pytest.mark.slow
@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_each_job_runs_unchanged_with_plain_fio(path, shm, tmp_path,
                                                fio_binary):
    """On a fresh file, with fio's libaio; ended early by Ctrl-C."""
    out = tmp_path / "out.json"
    # The ramp of a job that is cut short is not counted, but it goes on.
    ramps = "ramp_time" in path.read_text()
    for seconds in (1, 4, 16):          # a busy machine is slow
        with subprocess.Popen(
                [fio_binary, "--output-format=json", f"--output={out}",
                 str(path)], cwd=tmp_path, env={
                     **os.environ, "ENGINE": "libaio",
                     "TARGET": f"{shm}/fresh"}) as fio:
            try:
                fio.wait(seconds)
            except subprocess.TimeoutExpired:
                fio.send_signal(signal.SIGINT)
                fio.wait(300)
        text = out.read_text() if out.exists() else ""
        job, = json.loads(text[text.index("{"):])["jobs"] if text else [None]
        if job and (job["job_runtime"] > 0 or ramps):
            break
    # 128 is fio's status after SIGINT.
    assert fio.returncode in (0, 128) and job["error"] == 0
    assert job["job_runtime"] > 0 or ramps
    assert path.read_text().splitlines()[0].startswith("# ")

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

import targets

ROOT = Path(__file__).resolve().parents[2]
AB = str(ROOT / "jobs" / "ab")
JOBS = sorted((ROOT / "jobs").glob("*.fio"))
FAST = ["--size", "16M", "--runtime", "0.2", "--ramp", "0.05"]


@pytest.fixture
def environment(tmp_path):
    """A temporary folder of its own, to see what stays behind."""
    (tmp_path / "tmp").mkdir()
    return {**os.environ, "TMPDIR": str(tmp_path / "tmp")}


@pytest.fixture
def ab(environment):
    def run(*arguments, **changes):
        done = subprocess.run([AB, *arguments], timeout=120, text=True,
                              capture_output=True, check=False,
                              env={**environment, **changes})
        assert "Traceback" not in done.stderr
        assert os.listdir(environment["TMPDIR"]) == []
        return done
    return run


def sentence(done, word):
    """It failed, and its last line on stderr is the sentence."""
    assert done.returncode == 1 and done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ab: ") and word in last, done.stderr


@pytest.mark.alone
def test_a_different_engine_is_found_out(ab, shm, tmp_path):
    """psync at depth 1 spends about one call per I/O, libaio about two."""
    target, out = f"{shm}/scratch", tmp_path / "out.json"
    done = ab("--a", "libaio", "--b", "psync", "--pairs", "12",
              "--target", target, "--json", str(out), "--seed", "1", "--job",
              "latency", *FAST)
    assert done.returncode == 0, done.stderr
    assert not os.path.exists(target)
    assert cell_label(done) == ("RAM (tmpfs /dev/shm), 16 MiB, O_DIRECT",
                                "(no device: shows the engine's own cost)")
    assert "ramp_time 2 -> 0.05 s" in done.stdout
    assert "verdict on B, IOPS" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines()
               if shm not in line), done.stdout
    cell, = json.loads(out.read_text())["cells"]
    iops, cpu = cell["effects"]
    assert iops["estimate"] > 0.1 and cpu["estimate"] < -0.1
    assert iops["verdict"] == "faster" and cpu["verdict"] == "less CPU"
    check_runs(cell, 12)


def cell_label(done):
    """The two lines under the cell's name."""
    lines = [line.strip() for line in done.stdout.splitlines()]
    i = next(i for i, line in enumerate(lines) if " MiB, " in line)
    return lines[i], lines[i + 1]


@pytest.mark.parametrize("text, io", [
    ("[a]\nrw=randread\nbs=4k\n", "buffered (page cache)"),
    ("[a]\nbs=4k\n[b]\ndirect=1\nbs=4k\n", "O_DIRECT in part")])
def test_a_buffered_job_is_not_called_o_direct(text, io, ab, tmp_path):
    job = tmp_path / "job.fio"
    job.write_text(text + "loops=2\n")
    done = ab("--b", "psync", "--pairs", "1", "--job", str(job), "--target",
              str(tmp_path / "scratch"), *FAST)
    assert done.returncode == 0, done.stderr
    label, why = cell_label(done)
    assert label.endswith(f"16 MiB, {io}") and "page cache" in why
    assert "from the job file: dropped: loops" in done.stdout
    assert "sets the pace" not in done.stdout
    assert "1 pair of" in done.stdout
    assert "1 pair cannot tell faster from slower" in done.stderr


def check_runs(cell, pairs):
    """Every block is A' A B or B A A', with one seed of its own."""
    blocks = {}
    for run in cell["runs"]:
        blocks.setdefault(run["block"], []).append(run)
        assert run["iops"] > 0 and run["cpu_us"] > 0
        # Both are CPU time per I/O of a job without threads of its own.
        assert run["cpu_us"] == pytest.approx(run["fio_cpu_us"], rel=0.35)
        assert run["rusage_s"] >= run["fio_cpu_us"] * run["ios"] / 1e6
    assert len(blocks) == pairs
    for runs in blocks.values():
        roles = [run["role"] for run in runs]
        assert roles == {"AB": ["A'", "A", "B"],
                         "BA": ["B", "A", "A'"]}[runs[0]["order"]]
        assert len({run["seed"] for run in runs}) == 1
    assert len({runs[0]["seed"] for runs in blocks.values()}) == pairs
    assert [r[0]["order"] for r in blocks.values()].count("AB") in (
        pairs // 2, (pairs + 1) // 2)


def test_an_engine_against_itself_on_two_targets(ab, shm, tmp_path):
    """One pair: no verdict, but the same I/O and the same system calls."""
    disk = tmp_path / "scratch"
    done = ab("--a", "libaio", "--b", "libaio", "--pairs", "1", "--target",
              f"{shm}/scratch", "--target", str(disk), *FAST)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("NO VERDICT") == 4
    assert done.stdout.count("first 500 I/Os identical") == 2
    assert not disk.exists() and os.listdir(shm) == []
    calls = re.findall(r"syscalls / I/O +([\d.]+) +([\d.]+)", done.stdout)
    for a, b in calls:      # none without a working strace
        assert 1.9 < float(a) < 2.3
        assert float(b) == pytest.approx(float(a), abs=0.15)
    assert re.search(r"^\[\d+/12\] \d+ s left: randread", done.stderr, re.M)
    assert "\r" not in done.stderr


def test_writes_syncs_and_verification(ab, shm):
    done = ab("--a", "libaio", "--b", "psync", "--pairs", "1", "--job",
              "verify", "--job", "fsync", "--target", f"{shm}/s:1", *FAST)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("verdict on B") == 4
    assert os.listdir(shm) == []


def test_the_seed_moves_the_offsets(shm, tmp_path, fio_binary):
    """A new seed per pair must mean new I/O: fio's randseed alone does not."""
    import sys
    sys.path.insert(0, str(ROOT / "jobs"))
    from fiolab import checks, fio, jobfile, side, target
    runner = fio.Fio(fio_binary, None, str(tmp_path))
    scratch = target.Target(f"{shm}/s", 16 << 20, True, "", writable=True)
    job, libaio = jobfile.load("randread"), side.parse("libaio", "")
    logs = []
    for seed in (1, 1, 2):
        options = fio.base_options(libaio, scratch, seed)
        options += ["number_ios=50", "write_iolog=iolog"]
        _, kept = fio.run(runner, libaio, job, scratch, options, 5,
                          keep=["iolog"])
        logs.append([m.groups() for m in map(checks.LOGGED.search,
                                             kept["iolog"].splitlines()) if m])
    assert len(logs[0]) == 50 and logs[0] == logs[1] != logs[2]


def of_process(pid, name):
    """A file of /proc/PID; empty for a process that has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children(pid):
    found = [int(x) for x in of_process(pid, f"task/{pid}/children").split()]
    return found + [y for x in found for y in children(x)]


def gone(pid):
    state = of_process(pid, "stat").split()
    return not state or state[2] == "Z"


def in_a_timed_run(pid, folder):
    """The processes below jobs/ab once one of its timed runs goes on."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        kids = children(pid)
        line = " ".join(of_process(kid, "cmdline") for kid in kids)
        if (len(kids) > 1 and "strace" not in line
                and list(Path(folder).glob("*/*/started"))):
            return kids
        time.sleep(0.1)
    raise AssertionError("no timed run began")


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130),
                                            (signal.SIGTERM, 143)])
def test_a_signal_cleans_up(number, status, shm, environment):
    command = [AB, "--a", "libaio", "--b", "libaio", "--target",
               f"{shm}/scratch", "--size", "16M", "--runtime", "30"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE, env=environment) as ab:
        kids = in_a_timed_run(ab.pid, environment["TMPDIR"])
        ab.send_signal(number)
        out, err = ab.communicate(timeout=20)
    assert ab.returncode == status and out == "" and "Traceback" not in err
    assert all(gone(kid) for kid in kids)
    assert os.listdir(shm) == [] == os.listdir(environment["TMPDIR"])


def test_ctrl_c_while_the_packages_load(environment, tmp_path):
    (tmp_path / "scipy").mkdir()
    (tmp_path / "scipy" / "__init__.py").write_text(
        "import time; print('loading', flush=True); time.sleep(60)\n")
    with subprocess.Popen([AB], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.PIPE,
                          env={**environment, "PYTHONPATH": str(tmp_path)}
                          ) as ab:
        assert ab.stdout.readline() == "loading\n"
        ab.send_signal(signal.SIGINT)
        _, err = ab.communicate(timeout=20)
    assert ab.returncode == 130 and err == ""


@pytest.mark.parametrize("arguments, word", [
    (["--fio", "/nonexistent/fio"], "no fio at"),
    (["--fio", "/bin/true"], "is not fio"),
    (["--build", "/nonexistent"], "run `make` first"),
    (["--b", "external:/nonexistent.so"], "no engine at"),
    (["--b", "libaio@our-library", "--build", "/none"], "no library at"),
    (["--b", "libaio@nowhere"], "is not an environment"),
    (["--b", "libaio", "--job", "/nonexistent.fio"], "cannot read"),
    (["--b", "libaio", "--target", "/nonexistent/f"], "no folder"),
    (["--b", "libaio", "--target", "/tmp"], "neither a file nor"),
    (["--b", "libaio", "--json", "/nonexistent/f"], "no folder"),
    (["--b", "libaio", "--json", "/tmp"], "is a folder"),
    (["--b", "libaio", "--json", "/proc/f"], "cannot write /proc/f")])
def test_mistakes_are_one_sentence(ab, arguments, word):
    done = ab(*arguments)
    sentence(done, word)
    assert "writing" not in done.stderr


def test_what_fio_says_is_passed_on(ab, shm, tmp_path):
    """Before the target is written."""
    bad, empty, engine = (tmp_path / name for name in ("bad.fio", "empty.fio",
                                                       "no-engine.so"))
    bad.write_text("[a]\nbs=4k\nnosuchoption=1\n")
    empty.touch()
    engine.write_text("not a library")
    for arguments, word in [
            (["--a", "nosuchengine"], "nosuchengine"),
            (["--b", f"external:{engine}"], "no-engine.so"),
            (["--b", "libaio,nosuchoption=1"], "belongs in the job file"),
            (["--b", "libaio,userspace_reap=x"], "userspace_reap"),
            (["--b", "libaio", "--job", str(bad)], "nosuchoption"),
            (["--b", "libaio", "--job", str(empty)], "has no job in it")]:
        done = ab("--b", "libaio", *arguments, "--target", f"{shm}/s", *FAST)
        sentence(done, word)
        assert "writing" not in done.stderr and os.listdir(shm) == []


@pytest.mark.parametrize("side", ["libaio,direct=0,invalidate=0",
                                  "io_uring,numjobs=2", "kaio,iodepth=1",
                                  "psync,bs=8k"])
def test_a_side_with_options_of_the_job_is_refused(side, ab, shm, build_dir,
                                                   san):
    if san and side.startswith("kaio"):
        pytest.skip("a sanitized engine needs the sanitizer preloaded")
    sentence(ab("--b", side, "--build", str(build_dir), "--target",
                f"{shm}/s", *FAST), "belongs in the job file")


def test_options_of_the_engine_are_accepted(ab, shm, build_dir, san):
    if san:
        pytest.skip("a sanitized engine needs the sanitizer preloaded")
    done = ab("--a", "libaio,userspace_reap", "--b", "kaio,userspace_reap=0",
              "--build", str(build_dir), "--target", f"{shm}/s", "--pairs",
              "1", *FAST)
    assert done.returncode == 0, done.stderr


def libraries(done):
    """The two libraries that fio was seen to use."""
    return re.findall(r"^    fio uses (/.*)$", done.stdout, re.M)


def test_a_side_with_our_library(ab, shm, build_dir, san, tmp_path):
    """One call per I/O instead of two, whatever the user's environment."""
    if san:
        pytest.skip("a sanitized library needs the sanitizer preloaded")
    out = tmp_path / "out.json"
    done = ab("--a", "libaio", "--b", "libaio@our-library", "--build",
              str(build_dir), "--target", f"{shm}/s", "--pairs", "1",
              "--json", str(out), *FAST, LIBAIO_RING="0")
    assert done.returncode == 0, done.stderr
    theirs, ours = libraries(done)
    assert ours == f"{build_dir}/libaio.so.1" != theirs
    assert f"    LD_LIBRARY_PATH={build_dir}" in done.stdout
    sides = json.loads(out.read_text())["sides"]
    assert (sides["A"]["library"], sides["B"]["library"]) == (theirs, ours)
    assert sides["A"]["environment"] == {}
    assert sides["B"]["environment"]["LD_LIBRARY_PATH"] == str(build_dir)
    for a, b in re.findall(r"syscalls / I/O +([\d.]+) +([\d.]+)",
                           done.stdout):
        assert 1.9 < float(a) < 2.3 and 0.9 < float(b) < 1.3


@pytest.mark.parametrize("how", ["the environment", "set-gid"])
def test_the_wrong_library_is_found_out(how, ab, shm, build_dir, san, tmp_path,
                                        fio_binary):
    if san:
        pytest.skip("a sanitized library needs the sanitizer preloaded")
    env, word = {"LD_LIBRARY_PATH": str(build_dir)}, "run without our library"
    if how == "set-gid":
        if os.geteuid():
            pytest.skip("needs root, to give a file to another group")
        fio_binary = shutil.copy(fio_binary, tmp_path / "fio")
        os.chown(fio_binary, -1, 65534)
        os.chmod(fio_binary, 0o2755)
        env, word = {}, "ignores LD_LIBRARY_PATH"
    done = ab("--b", "libaio@our-library", "--build", str(build_dir), "--fio",
              str(fio_binary), "--target", f"{shm}/s", *FAST, **env)
    sentence(done, word)
    assert "writing" not in done.stderr and os.listdir(shm) == []


@pytest.mark.skipif(bool(targets.why_no_root()),
                    reason=str(targets.why_no_root()))
def test_a_full_disk_for_the_json_is_found_before_the_runs(ab, shm, tmp_path):
    with targets.small_tmpfs(str(tmp_path), 64 << 10) as full:
        done = ab("--b", "libaio", "--json", f"{full}/out.json", "--target",
                  f"{shm}/s", *FAST)
        sentence(done, "cannot write")
        assert "writing" not in done.stderr and os.listdir(full) == []


def test_what_was_killed_is_cleaned_up_at_the_next_start(ab, environment,
                                                         tmp_path):
    command = [AB, "--b", "libaio", "--build", str(tmp_path), *FAST]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, text=True,
                          stderr=subprocess.PIPE, env=environment,
                          start_new_session=True) as killed:
        while "comparing" not in killed.stderr.readline():
            pass
        left = list(tmp_path.glob("kaio-ab-*.tmp"))
        ended = [killed.pid, *children(killed.pid)]
        for pid in ended:
            os.kill(pid, signal.SIGKILL)
    for folder in Path(environment["TMPDIR"]).iterdir():
        shutil.rmtree(folder)
    assert len(left) == 1 and left[0].exists()
    assert ab(*command[1:], "--pairs", "1").returncode == 0
    assert list(tmp_path.glob("kaio-ab-*.tmp")) == []


def test_a_precious_file_is_safe(ab, tmp_path):
    precious = tmp_path / "precious"
    precious.write_bytes(b"x" * (16 << 20))
    target = ["--b", "libaio", "--target", str(precious), *FAST]
    sentence(ab("--job", "randwrite", *target), "--destroy-data")
    # A job that hides its writing is stopped by fio's own read-only mode.
    sneaky = tmp_path / "sneaky.fio"
    sneaky.write_text("[a]\nrw=randread\nbs=4k\n[b]\nrw=${HOW}\nbs=4k\n")
    sentence(ab("--job", str(sneaky), *target, HOW="write"),
             "--destroy-data")
    assert precious.read_bytes() == b"x" * (16 << 20)
    assert ab("--pairs", "1", *target).returncode == 0
    assert precious.read_bytes() == b"x" * (16 << 20)


@pytest.mark.skipif(bool(targets.why_no_root()),
                    reason=str(targets.why_no_root()))
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
        assert "device loop" in done.stdout


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_each_job_runs_unchanged_with_plain_fio(path, shm, tmp_path,
                                                fio_binary):
    """On a fresh file, with fio's libaio; ended early by Ctrl-C."""
    out = tmp_path / "out.json"
    with subprocess.Popen(
            [fio_binary, "--output-format=json", f"--output={out}", str(path)],
            env={**os.environ, "ENGINE": "libaio", "TARGET": f"{shm}/fresh"},
            cwd=tmp_path) as fio:
        try:
            fio.wait(1.0)
        except subprocess.TimeoutExpired:
            fio.send_signal(signal.SIGINT)
            fio.wait(20)
    text = out.read_text()
    job, = json.loads(text[text.index("{"):])["jobs"]
    # 128 is fio's status after SIGINT.
    assert fio.returncode in (0, 128) and job["error"] == 0
    # The ramp of a job that was cut short is not counted, but it went on.
    assert job["job_runtime"] > 0 or "ramp_time" in path.read_text()
    assert path.read_text().splitlines()[0].startswith("# ")

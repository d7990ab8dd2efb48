# SPDX-License-Identifier: GPL-2.0-only
# jobs/ab through fio's own client/server mode, with two real servers on the
# loopback interface: figures of each host and of both, and what becomes of a
# server that dies.
import os
import signal
import subprocess
import time

import pytest

import fiorun
from abrun import FAST, effect, sentence
from fioserver import Server

LATENCY = ["--job", "latency", *FAST]


@pytest.fixture
def servers(fio_binary, tmp_path):
    made = [Server(fio_binary, tmp_path) for _ in range(2)]
    yield made
    for each in made:
        if each.process.poll() is None:
            each.die()


@pytest.fixture
def words(servers, shm_file):
    """A comparison that reads a file which is there."""
    with open(shm_file, "wb") as file:
        file.write(b"x" * (16 << 20))
    names = ",".join(each.name for each in servers)
    return ["--b", "psync", "--client", names, "--target", shm_file, *LATENCY]


def test_figures_of_each_host_and_of_both(ab, words, servers):
    done = ab(*words, "--pairs", "2")
    assert done.returncode == 0, done.stderr
    report = ab.report()
    names = [each.name for each in servers]
    assert report["clients"] == names
    cell, = report["cells"]
    assert sorted(cell["hosts"]) == sorted(names)
    # 7 metrics, of both together and of each: all in Holm's family.
    assert report["comparisons"] == 21
    assert "with 2 comparisons that takes at least" in done.stderr
    for run in ab.runs():
        parts = [run["hosts"][name] for name in names]
        seconds = max(part["ios"] / part["iops"] for part in parts)
        assert run["values"]["iops"] * seconds == pytest.approx(
            sum(part["ios"] for part in parts))
        assert run["values"]["lat_p99_us"] <= max(
            part["lat_p99_us"] for part in parts)
    for name in names:
        found = cell["hosts"][name]["effects"]
        assert [e["n"] for e in found] == [2] * 7
    assert effect(cell, "cpu_us")["median"]["A"] > 0
    assert f"--client=ip:127.0.0.1,{servers[0].port}" in cell["command"]["A"]
    assert "identical on both sides, on this machine" in cell["stream"]
    # What nobody measured has no figure.
    assert (cell["steal"], cell["repeats"], report["cpu"]) == (None,) * 3
    text = (ab.out / "report.txt").read_text()
    page = (ab.out / "report.html").read_text()
    assert "steal not measured" in text and "pinned to CPU" not in text
    assert "for want of CPU" not in text + page
    assert "<dt>Steal time</dt><dd>not measured</dd>" in page
    assert "pinned to CPU" not in page
    assert "Of this machine, which started the runs on the hosts" in page
    assert not any("governor" in said or "load is" in said or "pinned" in said
                   for said in report["warnings"])


@pytest.mark.slow
def test_a_server_that_dies_and_comes_back_costs_a_pair(ab, words, servers):
    with ab.start(*words, "--pairs", "4", "--runtime", "1") as started:
        ab.await_runs(3, started)
        time.sleep(0.5)             # in a run of the second pair
        servers[1].die()
        end = time.monotonic() + 60
        while not any("failed" in run for run in ab.runs()):
            assert time.monotonic() < end and started.poll() is None
            time.sleep(0.05)
        servers[1].start()
        _, err = started.communicate(timeout=300)
    assert started.returncode == 0, err
    report = ab.report()
    cell, = report["cells"]
    lost = {one["pair"] for one in cell["discarded"]}
    assert lost and all(one["host"] == servers[1].name and one["why"]
                        for one in cell["discarded"])
    assert {pair["pair"] for pair in cell["pairs"]} == set(range(4)) - lost
    assert report["finished"]
    assert any("discarded" in said for said in report["warnings"])


@pytest.mark.slow
def test_a_server_that_stays_dead_stops_it_cleanly(ab, words, servers):
    with ab.start(*words, "--pairs", "5") as started:
        ab.await_runs(3, started)
        servers[0].die()
        out, err = started.communicate(timeout=300)
    assert started.returncode == 1 and "Traceback" not in err
    last = err.splitlines()[-1]
    assert "3 pairs in a row were lost" in last and servers[0].name in last
    report = ab.report()
    assert not report["finished"] and out.startswith("A = ")
    assert len(report["cells"][0]["discarded"]) == 3
    servers[0].start()
    done = ab("--resume", ab.out)
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    assert len(cell["pairs"]) == 5 - 3 and len(cell["discarded"]) == 3


@pytest.mark.slow
def test_a_server_that_hangs_is_not_called_another(ab, words, servers):
    """It takes connections still, and fio gives no host's result."""
    with ab.start(*words, "--pairs", "2", "--runtime", "1") as started:
        ab.await_runs(3, started)
        time.sleep(0.5)             # in a run of the second pair
        hung = [servers[1].process.pid,
                *fiorun.descendants(servers[1].process.pid)]
        for pid in hung:
            os.kill(pid, signal.SIGSTOP)
        _, err = started.communicate(timeout=300)
        for pid in hung:
            os.kill(pid, signal.SIGCONT)
    assert started.returncode == 0, err
    lost, = ab.report()["cells"][0]["discarded"]
    assert lost["host"] is None
    assert all(each.name in lost["why"] for each in servers)
    page = (ab.out / "report.html").read_text()
    assert "<td>not known</td>" in page


@pytest.mark.slow
def test_ctrl_c_ends_the_runs_on_all_hosts(ab, words, servers):
    words = [*words, "--pairs", "5", "--runtime", "1"]
    with ab.start(*words) as started:
        ab.await_runs(4, started)
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=300)
    assert started.returncode == 130
    assert len(ab.report()["cells"][0]["pairs"]) == 1
    end = time.monotonic() + 60
    while any(fiorun.descendants(each.process.pid) for each in servers):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.slow
def test_writes_on_other_machines_are_filled_first(ab, servers, shm_file):
    words = ["--b", "psync", "--client", servers[0].name, "--target", shm_file,
             "--job", "randwrite", "--pairs", "1", *FAST]
    sentence(ab(*words), "--destroy-data")
    done = ab(*words, "--destroy-data")
    assert done.returncode == 0, done.stderr
    with open(shm_file, "rb") as file:
        assert len(file.read()) == 16 << 20


@pytest.mark.slow
def test_a_target_whose_name_is_not_utf_8(ab, servers, shm):
    name = os.fsencode(shm) + b"/caf\xe9"
    with open(name, "wb") as file:
        file.write(b"x" * (16 << 20))
    done = ab("--b", "psync", "--client", servers[0].name, "--target",
              os.fsdecode(name), "--pairs", "1", *LATENCY)
    assert done.returncode == 0, done.stderr
    assert os.listdir(shm) == ["caf\udce9"]
    assert len(ab.report()["cells"][0]["pairs"]) == 1


@pytest.mark.parametrize("arguments, word", [
    (["--client", "a b"], "is not a host"),
    (["--client", "h:0"], "is not a host"),
    (["--client", ""], "'' is not a host"),
    (["--client", ","], "'' is not a host"),
    (["--client", "h,"], "'' is not a host"),
    (["--client", "h,h"], "names h twice"),
    (["--client", "h,H:8765"], "names H:8765 twice (it is h)"),
    (["--client", "localhost,127.0.0.1"], "are one server (127.0.0.1)"),
    (["--client", "127.0.0.1:1"], "no fio --server answers at 127.0.0.1:1"),
    (["--client", "h", "--target", "x"], "must be an absolute path")])
def test_mistakes_are_one_sentence(arguments, word, ab):
    sentence(ab("--b", "psync", "--target", "/dev/shm/x", *arguments,
                *LATENCY), word)
    assert not ab.out.exists()


def test_no_host_is_not_this_machine(ab, shm_file):
    with open(shm_file, "wb") as file:
        file.write(SMALL * 10)
    sentence(ab("--b", "psync", "--target", shm_file, "--job", "randwrite",
                "--destroy-data", "--client", ",", "--pairs", "1", *FAST),
             "'' is not a host")
    with open(shm_file, "rb") as file:
        assert file.read() == SMALL * 10


def test_a_file_that_no_host_has_is_not_made(ab, servers, shm_file):
    done = ab("--b", "psync", "--client", servers[0].name, "--target",
              shm_file, *LATENCY)
    assert done.returncode == 1 and "ab: " in done.stderr.splitlines()[-1]


# What a host holds

SMALL = b"precious" * 250000        # bytes, fewer than the 16M asked for


@pytest.mark.slow
@pytest.mark.parametrize("job, length, more", [
    ("latency", len(SMALL), []), ("latency", (16 << 20) - 1, []),
    ("latency", len(SMALL), ["--destroy-data"]),
    ("randwrite", 0, ["--destroy-data"]),
    ("randwrite", len(SMALL), ["--destroy-data"])])
def test_a_smaller_file_survives(job, length, more, ab, servers, shm_file):
    content = (SMALL * 9)[:length]
    with open(shm_file, "wb") as file:
        file.write(content)
    number = os.stat(shm_file).st_ino
    sentence(ab("--b", "psync", "--client", servers[0].name, "--target",
                shm_file, "--job", job, "--pairs", "1", *FAST, *more),
             "so it is smaller")
    with open(shm_file, "rb") as file:
        assert file.read() == content
    assert os.stat(shm_file).st_ino == number
    assert not ab.out.exists()


@pytest.mark.slow
def test_a_file_that_becomes_smaller_survives(ab, words, shm_file):
    with ab.start(*words, "--pairs", "9") as started:
        ab.await_runs(3, started)
        os.truncate(shm_file, 5000)
        _, err = started.communicate(timeout=300)
    assert started.returncode == 1 and "Traceback" not in err
    with open(shm_file, "rb") as file:
        assert file.read() == b"x" * 5000


@pytest.mark.slow
def test_a_file_is_overwritten_in_place(ab, servers, shm_file):
    """With --destroy-data too: the same file, and what is behind it stays."""
    with open(shm_file, "wb") as file:
        file.write(b"x" * (17 << 20))
    number = os.stat(shm_file).st_ino
    done = ab("--b", "psync", "--client", servers[0].name, "--target",
              shm_file, "--job", "randwrite", "--pairs", "1", *FAST,
              "--destroy-data")
    assert done.returncode == 0, done.stderr
    assert os.stat(shm_file).st_ino == number
    with open(shm_file, "rb") as file:
        found = file.read()
    assert found[16 << 20:] == b"x" * (1 << 20)
    assert b"x" * 4096 not in found[:16 << 20]
    cell, = ab.report()["cells"]
    assert "create_on_open=1" in cell["effective"]["A"]


@pytest.mark.root
@pytest.mark.parametrize("more", [[], ["--destroy-data"]])
def test_a_smaller_device_is_refused(more, ab, servers, tmp_path):
    content = SMALL[:1 << 20]
    (tmp_path / "image").write_bytes(content)
    device = subprocess.run(
        ["losetup", "--find", "--show", tmp_path / "image"], check=True,
        capture_output=True, text=True, timeout=300).stdout.strip()
    try:
        sentence(ab("--b", "psync", "--client", servers[0].name, "--target",
                    device, *LATENCY, *more), "so it is smaller")
    finally:
        subprocess.run(["losetup", "--detach", device], check=True, timeout=300)
    assert (tmp_path / "image").read_bytes() == content


@pytest.mark.slow
def test_a_name_that_is_not_utf_8(ab, servers, shm):
    path = os.fsdecode(os.fsencode(shm) + b"/\xff")
    with open(path, "wb") as file:
        file.write(b"x" * (16 << 20))
    done = ab("--b", "psync", "--client", servers[0].name, "--target", path,
              "--pairs", "1", *LATENCY)
    assert done.returncode == 0, done.stderr


def test_a_misspelt_device_is_not_made(ab, servers):
    path = "/dev/kaio-there-is-no-such-disk"
    sentence(ab("--b", "psync", "--client", servers[0].name, "--target", path,
                *LATENCY, "--destroy-data"), f"there is no {path} on")
    assert not os.path.exists(path)

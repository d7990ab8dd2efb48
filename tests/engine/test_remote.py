# SPDX-License-Identifier: GPL-2.0-only
# fio's client and server: what arrives of a job, what comes back of its figures
# and its failures, two servers, and one in the background.
import contextlib
import os
import signal
import socket
import time

import pytest

import enginestats
from enginestats import MODES
from fiorun import job_file

SIZE = 4 << 20
HELD = {"submit": "adaptive", "spin": "auto", "reap": "eventfd"}
VERIFY = {"rw": "randwrite", "size": SIZE, "bs": "4k", "direct": 1,
          "verify": "crc32c", "verify_fatal": 1}


def remote(fio, address, engine, target, path, **options):
    job = job_file(path / "job.fio", engine, target,
                   **{"rw": "randrw", "size": SIZE,
                      "verify_state_save": 0, **options})
    return fio.raw("--client=" + address, "--output-format=json", job)


def test_client_and_server(fio, server, engine, loop_device, tmp_path):
    """Every option arrives; the wire, the server's stdout, stays whole."""
    numbers = tmp_path / "numbers"
    result = remote(fio, server, engine, loop_device, tmp_path, dsync=1,
                    iodepth=16, engine_stats=1, stats_file=numbers,
                    libaio_vectored=1, userspace_reap=0, **MODES[1],
                    **VERIFY).ok()
    got = result.json["client_stats"][0]
    assert got["write"]["io_bytes"] == got["read"]["io_bytes"] == SIZE
    assert got["job options"]["libaio_vectored"] == "1"
    assert got["job options"]["reap"] == "ring"
    assert got["job options"]["submit"] == "adaptive"
    stats, = enginestats.in_file(numbers)
    assert stats["ios_submitted"] == 2 * SIZE // 4096


def test_wrong_value_through_client_and_server(
        fio, server, engine, loop_device, tmp_path):
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


def test_client_sees_a_failure(fio, server, engine, tmp_path, loop_device):
    job = job_file(tmp_path / "job.fio", engine, loop_device, rw="write",
                   bs=1000, size=100000, direct=1)
    result = fio.raw("--client=" + server, "--output-format=json", job)
    assert result.json["client_stats"][0]["error"] == 22


def free_ports(number):
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def test_two_servers(fio, engine, shm, tmp_path):
    """One client, two servers: each does the job of its own file."""
    args = ["--output-format=json"]
    with contextlib.ExitStack() as stack:
        for number, port in enumerate(free_ports(2)):
            address, _ = stack.enter_context(fio.server(port))
            job = job_file(tmp_path / ("%d.fio" % number), engine,
                           os.path.join(shm, str(number)), iodepth=16,
                           verify_state_save=0, **VERIFY, **HELD)
            args += ["--client=" + address, job]
        result = fio.raw(*args)
        result.ok()
    done = [job for job in result.json["client_stats"]
            if job["jobname"] == "job"]
    assert [job["write"]["io_bytes"] for job in done] == [SIZE, SIZE]
    assert sorted(os.listdir(shm)) == ["0", "1"]


@contextlib.contextmanager
def daemon(fio):
    """A server that has gone to the background: its address."""
    address = "sock:" + os.path.join(fio.cwd, "sock")
    pid_file = os.path.join(fio.cwd, "pid")
    assert fio.raw("--server=" + address, "--daemonize=" + pid_file).rc == 0
    with open(pid_file, encoding="ascii") as file:
        pid = int(file.read())
    try:
        yield address
    finally:
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 60
        while os.path.exists("/proc/%d" % pid) and time.monotonic() < end:
            time.sleep(0.02)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("extra", [{}, HELD], ids=["default", "held"])
def test_daemonize(fio, engine, shm_file, tmp_path, extra):
    job = job_file(tmp_path / "job.fio", engine, shm_file, iodepth=16,
                   verify_state_save=0, **VERIFY, **extra)
    with daemon(fio) as address:
        result = fio.raw("--output-format=json", "--client=" + address, job)
    done = result.ok().json["client_stats"][0]
    assert done["write"]["io_bytes"] == done["read"]["io_bytes"] == SIZE

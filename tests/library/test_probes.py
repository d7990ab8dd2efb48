# SPDX-License-Identifier: GPL-2.0-only
"""The USDT probes: where they are, what they say, and that they cost nothing.

traffic.c says what it does; gdb, and bpftrace where BPF works, have to say the
same, of our shared library and of the library in the engine.
"""
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from abi_tools import BUILD, HERE, SAN, SHARED, compile_shared, need, output_of, run
from libsymbols import ARGUMENTS, probes

pytestmark = pytest.mark.fio
ENGINE = BUILD / "fio-kaio.so"
OURS = {"LD_LIBRARY_PATH": str(BUILD)}
OWN = re.compile(r"^(?:submit|reap|enter) 0x.*$", re.M)
TRACED = re.compile(r"^T (.*)$", re.M)
IOS = 512


@pytest.fixture(params=[SHARED, ENGINE], ids=["library", "engine"])
def traced(request):
    assert request.param.exists(), f"{request.param} is missing: run make"
    return request.param


@pytest.fixture(scope="module")
def traffic(tmp_path_factory):
    return compile_shared(
        HERE / "traffic.c", tmp_path_factory.mktemp("traffic") / "traffic",
        "-D_GNU_SOURCE",
    )  # fmt: skip


def expected(text):
    """What a tracer has to say of traffic's words; at an entry the result is
    not known yet."""
    lines = [line.split() for line in OWN.findall(text)]
    assert len(lines) > 300, text
    return [[name, *values[: ARGUMENTS[name]]] for name, *values in lines]


def traced_calls(text):
    return [line.split() for line in TRACED.findall(text)]


def test_sites_and_their_arguments(traced):
    found = {}
    for name, _, semaphore, arguments in probes(traced):
        found.setdefault(name, set()).add(arguments)
        assert semaphore == 0  # nothing to test at run time
    assert found == {name: {count} for name, count in ARGUMENTS.items()}


def test_a_site_is_one_nop(traced):
    sites = {
        output_of(
            "objdump", "-d", "--no-show-raw-insn", f"--start-address={at}",
            f"--stop-address={at + 1}", traced,
        ).split("\n")[-2].split(":")[1].strip()
        for _, at, *_ in probes(traced)
    }  # fmt: skip
    assert sites == {"nop"}


def gdb_script(path):
    """Print the arguments of each probe, without stopping."""
    lines = ["set pagination off", "set confirm off", "set breakpoint pending on",
             "set detach-on-fork on", "set follow-fork-mode parent",
             "set print thread-events off"]  # fmt: skip
    for name, count in ARGUMENTS.items():
        form = "%p" + " %ld" * (count - 2) + (" %ld" if name == "enter" else " %d")
        values = ", ".join(f"$_probe_arg{n}" for n in range(count))
        lines += [f"break -probe-stap libaio:{name}", "commands", "silent",
                  rf'printf "\nT {name} {form}\n", {values}', "continue",
                  "end"]  # fmt: skip
    path.write_text("\n".join([*lines, "run", ""]))
    return path


def gdb(directory, *command, env=None):
    """What gdb prints of a run; skipped where it may not trace."""
    program = need("gdb", "it stops at the probes")
    environment = [f"-iex=set environment {k} {v}" for k, v in (env or {}).items()]
    done = run(
        program, "-q", "-nx", "-batch", *environment, "-x",
        gdb_script(directory / "script"), "--args", *command,
    )  # fmt: skip
    if "ptrace: Operation not permitted" in done.stdout + done.stderr:
        pytest.skip("ptrace is forbidden here")
    assert "exited normally" in done.stdout, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(bool(SAN), reason="a sanitizer's own output is between")
def test_gdb_sees_each_call_of_a_program(traffic, tmp_path):
    text = gdb(tmp_path, traffic, env=OURS)
    assert traced_calls(text) == expected(text)


@pytest.mark.skipif(bool(SAN), reason="the plain fio cannot load the engine")
def test_gdb_sees_each_io_of_the_engine(tmp_path):
    fio = need(os.environ.get("FIO", "fio"), "it loads the engine")
    text = gdb(
        tmp_path, fio, "--name=j", f"--ioengine=external:{ENGINE}", "--thread=1",
        f"--filename={tmp_path}/file", f"--size={IOS * 4096}", "--rw=write",
        "--bs=4k", "--iodepth=16", "--iodepth_batch=4", "--output=/dev/null",
    )  # fmt: skip
    lines = traced_calls(text)
    assert sum(int(line[-1]) for line in lines if line[0] == "submit") == IOS
    # It never waits: a buffered write has completed when it is submitted.
    assert sum(int(line[-1]) for line in lines if line[0] == "reap") == IOS


class Bpftrace:
    """bpftrace with one clause per probe, from its start until finish()."""

    def __init__(self, directory, path):
        clauses = []
        for name, count in ARGUMENTS.items():
            form = "%p" + " %d" * (count - 1)
            values = ", ".join(f"arg{n}" for n in range(count))
            clauses.append(
                f'usdt:{path}:libaio:{name} {{ printf("T {name} {form}\\n", {values}); }}'
            )
        self.path = directory / "bpftrace.out"
        self.out = self.path.open("w")
        self.process = subprocess.Popen(
            ["bpftrace", "-B", "line", "-e", " ".join(clauses)],
            stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.out,
        )  # fmt: skip

    def text(self):
        return self.path.read_text()

    def sees(self, program):
        """Run it until each probe has been seen; False: bpftrace ended."""
        end = time.monotonic() + 30
        while not all(f"T {name}" in self.text() for name in ARGUMENTS):
            if self.process.poll() is not None or time.monotonic() > end:
                return False
            output_of(program, env=OURS)
            time.sleep(0.1)
        return True

    def finish(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()
            self.out.close()
        return self.text()


@pytest.mark.skipif(bool(SAN), reason="bpftrace looks at the plain build")
def test_bpftrace_sees_each_call_of_a_program(traffic, tmp_path):
    if not shutil.which("bpftrace") or os.geteuid():
        pytest.skip("needs bpftrace and root")
    tracer = Bpftrace(tmp_path, SHARED)
    try:
        seen = tracer.sees(traffic)
        own = output_of(traffic, env=OURS)
    finally:
        text = tracer.finish()
    if not seen:
        pytest.skip("BPF does not work here: " + text[-300:])
    calls = expected(own)
    # The context is this run's; those before were elsewhere.
    assert [c for c in traced_calls(text) if c[1] == calls[0][1]] == calls

# SPDX-License-Identifier: GPL-2.0-only
"""Packaged programs that link libaio, on our library and on the distribution's:
fio's built-in engine, qemu's tools and sysbench.

Each run shows which library it loaded. The results, and for one thread the
stream of I/O, are the same; and ours needs fewer system calls.
"""
import hashlib
import itertools
import os
import random
import re

import pytest

from abi_tools import BUILD, SAN, need
import fiorun
import straceout
import targets

pytestmark = [pytest.mark.fio, pytest.mark.long]
MIB = 1 << 20
LOADED = re.compile(r"calling init: (\S*/libaio\.so\S*)")
IOCB = re.compile(r"aio_lio_opcode=IOCB_CMD_(\w+).*?aio_offset=(\d+)")


class Side:
    """Runs programs on one of the two libraries."""

    def __init__(self, libraries, top):
        self.libraries, self.top, self.cwd = libraries, top, top
        self.runs = itertools.count()
        self.env = {"LD_LIBRARY_PATH": str(libraries), "LD_DEBUG": "libs"}
        if libraries == BUILD:
            self.env |= fiorun.sanitizer_env(SAN)

    def __call__(self, *command, strace=(), fails=False, **env):
        """Run it to its end; every process that loads a libaio loads ours."""
        logs = self.top / f"run{next(self.runs)}"
        logs.mkdir(parents=True)
        env = {**self.env, **env, "LD_DEBUG_OUTPUT": str(logs / "ld")}
        argv = [str(word) for word in command]
        if strace:
            argv = ["strace", "-f", *(f"-E{k}={v}" for k, v in env.items()),
                    *map(str, strace), *argv]  # fmt: skip
            env = {}
        done = fiorun.Running(argv, str(self.cwd), env, fiorun.HANGS).wait()
        assert (done.rc != 0) == fails, f"{argv}: {done.rc}\n{done.text}"
        text = "".join(log.read_text("latin-1") for log in logs.iterdir())
        assert {os.path.dirname(path) for path in LOADED.findall(text)} == {
            str(self.libraries)}
        return done

    def counts(self, *command, **how):
        """The io_* system calls of a run."""
        trace = self.top / "counts"
        self(*command, strace=("-c", "-o", trace, "-e", "trace=/^io_"), **how)
        return straceout.totals(trace)

    def stream(self, *command):
        """(operation, offset) of each I/O of a run, as it was submitted."""
        trace = self.top / "stream"
        self(*command, strace=("-s1", "-o", trace, "-e", "trace=io_submit"))
        return [
            iocb for call in straceout.calls(trace) for iocb in IOCB.findall(call.args)
        ]


def waits(calls):
    """Calls for completions; Debian 13's libaio makes the second."""
    return calls.get("io_getevents", 0) + calls.get("io_pgetevents", 0)


@pytest.fixture
def sides(library_paths, tmp_path):
    return {name: Side(path, tmp_path / name) for name, path in library_paths.items()}


@pytest.fixture
def strace():
    need("strace", "it shows the system calls")


@pytest.fixture
def shm():
    """tmpfs: the completion is there when io_submit() returns."""
    with targets.shm_dir() as path:
        yield path


def content(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def data(path, block=4096, header=64):
    """The same without fio's verify headers, which hold the time of day."""
    with open(path, "rb") as file:
        text = file.read()
    parts = (text[n + header : n + block] for n in range(0, len(text), block))
    return hashlib.sha256(b"".join(parts)).hexdigest()


def damage(path, offset):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


# --- fio's built-in libaio engine ---

def fio(**options):
    binary = need(os.environ.get("FIO", "fio"), "it is to be driven")
    options = {"ioengine": "libaio", "bs": "4k", "direct": 1, "iodepth": 64,
               "randseed": 20, "size": MIB, "verify_state_save": 0, **options}
    return [binary, "--output-format=json", "--name=job",
            *(f"--{name}={value}" for name, value in options.items())]  # fmt: skip


def totals(done):
    return [
        (job["read"]["total_ios"], job["write"]["total_ios"], job["error"],
         job["read"]["short_ios"], job["write"]["short_ios"])
        for job in done.ok().jobs
    ]  # fmt: skip


@pytest.mark.parametrize("rw, complete_min",
                         [("randrw", 0), ("randrw", 1), ("randrw", 8), ("write", 1)])
@pytest.mark.parametrize("thread", [0, 1], ids=["processes", "threads"])
def test_fio_verifies(sides, tmp_path, thread, rw, complete_min):
    """On a disk, where completions come later: the same I/O and the same
    bytes, all of which verify."""
    found = {}
    for name, side in sides.items():
        done = side(*fio(
            directory=tmp_path, rw=rw, verify="crc32c", numjobs=2,
            filename_format=f"{name}.$jobnum", thread=thread,
            iodepth_batch=max(complete_min, 1),
            iodepth_batch_complete_min=complete_min,
        ))  # fmt: skip
        sums = [data(tmp_path / f"{name}.{job}") for job in (0, 1)]
        found[name] = totals(done), sums
    assert sum(found["ours"][0][0][:2]) >= MIB // 4096
    assert found["ours"] == found["theirs"]


@pytest.mark.parametrize("rw", ["write", "randrw", "randread"])
def test_fio_stream(sides, tmp_path, shm, rw):
    """The same seed is the same stream of I/O."""
    streams = []
    for name, side in sides.items():
        log = tmp_path / f"{name}.log"
        side(*fio(filename=f"{shm}/file", rw=rw, write_iolog=log))
        lines = log.read_text().splitlines()[1:]
        streams.append([line.split()[1:] for line in lines])
    assert len(streams[0]) > MIB // 4096
    assert streams[0] == streams[1]


def test_fio_finds_damage(sides, tmp_path):
    """What one library wrote verifies with the other; a flipped bit does not."""
    path = tmp_path / "file"
    write = fio(filename=path, rw="write", verify="crc32c", do_verify=0)
    check = fio(filename=path, rw="write", verify="crc32c", verify_only=1)
    for writer, reader in itertools.permutations(sides.values()):
        writer(*write)
        assert reader(*check).ok().job["read"]["total_ios"] == MIB // 4096
    damage(path, 77 * 4096 + 1000)
    for side in sides.values():
        done = side(*check, fails=True)
        assert "Expected CRC" in done.text and f"offset={77 * 4096}" in done.text


def test_fio_getevents_calls(sides, shm, strace):
    """Default options: at most one io_getevents() in twenty I/Os; switched
    off, or with the distribution's library, one for each."""
    ios = 4 * MIB // 4096
    command = fio(filename=f"{shm}/file", rw="randread", size=4 * MIB)
    ours = sides["ours"].counts(*command)
    assert ours["io_submit"] == ios
    assert waits(ours) <= 0.05 * ios, ours
    for calls in (sides["theirs"].counts(*command),
                  sides["ours"].counts(*command, LIBAIO_RING="0")):  # fmt: skip
        assert calls["io_submit"] == ios
        assert waits(calls) >= 0.9 * ios, calls


# --- qemu: an eventfd tells it to read the ring by its own code ---

no_swapcontext = pytest.mark.skipif(
    "address" in SAN, reason="AddressSanitizer cannot follow qemu's coroutines"
)


def native(path, driver="raw", **options):
    """Image options: O_DIRECT and Linux AIO."""
    options = {"driver": driver, "file.driver": "file", "file.filename": path,
               "file.aio": "native", "file.cache.direct": "on", **options}  # fmt: skip
    return ",".join(f"{name}={value}" for name, value in options.items())


@pytest.fixture
def image(tmp_path):
    """8 MiB of noise and of zeros, in turn."""
    path = tmp_path / "image.raw"
    noise = random.Random(1)
    path.write_bytes(b"".join(
        noise.randbytes(MIB) if n % 2 else bytes(MIB) for n in range(8)
    ))  # fmt: skip
    return path


@no_swapcontext
@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_qemu_converts_and_compares(sides, strace, image, tmp_path, form):
    """Out of order and eight at a time; then each compares and finds damage."""
    qemu = need("qemu-img", "it is to be driven (qemu-utils)")
    for name, side in sides.items():
        copy = tmp_path / f"{name}.{form}"
        side(qemu, "create", "-q", "-f", form, copy, "8M")
        calls = side.counts(
            qemu, "convert", "--image-opts", "--target-image-opts", "-n", "-W",
            "-m8", native(image), native(copy, form),
        )  # fmt: skip
        # qemu 10 has a context for each of its threads; qemu 11 waits for
        # all that it looks at by io_uring.
        assert calls["io_setup"] >= 1 and calls["io_submit"] >= 8
    compare = [qemu, "compare", "--image-opts", native(image)]
    for name, side in sides.items():
        for other in sides:
            copy = native(tmp_path / f"{other}.{form}", form)
            assert "Images are identical" in side(*compare, copy).stdout
    if form == "raw":
        assert content(tmp_path / "ours.raw") == content(image)
        damage(tmp_path / "ours.raw", 3 * MIB + 5)
        done = sides["ours"](*compare, native(tmp_path / "ours.raw"), fails=True)
        assert f"Content mismatch at offset {3 * MIB}" in done.stdout


@no_swapcontext
def test_qemu_io_patterns(sides, image):
    """32 writes in flight, then reads that check them, one of them in vain."""
    qemu = need("qemu-io", "it is to be driven (qemu-utils)")
    commands = [f"aio_write -q -P {n + 1} {n * 65536} 64k" for n in range(32)]
    commands += ["aio_flush"]
    commands += [f"aio_read -q -P {n + 1} {n * 65536} 64k" for n in range(32)]
    commands += ["aio_flush", "read -q -P 7 65536 64k"]
    script = [word for command in commands for word in ("-c", command)]
    sums = set()
    for side in sides.values():
        image.write_bytes(bytes(2 * MIB))
        done = side(qemu, "-n", "-i", "native", "-t", "none", "-f", "raw",
                    *script, image, fails=True)  # fmt: skip
        said = [line for line in done.text.splitlines() if "failed" in line]
        assert said == ["Pattern verification failed at offset 65536, 65536 bytes"]
        sums.add(content(image))
    assert len(sums) == 1


# --- sysbench: a context for each thread ---

def sysbench(mode, *more):
    program = need("sysbench", "it is to be driven")
    return [program, "fileio", "--file-num=4", "--file-total-size=4M",
            "--file-block-size=4096", "--file-io-mode=async", "--time=0",
            "--events=1000", "--file-extra-flags=direct", "--rand-seed=7",
            f"--file-test-mode={mode}", *more]  # fmt: skip


@pytest.fixture
def prepared(sides, shm):
    """Its files, with checksums, where all sides run."""
    for side in sides.values():
        side.cwd = shm
    sides["theirs"](*sysbench("rndrd"), "--validate=on", "prepare")
    return shm


CHECKED = ("--validate=on", "--file-async-backlog=1", "--threads=4")


def test_sysbench_validates(sides, prepared, strace):
    """Four threads, each event a read whose checksum is right; ours waits in
    the kernel for one in twenty at most."""
    command = [*sysbench("rndrd", *CHECKED), "run"]
    for name, side in sides.items():
        done = side(*command)
        assert re.search(r"total number of events: +1000\n", done.stdout)
        calls = side.counts(*command)
        assert calls["io_setup"] == calls["io_destroy"] == 4
        assert calls["io_submit"] == 1000
        share = waits(calls) / 1000
        assert share <= 0.05 if name == "ours" else share >= 0.9, calls
    for number in range(4):
        for block in range(256):
            damage(f"{prepared}/test_file.{number}", block * 4096 + 100)
    for side in sides.values():
        assert "Checksum mismatch in block" in side(*command, fails=True).text


@pytest.mark.parametrize("mode", ["rndrw", "rndwr", "seqrewr"])
def test_sysbench_stream(sides, prepared, strace, mode):
    command = [*sysbench(mode, "--file-async-backlog=32"), "run"]
    ours, theirs = (side.stream(*command) for side in sides.values())
    assert len(ours) > 900
    assert ours == theirs

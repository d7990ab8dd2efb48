# SPDX-License-Identifier: GPL-2.0-only
"""The exported calls under libFuzzer, some thousand times, from the seeds in
tests/fuzz.

To look for longer: build as below, then ./fuzz_calls -timeout=10 CORPUS seeds;
a crash leaves a file, and ./fuzz_calls FILE repeats it.  New seeds come from
./fuzz_calls -merge=1 seeds CORPUS.
"""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE, AIO = ROOT / "tests" / "fuzz", ROOT / "aio"
NAMES = ("libaio.c", "ring.c", "gate.c", "contexts.c", "refill.c", "refill_call.S",
         "wait.c", "limits.c", "holders.c", "probe.c")  # fmt: skip
SOURCES = [*sorted(HERE.glob("*.c")), *(AIO / name for name in NAMES)]
FLAGS = [
    "-std=gnu11", "-g", "-O1", "-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64",
    "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror",
    # The kernel takes what is not aligned, and so does the library.
    "-fsanitize=fuzzer,address,undefined", "-fno-sanitize=alignment",
    "-fno-sanitize-recover=all", "-Wl,--wrap=syscall,--wrap=aiorefill_call", f"-I{AIO}", f"-I{HERE}",
    f"-I{HERE.parent}/lib",
]  # fmt: skip
SEEDS_AT_LEAST = 20
RUNS = 5000

pytestmark = [pytest.mark.long, pytest.mark.skipif(
    bool(os.environ.get("SAN")), reason="the fuzzer brings its own sanitizers"
)]


def run(*command, cwd, timeout):
    env = {name: value for name, value in os.environ.items() if name != "LIBAIO_RING"}
    return subprocess.run(
        [str(word) for word in command], cwd=cwd, timeout=timeout, text=True,
        env=env | {"ASAN_OPTIONS": "detect_leaks=1"}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory):
    """The path of the fuzzer, built here."""
    directory = tmp_path_factory.mktemp("fuzz")
    if not shutil.which("clang"):
        pytest.skip("clang is not installed: it has libFuzzer")
    empty = directory / "empty.c"
    empty.write_text("int LLVMFuzzerTestOneInput(void); "
                     "int LLVMFuzzerTestOneInput(void) { return 0; }\n")  # fmt: skip
    trial = run("clang", "-fsanitize=fuzzer,address,undefined", empty, "-o",
                directory / "empty", cwd=directory, timeout=300)  # fmt: skip
    if trial.returncode:
        pytest.skip("clang's runtime (libclang-rt-14-dev) is not installed: "
                    + trial.stdout.strip().splitlines()[-1])  # fmt: skip
    built = run("clang", *FLAGS, *SOURCES, "-lpthread", "-o", directory / "fuzz_calls",
                cwd=directory, timeout=600)  # fmt: skip
    assert built.returncode == 0, built.stdout
    return directory / "fuzz_calls"


@pytest.mark.slow
def test_library_and_kernel_agree(fuzzer, tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    seeds = len(list((HERE / "seeds").iterdir()))
    assert seeds >= SEEDS_AT_LEAST
    done = run(
        fuzzer, f"-runs={RUNS}", "-timeout=300", "-seed=1",
        "-max_len=512", "-print_final_stats=1", corpus, HERE / "seeds",
        cwd=tmp_path, timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    runs = re.search(r"stat::number_of_executed_units: *(\d+)", done.stdout)
    assert runs and int(runs[1]) >= RUNS, done.stdout[-2000:]

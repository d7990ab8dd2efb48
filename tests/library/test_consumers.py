# SPDX-License-Identifier: GPL-2.0-only
"""Many consumers of one context: every event comes exactly once.

consumers.c mixes readers of the ring and callers that the library sends to the
kernel, with submitters, and with contexts that come and go. It fails by itself
on a lost or doubled event and on a hang; here it must also have taken both ways
often, or it would show nothing.
"""
import os

import pytest

from abi_tools import (
    AIO, BUILD, CC, HERE, INCLUDE, SAN, STATIC, WARNINGS, compile_program,
    compile_shared, need, output_of, run,
)  # fmt: skip

pytestmark = pytest.mark.long
FLAGS = ["-D_GNU_SOURCE", "-lpthread", "-ldl"]
SOURCE = HERE / "consumers.c"
CONSUMERS = {1: 3_000_000, 2: 3_000_000, 8: 4_000_000}
WATCHED = 300_000
SLOWER = 10 if SAN else 1


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("consumers")
    return {
        "shared": compile_shared(SOURCE, directory / "shared", *FLAGS),
        "static": compile_program(SOURCE, directory / "static", STATIC, *FLAGS),
    }


def statistics(text):
    words = text.split()
    return dict(zip(words[::2], map(int, words[1::2])))


def check(done, events, share=0.01):
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}{done.stderr}"
    found = statistics(done.stdout)
    assert found["events"] == events
    assert found["ring_events"] + found["kernel_events"] >= events
    for way in ("ring", "kernel"):
        assert found[f"{way}_events"] > events * share, done.stdout
        assert found[f"{way}_calls"] > events // 5000, done.stdout
    assert found["refused"] > 0  # bad pointers went to the kernel as well
    assert found["churned"] > 2


@pytest.mark.parametrize("consumers", CONSUMERS)
@pytest.mark.parametrize("library", [
    pytest.param("shared", marks=pytest.mark.slow), "static"])
def test_each_event_comes_once(library, consumers, programs):
    events = CONSUMERS[consumers] // SLOWER
    done = run(programs[library], events, consumers, 2, timeout=900,
               env={"LD_LIBRARY_PATH": str(BUILD)})  # fmt: skip
    check(done, events)


@pytest.fixture(scope="module")
def watched_program(tmp_path_factory):
    """All of it under ThreadSanitizer, which does not see what the kernel writes.

    The library's functions give up the processor now and then (see consumers.c),
    so that threads meet in every gap between them.
    """
    directory = tmp_path_factory.mktemp("watched")
    flags = ["-std=gnu11", "-O1", "-g", *WARNINGS, "-fsanitize=thread", *INCLUDE]
    objects = []
    for name in ("libaio", "ring", "gate", "contexts", "refill"):
        objects.append(directory / f"{name}.o")
        output_of(*CC, *flags, "-D_GNU_SOURCE", "-finstrument-functions",
                  "-c", AIO / f"{name}.c", "-o", objects[-1])  # fmt: skip
    program = directory / "consumers"
    output_of(*CC, *flags, SOURCE, *objects, AIO / "refill_call.S", "-o", program,
              *FLAGS)  # fmt: skip
    return program


@pytest.mark.skipif(bool(SAN), reason="it is built here, whatever SAN is")
@pytest.mark.parametrize("consumers", CONSUMERS)
def test_thread_sanitizer_is_silent(consumers, watched_program):
    # Its shadow memory has no place for some random layouts.
    fixed = [need("setarch", "it fixes the layout"), os.uname().machine, "-R"]
    done = run(*fixed, watched_program, WATCHED, consumers, 2, timeout=900,
               env={"TSAN_OPTIONS": "halt_on_error=1 exitcode=66"})  # fmt: skip
    assert "ThreadSanitizer" not in done.stderr, done.stderr
    check(done, WATCHED, share=0.001)  # readers are slow here, so few

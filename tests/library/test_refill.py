# SPDX-License-Identifier: GPL-2.0-only
"""Refilled system calls: right at each instruction, and decided as promised.

refill.c stops the call before each of its instructions by the processor's
single step; gdb does the same from outside, and looks for main each time.
"""
import os
import platform
import re
import shutil
import subprocess

import pytest

from abi_tools import (
    AIO, BUILD, HERE, SAN, STATIC, compile_program, need, output_of, run, symbols,
)  # fmt: skip
from answers import answers, results
from libsymbols import exported

UNTOUCHED = 1234  # errno before each call, in report.h
REFILLS = 8  # calls that nobody returns from
# endbr64, two moves, syscall, the calls, four for shadow stacks, add, ret; the
# trap behind syscall comes one instruction late.
INSTRUCTIONS = 4 + REFILLS + 4 + 2 - 1
CALLS = ["events", "errors"]

needs_call = pytest.mark.skipif(
    platform.machine() != "x86_64", reason="calls are refilled on x86-64 alone"
)
needs_stops = pytest.mark.skipif(
    bool(SAN), reason="a sanitizer has handlers, and looks at stacks, of its own"
)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return compile_program(
        HERE / "refill.c", tmp_path_factory.mktemp("refill") / "refill",
        "-D_GNU_SOURCE", STATIC, "-lpthread",
    )  # fmt: skip


def found(*command, refill=None):
    """{name: result} of a case, in which errno is left alone everywhere;
    refill: LIBAIO_REFILL, None: not set."""
    env = {key: value for key, value in os.environ.items() if key != "LIBAIO_REFILL"}
    if refill is not None:
        env["LIBAIO_REFILL"] = refill
    done = subprocess.run([str(word) for word in command], env=env, text=True,
                          capture_output=True, check=False, timeout=180)  # fmt: skip
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}{done.stderr}"
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {int(left) for *_, left in lines} == {UNTOUCHED}, done.stdout
    return {name: int(result) for name, result, _ in lines}


# --- the call ---


@needs_call
def test_every_error_is_the_kernel_s(program):
    assert found(program, "results") == {
        "wrong-errors": 0, "errno": UNTOUCHED, "large": -38, "mapped": ord("x"),
    }  # fmt: skip


@needs_call
@pytest.mark.parametrize("source", CALLS)
def test_results_are_those_of_plain_calls(source, tmp_path):
    """Of all calls of the library that tests have, also where they fail."""
    path = tmp_path / "program"
    compile_program(HERE / f"{source}.c", path, "-D_GNU_SOURCE", STATIC)
    arguments = [tmp_path / "file"] if source == "events" else ["get-null"]
    plain, refilled = (
        results(answers({"LIBAIO_REFILL": value}, path, *arguments)) for value in "01"
    )
    assert plain == refilled


@needs_call
@needs_stops
def test_unwinder_finds_the_caller_at_each_instruction(program):
    stopped = found(program, "backtrace")
    assert stopped["result-is-right"] == 1
    assert stopped["stops"] >= INSTRUCTIONS
    assert stopped["without-caller"] == 0


@needs_call
@needs_stops
def test_longjmp_out_of_each_instruction(program):
    left = found(program, "jump")
    assert left["jumps"] == left["stops"] >= INSTRUCTIONS
    assert left["result-is-right"] == 1


@needs_call
@needs_stops
def test_cancelled_at_each_instruction(program):
    left = found(program, "cancel")
    assert left["cancelled"] >= INSTRUCTIONS and left["not-unwound"] == 0


@needs_call
def test_under_signals(program):
    assert found(program, "signals", refill="1") == {"wrong": 0, "some": 1}


@needs_call
@needs_stops
def test_shadow_stack_is_told_of_the_calls(program):
    """The branch for shadow stacks on any processor: what rdsspq gives is put
    in, and incsspq taken out."""
    assert found(program, "shadow") == {
        "result-is-right": 1, "asked": 1, "popped": REFILLS,
    }  # fmt: skip


@needs_call
@needs_stops
def test_real_shadow_stack(program):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        if not re.search(r"^flags.*\buser_shstk\b", file.read(), re.M):
            pytest.skip("this processor or kernel has no user shadow stacks")
    assert found(program, "real-shadow") == {"enabled": 0, "wrong": 0}


GDB = """set pagination off
break main
run
break *aiorefill_call
continue
while $pc >= (long) aiorefill_call && $pc < (long) aiorefill_call + {size}
printf "\\nat %ld\\n", $pc - (long) aiorefill_call
bt
stepi
end
delete
continue
"""


@needs_call
@needs_stops
@pytest.mark.parametrize("how", ["static", "shared"])
def test_gdb_reaches_main_from_each_instruction(how, program, tmp_path):
    gdb = need("gdb", "it steps through the call")
    if how == "shared":
        program, arguments = tmp_path / "events", [tmp_path / "file"]
        compile_program(HERE / "events.c", program, "-D_GNU_SOURCE",
                        f"-L{BUILD}", "-laio")  # fmt: skip
        symbol = BUILD / "libaio.so.1"
    else:
        arguments, symbol = ["results"], program
    _, size = re.search(
        r"(\w+) +(\w+) FUNC +LOCAL +\w+ +\d+ aiorefill_call$",
        output_of("readelf", "-Ws", symbol), re.M,
    ).groups()  # fmt: skip
    code = output_of("objdump", "-d", "--no-show-raw-insn",
                     "--disassemble=aiorefill_call", symbol)  # fmt: skip
    (tmp_path / "script").write_text(GDB.format(size=int(size)))
    done = run(gdb, "-q", "-nx", "-batch", "-iex", "set environment LIBAIO_REFILL 1",
               "-iex", f"set environment LD_LIBRARY_PATH {BUILD}", "-x",
               tmp_path / "script", "--args", program, *arguments)  # fmt: skip
    if "ptrace: Operation not permitted" in done.stdout + done.stderr:
        pytest.skip("ptrace is forbidden here")
    assert "exited normally" in done.stdout, done.stdout + done.stderr
    stops = re.split(r"^at \d+$", done.stdout, flags=re.M)[1:]
    # All but the breakpoints behind calls, and the branch for shadow stacks.
    there = len(re.findall(r"^ +\w+:\t(?!int3|nop|cs nop|data16)", code, re.M))
    assert len(stops) == there - 2, done.stdout[-3000:]
    assert [stop for stop in stops if " main (" not in stop] == []


def test_no_symbol_of_it_is_exported():
    assert not [name for _, name in exported(BUILD / "libaio.so.1")
                if "refill" in name]  # fmt: skip


@needs_call
def test_object_keeps_ibt_and_shadow_stacks():
    """Linked with such objects, it does not take the property away; and it
    asks for no executable stack."""
    call = BUILD / "aio/refill_call.o"
    assert re.search(r"x86 feature: IBT, SHSTK\n", output_of("readelf", "-n", call))
    assert re.search(r"\.note\.GNU-stack +PROGBITS +0+ \w+ 0+ 00 +0",
                     output_of("readelf", "-SW", call))  # fmt: skip


TARGETS = ["aarch64", "armv7", "i686", "powerpc", "riscv64", "s390x"]


@pytest.mark.parametrize("target", [*(f"{t}-linux-gnu" for t in TARGETS),
                                    "x86_64-linux-gnux32"])  # fmt: skip
def test_assembly_is_empty_elsewhere(target, tmp_path):
    """And no reason for an executable stack there either."""
    clang = need("clang", "it assembles for other processors")
    made = tmp_path / "call.o"
    output_of(clang, f"--target={target}", "-c", AIO / "refill_call.S", "-o", made)
    assert symbols(made) == []
    assert ".note.GNU-stack" in output_of("readelf", "-SW", made)


# --- the decision ---


def undecided(case):
    return (case.pop("before"), case.pop("before-how"), case.pop("setup"),
            case.pop("destroy")) == (0, 0, 0, 0)  # fmt: skip


@needs_call
@pytest.mark.parametrize("said, on", [("0", 0), ("1", 1)])
def test_environment_decides(said, on, program):
    case = found(program, "decided", refill=said)
    assert undecided(case)
    assert case == {"on": on, "again": on, "forced": 1, "plain-ns": 0, "refilled-ns": 0}


@needs_call
@pytest.mark.parametrize("said", [None, "", "00", "yes"])
def test_else_it_is_measured(said, program):
    """And on only where that was less, by a twentieth at least."""
    case = found(program, "decided", refill=said)
    assert undecided(case) and case["forced"] == 0 and case["again"] == case["on"]
    plain, refilled = case["plain-ns"], case["refilled-ns"]
    if not plain:
        pytest.skip("system calls are too slow here to tell")
    pays = refilled + 10 <= plain and refilled + plain // 20 <= plain
    assert case["on"] == pays


@needs_call
def test_crowd_agrees(program):
    """Threads that make the first contexts at once see one decision."""
    assert found(program, "crowd") == {"different": 0}


@pytest.mark.skipif(platform.machine() == "x86_64", reason="here it may be on")
def test_it_is_off_on_other_processors(program):
    case = found(program, "decided", refill="1")
    assert undecided(case) and set(case.values()) == {0}


def nothing_submitted(trace):
    return len(re.findall(r"^io_submit\(\w+, 0, NULL\) += 0$", trace, re.M))


@needs_call
@pytest.mark.skipif(bool(SAN), reason="the leak sanitizer does not work traced")
@pytest.mark.parametrize("said, calls", [(None, 6), ("0", 0), ("1", 0)])
def test_calls_that_strace_shows(said, calls, program, tmp_path):
    """Traced, a call is too slow to tell: it is given up after one row."""
    trace = tmp_path / "trace"
    found(need("strace", "it shows the calls"), "-o", trace, program, "decided",
          refill=said)  # fmt: skip
    assert nothing_submitted(trace.read_text()) == calls


@needs_call
@pytest.mark.skipif(bool(SAN), reason="valgrind does not run a sanitizer's program")
@pytest.mark.parametrize("said, on", [(None, 0), ("1", 1)])
def test_valgrind(said, on, program):
    """It measures nothing; and it takes the call, if one insists."""
    valgrind = need("valgrind", "nothing is measured under it")
    if run(valgrind, "-q", "true").returncode:
        pytest.skip("valgrind does not work here (without libc6-dbg)")
    case = found(valgrind, "-q", "--error-exitcode=9", program, "decided", refill=said)
    assert undecided(case) and case["on"] == on and case["plain-ns"] == 0


@needs_call
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to make a set-uid file")
@pytest.mark.skipif(bool(SAN), reason="a sanitizer may refuse to run set-uid")
@pytest.mark.parametrize("mode, forced", [(0o755, 1), (0o4755, 0)])
def test_environment_is_not_for_setuid(mode, forced, program, open_directory):
    copy = shutil.copy(program, open_directory)
    os.chown(copy, 1, 1)
    os.chmod(copy, mode)
    case = found(
        need("setpriv", "it runs a program as another user"), "--reuid", "65534",
        "--regid", "65534", "--clear-groups", copy, "decided", refill="1",
    )  # fmt: skip
    assert case["forced"] == forced


# --- the program that tells of a machine ---

RETURNS = BUILD / "loops/returns"
FIGURES = re.compile(r"^(\w[\w, ]*\w) +((?: *\d+\.\d){5})$", re.M)


@needs_call
@pytest.mark.parametrize("said", ["0", "1"])
def test_program_says_the_decision_alone(said):
    assert output_of(RETURNS, "decision", env={"LIBAIO_REFILL": said}) == said + "\n"


@needs_call
def test_program_tells_of_the_machine():
    text = output_of(RETURNS, env={"LIBAIO_REFILL": "1"})
    assert f"kernel       {platform.release()} x86_64\n" in text
    assert "decision     on: calls refill the return stack (LIBAIO_REFILL=1)\n" in text
    rows = {name: [float(x) for x in values.split()]
            for name, values in FIGURES.findall(text)}  # fmt: skip
    assert list(rows) == ["getppid", "io_submit of nothing", "io_submit of one read",
                          "io_getevents, none, 0 s"]  # fmt: skip
    assert all(10 < value < 1e6 for values in rows.values() for value in values)


def test_program_refuses_other_words():
    done = run(RETURNS, "verdict")
    assert done.returncode == 2 and "usage: returns [decision]" in done.stderr

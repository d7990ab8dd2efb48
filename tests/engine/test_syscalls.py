# SPDX-License-Identifier: GPL-2.0-only
# What reaches the kernel, and through whose code: at most 1.05 system calls
# per I/O, and no io_* call through the distribution's libaio.
import re
import subprocess
from pathlib import Path

import pytest

import straceout

SIZE = 4 << 20
IOS = SIZE // 4096
AIO = "trace=io_setup,io_submit,io_getevents,io_pgetevents,io_cancel"
READ = {"rw": "randread", "bs": "4k", "direct": 1, "size": SIZE,
        "iodepth": 64, "thread": 1}


def aio_calls(fio, target, trace, **options):
    result = fio(target, strace=("-c", "-o", trace, "-e", AIO),
                 **{**READ, **options}).ok()
    assert result.job["read"]["total_ios"] == IOS
    return straceout.totals(trace)


def test_calls_per_io(fio, shm_file, need_strace, tmp_path):
    """Default options, where the completion is there in time."""
    calls = aio_calls(fio, shm_file, tmp_path / "t")
    assert calls["io_submit"] == IOS
    assert sum(calls.values()) / IOS <= 1.05, calls


@pytest.mark.parametrize("complete_min", [1, 2, 4, 8])
def test_any_complete_min(fio, shm_file, need_strace, tmp_path, complete_min):
    """The ring is read for any min, not for 0 alone."""
    calls = aio_calls(fio, shm_file, tmp_path / "t", iodepth_batch=1,
                      iodepth_batch_complete_min=complete_min)
    assert sum(calls.values()) / IOS <= 1.05, calls


def test_batches(fio, shm_file, need_strace, tmp_path):
    """16 I/Os in one io_submit."""
    calls = aio_calls(fio, shm_file, tmp_path / "t", iodepth_batch=16,
                      iodepth_batch_complete_min=16)
    assert sum(calls.values()) / IOS <= 1.05 / 16 + 0.02, calls


def test_polling_never_sleeps(fio, loop_device, need_strace, tmp_path):
    """complete_min=0: as asked, no io_getevents at all."""
    calls = aio_calls(fio, loop_device, tmp_path / "t", iodepth_batch=1,
                      iodepth_batch_complete_min=0,
                      iodepth_batch_complete_max=64)
    assert calls.get("io_getevents", 0) <= 2, calls


def test_polling_keeps_the_processor(fio, loop_device, need_strace, tmp_path):
    """It spins as the built-in engine does: what else runs must not get a
    time slice for each look at an empty ring."""
    trace = tmp_path / "t"
    fio(loop_device, strace=("-c", "-o", trace, "-e",
                             "trace=sched_yield,io_submit"),
        **{**READ, "iodepth": 4, "iodepth_batch_complete_min": 0}).ok()
    calls = straceout.totals(trace)
    assert calls.get("io_submit") == IOS and "sched_yield" not in calls, calls


def test_waiting_is_in_the_kernel(fio, loop_device, need_strace, tmp_path):
    """Depth 1, and each I/O takes its time: it waits there, once for each,
    and does not spin.  (On a busy machine the I/O may be done before fio gets
    to look.)"""
    trace = tmp_path / "t"
    for _ in range(40):
        fio(loop_device, strace=("-c", "-o", trace, "-e", AIO),
            **{**READ, "bs": "2m", "iodepth": 1, "loops": 16}).ok()
        calls = straceout.totals(trace)
        assert calls["io_submit"] == 32
        waits = calls.get("io_getevents", 0)
        assert waits <= 32, calls
        if waits:
            break
    assert waits, calls


def test_switch_to_system_calls(fio, shm_file, need_strace, tmp_path):
    """userspace_reap=0 reads no ring."""
    calls = aio_calls(fio, shm_file, tmp_path / "t", userspace_reap=0)
    assert calls["io_getevents"] >= IOS - READ["iodepth"], calls


def test_one_setup_of_the_depth(fio, shm_file, need_strace, tmp_path):
    trace = tmp_path / "t"
    fio(shm_file, strace=("-o", trace, "-e", "trace=io_setup,io_destroy"),
        **READ).ok()
    calls = straceout.calls(trace)
    assert [call.name for call in calls] == ["io_setup", "io_destroy"]
    assert calls[0].args.startswith("64, ")


# --- whose code ---

def symbols(engine, *flags):
    text = subprocess.check_output(["nm", "-D", *flags, str(engine)],
                                   text=True)
    return [line.split()[-1].split("@")[0] for line in text.splitlines()]


def test_exports_the_entry_only(engine):
    ours = [name for name in symbols(engine, "--defined-only")
            if not name.startswith(("__asan", "__ubsan", "__odr_asan",
                                    "__sanitizer"))]
    assert ours == ["get_ioengine"]


def test_no_libaio_symbol(engine):
    """fio's own io_u_* are no system calls."""
    wanted = re.compile(r"^io_(?!u_)|libaio")
    assert [name for name in symbols(engine) if wanted.search(name)] == []


def test_needs_no_libaio(engine):
    text = subprocess.check_output(["readelf", "-d", str(engine)], text=True)
    assert "NEEDED" in text and "libaio" not in text
    assert "NOW" in text  # or a missing symbol ends a run half-way


def bindings(fio, shm_file, name, engine=None):
    """(from, to, symbol) of all that the dynamic linker bound in a run."""
    prefix = Path(fio.cwd) / name
    fio(shm_file, engine=engine, rw="randrw", size=1 << 20, iodepth=4,
        env={"LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(prefix)}).ok()
    text = "".join(path.read_text(encoding="latin-1")
                   for path in Path(fio.cwd).glob(name + ".*"))
    return re.findall(r"binding file (\S+) \[\d+\] to (\S+) \[\d+\]: "
                      r"\w+ symbol `(\w+)'", text)


def test_running_engine_binds_nothing_to_libaio(fio, shm_file):
    found = bindings(fio, shm_file, "ours")
    ours = [(to, symbol) for source, to, symbol in found
            if source.endswith("/fio-kaio.so")]
    assert ours, "the engine was not seen"
    assert [b for b in ours if "libaio" in b[0]] == []
    assert [b for b in ours if re.match(r"io_(?!u_)", b[1])] == []


def test_builtin_engine_binds_to_libaio(fio, shm_file):
    """The test above would see it."""
    found = bindings(fio, shm_file, "theirs", "libaio")
    assert any("libaio.so" in to and symbol == "io_submit"
               for _, to, symbol in found)

# SPDX-License-Identifier: GPL-2.0-only
# The kernel interrupts the calls that the engine waits in, and io_submit takes
# or io_getevents gives but a part, under each way to submit and to wait: all is
# written and verified, once.  And a wait that fails for good.
import os
import subprocess

import pytest

import enginestats
from injection import (BATCHES, IOS, MODES, Traced, cells, ids, inject,
                       job_options, mode, whole)

pytestmark = pytest.mark.usefixtures("need_strace")
# First, a row, every second; of one thread's calls.
WHEN = ["1", "1..8", "1+2"]


def wait_calls(cell):
    """strace's arguments for EINTR in the calls that a mode waits in."""
    if cell["reap"] != "eventfd":
        return inject("io_getevents", "error=EINTR", cell["when"])
    if cell["wait"] == "epoll_wait":
        return inject("epoll_wait", "error=EINTR", cell["when"])
    return ("-P", "anon_inode:[eventfd]",
            *inject("read", "error=EINTR", cell["when"]))


TRIES = 10      # a busy machine's device may be done before fio looks
WAITS = {"reap": MODES["reap"], "wait": ["epoll_wait", "read"],
         "submit": MODES["submit"], "spin": MODES["spin"], "when": WHEN,
         "batch": ["d1", "b16"]}


@pytest.mark.parametrize("cell", cells(
    WAITS, [{"reap": "ring", "wait": "read"},
            {"reap": "syscall", "wait": "read"}]), ids=ids)
def test_interrupted_wait(fio, loop_device, cell):
    """Large blocks, so that there is something to wait for."""
    options = job_options(IOS, **BATCHES[cell["batch"]], **mode(cell))
    options.update(bs="128k", size=IOS * 128 << 10)
    for _ in range(TRIES):
        run = Traced(fio, loop_device, wait_calls(cell), **options)
        whole(run)
        if run.injected() or cell["spin"] != "0" or cell["batch"] != "d1":
            return
    pytest.fail("it never had to wait")


@pytest.fixture(scope="module")
def preloads(root, tmp_path_factory):
    """Libraries that cut what the kernel takes or gives, by name."""
    path = tmp_path_factory.mktemp("preload")
    for name in ("partial_submit", "short_waits"):
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o",
             path / (name + ".so"), root / "tests" / "lib" / (name + ".c"),
             "-ldl"], check=True)
    return path


SHORT = {"library": ["partial_submit", "short_waits"],
         "batch": ["d32", "b16", "poll"], **MODES, "thread": [1, 0]}


@pytest.mark.parametrize("cell", cells(
    SHORT, [{"library": "short_waits", "reap": "eventfd"}]), ids=ids)
def test_short_counts(fio, loop_device, preloads, cell):
    library = str(preloads / (cell["library"] + ".so"))
    env = {"LD_PRELOAD": ":".join(filter(None, [
        fio.san_env.get("LD_PRELOAD"), library]))}
    result = fio(loop_device, env=env, **job_options(
        512, **BATCHES[cell["batch"]], **mode(cell),
        thread=cell["thread"])).ok()
    stats = enginestats.objects(result.stderr)[0]
    job = result.job
    assert job["write"]["total_ios"] == job["read"]["total_ios"] == 512
    assert stats["ios_submitted"] == 1024
    if cell["library"] == "partial_submit" and cell["batch"] == "b16":
        assert stats["submits_partial"] > 0 < stats["submits_refused"]
        # fio's own count: few submissions were of 16 and more.
        assert job["iodepth_submit"]["16"] < 50


def test_failing_reap_ends_the_job(fio, loop_device):
    """fio 3.33 reports an error of getevents with its sign."""
    result = fio(loop_device, strace=("-o", os.devnull, *inject(
        "io_getevents", "error=EINVAL", "3+")), **job_options(
            IOS, iodepth=4, userspace_reap=0)).failed()
    assert result.job["error"] in (22, 2**32 - 22)

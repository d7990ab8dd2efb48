# SPDX-License-Identifier: GPL-2.0-only
# The kernel refuses calls, under the engine's own ways to submit and to wait:
# reap=, submit= and spin= in a selection where every two values meet.  All is
# written and verified, once, and the engine counts what strace saw.
# KAIO_FAULTS=full: the whole selection; by default, half of it.
import os
import subprocess

import pytest

import enginestats
import pairwise
import straceout
from enginestats import sentence
from injection import SENTENCE, gave_up, inject, job_options

pytestmark = pytest.mark.usefixtures("need_strace")
IOS = 64
MODES = {"reap": ["ring", "syscall", "eventfd"],
         "submit": ["immediate", "adaptive"], "spin": ["0", "50us", "auto"]}
BATCHES = {
    "d1": {"iodepth": 1},
    "d32": {"iodepth": 32},
    "b16": {"iodepth": 32, "iodepth_batch": 16,
            "iodepth_batch_complete_min": 4},
    "poll": {"iodepth": 16, "iodepth_batch": 8,
             "iodepth_batch_complete_min": 0},
}
# First, a row, every second; of one thread's calls.
WHEN = ["1", "1..8", "1+2"]


def cells(axes, excluded=()):
    """By default every second one; KAIO_FAULTS=full: all."""
    found = pairwise.all_pairs(axes, excluded)
    return found if os.environ.get("KAIO_FAULTS") == "full" else found[::2]


def ids(cell):
    return "-".join(map(str, cell.values()))


def mode(cell):
    """The engine's options of a cell."""
    return {key: cell[key] for key in MODES} | {"engine_stats": 1}


class Traced:
    """A run under strace: its result, its calls, the engine's numbers."""

    def __init__(self, fio, target, strace, **options):
        self.trace = os.path.join(fio.cwd, "trace")
        self.result = fio(target, strace=("-o", self.trace, *strace), **options)
        self.calls = straceout.calls(self.trace)
        stats = enginestats.objects(self.result.stderr)
        assert len(stats) <= 1
        self.stats = stats[0] if stats else None

    def count(self, name):
        return sum(call.name == name for call in self.calls)

    def injected(self):
        return sum(call.injected for call in self.calls)


def whole(run):
    """Each write and each verifying read, exactly once."""
    job = run.result.ok().job
    assert job["write"]["total_ios"] == job["read"]["total_ios"] == IOS
    assert job["write"]["io_bytes"] == job["read"]["io_bytes"]
    assert run.stats["ios_submitted"] == 2 * IOS
    assert run.stats["ios_failed_at_submit"] == 0
    assert SENTENCE not in run.result.text


REFUSALS = {"how": ["error=EAGAIN", "error=ENOMEM", "error=EINTR",
                    "retval=0"], "when": WHEN, "batch": list(BATCHES), **MODES}


@pytest.mark.parametrize("cell", cells(REFUSALS), ids=ids)
def test_refused(fio, loop_device, cell):
    run = Traced(fio, loop_device,
                 inject("io_submit", cell["how"], cell["when"]),
                 **job_options(IOS, **BATCHES[cell["batch"]], **mode(cell)))
    whole(run)
    assert run.stats["submits_refused"] == run.injected() > 0
    assert run.stats["io_submit_calls"] == run.count("io_submit")


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
         "batch": ["d32", "b16", "poll"], **MODES}


@pytest.mark.parametrize("cell", cells(
    SHORT, [{"library": "short_waits", "reap": "eventfd"}]), ids=ids)
def test_short_counts(fio, loop_device, preloads, cell):
    library = str(preloads / (cell["library"] + ".so"))
    env = {"LD_PRELOAD": ":".join(filter(None, [
        fio.san_env.get("LD_PRELOAD"), library]))}
    result = fio(loop_device, env=env, **job_options(
        512, **BATCHES[cell["batch"]], **mode(cell))).ok()
    stats = enginestats.objects(result.stderr)[0]
    job = result.job
    assert job["write"]["total_ios"] == job["read"]["total_ios"] == 512
    assert stats["ios_submitted"] == 1024
    if cell["library"] == "partial_submit" and cell["batch"] == "b16":
        assert stats["submits_partial"] > 0 < stats["submits_refused"]


# --- errors of one request ---

FATAL = {"error": ["EINVAL", "EBADF", "EIO"], "when": ["1", "1+4", "1+"],
         "batch": ["d1", "d32", "b16"], **MODES}


@pytest.mark.parametrize("cell", cells(FATAL), ids=ids)
def test_failed_requests_are_counted(fio, loop_device, cell):
    """Each is done or counted as an error, also when all of them fail."""
    run = Traced(fio, loop_device,
                 inject("io_submit", "error=" + cell["error"], cell["when"]),
                 rw="randwrite", bs=4096, size=IOS * 4096, direct=1, thread=1,
                 ignore_error="," + cell["error"], **BATCHES[cell["batch"]],
                 **mode(cell))
    job, stats = run.result.job, run.stats
    failed = run.injected()
    assert (stats["ios_failed_at_submit"], stats["submits_refused"]) == (
        failed, 0)
    assert stats["ios_submitted"] + failed == IOS
    assert (job["total_err"], job["first_error"]) == (
        failed, {"EINVAL": 22, "EBADF": 9, "EIO": 5}[cell["error"]])
    assert job["write"]["io_bytes"] == stats["ios_submitted"] * 4096
    assert failed == (IOS if cell["when"] == "1+" else failed) > 0


STALLS = [{"how": how, **cell} for how, cell in zip(
    ["error=EAGAIN", "error=ENOMEM", "error=EINTR", "retval=0"],
    [dict(zip(MODES, values)) for values in (
        ("ring", "adaptive", "auto"), ("syscall", "immediate", "0"),
        ("eventfd", "adaptive", "50us"), ("ring", "immediate", "0"))])]


def test_refused_at_every_call(fio, shm):
    """Nothing is ever taken: the end of the runtime ends each of them."""
    running = []
    for number, cell in enumerate(STALLS):
        args = fio.job_args({
            "filename": os.path.join(shm, "f%d" % number),
            **job_options(IOS, iodepth=4, runtime=1, time_based=1),
            **mode(cell)})
        running.append(fio.start(["--output-format=json", *args], strace=(
            "-o", os.devnull, *inject("io_submit", cell["how"], "1+"))))
    try:
        results = [one.wait() for one in running]
    finally:
        for one in running:
            one.kill()
    for result in results:
        assert result.rc in (0, 1) and not gave_up(result.text)
        assert result.job["write"]["io_bytes"] == 0
        stats = enginestats.objects(result.stderr)[0]
        assert stats["ios_submitted"] == 0
        assert stats["submits_refused"] == stats["io_submit_calls"] > 1


# --- the set-up ---

SETUP = {"EAGAIN": "sysctl -w fs.aio-max-nr=", "ENOMEM": "no memory",
         "ENOSYS": "CONFIG_AIO", "EPERM": "container"}


def refused_setup(fio, target, call, error, **options):
    """A sentence, and no I/O."""
    result = fio(target, rw="write", size=1 << 20, iodepth=4, thread=1,
                 strace=("-o", os.devnull,
                         *inject(call, "error=" + error, "1+")),
                 **options).failed()
    assert result.job["write"]["total_ios"] == 0
    return sentence(result)


@pytest.mark.parametrize("error", SETUP)
def test_setup(fio, shm_file, error):
    """Before the eventfd is there, and with something to print at the end."""
    text = refused_setup(fio, shm_file, "io_setup", error, reap="eventfd",
                         submit="adaptive", spin="auto", engine_stats=1)
    assert SETUP[error] in text


@pytest.mark.parametrize("call", ["eventfd2", "epoll_create1", "epoll_ctl"])
def test_eventfd_setup(fio, shm_file, call):
    text = refused_setup(fio, shm_file, call, "EMFILE", reap="eventfd")
    assert "Too many open files" in text and "reap=eventfd" in text


def test_exhausted_with_an_eventfd(fio, shm_file, too_deep):
    result = fio(shm_file, rw="randread", bs=512, size=1 << 20,
                 iodepth=too_deep, reap="eventfd", submit="adaptive",
                 spin="auto").failed()
    assert "sysctl -w fs.aio-max-nr=" in sentence(result)

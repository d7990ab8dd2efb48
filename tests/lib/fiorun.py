# SPDX-License-Identifier: GPL-2.0-only
# Runs the distribution's fio for the end-to-end tests: never without a time
# limit, never leaving a process behind, and never past a sanitizer's report.
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

import procfile

SANITIZER = re.compile(r"(ERROR|WARNING): \w+Sanitizer|runtime error: ")
# After so many seconds a fio that should have ended hangs: many times what it
# takes, as other programs may have the processors.
HANGS = 180
# Of offloaded jobs, one after the other: those that hang do so from the start.
OFFLOADED = (2, 2, 3, 3, 5, 10, 20)
RUNTIMES = {"address": "libasan.so", "undefined": "libubsan.so",
            "thread": "libtsan.so"}


class Hung(AssertionError):
    """fio did not end within its time limit."""


def sanitizer_env(san, compiler="gcc"):
    """The environment that a sanitized engine needs in a plain fio."""
    if not san:
        return {}
    libs = [subprocess.check_output(
        [compiler, "-print-file-name=" + RUNTIMES[name]], text=True).strip()
        for name in san.split(",")]
    return {
        "LD_PRELOAD": ":".join(libs),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
        # fio is not instrumented: of it TSan sees only what it calls in
        # libc, and reports that (fio destroys a semaphore that a job has just
        # waited on).  The second option drops those calls.  It hides no race
        # of ours, which is two accesses in the engine's code, and that is
        # instrumented; a lock of fio's that TSan then misses could only add
        # a false alarm.
        "TSAN_OPTIONS": "halt_on_error=1:ignore_noninstrumented_modules=1",
    }


def _children():
    """{parent: [pid, ...]} of every process."""
    tree = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        stat = procfile.of_process(name, "stat").rpartition(")")[2].split()
        if stat:
            tree.setdefault(int(stat[1]), []).append(int(name))
    return tree


def descendants(pid):
    """All processes below pid.  fio's forked jobs have their own sessions,
    so that killing a process group does not reach them."""
    tree, found, todo = _children(), [], [pid]
    while todo:
        below = tree.get(todo.pop(), [])
        found += below
        todo += below
    return found


def kill_tree(process):
    for pid in [*descendants(process.pid), process.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()


class Result:
    """What one fio run left: rc, stdout, stderr, seconds, and its JSON."""

    def __init__(self, rc, stdout, stderr, seconds):
        self.rc, self.stdout, self.stderr = rc, stdout, stderr
        self.seconds = seconds

    @property
    def text(self):
        return self.stdout + self.stderr

    @property
    def json(self):
        """fio prints its notes, not JSON, before the object."""
        start = re.search(r"^\{$", self.stdout, re.MULTILINE)
        assert start, "no JSON from fio:\n" + self.text
        return json.JSONDecoder().raw_decode(self.stdout[start.start():])[0]

    @property
    def jobs(self):
        data = self.json
        return data["jobs"] if "jobs" in data else data["client_stats"]

    @property
    def job(self):
        assert len(self.jobs) == 1, "%d jobs" % len(self.jobs)
        return self.jobs[0]

    def ok(self):
        """Exit code 0 and no job with an error; returns self."""
        assert self.rc == 0, "exit code %d\n%s" % (self.rc, self.text)
        assert [j["error"] for j in self.jobs if j["error"]] == [], self.text
        return self

    def failed(self):
        """Ended by itself with an error, not by a signal; returns self."""
        assert self.rc == 1, "exit code %d\n%s" % (self.rc, self.text)
        assert "got signal" not in self.text, self.text
        return self


def job_file(path, engine, target, **options):
    lines = ["[job]", "ioengine=external:%s" % engine, "filename=%s" % target]
    lines += ["%s=%s" % item for item in options.items()]
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


class Running:
    """A fio that was started; end it with wait() or kill()."""

    def __init__(self, argv, cwd, env, timeout):
        self.argv, self.timeout = argv, timeout
        self.started = time.monotonic()
        # Files, not pipes: a job that outlives fio cannot block the reader.
        self.files = [tempfile.TemporaryFile() for _ in range(2)]
        self.process = subprocess.Popen(
            argv, cwd=cwd, env={**os.environ, **env},
            stdin=subprocess.DEVNULL, stdout=self.files[0],
            stderr=self.files[1], start_new_session=True)

    def output(self):
        """So far.  fio writes where the descriptor stands, so it is not
        moved."""
        texts = []
        for fd in (file.fileno() for file in self.files):
            text = os.pread(fd, os.fstat(fd).st_size, 0)
            texts.append(text.decode("utf-8", "replace"))
        return texts

    def until_it_says(self, text, times=1):
        """Wait until that is on stderr so many times."""
        end = time.monotonic() + self.timeout
        while True:
            last = self.process.poll() is not None or time.monotonic() > end
            if self.output()[1].count(text) >= times:
                return
            assert not last, "".join(self.output())
            time.sleep(0.02)

    def kill(self):
        kill_tree(self.process)

    def close(self):
        for file in self.files:
            file.close()

    def wait(self):
        try:
            rc = self.process.wait(self.timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Hung("fio hung for %g s: %s\n%s" % (
                self.timeout, " ".join(self.argv), "".join(self.output())))
        except BaseException:
            self.kill()
            raise
        stdout, stderr = self.output()
        self.close()
        assert not SANITIZER.search(stdout + stderr), stdout + stderr
        return Result(rc, stdout, stderr, time.monotonic() - self.started)


class Fio:
    """Builds fio's command lines and runs them in cwd."""

    def __init__(self, binary, engine, cwd, san_env):
        self.binary, self.engine, self.cwd = binary, engine, str(cwd)
        self.san_env = san_env
        # TSan is for jobs that are threads; forked ones have nothing to race
        # with, and it does not take threads that a forked job starts.
        self.jobs = {"thread": 1} if "TSAN_OPTIONS" in san_env and \
            "libtsan" in san_env["LD_PRELOAD"] else {}

    def job_args(self, options, engine=None):
        """--name=... for one job.  An option with value None is bare, one
        that is True is 1; the engine comes first, as its options need it."""
        args = ["--name=" + options.get("name", "job"),
                "--ioengine=" + (engine or "external:%s" % self.engine)]
        for key, value in {**self.jobs, **options}.items():
            if key == "name":
                continue
            value = {True: "1", False: "0"}.get(value, value) \
                if isinstance(value, bool) else value
            args.append("--" + key if value is None
                        else "--%s=%s" % (key, value))
        return args

    def argv(self, args, strace=()):
        argv = [self.binary, *map(str, args)]
        if not strace:
            return argv, dict(self.san_env)
        env = ["-E%s=%s" % item for item in self.san_env.items()]
        return ["strace", "-f", *env, *map(str, strace), *argv], {}

    def start(self, args, timeout=HANGS, strace=(), env=None):
        argv, own = self.argv(args, strace)
        return Running(argv, self.cwd, {**own, **(env or {})}, timeout)

    def raw(self, *args, **how):
        """fio with exactly these arguments."""
        return self.start(args, **how).wait()

    def offloaded(self, target, **options):
        """A job with io_submit_mode=offload.  fio 3.33 itself hangs in some,
        above depth 1 more often than not, with each of its engines: a run
        that hangs is done again."""
        for timeout in OFFLOADED:
            try:
                return self(target, timeout=timeout,
                            **{**options, "io_submit_mode": "offload"})
            except Hung as last:
                hung = last
        raise hung

    def interrupted(self, args):
        """The result of a job of a minute after Ctrl-C, which comes when it
        has done some reads: later where it is slow to begin; and again, as
        fio loses one that comes before its job has begun."""
        for seconds in (1, 4, 16, 32):
            running = self.start(["--output-format=json", *args])
            time.sleep(seconds)
            while running.process.poll() is None:
                os.kill(running.process.pid, signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.process.wait(5)
            result = running.wait()
            if result.rc >= 0 and result.job["read"]["total_ios"]:
                break
        return result

    @contextlib.contextmanager
    def server(self, port=None):
        """A server on a unix socket, or on a port of the loopback interface:
        its address, and what runs."""
        path = os.path.join(self.cwd, "sock")
        address = "sock:" + path if port is None else \
            "ip:127.0.0.1,%d" % port
        running = self.start(["--server=" + address])
        end = time.monotonic() + HANGS

        def listens():
            """The path of a socket is there before its server listens."""
            family, where = (socket.AF_UNIX, path) if port is None else \
                (socket.AF_INET, ("127.0.0.1", port))
            with socket.socket(family) as probe:
                return probe.connect_ex(where) == 0

        try:
            while not listens() and time.monotonic() < end:
                assert running.process.poll() is None, "the server ended"
                time.sleep(0.02)
            assert listens(), "no server socket"
            yield address, running
        finally:
            running.kill()
            running.close()

    def __call__(self, target=None, engine=None, more=(), timeout=HANGS,
                 strace=(), env=None, **options):
        """One job, with JSON output.  more: further arguments."""
        options.setdefault("verify_state_save", 0)
        if target is not None:
            options = {"filename": target, **options}
        args = ["--output-format=json", *more,
                *self.job_args(options, engine)]
        return self.raw(*args, timeout=timeout, strace=strace, env=env)


def latency_adds_up(way, exactly):
    """Of one direction of a job: submission and completion are the whole."""
    slat, clat, lat = (way[name + "_ns"]["mean"]
                       for name in ("slat", "clat", "lat"))
    assert slat > 0 and clat > 0
    # fio keeps whole nanoseconds of each I/O.
    slack = max(2, lat / 1000)
    assert slat + clat - lat <= slack, (slat, clat, lat)
    assert lat - slat - clat <= slack or not exactly, (slat, clat, lat)

# SPDX-License-Identifier: GPL-2.0-only
"""Jobs in a guest with kaio and with fio's built-in libaio, with the same seed: one
fio runs all jobs of an engine side by side, as its start takes longer than they
do."""
from dataclasses import dataclass
import re

import fiorun
from iolog import stream

WAYS = ("read", "write", "trim")
ERROR = re.compile(r"io_u error on file (\S+): [^:\n]*: (\w+) "
                   r"offset=(\d+), buflen=(\d+)")
# With fio's logs brought to where the host sees them.
SCRIPT = """to=$1; shift
rm -rf /tmp/beside && mkdir /tmp/beside && cd /tmp/beside || exit 1
"$@"; status=$?
[ -z "$(ls)" ] || cp -- * "$to"
exit $status"""


class Fio(fiorun.Fio):
    """The guest's fio, with an engine."""

    def __init__(self, guest, binary, engine):
        super().__init__(binary, engine, guest.shared, {})
        self.guest = guest

    def raw(self, *args, timeout=600, strace=(), env=None):
        assert not strace
        done = self.guest.run("sh", "-c", SCRIPT, "sh", self.cwd, self.binary,
                              *args, env=env, seconds=timeout)
        return fiorun.Result(done.status, done.out, done.err, 0)


@dataclass
class Ran:
    """What became of a job: fio's report, the stream of its I/Os, and those that
    failed as (way, offset, length)."""
    report: dict
    stream: list
    failed: list

    @property
    def counts(self):
        return {way: [self.report[way][key] for key in (
            "total_ios", "io_bytes", "short_ios")] for way in WAYS}

    @property
    def errors(self):
        return self.report["error"], self.report.get("total_err", 0)


def of_log(path):
    """The stream; none of a job that could not begin."""
    return stream(path) if path.exists() else []


def run(fio, jobs, engine=None, timeout=600):
    """({name: Ran}, Result) of {name: options}."""
    args = ["--output-format=json"]
    for name, options in jobs.items():
        (fio.guest.shared / ("log." + name)).unlink(missing_ok=True)
        args += fio.job_args({
            "name": name, "filename": "/dev/lab/" + name, "direct": 1,
            "verify_state_save": 0, "write_iolog": "log." + name,
            **options}, engine)
    result = fio.raw(*args, timeout=timeout)
    # (fio's status is the number of jobs that failed.)
    assert result.rc <= len(jobs) and "got signal" not in result.text, \
        result.text
    assert len(result.jobs) == len(jobs), result.text
    failed = {}
    for path, way, offset, length in ERROR.findall(result.text):
        failed.setdefault(path, []).append((way, int(offset), int(length)))
    return {job["jobname"]: Ran(
        job, of_log(fio.guest.shared / ("log." + job["jobname"])),
        sorted(failed.get(jobs[job["jobname"]].get(
            "filename", "/dev/lab/" + job["jobname"]), ())))
            for job in result.jobs}, result


def beside(fio, jobs, own=None, **common):
    """[(name, of kaio, of libaio)]; common: options of all jobs; own: kaio's."""
    theirs, _ = run(fio, {name: {**common, **more}
                          for name, more in jobs.items()}, "libaio")
    ours, _ = run(fio, {name: {**common, **more, **(own or {})}
                        for name, more in jobs.items()})
    return [(name, ours[name], theirs[name]) for name in jobs]


def alike(found):
    """Each job did the same with both, and without an error."""
    for name, ours, theirs in found:
        assert ours.errors == theirs.errors == (0, 0), (name, ours.errors,
                                                        theirs.errors)
        assert ours.counts == theirs.counts, name
        assert ours.stream == theirs.stream and ours.stream, name
        for way in WAYS:
            done, size, _ = ours.counts[way]
            assert bool(done) == bool(size), (name, way)

# SPDX-License-Identifier: GPL-2.0-only
# What a procedure (a test that is no table of stimuli) is given: the target,
# and the means to run fio on it with the engine, and to keep what it found.
import re
import tempfile

from . import presence, runner


def _slug(name):
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-") or "run"


class Context:
    def __init__(self, bench, test):
        self.bench, self.test = bench, test
        self.target, self.profile = bench.target, bench.profile
        self.seed, self.side = bench.seed, bench.executor.side
        self.power_cut = bench.power_cut
        self.local = bench.target.client is None
        self.stop = bench.executor.stop     # set: the command is to end
        self.used = {}
        self.folder = tempfile.mkdtemp(dir=bench.executor.fio.folder)

    def progress(self, text):
        self.bench.progress(f"{self.test.name}: {text}", None)

    def scaled(self, seconds):
        return self.profile.duration(seconds)

    def _file(self, name):
        """A name for a file of the results; one that was used gets a number.
        """
        stem = self.bench.label(self.test.name, _slug(name))
        self.used[stem] = self.used.get(stem, 0) + 1
        count = self.used[stem]
        return stem if count == 1 else f"{stem}-{count}"

    def fio(self, job_text, name, seconds, tolerant=False, extra=(),
            base=True):
        return self.bench.executor.run(job_text, self._file(name), seconds,
                                       tolerant, base, extra)

    def store(self, name, content):
        """Evidence that is no fio run; its source."""
        return self.bench.folder.save_run(self._file(name), {
            "name": name, "content": content})


def run(bench, test, found):
    """A procedure, into its entry; one that is finished comes from disk."""
    name = bench.label(test.name)
    known = bench.folder.load_round(name)
    if known is not None:
        found.update(known)
        return
    with runner.outcome(found):
        found.update(test.run(Context(bench, test)))
        presence.demand(bench.target)   # else what was found is not kept
    bench.covered = False       # it may have discarded some of the range
    if found["state"] == "done":
        bench.folder.save_round(name, found)

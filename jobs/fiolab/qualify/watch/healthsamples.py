# SPDX-License-Identifier: GPL-2.0-only
# The device's health while tests run: a sample before and after each round, or
# procedure, when nothing else is asked of the device, and one every 10 s of
# it.  Each is a line more in a file, so that a run that is killed and resumed
# does not forget; of a sample there is kept what has changed since the one
# before.  A device that does not answer delays a test by seconds, once.
import contextlib
import threading
import time

from ...base import files, machine
from ...target import claim
from ...target.drive import sample
from .. import targetset
from . import presence

EVERY = 10.0            # seconds
KEPT = "health"         # the name of the file, behind the target's


def _changes(before, now):
    """What of a sample is another than in the one before; None: not there."""
    return {name: now.get(name) for name in (*now, *before)
            if now.get(name) != before.get(name)}


def expanded(samples):
    """The same samples, each with all of its values."""
    now = {}
    for one in samples:
        now = {**({} if one["whole"] else now), **one["values"]}
        now = {name: value for name, value in now.items() if value is not None}
        yield {**one, "values": now}


class Watch:
    """Of one target."""

    def __init__(self, target, known, folder, name):
        """known: its identity; name: of the file in the folder."""
        self.target, self.known = target, known
        self.folder, self.name = folder, name
        self.tests, self.test = {}, None    # {name: {"samples", "why"}}
        for one in folder.lines(name):
            test = self._entry(one.pop("test", None))
            (test["why"] if "why" in one else test["samples"]).append(
                one.get("why", one))
        # A run that was finished before is only told of again.
        self.is_on = not target.clients and target.runs
        self.sources, self.last = [], {}
        self.lock = threading.Lock()        # one sample at a time

    def _entry(self, test):
        return self.tests.setdefault(test, {"samples": [], "why": []})

    @contextlib.contextmanager
    def during(self, test):
        """What is sampled in this block is of that test."""
        self.test = test
        self.sources = (sample.sources(self.target.path, self.known)
                        if self.is_on else [])
        try:
            yield
        finally:
            self.sources = []

    @contextlib.contextmanager
    def sampled(self, phase=None, number=None, often=True, every=None):
        """Of a round, by the phase's number and its own, or of a procedure;
        often: in between, too, which opens the device, every so many seconds.
        """
        if not self.sources:
            yield
            return
        place = {"phase": phase, "round": number,
                 "part": self.folder.part}, time.monotonic()
        self._take(place, True)
        over = threading.Event()
        beside = threading.Thread(target=self._repeat,
                                  args=(place, over, every or EVERY),
                                  name=f"{self.name} samples", daemon=True)
        if often:
            beside.start()
        try:
            yield
        finally:
            over.set()
            if often:
                beside.join()
            self._take(place)

    def _repeat(self, place, over, every):
        while not over.wait(every):
            self._take(place)

    def _may_ask(self):
        """Is it there, and ours to open?"""
        try:
            presence.demand(self.target)
        except claim.Gone:
            return False        # the worker says so
        return targetset.unasked(self.target) is None

    def _take(self, place, whole=False):
        with self.lock:
            if not self.sources or not self._may_ask():
                return
            began = time.monotonic()
            values, whys = sample.take(self.sources)
            # One that tells nothing any more has a last sample, of nothing: it
            # was not as before until then.
            if values or whys and self.last:
                self._keep(place, began, values, whole)
            self._tell(whys)

    def _keep(self, place, began, values, whole):
        where, start = place
        one = {"at": machine.moment(), **where,
               "seconds": round(began - start, 3),
               "took": round(time.monotonic() - began, 3), "whole": whole,
               "values": values if whole else _changes(self.last, values)}
        self.last = values
        self._entry(self.test)["samples"].append(one)
        self._write(one)

    def _tell(self, whys):
        said = self._entry(self.test)["why"] if whys else ()
        for why in whys:
            if why not in said:
                said.append(why)
                self._write({"why": why})

    def _write(self, record):
        try:
            self.folder.append(self.name, {"test": self.test, **record})
        except OSError as error:
            # No more: the next would be told by what changed since this one.
            # A full disk ends the test soon enough.
            self.is_on, self.sources = False, []
            self._entry(self.test)["why"].append(
                f"samples could not be kept ({files.reason(error)}).")

    def of(self, test):
        """"health" of a test in qualify.json; None: nothing was to be had."""
        return self.tests.get(test)

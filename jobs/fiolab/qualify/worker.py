# SPDX-License-Identifier: GPL-2.0-only
# All tests of one target, one after the other, in a thread: a target that
# fails does not end the others.  And the progress of all of them, in one line.
import threading
import time

from ..base import progress
from ..base.problem import Problem
from ..report import wording
from ..target import claim
from . import context, engines, estimate, targetset
from .execute import Executor, Stopped
from .fleet import interference
from .tails import outlierlist
from .watch import healthsamples, kernelerrors, presence

WAIT = 0.5              # seconds between looks at the workers


class Watch(progress.Progress):
    """What is done, and the time left on the slowest target."""

    def __init__(self, tests, names):
        super().__init__(tests, 0)
        self.names = names
        self.ends = {}              # worker: when it ends at the latest
        self.lock, self.finished, self.text = threading.Lock(), 0, ""

    def left(self):
        end = max(self.ends.values(), default=0)
        return max(0, end - time.monotonic())

    def remaining(self):
        return f"at most {estimate.clock(self.left())}"

    def begin(self, number, text, left):
        """number: of the target; None: of all together."""
        with self.lock:
            self.ends[number] = time.monotonic() + left
            self.text = (f"{self.names[number]}: {text}"
                         if len(self.names) > 1 and number is not None
                         else text)
            self._show()

    def _show(self):
        self.done = self.finished - 1
        self.tick(wording.line(self.text))

    def end_test(self):
        with self.lock:
            self.finished += 1

    def again(self):
        """The time has gone on."""
        with self.lock:
            if self.tty and self.text:
                self._show()


class Worker(threading.Thread):
    def __init__(self, qualification, number, target, purge, watch):
        super().__init__(name=target.name, daemon=True)
        self.qualification = its = qualification
        self.target, self.watch = target, watch
        self.number, self.fault = number, None
        # Thread.join() takes a thread for ended where a signal interrupts it.
        self.ended = threading.Event()
        self.tests = [test.entry() for test in qualification.tests]
        self.after = None           # {"smart", "why"} once all is done
        self.pairs = None           # of --ab, by cell
        self.dropped = None         # {"test", "check"} once it is gone
        self.later = 0.0            # seconds of the tests after this one
        self.bench = context.Bench(
            number, Executor(its.fio, its.side, target, its.folder, its.stop,
                             its.has_stats),
            its.profile, its.seed, purge, self._progress, its.asked.power_cut,
            its.asked.build, its.spec, its.asked.ack_log, its.neighbour)
        folder, name = its.folder, self.bench.label("kernel")
        self.kernel = kernelerrors.Watch(
            target, folder.load_round(name),
            lambda found: folder.save_round(name, found))
        self.health = healthsamples.Watch(
            target, its.plan["targets"][number]["identity"], folder,
            self.bench.label(healthsamples.KEPT))
        self.bench.sampled = self.health.sampled
        self.bench.health = self.health
        self.spans = [test.estimate(its.profile, target.size).longest
                      for test in its.tests]
        self.span = 0.0

    def _progress(self, text, left):
        """left: None where the test cannot tell."""
        self.kernel.look()
        left = self.span if left is None else left
        self.watch.begin(self.number, text, left + self.later)

    def run(self):
        try:
            self._run()
        except Stopped:
            pass
        except BaseException as error:      # the command tells it, at its end
            self.fault = error
        finally:
            self.ended.set()

    def _run(self):
        earlier = self.qualification.folder.load_round(self._gone_label())
        for number, test in enumerate(self.qualification.tests):
            self.later = sum(self.spans[number + 1:]) + self._pairs_seconds()
            self.span = self.spans[number]
            self._one(test, self.tests[number])
            if earlier and earlier["test"] == test.name:
                self.tests[number]["checks"].append(earlier["check"])
            self.watch.end_test()
        self.later = 0
        if self.qualification.other_side and not self.dropped:
            self._compare_engines()
        self._finish()

    def _one(self, test, found):
        if self.dropped:
            found["why"] = f"the device went in the test {self.dropped['test']}"
            return
        try:
            with self.kernel.during(test.name), self.health.during(test.name):
                test.run(self.bench, found)
        finally:
            found["kernel"] = self.kernel.of(test.name)
            found["health"] = self.health.of(test.name)
            outlierlist.add(found)
        self._look(found)

    def _compare_engines(self):
        try:
            self.pairs = engines.run(self.bench, self.qualification)
        except claim.Gone:
            pass
        self._look(self.tests[-1])

    def _look(self, found):
        """Is the device still there?  Who resumes the run is told, too."""
        check = presence.gone(self.target)
        if check:
            found["checks"].append(check)
            self.dropped = {"test": found["name"], "check": check}
            self.bench.folder.save_round(self._gone_label(), self.dropped)

    def _pairs_seconds(self):
        return engines.seconds(self.bench.profile, self.target.size) if (
            self.qualification.other_side) else 0

    def _label(self):
        return self.bench.label("complete")

    def _gone_label(self):
        return self.bench.label("gone")

    def _finish(self):
        """The health after it all, of the command that ended it."""
        # "not run" is what the device cannot do, now or when resumed.
        self.after = self.qualification.folder.once(
            self._label(), lambda: dict(zip(("smart", "why"),
                                            targetset.smart(self.target))),
            finished=lambda: not self.dropped and all(
                test["state"] in ("done", "not run") for test in self.tests))


def run(qualification):
    """All tests on all targets; what ended it before its end, or None."""
    watch = Watch(len(qualification.tests) * len(qualification.targets),
                  [target.name for target in qualification.targets])
    qualification.workers = [
        Worker(qualification, number, target, known["purge"]["method"], watch)
        for number, (target, known) in enumerate(zip(
            qualification.targets, qualification.plan["targets"]))]
    ending = None
    try:
        for one in qualification.workers:
            one.start()
        _await(qualification.workers, watch)
        qualification.interference = _interference(qualification, watch)
    except SystemExit as error:
        ending = error
        qualification.stop.set()
        _await(qualification.workers, watch)
    finally:
        qualification.stop.set()
        watch.clear()
    return ending


def _interference(qualification, watch):
    """Of several devices, once all tests are over; None of a single one."""
    known, workers = qualification.plan.get("interference"), \
        qualification.workers
    if not known:
        return None
    left = [one.target.name for one in workers if one.dropped or not one.after]
    if left:
        return interference.missing(f"{left[0]} did not come to the end of its "
                                    "tests")
    planned = interference.of_plan(known)
    try:
        found = qualification.folder.once(
            interference.COMPLETE, lambda: interference.run(
                [one.bench for one in workers], planned,
                lambda text, left: watch.begin(None, text, left)))
    except Problem as problem:
        return interference.missing(str(problem))
    except OSError as error:
        return interference.missing(f"I/O outside of fio failed: {error}")
    return interference.summary([one.target.name for one in workers], found,
                                planned)


def _await(workers, watch):
    for one in workers:
        while not one.ended.wait(WAIT):
            watch.again()

# SPDX-License-Identifier: GPL-2.0-only
# All tests of one target, one after the other, in a thread: a target that
# fails does not end the others.  And the progress of all of them, in one line.
import threading
import time

from ..base import progress
from ..target import claim, identity
from . import context, engines, estimate, presence
from .execute import Executor, Stopped


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
        with self.lock:
            self.ends[number] = time.monotonic() + left
            self.text = (f"{self.names[number]}: {text}"
                         if len(self.names) > 1 else text)
            self._show()

    def _show(self):
        self.done = self.finished - 1
        self.tick(self.text)

    def end_test(self):
        with self.lock:
            self.finished += 1

    def again(self):
        """The time has gone on."""
        with self.lock:
            if self.tty and self.text:
                self._show()


class Worker(threading.Thread):
    def __init__(self, session, number, target, purge, watch):
        super().__init__(name=target.name, daemon=True)
        self.session, self.target, self.watch = session, target, watch
        self.number, self.fault = number, None
        # Thread.join() takes a thread for ended where a signal interrupts it.
        self.ended = threading.Event()
        self.tests = [test.entry() for test in session.tests]
        self.after = None           # {"smart", "why"} once all is done
        self.pairs = None           # of --ab, by cell
        self.dropped = None         # {"test", "check"} once it is gone
        self.later = 0.0            # seconds of the tests after this one
        self.bench = context.Bench(
            number, target, Executor(
                session.fio, session.side, target, session.folder, session.stop,
                session.has_stats), session.folder, session.profile,
            session.seed, purge, self._progress, session.asked.power_cut)
        self.spans = [test.estimate(session.profile, target.size).longest
                      for test in session.tests]
        self.span = 0.0

    def _progress(self, text, left):
        """left: None where the test cannot tell."""
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
        earlier = self.session.folder.load_round(self._gone_label())
        for number, test in enumerate(self.session.tests):
            self.later = sum(self.spans[number + 1:]) + self._pairs_seconds()
            self.span = self.spans[number]
            self._one(test, self.tests[number])
            if earlier and earlier["test"] == test.name:
                self.tests[number]["checks"].append(earlier["check"])
            self.watch.end_test()
        self.later = 0
        if self.session.other_side and not self.dropped:
            self._compare_engines()
        self._finish()

    def _one(self, test, found):
        if self.dropped:
            found["why"] = f"the device went in the test {self.dropped['test']}"
            return
        test.run(self.bench, found)
        self._look(found)

    def _compare_engines(self):
        try:
            self.pairs = engines.run(self.bench, self.session)
        except claim.Gone:
            pass
        self._look(self.tests[-1])

    def _look(self, found):
        """Is the device still there?  Who resumes the run is told, too."""
        check = presence.gone(self.target)
        if check:
            found["checks"].append(check)
            self.dropped = {"test": found["name"], "check": check}
            self.session.folder.save_round(self._gone_label(), self.dropped)

    def _pairs_seconds(self):
        return engines.seconds(self.bench.profile, self.target.size) if (
            self.session.other_side) else 0

    def _label(self):
        return self.bench.label("complete")

    def _gone_label(self):
        return self.bench.label("gone")

    def _finish(self):
        """The health after it all, of the command that ended it."""
        # "not run" is what the device cannot do, now or when resumed.
        self.after = self.session.folder.once(
            self._label(), lambda: dict(zip(("smart", "why"),
                                            smart(self.target))),
            finished=lambda: not self.dropped and all(
                test["state"] in ("done", "not run") for test in self.tests))


def smart(target):
    """(health log or None, why there is none)"""
    if target.clients:
        return None, "the health log of a device on a host is not read"
    if target.gone:
        return None, str(target.gone)
    if target.claimed and target.descriptor < 0:
        return None, "it is not claimed any more since its power was cut"
    return identity.smart(target.path)

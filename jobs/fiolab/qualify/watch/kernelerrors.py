# SPDX-License-Identifier: GPL-2.0-only
# What the kernel's log had during each test: errors and warnings, those that
# name the device told apart from others.  Kept in a file whenever there is
# more, so that a run that is killed and resumed does not forget; where the log
# cannot be read, that is said, and nothing is counted.
import contextlib
import time

from ...base import kernellog, machine
from ...report.wording import several
from ...target import identity, sysfs
from ..suite.verifying import judged

CHECK = ("kernel", "The kernel reported no error of the device")
WARNING = "warning"
KEPT = (*kernellog.ERRORS, WARNING)
MOST = 200                  # lines of a test that are kept, of each kind
DEVICE, OTHER = "device", "other"
ON_A_HOST = "the kernel's log of a host is not read"
CLOSED = "the kernel's log cannot be read ({})"


def names(target):
    """By which the kernel may call a target, the devices that it is made of,
    and what they hang on; of a file, the device below it."""
    folder = target.folder or identity.folder(target.path)
    if not folder:
        return []
    found = [sysfs.names(one) for one in sysfs.family(folder)]
    return list(dict.fromkeys(name for each in found for name in each))


def _nothing(known):
    return {"why": None, "start": None, "names": known, "counts": {
        DEVICE: {}, OTHER: {}}, "lost": 0, "lines": [], "left": 0}


class Watch:
    """Of one target; not for several threads."""

    def __init__(self, target, known, save):
        """known: what an earlier command saved, or None; save: keeps the state
        in a file."""
        self.tests, self.save = dict(known or {}), save
        # A run that was finished before is only told of again.
        self.is_told = not target.clients and not target.runs
        self.local = not target.clients and target.runs
        self.names = names(target) if self.local else []
        self.named = sysfs.naming(self.names)
        self.log = self.found = None
        self.began = 0.0

    @contextlib.contextmanager
    def during(self, test):
        """What is said in this block was said during the test."""
        if self.is_told:
            yield
            return
        self.found = self.tests.setdefault(test, _nothing(self.names))
        self.began = time.monotonic()
        self._open()
        try:
            yield
        finally:
            self.look()
            self._close()
            self.found = None
            self.save(self.tests)       # when it began, too, for --resume

    def _open(self):
        if not self.local:
            self.found["why"] = ON_A_HOST
            return
        try:
            self.log = kernellog.Log()
            self.log.new()          # what was said before
            self.found["start"] = self.found["start"] or machine.moment()
        except OSError as error:
            self._closed(error)

    def _closed(self, error):
        self._close()
        self.found["why"] = CLOSED.format(error.strerror)

    def _close(self):
        if self.log:
            self.log.close()
            self.log = None

    def look(self):
        """Read on; to be called often, as the log is written over."""
        if not self.log:
            return
        try:
            records = [one for one in self.log.new() if one.level in KEPT]
        except OSError as error:
            return self._closed(error)
        lost, self.log.lost = self.log.lost, 0
        self.found["lost"] += lost
        for one in records:
            self._count(one)
        if records or lost:
            self.save(self.tests)

    def _count(self, record):
        kind = DEVICE if self.named(record.text) else OTHER
        counts = self.found["counts"][kind]
        counts[record.level] = counts.get(record.level, 0) + 1
        if sum(counts.values()) > MOST:
            self.found["left"] += 1
            return
        self.found["lines"].append({
            "sequence": record.sequence, "level": record.level,
            "seconds": round(max(0.0, record.seconds - self.began), 6),
            "at": round(time.time() - time.monotonic() + record.seconds, 3),
            "device": kind == DEVICE, "text": record.text})

    def of(self, test):
        """"kernel" of a test in qualify.json; None: it was not begun."""
        return self.tests.get(test)


# In words

def errors(counts):
    return sum(counts.get(level, 0) for level in kernellog.ERRORS)


def said(counts):
    """'2 errors and 1 warning'"""
    return (f"{several(errors(counts), 'error')} and "
            f"{several(counts.get(WARNING, 0), 'warning')}")


def _sum(found, kind):
    every = [one["counts"][kind] for one in found]
    return {level: sum(one.get(level, 0) for one in every) for level in KEPT}


def _where(tests):
    """(' (IOPS 2, Throughput 1)', '; the first: ...') of those with errors"""
    bad = [(test["title"], errors(test["kernel"]["counts"][DEVICE]),
            test["kernel"]["lines"]) for test in tests]
    shown = ", ".join(f"{title} {count}" for title, count, _ in bad if count)
    first = next((line["text"] for _, _, lines in bad for line in lines
                  if line["device"] and line["level"] in kernellog.ERRORS), "")
    return f" ({shown})", f"; the first: {first}"


def check(tests, excused):
    """The check over all tests of a target, as they are in qualify.json, but
    those that are to provoke errors (excused); None where the log was not
    read in any, or the target lies on no device, which no line would name."""
    read = [test for test in tests if test.get("kernel") and
            test["kernel"]["names"] and not test["kernel"]["why"] and
            test["name"] not in excused]
    if not read:
        return None
    every = [test["kernel"] for test in read]
    mine, others = (_sum(every, kind) for kind in (DEVICE, OTHER))
    lost = sum(one["lost"] for one in every)
    text = (f"{said(mine)} named it in {several(len(read), 'test')}{{}}, "
            f"{said(others)} did not{{}}")
    return judged(CHECK, None, text.format("", ""),
                  text.format(*_where(read)) if errors(mine) else None,
                  f"{lost:,} of the log's records were written over before "
                  "they were read" if lost else None)

# SPDX-License-Identifier: GPL-2.0-only
# What a procedure of jobs/qualify is given, on a real target: so that a test
# can run one procedure alone, and do something to the target between two of
# its fio runs.
import os
import threading

from fiolab.fio import fiorun, sidespec
from fiolab.qualify import context, execute, folder
from fiolab.qualify.suite import kinds
from fiolab.qualify.suite.profiles import QUICK
from fiolab.target import blockdevice, claim, sysfs
from fiolab.target.target import Target


class Watched(context.Context):
    """before and after: functions of a run's name."""
    before = after = staticmethod(lambda name: None)

    def fio(self, job_text, name, *args, **how):
        self.before(name)
        ran = super().fio(job_text, name, *args, **how)
        self.after(name)
        return ran


def _logical_block(path):
    number = blockdevice.device_number(path)
    if number is None:
        return 512
    return sysfs.number(sysfs.of(number), "queue/logical_block_size")


def bench(path, fio_path, build, where, stack, engine="kaio", profile=QUICK,
          seed=1, size=None, claimed=False):
    """A real one, in a folder of its own until the stack unwinds."""
    out = folder.Folder(os.path.join(where, "out"))
    out.create(stack)
    out.id = "test"
    scratch = os.path.join(where, "scratch")
    os.makedirs(scratch)
    side = sidespec.parse(engine, str(build))
    total = blockdevice.size(path)
    target = Target(path, total, writable=True, given=total, whole=total,
                    logical_block=_logical_block(path))
    if claimed:
        target = claim.prepare(path, size or total, True, stack)
    target.size = size or total
    executor = execute.Executor(
        fiorun.Fio(str(fio_path), None, scratch), side, target, out,
        threading.Event(), "kaio" in side.ioengine)
    return context.Bench(1, executor, profile, seed, "",
                        lambda text, left: None, build=str(build))


def run(bench_, test, **hooks):
    """A test in qualify.json, and the context that it had."""
    found = test.entry()
    if not isinstance(test, kinds.Procedure):
        test.run(bench_, found)
        return found, None
    given = Watched(bench_, test)
    for name, value in hooks.items():
        setattr(given, name, value)
    with kinds.outcome(found):
        found.update(test.perform(given))
    return found, given


def results(found):
    """{check: result} of a test."""
    return {one["name"]: one["result"] for one in found["checks"]}


def text(found, name):
    return next(one["text"] for one in found["checks"] if one["name"] == name)

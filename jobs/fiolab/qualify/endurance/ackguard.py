# SPDX-License-Identifier: GPL-2.0-only
# A checksum does not tell that a block is what was written there before the
# last write.  So beside the load of a soak a job writes to the first of the
# range with the engine's ack_log: the log says which write each block must
# hold, and is there after SIGKILL, too.
import os
import secrets

from ...base.problem import Problem
from ...fio.sidespec import ENGINE_FILE
from ..suite import acklog, machinecut
from ..suite.verifying import section

JOB = "guard"               # of fio
MOST = 1 << 30              # bytes of the range; the log has 1/128 of it
SHARE = 16                  # of the range, at most one part in
LARGEST = 16                # of its writes, in the smallest
IOPS, DEPTH = 100, 16       # so that it is no part of the load to speak of
ONLY = ("only the engine kaio, on this machine, logs what was acknowledged")


def why_not(bench):
    """Why a target has none; None where it can have one."""
    mine = os.path.basename(bench.executor.side.ioengine) == ENGINE_FILE
    return None if mine and not bench.target.clients else ONLY


class Guard:
    """Of one test on one target."""

    def __init__(self, bench, file):
        """file: the test's name in those of files."""
        self.folder, self.target = bench.folder, bench.target
        self.label = bench.label(file, JOB)
        self.path = self.folder.file(f"{self.label}.acks")
        self.unit = max(4096, self.target.logical_block or 0)
        whole = self.unit * LARGEST
        self.size = min(MOST, self.target.size // SHARE) // whole * whole
        self.is_new = True      # nothing was written with it

    def open(self):
        """That of an earlier command, if it may be believed: one that is of
        another boot may lack what was acknowledged last."""
        boot = machinecut.boot()
        known = self.folder.load_round(self.label)
        self.is_new = known != {"boot": boot} or not os.path.exists(self.path)
        if self.is_new:
            self.folder.break_seal()
            try:
                acklog.AckLog.made(self.path, self.size, self.unit,
                                   secrets.randbits(64))
            except OSError as error:
                raise self.folder.full(error, "a log") from None
            self.folder.save_round(self.label, {"boot": boot})

    def forget(self):
        """What it knows is not there any more, or not asked for any more."""
        self.folder.forget_round(self.label)
        if os.path.exists(self.path):
            os.unlink(self.path)

    def section(self, seconds, seed):
        """Its job, a group of its own, as its figures are no part of the
        load's."""
        return section(
            JOB, new_group=1, rw="randwrite", offset=0, size=self.size,
            bsrange=f"{self.unit}-{self.unit * LARGEST}", iodepth=DEPTH,
            rate_iops=IOPS, serialize_overlap=1, ack_log=self.path,
            randseed=seed, time_based=1,
            runtime=f"{round(1000 * seconds)}ms")

    def look(self):
        """What is there of what was acknowledged: {"writes": since the log
        began, "blocks", "wrong": of these, "first": where}."""
        log = acklog.AckLog(self.path)
        if log.unit != self.unit or log.size != self.size:
            raise Problem(f"{self.path} is not of this target: begin a new "
                          "run.")
        seen = acklog.look(self.target.held, log)
        acked, tried = log.units["acked"], log.units["tried"]
        known = acked > 0
        wrong = known & ((seen.oldest < acked[:, None]) |
                         (seen.youngest > tried[:, None])).any(axis=1)
        found = {"writes": log.count("acks"), "blocks": int(known.sum()),
                 "wrong": int(wrong.sum()), "first": int(
                     wrong.argmax()) * self.unit if wrong.any() else None}
        if not found["wrong"]:
            acklog.settle(log, seen)
        return found


def fault(found):
    """What is wrong, in words; None where nothing is. found: of look()."""
    if not found or not found["wrong"]:
        return None
    return (f"{found['wrong']:,} of {found['blocks']:,} blocks do not hold the "
            "last write that was acknowledged, the first at byte "
            f"{found['first']}")

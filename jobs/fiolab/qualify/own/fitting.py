# SPDX-License-Identifier: GPL-2.0-only
# Can the loads of the user's own be run on the targets, with the engine?  All
# that speaks against it is a sentence before anything is written: places
# outside of a target, options of another engine, blocks that a device has not,
# the page cache, and (once leave to write is given) a job that leaves, on a
# stand-in, what was given to it.
from ...base.problem import Problem
from ...fio import asking, fairness, fiorun, jobfile, streams
from ...fio.jobs import amounts, trims
from ...fio.replay import log
from ...target import blockdevice
from . import ownrun
from .owntest import OwnTest


def _groups(qualification):
    """Those of its own tests."""
    return [group for test in qualification.tests
            if isinstance(test, OwnTest) for group in test.groups]


# The engine

def _engine(qualification, group):
    for name, engine in asking.foreign(
            qualification.fio, [qualification.side], group.job).items():
        raise Problem(
            f"job {group.job.name} sets {name}, an option of the engine "
            f"{engine} that {qualification.side.text} has not: give --engine "
            f"{engine},{name}=VALUE, or take the option out.")


def _replays(qualification, group):
    fio = qualification.fio
    if not group.replays:
        return
    if fiorun.older(fio.version, log.TIMES):
        raise Problem(f"job {group.job.name} replays a log, and {fio.version} "
                      "reads none with times: name fio 3.31 or later with "
                      "--fio.")
    if qualification.asked.client is not None:
        raise Problem(f"job {group.job.name} replays a log, which fio does "
                      "not send to other machines: run it there.")
    if ownrun.without_latency(fio, group):
        qualification.warnings.append(ownrun.NO_LATENCY.format(
            fio.version, group.job.name))


# A target

def _is_file(target):
    return not target.clients and blockdevice.device_number(
        target.path) is None


def _trims(qualification, group, target):
    if not group.trims:
        return
    if not _is_file(target):
        trims.not_of_cached_writes(group.job, target.path,
                                   qualification.fio.version)
        return
    trims.on_devices(group.job, target.path)
    raise Problem(f"job {group.job.name} replays a log with trims, which fio "
                  f"does on block devices alone, and {target.path} is none: "
                  "give one as --target, or replay it with replay_skip=trim "
                  "in a job file.")


def _blocks(group, target):
    for one, replayed in zip(jobfile.in_force(
            group.job.text, *amounts.READ), group.logs):
        small = [size for size in sorted(amounts.blocks(one))
                 if size % (target.logical_block or 1)]
        if small and not replayed:
            raise Problem(f"job {group.job.name} has blocks of {small[0]} "
                          f"bytes, which are not whole logical blocks of "
                          f"{target.name} ({target.logical_block} bytes): "
                          "give it larger ones.")


def _target(qualification, group, target):
    job = group.of(qualification.profile)
    if target.direct:
        fairness.o_direct(job, target.name, "")
    _trims(qualification, group, target)
    _blocks(group, target)
    job.ranges(0, target.size)
    fairness.fits(job, target)
    for one in filter(None, group.logs):
        one.check(target.size, target.logical_block or 512,
                  qualification.profile.scaled)


def check(qualification):
    """Refuse what cannot be run on its targets, as they are now known."""
    groups = _groups(qualification)
    for group in groups:
        qualification.warnings += [
            note for note in group.job.notes
            if note not in qualification.warnings]
        _engine(qualification, group)
        _replays(qualification, group)
        for target in qualification.targets:
            _target(qualification, group, target)
    if groups:
        size = min(target.size for target in qualification.targets)
        asking.check(qualification.fio, [qualification.side],
                     [group.of(qualification.profile) for group in groups],
                     size)


def rehearse(qualification):
    """Refuse a job that writes outside of what is given to it."""
    for group in _groups(qualification):
        if group.job.writes():
            streams.rehearse(qualification.fio, qualification.side,
                             group.plain(), qualification.targets[0])

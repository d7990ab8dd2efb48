# SPDX-License-Identifier: GPL-2.0-only
# The targets of a qualification: claimed devices and files of this machine, a
# scratch target of our own, or a path on each host; and what is looked at and
# set on each before the tests.
import os

from ..base import commandline
from ..base.problem import Problem
from ..fio import clientrun, clienttarget
from ..target import (blockdevice, claim, claimable, contents, identity,
                      loopdevice, purge, scratchfile, writecache)
from ..target.drive import bus
from ..target.target import Target
from .limits import judging

SMALLEST = 16 << 20         # of what a qualification needs
WHOLE = 1 << 20             # the active range is a multiple
REMOTE_BLOCK = 512          # fio on a host does not tell
NOT_SEEN = ("how large targets on hosts are cannot be seen from here: figures "
            "are PTS's only where --size is all of the device.")


def share(total, percent):
    """Bytes of so many that are used."""
    return total * percent // 100 // WHOLE * WHOLE


def active(total, profile, size):
    """Bytes that are used of a target."""
    return share(min(total, size or total), profile.active)


def _refuse_small(path, size):
    if size < SMALLEST:
        raise Problem(f"{path} would be used with {size} bytes, and the tests "
                      f"need {SMALLEST}: name a larger target.")


def _use(target, profile, size):
    """A claimed target, of which the runs use a part."""
    if target.logical_block is None:
        raise Problem(f"{target.name} does not take O_DIRECT, so the tests "
                      "would measure the page cache: name a file on another "
                      "file system.")
    target.size = active(target.whole, profile, size)
    _refuse_small(target.name, target.size)
    target.given = min(target.whole, size or target.whole)
    return target


def local(path, profile, size, stack, allowed=()):
    """A Target of the user's, to be destroyed."""
    made = claim.prepare(path, max(size or 0, SMALLEST), True, stack, allowed)
    return _use(made, profile, size)


def held(path, profile, size, stack):
    """A Target of the user's that is only read, whoever else uses it."""
    made = claim.hold(path, stack)
    made.whole, made.logical_block = look(path)
    made.physical_block = made.logical_block
    try:
        os.close(made.reopen(os.O_RDONLY | os.O_DIRECT))
    except PermissionError:
        raise Problem(f"cannot open {path} for reading: be root.") from None
    except OSError:
        made.logical_block = None
    _use(made, profile, size).look()
    return made


def _scratch_file(made, profile):
    made.name, made.size = "scratch file", active(made.whole, profile, None)
    made.logical_block = made.physical_block = 512
    if not made.direct:
        made.warnings.append(f"{made.path} takes no O_DIRECT, so the figures "
                             "are those of the page cache.")
    return made


def scratch(profile, size, stack):
    """A target of our own, gone when the stack unwinds: a loop device on a
    file in memory, or that file where there is no loop device."""
    made = scratchfile.scratch(commandline.MEMORY, size, stack)
    if os.geteuid():
        return _scratch_file(made, profile)
    try:
        path = loopdevice.make(made.path, stack, writable=True)
    except Problem as problem:
        made = _scratch_file(made, profile)
        made.warnings.append("the target is a file, as there is no loop "
                             f"device: {problem}")
        return made
    made = claim.prepare(path, SMALLEST, True, stack)
    made.name, made.created = "scratch device", True
    return _use(made, profile, None)


def remote(path, client, size, profile):
    made = clienttarget.named(
        path, (client,), active(size, profile, size), given=size, whole=size,
        name=f"{client['name']}:{path}", logical_block=REMOTE_BLOCK,
        writable=True)
    _refuse_small(path, made.size)
    return made


def look(path):
    """(bytes, logical block) of a target that is only planned for: what a
    device has is asked of sysfs, which anybody may read."""
    path = os.path.realpath(path)
    claim.check_kind(path)
    known = identity.describe(path)
    if known["size_bytes"] is None:
        raise Problem(f"cannot use {path}: the kernel knows no device of its "
                      "number; name another.")
    return known["size_bytes"], known["logical_block"] or 512


def _doubts_of(path):
    return [f"{path} {text}." for text in claimable.doubts(
        blockdevice.device_number(path)).values()]


def planned(path, profile, size, allowed=(), writes=True):
    """A Target that nothing may be run on; writes: would a run write to it?"""
    total, block = look(path)
    used = active(total, profile, size)
    _refuse_small(path, used)
    why = claim.refusal(path, total, max(size or 0, SMALLEST), allowed) if (
        writes) else None
    said = [f"A run would end at once: {why}"] if why else _doubts_of(path)
    return Target(path, used, whole=total, logical_block=block, refused=why,
                  warnings=[*said, *contents.noted(path)])


def _hosts(asked, profile):
    """Those on all hosts, in order."""
    found = clientrun.parse(asked.client)
    return [remote(path, client, asked.size, profile)
            for client in found for path in dict.fromkeys(asked.target)]


def _refuse_another(qualification, target):
    """A device that the spec is not of, whose limits are missed whatever the
    tests say: before it is overwritten."""
    if not qualification.spec or target.clients or target.created:
        return
    missed = [row for row in judging.judge(qualification.spec, {
        "name": target.name, "identity": identity.describe(target.path),
        "tests": []}) if row["result"] == "fail"]
    if not missed:
        return
    said = (f"{target.name} is another device than the spec is of: "
            f"{missed[0]['why']} (line {missed[0]['line']}); name the right "
            "one, or change [device] in the spec.")
    if not qualification.only_plan:
        raise Problem(said)
    target.refused = target.refused or said
    qualification.warnings.append(f"A run would end at once: {said}")


def make(qualification):
    """Those that were asked for, claimed where they may be overwritten."""
    asked, profile = qualification.asked, qualification.profile
    paths = list(dict.fromkeys(map(os.path.realpath, asked.target or ())))
    if asked.client is not None:
        made = _hosts(asked, profile)
    elif asked.scratch:
        made = [scratch(profile, asked.size, qualification.stack)]
    elif qualification.destroy:
        made = [local(path, profile, asked.size, qualification.stack,
                      asked.allow or ()) for path in paths]
    elif not (qualification.writes or qualification.only_plan):
        made = [held(path, profile, asked.size, qualification.stack)
                for path in paths]
    else:
        made = [planned(path, profile, asked.size, asked.allow or (),
                        qualification.writes)
                for path in paths]
    if asked.sample and len(asked.sample) != len(made):
        there = "is 1 target" if len(made) == 1 else f"are {len(made)} targets"
        raise Problem(f"there {there} and --sample was given "
                      f"{len(asked.sample)} times: give one for each, in their "
                      "order.")
    qualification.targets = made
    if asked.client is not None and not profile.scaled and any(
            test.group == "pts" for test in qualification.tests):
        qualification.warnings.append(NOT_SEEN)
    qualification.warnings += [text for one in made for text in one.warnings]
    for one in made:
        _refuse_another(qualification, one)


def look_at_hosts(qualification):
    for target in qualification.targets:
        if target.clients:
            clientrun.check(target.clients, [qualification.side], [], True)
            clienttarget.check(qualification.fio, target, lambda *_: False)


# What is on them

def unasked(target):
    """Why a target is not asked for its health log; None where it is."""
    if target.clients:
        return "the health log of a device on a host is not read"
    if target.gone:
        return str(target.gone)
    if target.claimed and target.descriptor < 0:
        return "it is not claimed any more since its power was cut"
    return None


def smart(target):
    """(health log or None, why there is none)"""
    why = unasked(target)
    return (None, why) if why else identity.smart(target.path)


def _doubts(known, name):
    """Sentences on how a device, or one below it, is connected and set up."""
    below = [known["below"]] if known.get("below") else []
    return [said for said in (bus.narrow(name, known.get("bus")),
                              bus.busy(name, known.get("array"))) if said] + [
        said for one in (*below, *(known.get("members") or ()))
        for said in _doubts(one, one["name"])]


def describe(qualification, target):
    """What plan.json keeps of a target that may be overwritten."""
    known = ({**identity.EMPTY, "kind": "remote"} if target.clients
             else identity.asked(target.path))
    qualification.warnings += _doubts(known, target.name)
    health, why = smart(target)
    method, reason = purge.plan(target) if any(
        test.purges for test in qualification.tests) else (
            purge.NONE, "no test asks for one")
    cache = look_at_cache(qualification, target)
    return {"identity": known, "write_cache": cache,
            "smart": health, "smart_why": why,
            "purge": {"method": method, "why": reason}}


def look_at_cache(qualification, target):
    """How it is now, for the report; None on another host."""
    found = None if target.clients else writecache.look(target.path)
    qualification.warnings += writecache.contradictions(
        target.name, found) if found else []
    return found


def caches(qualification):
    """How the write caches are, where they can be set."""
    return [None if one.clients or one.created or not one.writable
            else writecache.now(one.path) for one in qualification.targets]


def set_caches(qualification, before):
    """As the profile has it; before: what they were when the run began."""
    for target, known in zip(qualification.targets, before):
        if not target.clients and not target.created and target.writable:
            said = writecache.set(
                target.path, qualification.profile.write_cache,
                qualification.stack, known)
            qualification.warnings += [said] if said else []

# SPDX-License-Identifier: GPL-2.0-only
# The targets of a qualification: claimed devices and files of this machine, a
# scratch target of our own, or a path on each host.
import os

from ..base import commandline
from ..base.problem import Problem
from ..fio import clientrun
from ..target import (claim, claimable, identity, loopdevice, neighbours,
                      scratchfile)
from .execute import Place, can_direct

SMALLEST = 16 << 20         # of what a qualification needs
WHOLE = 1 << 20             # the active range is a multiple
REMOTE_BLOCK = 512          # fio on a host does not tell


def active(total, profile, size):
    """Bytes that are used of a target."""
    return min(total, size or total) * profile.active // 100 // WHOLE * WHOLE


def _refuse_small(path, size):
    if size < SMALLEST:
        raise Problem(f"{path} would be used with {size} bytes, and the tests "
                      f"need {SMALLEST}: name a larger target.")


def _from_claim(name, made, profile, size):
    if made.logical_block is None:
        raise Problem(f"{name} does not take O_DIRECT, so the tests would "
                      "measure the page cache: name a file on another file "
                      "system.")
    used = active(made.size, profile, size)
    _refuse_small(name, used)
    total, made.size = made.size, min(made.size, size or made.size)
    return Place(name, made.path, used, total, made.logical_block,
                 made.physical_block, made.kind or "device",
                 claim=made), [*made.warnings, *neighbours.beside(made.path),
                               *neighbours.within(made)]


def local(path, profile, size, destroy, stack):
    """(Place, warnings) of a target of the user's."""
    made = claim.prepare(path, max(size or 0, SMALLEST), destroy, stack)
    return _from_claim(made.path, made, profile, size)


def _scratch_file(made, profile, stack):
    direct = can_direct(made.path)
    warnings = [] if direct else [
        f"{made.path} takes no O_DIRECT, so the figures are those of the page "
        "cache."]
    return Place("scratch file", made.path, active(made.size, profile, None),
                 made.size, 512, 512, "file", direct=direct,
                 claim=claim.Target(made.path, made.size, 512, 512, "file",
                                    made.claim.descriptor)), warnings


def scratch(profile, size, stack):
    """A target of our own, gone when the stack unwinds: a loop device on a
    file in memory, or that file where there is no loop device."""
    made = scratchfile.scratch(commandline.MEMORY, size, stack)
    if os.geteuid():
        return _scratch_file(made, profile, stack)
    try:
        path = loopdevice.make(made.path, stack, writable=True)
    except Problem as problem:
        target, warnings = _scratch_file(made, profile, stack)
        return target, [*warnings, f"the target is a file, as there is no loop "
                       f"device: {problem}"]
    target, warnings = _from_claim("scratch device", claim.prepare(
        path, SMALLEST, True, stack), profile, None)
    return target, warnings


def remote(path, client, size, profile):
    if claimable.misread(path) or not os.path.isabs(path):
        raise Problem(f"the target {path!r} on other machines must be an "
                      "absolute path without ; # $ or a backslash.")
    used = active(size, profile, size)
    _refuse_small(path, used)
    return Place(f"{client['name']}:{path}", path, used, size, REMOTE_BLOCK,
                 None, "remote", client)


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


def planned(path, profile, size):
    """A Place that nothing may be run on, and what else there is to say."""
    total, block = look(path)
    used = active(total, profile, size)
    _refuse_small(path, used)
    why = claim.refusal(path, total, max(size or 0, SMALLEST))
    return Place(path, path, used, total, block, writable=False,
                 refused=why), [
        *([f"A run would end at once: {why}"] if why else []),
        *neighbours.beside(path), *neighbours.noted(path)]


def hosts(args, profile):
    """The Places on all hosts, in order; [] without --client."""
    found = clientrun.parse(args.client)
    return [remote(path, client, args.size, profile)
            for client in found for path in dict.fromkeys(args.target)]

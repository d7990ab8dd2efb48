# SPDX-License-Identifier: GPL-2.0-only
# One sample of a device's health while it works: its log in brief, the log
# beyond that where it has one, and its link, of each device that it is made of.
# Each is a short-lived process with a time limit, or a file of sysfs.
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
import os
import stat
import time

from .. import health, identity, sysfs
from . import bus, extendedlog, smartlog

SECONDS = 10            # until a device counts as one that does not answer


@dataclass(frozen=True)
class Source:
    front: str          # of its names: "sda: " of a member
    # (seconds) -> (table, None) or (None, a sentence)
    read: Callable[[float], tuple[dict | None, str | None]]


def _leaves(folder):
    """The whole disks that a device is made of, to the last; itself."""
    parts = list(dict.fromkeys(map(sysfs.whole, sysfs.members(folder))))
    return [leaf for part in parts for leaf in _leaves(part)] or [folder]


def _extended(known):
    """{serial number: its log beyond the health log}, of an identity."""
    nvme, found = known.get("nvme") or {}, {}
    if nvme.get("extended_log"):
        found[known["serial"]] = nvme["extended_log"]
    for one in known.get("members") or ():
        found |= _extended(one)
    return found


def _of_bus(leaf):
    return lambda seconds: (bus.counters(leaf), None)


def sources(path: str, known: dict) -> list[Source]:
    """What a block device and those that it is made of can be asked; none of
    anything else.  known: its identity."""
    try:
        if not stat.S_ISBLK(os.stat(path).st_mode):
            return []
        disk = sysfs.disk(path)
    except OSError:
        return []
    logs, found = _extended(known), []
    for leaf in _leaves(disk):
        front = "" if leaf == disk else f"{os.path.basename(leaf)}: "
        kind, node = sysfs.kind(leaf), sysfs.node(leaf)
        if kind not in health.SMART_KINDS:
            continue
        found.append(Source(front, partial(
            health.brief, node, kind, lacking=health.lacks(node, kind))))
        log = logs.get(identity.block(leaf)["serial"])
        if log:
            found.append(Source(front, partial(extendedlog.read, log, node)))
        found.append(Source(front, _of_bus(leaf)))
    return found


def take(found: list[Source]) -> tuple[dict, list[str]]:
    """(the attributes that smartlog.py knows, sentences on what was not told);
    a source that has failed is taken from the list, so that a device that
    hangs is not asked again and again."""
    values, whys, end = {}, [], time.monotonic() + SECONDS
    for one in tuple(found):
        if time.monotonic() >= end:
            break
        try:
            table, why = one.read(SECONDS)
        except OSError as error:
            table, why = None, f"{one.front}no sample ({error.strerror})."
        if why:
            found.remove(one)
            whys.append(why)
        values.update({one.front + name: value
                       for name, value in (table or {}).items()
                       if name in smartlog.ATTRIBUTES and
                       smartlog.is_number(value)})
    return values, whys

# SPDX-License-Identifier: GPL-2.0-only
# Where fio runs when several devices of this machine are tested at once: on
# CPUs of the device's NUMA node, on those where its interrupts arrive first,
# and on none of another device while there are enough, so that no device waits
# for the load of another.  A core is given whole where there are enough of
# them: its threads share what one alone would have.
import os
import re
import stat

from ...base.problem import Problem
from ...report.wording import several
from ...target import sysfs
from ...target.drive import bus

NODES, CPUS = "/sys/devices/system/node", "/sys/devices/system/cpu"
INTERRUPTS = "/proc/irq"


# Lists of CPUs, as the kernel and taskset have them

def numbers(text):
    """{0, 1, 2, 5} of "0-2,5"."""
    found = set()
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if first.strip().isdecimal():
            found |= set(range(int(first), int(last or first) + 1))
    return found


def listed(cpus):
    """"0-2,5" of [0, 1, 2, 5]."""
    spans = []
    for cpu in sorted(cpus):
        if spans and spans[-1][1] == cpu - 1:
            spans[-1][1] = cpu
        else:
            spans.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


# What the kernel tells

def _nodes(allowed):
    """{node: its CPUs that may be used}, of nodes that have some."""
    names = os.listdir(NODES) if os.path.isdir(NODES) else []
    found = {int(name[4:]): numbers(sysfs.read(NODES, name, "cpulist"))
             & allowed for name in names if re.fullmatch(r"node\d+", name)}
    return {node: cpus for node, cpus in found.items() if cpus}


def _node(folder):
    """Of a device's folder; None where the kernel has none for it."""
    while folder not in ("", "/"):
        found = sysfs.number(folder, "numa_node")
        if found is not None:
            return found if found >= 0 else None
        folder = os.path.dirname(folder)
    return None


def _interrupts(folder):
    """The CPUs on which interrupts of its PCI device arrive."""
    place = bus.place(folder)
    try:
        names = os.listdir(os.path.join(place, "msi_irqs")) if place else []
    except OSError:
        names = []
    return set().union(*(numbers(sysfs.read(
        INTERRUPTS, name, "effective_affinity_list")) for name in names))


def _folder(path):
    """In sysfs, of the disk; None of what is no block device."""
    try:
        return sysfs.disk(path) if stat.S_ISBLK(os.stat(path).st_mode) \
            else None
    except OSError:
        return None


def _cores(cpus):
    """[[CPU, ...]]: those of each core together, in order."""
    found = {}
    for cpu in sorted(cpus):
        core = sysfs.read(CPUS, f"cpu{cpu}/topology/thread_siblings_list")
        found.setdefault(core or str(cpu), []).append(cpu)
    return list(found.values())


# Who gets which

def _share(units, wanted):
    """A share of the units (lists of CPUs that stay together) for each; those
    that are wanted first.  wanted: the CPUs that each would best have."""
    many, left = len(units) // len(wanted), list(units)
    shares = []
    for each in wanted:
        mine = [unit for unit in left if each & set(unit)][:many]
        left = [unit for unit in left if unit not in mine]
        shares.append(mine)
    for mine in shares:
        while len(mine) < many:
            mine.append(left.pop(0))
    return [{cpu for unit in mine for cpu in unit} for mine in shares]


def _divided(cpus, wanted):
    """Sets of CPUs, one for each of wanted; all for each if too few."""
    cores = _cores(cpus)
    for units in (cores, [[cpu] for core in cores for cpu in core]):
        if len(units) >= len(wanted):
            return _share(units, wanted)
    return [set(cpus) for _ in wanted]


def _place(folder, nodes):
    """(node, CPUs of its interrupts) of a device, or of all its members."""
    disks = (sysfs.members(folder) or [folder]) if folder else []
    there = {_node(bus.hangs_on(disk)) for disk in disks} & nodes.keys()
    if not there and len(nodes) == 1:
        there = nodes.keys()
    return (min(there) if len(there) == 1 else None,
            set().union(*map(_interrupts, disks)))


def _seats(names, places, nodes, allowed):
    """{name: a set of CPUs}"""
    found = {}
    for node in dict.fromkeys(node for node, _ in places):
        those = [i for i, place in enumerate(places) if place[0] == node]
        for i, cpus in zip(those, _divided(nodes.get(node, allowed), [
                places[i][1] for i in those])):
            found[names[i]] = cpus
    return found


def take(targets):
    """Give each target of this machine its seat, if there are several: what
    plan.json and the report keep of it."""
    mine = [one for one in targets if not one.clients]
    if len(mine) < 2:
        return
    allowed = os.sched_getaffinity(0)
    nodes = _nodes(allowed)
    places = [_place(_folder(one.path), nodes) for one in mine]
    found = _seats([one.name for one in mine], places, nodes, allowed)
    for one, (node, interrupts) in zip(mine, places):
        cpus = found[one.name]
        one.seat = {
            "cpus": listed(cpus), "node": node,
            "interrupts": listed(interrupts) or None,
            "shared": [name for name, others in found.items()
                       if name != one.name and others & cpus]}


def take_again(targets, known):
    """Those of a run that is resumed; known: plan.json's targets."""
    allowed = os.sched_getaffinity(0)
    for one, planned in zip(targets, known):
        one.seat = planned.get("seat")
        if one.seat and not numbers(one.seat["cpus"]) <= allowed:
            raise Problem(f"fio of {one.name} ran on the CPUs "
                          f"{one.seat['cpus']}, which may not all be used "
                          "now: begin a new run, or give them back.")


def wrap(target):
    """In front of fio's command."""
    return ["taskset", "-c", target.seat["cpus"]] if target.seat else []


# In words

def said(target):
    """'CPUs 0-3, NUMA node 0, interrupts on 2' of a target (its seat)."""
    seat = target.get("seat")
    if not seat:
        return None
    parts = [f"CPUs {seat['cpus']}"]
    if seat["node"] is not None:
        parts.append(f"NUMA node {seat['node']}")
    if seat["interrupts"]:
        parts.append(f"its interrupts arrive on {seat['interrupts']}")
    if seat["shared"]:
        parts.append("shared with "
                     + several(len(seat["shared"]), "other target"))
    return ", ".join(parts)


def warnings(targets, threads):
    """Where devices wait for CPUs; threads: of fio, for each."""
    seated = [one for one in targets if one.seat]
    crowded = [one for one in seated if one.seat["shared"]]
    small = [one for one in seated
             if len(numbers(one.seat["cpus"])) < threads]
    end = "so that a figure may be that of the CPUs: test fewer at once."
    if crowded:
        mixed = len({one.seat["node"] is None for one in crowded}) > 1
        why = ("the NUMA node of some is not known" if mixed else
               "there are not enough")
        return [f"{len(crowded)} of {len(targets)} targets share CPUs with "
                f"others, as {why}, {end}"]
    return [f"fio of {len(small)} of {len(targets)} targets has fewer CPUs "
            f"than its {threads} threads, {end}"] if small else []

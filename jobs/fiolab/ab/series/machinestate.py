# SPDX-License-Identifier: GPL-2.0-only
"""The state of the machine in which a part is run, as far as it tells: what may
differ between two boots.  A flat {name: text}, so that two states can be
compared name by name; what is not told is not in it.
"""
from collections.abc import Iterable, Sequence
from glob import glob
import os
import re

from ...target import identity, members
from ...target.target import Target

BOOT = "/proc/sys/kernel/random/boot_id"
FILES = {
    "kernel": "/proc/sys/kernel/osrelease",
    "kernel build": "/proc/sys/kernel/version",
    "command line": "/proc/cmdline",
    "BIOS vendor": "/sys/class/dmi/id/bios_vendor",
    "BIOS": "/sys/class/dmi/id/bios_version",
    "BIOS date": "/sys/class/dmi/id/bios_date",
    "machine": "/sys/class/dmi/id/product_name",
    "SMT": "/sys/devices/system/cpu/smt/control",
    "governor": "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
    "frequency driver": "/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver",
    "idle driver": "/sys/devices/system/cpu/cpuidle/current_driver",
    "clock source": "/sys/devices/system/clocksource/clocksource0/"
                    "current_clocksource",
    "huge pages": "/sys/kernel/mm/transparent_hugepage/enabled"}
MITIGATIONS = "/sys/devices/system/cpu/vulnerabilities/*"
# Those that the speed of I/O may depend on.
SYSCTLS = ("fs/aio-max-nr", "kernel/io_uring_disabled", "kernel/nmi_watchdog",
           "kernel/numa_balancing", "kernel/perf_event_paranoid",
           "kernel/randomize_va_space", "kernel/sched_autogroup_enabled",
           "kernel/sched_rt_runtime_us", "kernel/timer_migration",
           "kernel/unprivileged_bpf_disabled", "vm/dirty_background_ratio",
           "vm/dirty_expire_centisecs", "vm/dirty_ratio",
           "vm/dirty_writeback_centisecs", "vm/nr_hugepages", "vm/swappiness",
           "vm/vfs_cache_pressure", "vm/zone_reclaim_mode")
# Who it is; its place on the bus, where it says nothing else of itself.
WHO = ("model", "serial", "wwid", "place")
DEVICE = (*WHO, "firmware", "scheduler", "nr_requests", "write_cache",
          "file_system")


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return " ".join(file.read().split())
    except OSError:
        return ""


def boot_id() -> str:
    return _read(BOOT)


def _cpu():
    """Microcode, which differs between boots without a word elsewhere."""
    text = ""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            text = file.read()
    except OSError:
        pass
    found = {name: re.search(rf"^{key}\s*:(.*)$", text, re.M)
             for name, key in (("CPU", "model name"),
                               ("microcode", "microcode"))}
    return {name: match[1].strip() for name, match in found.items() if match}


def _modules():
    try:
        with open("/proc/modules", encoding="ascii") as file:
            return " ".join(sorted(line.split()[0] for line in file))
    except OSError:
        return ""


def _place(one):
    if one.get("serial") or one.get("wwid"):
        return None
    return (one.get("bus") or {}).get("address")


def devices(targets: Iterable[Target]) -> dict[str, str]:
    """Of each that is, or lies on, a block device; no scratch in memory."""
    found = {}
    for number, target in enumerate((one for target in targets
                                     for one in target.each()), 1):
        try:
            known = identity.describe(target.path)
        except OSError:
            continue
        for one in (known, known.get("below") or {}):
            one = {"place": _place(one), **one}
            for key in DEVICE:
                if one.get(key) is not None:
                    found[f"target {number} {key}"] = str(one[key])
    return found


def names(target: Target) -> dict[str, dict[str, str]]:
    """{path: {of WHO}} of what is there of a target's files and devices, as
    far as they have any; other disks have others."""
    paths = members.listed(target.path) if target.number > 1 else [target.path]
    return {path: {name.split()[-1]: text for name, text in devices(
        [Target(path, target.size)]).items()
        if name.endswith(WHO)}
        for path in paths if os.path.exists(path)}


def read(targets: Iterable[Target] = ()) -> dict[str, str]:
    """The state now; the targets as they are claimed."""
    found = {name: _read(path) for name, path in FILES.items()}
    found |= _cpu() | {"modules": _modules()}
    found |= {f"mitigation {os.path.basename(path)}": _read(path)
              for path in sorted(glob(MITIGATIONS))}
    found |= {name.replace("/", "."): _read(f"/proc/sys/{name}")
              for name in SYSCTLS}
    return {name: text for name, text in (found | devices(targets)).items()
            if text}


def _shortened(name, one, other):
    """Of lists of words (modules, a command line) only what the other has
    not."""
    if name not in ("modules", "command line"):
        return one
    left = [word for word in one.split() if word not in other.split()]
    return " ".join(left) or "none more"


def compared(states: Sequence[dict], is_b: Sequence[bool]
             ) -> tuple[dict[str, list[str]], list[str]]:
    """({name: [value in A, in B]} of what differs between the labels and in
    neither of them, the names of what differs among parts of one label)."""
    differs, varies = {}, []
    for name in dict.fromkeys(name for state in states for name in state):
        seen: tuple[set, set] = (set(), set())
        for state, b in zip(states, is_b):
            seen[bool(b)].add(state.get(name, "not told"))
        if max(map(len, seen)) > 1:
            varies.append(name)
        elif all(seen) and seen[0] != seen[1]:
            a, b = (one.pop() for one in seen)
            differs[name] = [_shortened(name, a, b), _shortened(name, b, a)]
    return differs, varies

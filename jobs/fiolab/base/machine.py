# SPDX-License-Identifier: GPL-2.0-only
# What a report says about this machine and the time; None for what it does not
# tell.
import datetime
import os
import platform
import re
from typing import Any


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def _find(pattern, path):
    match = re.search(pattern, _read(path) or "", re.M)
    return match and match[1].strip()


def moment(seconds: float | None = None) -> str:
    """A time as reports have it (ISO 8601, UTC): now, or of time.time()."""
    found = datetime.datetime.now(datetime.timezone.utc) if seconds is None \
        else datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ")


def governor(cpu: int | None) -> str | None:
    return _read(f"/sys/devices/system/cpu/cpu{cpu or 0}/cpufreq/"
                 "scaling_governor")


def load_1m() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def virtual() -> str | None:
    """What runs this virtual machine, as far as it says; None on metal."""
    flags = _find(r"^flags\s*:(.*)$", "/proc/cpuinfo") or ""
    if "hypervisor" not in flags.split():
        return _read("/sys/hypervisor/type")
    names = [_read(f"/sys/class/dmi/id/{name}")
             for name in ("sys_vendor", "product_name")]
    return " ".join(filter(None, names)) or "a hypervisor"


def describe(cpu: int | None = None) -> dict[str, Any]:
    memory = _find(r"^MemTotal:\s+(\d+) kB", "/proc/meminfo")
    distribution = _find(r'^PRETTY_NAME="?([^"\n]*)"?$', "/etc/os-release")
    return {"kernel": platform.release(), "machine": platform.machine(),
            "cpu_model": (_find(r"^model name\s*:(.*)$", "/proc/cpuinfo") or
                          platform.processor() or platform.machine()),
            "cpus": os.cpu_count(),
            "memory_bytes": int(memory) << 10 if memory else None,
            "distribution": distribution or "unknown",
            "governor": governor(cpu),
            "clocksource": _read("/sys/devices/system/clocksource/"
                                 "clocksource0/current_clocksource"),
            "load_1m": load_1m(), "virtual": virtual()}

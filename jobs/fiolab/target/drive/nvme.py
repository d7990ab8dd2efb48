# SPDX-License-Identifier: GPL-2.0-only
# What an NVMe device says of itself beyond sysfs, asked with nvme-cli: its
# version, the LBA format with metadata and protection information, the power
# state, at which temperatures it slows down and whether it counts that.  What
# it does not tell is None; without the tool, why there is nothing.
import json
import re

from .. import tools
from ..health import KELVIN
from . import extendedlog

SECONDS = 20
EXTENDED, FIRST = 0x10, 8       # bits of FLBAS and DPS
CURRENT = re.compile(r"Current value:\s*(?:0x)?([0-9a-fA-F]+)")
POWER, CACHE, HEAT = 2, 6, 0x10     # features
FIELDS = ("version", "namespaces_max", "lba_format", "lba_formats",
          "data_bytes", "metadata_bytes", "metadata", "protection",
          "protection_place", "power_state", "power_states",
          "thermal_management", "warning_temperature_c",
          "critical_temperature_c", "extended_log", "extended_log_why")
NEEDS = ("LBA format, metadata, protection information, NVMe version and "
         "power state are not known, as asking for them needs {}.")


def feature(path: str, number: int, *words: str) -> int | None:
    """The current value of a feature; None where that is not told."""
    answer = tools.run("nvme", "get-feature", path, "-f", str(number), *words,
                       seconds=SECONDS)
    value = answer and CURRENT.search(answer.text)
    return int(value[1], 16) if value else None


def asked(what: str, path: str) -> tuple[dict, str | None]:
    """(its JSON or {}, why there is none)"""
    answer = tools.run("nvme", what, path, "-o", "json", seconds=SECONDS)
    if answer is None:
        return {}, f"nvme {what} needs {tools.hint('nvme')}."
    try:
        found = json.loads(answer.text)
    except ValueError:
        found = None
    if answer.status == 0 and isinstance(found, dict):
        return found, None
    return {}, f"nvme {what} {path}: {answer.why()}."


def _version(number):
    """"1.4.0"; devices before 1.2 do not tell."""
    if not isinstance(number, int) or not number:
        return None
    return f"{number >> 16}.{number >> 8 & 255}.{number & 255}"


def _celsius(kelvin):
    """Of a threshold; 0: the device has none."""
    return kelvin - KELVIN if isinstance(kelvin, int) and kelvin else None


def _controller(found):
    states = found.get("npss")
    return {"version": _version(found.get("ver")),
            "namespaces_max": found.get("nn"),
            "power_states": None if states is None else states + 1,
            "warning_temperature_c": _celsius(found.get("wctemp")),
            "critical_temperature_c": _celsius(found.get("cctemp"))}


def _managed(found, path):
    """Does it throttle by temperatures that the host has set, and count that?
    Both 0, as of many devices after a reset: it does not."""
    able = found.get("hctma")
    if able is None or not able & 1:
        return None if able is None else False
    limits = feature(path, HEAT)
    return None if limits is None else limits != 0


def lba_format(flbas: int) -> int:
    """The number of the one in use, of a namespace's FLBAS: 4 bits, and 2 more
    for devices with many."""
    return flbas & 15 | (flbas >> 5 & 3) << 4


def _namespace(found):
    formats, flbas = found.get("lbafs"), found.get("flbas")
    if not formats or flbas is None or lba_format(flbas) >= len(formats):
        return {}
    one, kind = formats[lba_format(flbas)], found.get("dps", 0)
    size = one.get("ms", 0)
    return {"lba_format": lba_format(flbas), "lba_formats": len(formats),
            "data_bytes": 1 << one["ds"], "metadata_bytes": size,
            "metadata": None if not size else "at the end of each block"
            if flbas & EXTENDED else "in a buffer of its own",
            "protection": kind & 7,
            "protection_place": None if not kind & 7 else
            "first bytes of the metadata" if kind & FIRST else
            "last bytes of the metadata"}


def identity(path: str) -> dict:
    """FIELDS, and "why" some are None: a sentence, or None.

    protection: the type, 0 for none; sizes are bytes.  thermal_management:
    does it throttle by the host's thermal management, and count that.
    extended_log: the name of a log in extendedlog.py.
    """
    empty = dict.fromkeys(FIELDS)
    if not tools.find("nvme"):
        return {**empty, "why": NEEDS.format(tools.hint("nvme"))}
    (control, no_control), (space, no_space) = (
        asked(what, path) for what in ("id-ctrl", "id-ns"))
    state = feature(path, POWER)
    log, no_log = extendedlog.chosen(path, control.get("vid"))
    told, odd = tools.understood(
        lambda one: {**_controller(one), **_namespace(space),
                     "thermal_management": _managed(one, path)}, control,
        f"nvme id-ctrl and id-ns {path}")
    return {**empty, **(told or {}),
            "power_state": None if state is None else state & 31,
            "extended_log": log, "extended_log_why": no_log,
            "why": no_control or no_space or odd}

# SPDX-License-Identifier: GPL-2.0-only
# What an NVMe device counts beyond its health log: OCP's log page C0h, which
# any vendor's may have, and the vendors' own that nvme-cli reads, with one set
# of names: bytes that reached the medium, throttling, errors of the link.
# Which of them a device has is asked once: a refused log page is an entry of
# its error log.
from collections.abc import Callable
from dataclasses import dataclass
import json

from .. import tools

SECONDS = 20
# nvme-cli's name, in the second version of its output, and before: ours.
OCP_NAMES = (
    ("physical_media_units_written", "Physical media units written",
     "media_written_bytes"),
    ("thermal_throttling_events", "Number of Thermal throttling events",
     "throttle_events"),
    ("current_throttling_status", "Current throttling status",
     "throttle_level"),
    ("pcie_correctable_errors", "PCIe correctable error count",
     "pcie_correctable_errors"),
    ("uncorrectable_read_errors", "Uncorrectable read error count",
     "uncorrectable_reads"),
    ("end_to_end_detected_errors", "End to end detected errors",
     "end_to_end_errors"),
    ("bad_user_nand_blocks_raw", "Bad user nand blocks - Raw",
     "bad_user_blocks"),
    ("incomplete_shutdowns", "Incomplete shutdowns", "incomplete_shutdowns"),
    ("percent_free_blocks", "Percent free blocks", "free_blocks_percent"),
    ("capacitor_health", "Capacitor health", "capacitor_health_percent"))


def _number(value):
    """Counters of 128 bits are two halves, or text."""
    if isinstance(value, dict):
        high, low = (_number(value.get(name)) for name in ("hi", "lo"))
        return None if high is None or low is None else (high << 64) + low
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if isinstance(value, int) else None


def of_ocp(found: dict) -> dict:
    """Its log by our names; the media's units are bytes."""
    told = {ours: _number(found.get(new, found.get(old)))
            for new, old, ours in OCP_NAMES}
    return {name: value for name, value in told.items() if value is not None}


def of_intel(found: dict) -> dict:
    """The log of Intel, and of Solidigm, by our names; what was written is in
    32 MiB, as in the log of their SATA drives."""
    stats: dict = next(
        (part for part in found.values() if isinstance(part, dict)
         and "nand_bytes_written" in part), {})
    raw = {name: row.get("raw") for name, row in stats.items()
           if isinstance(row, dict)}
    throttle = stats.get("thermal_throttle_status") or {}
    # Solidigm's two are beside the normalized value, and have longer names.
    throttle = throttle.get("raw") or {
        "pct": throttle.get("percentage"), "cnt": throttle.get("count")}
    told = {"NAND_Writes_32MiB": _number(raw.get("nand_bytes_written")),
            "Host_Writes_32MiB": _number(raw.get("host_bytes_written")),
            "throttle_level": _number(throttle.get("pct")),
            "throttle_events": _number(throttle.get("cnt"))}
    return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True)
class Log:
    words: tuple                # of nvme-cli
    parse: Callable             # (its JSON) -> {our name: number}
    vendors: tuple = ()         # PCI vendors; none: any


LOGS = {"ocp": Log(("ocp", "smart-add-log"), of_ocp),
        "intel": Log(("intel", "smart-log-add"), of_intel, (0x8086,)),
        "solidigm": Log(("solidigm", "smart-log-add"), of_intel, (0x025e,))}


def read(name: str, path: str,
         seconds: float = SECONDS) -> tuple[dict | None, str | None]:
    """(the log, None) or (None, a sentence)."""
    words = LOGS[name].words
    answer = tools.run("nvme", *words, path, "-o", "json", seconds=seconds)
    said = f"nvme {' '.join(words)} {path}"
    if answer is None:
        return None, f"{said}: it needs {tools.hint('nvme')}."
    try:
        found = json.loads(answer.text)
    except ValueError:
        found = None
    if answer.status != 0 or not isinstance(found, dict):
        return None, f"{said}: {answer.why()}."
    told, why = tools.understood(LOGS[name].parse, found, said)
    return (told, None) if told else (None, why or f"{said}: it has nothing "
                                      "that is known here.")


def chosen(path: str, vendor: int | None) -> tuple[str | None, str | None]:
    """(the name of the log that a device has, None), or (None, why it has
    none); vendor: its PCI vendor."""
    whys = []
    for name, log in LOGS.items():
        if log.vendors and vendor not in log.vendors:
            continue
        found, why = read(name, path)
        if found:
            return name, None
        whys.append(why or "")
    return None, " ".join(whys)

# SPDX-License-Identifier: GPL-2.0-only
# What a health log means: of the attributes that are known, the title, the
# unit, and whether what it was before and is after the tests is bad, to be
# noted, or good.  One that only tells has no judgement.
# Of a device that is made of others, names are "sda: NAME".
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

GOOD, NOTED, BAD = "good", "noted", "bad"
UNIT_OF_DATA = "512000 B"       # of NVMe's data units: a thousand sectors
# The bits of NVMe's critical warning.
CRITICAL = ("the available spare is below its threshold",
            "a temperature is beyond its threshold",
            "the reliability is degraded", "the medium is read-only",
            "the backup of the volatile memory failed",
            "the persistent memory region is unreliable")


@dataclass(frozen=True)
class Attribute:
    title: str
    unit: str = ""
    # (before, after, all that is after) -> (GOOD, NOTED or BAD, note or None)
    judge: Callable | None = None


def _grew(before, after):
    return before is not None and after > before


def _fault(what):
    """One that must not grow; what it had before is not of these tests."""
    def judge(before, after, _):
        if _grew(before, after):
            return BAD, what
        return (NOTED, "there were some before") if after else (GOOD, None)
    return judge


def _watched(what):
    def judge(before, after, _):
        return (NOTED, what) if _grew(before, after) else (GOOD, None)
    return judge


def _critical(_, after, __):
    said = [text for bit, text in enumerate(CRITICAL) if int(after) >> bit & 1]
    return (BAD, ", ".join(said) or f"bits {int(after):#x}") if after else (
        GOOD, None)


def _spare(_, after, log):
    least = log.get("available_spare_threshold")
    if least is None:
        return None, None
    return (BAD, f"it is below its threshold of {least}%") if (
        after < least) else (GOOD, None)


def _used(_, after, __):
    return (NOTED, "the endurance that its vendor estimates is used up") if (
        after >= 100) else (GOOD, None)


def _passed(_, after, __):
    return (GOOD, None) if after else (BAD, "the device says that it fails")


LOST = _fault("data was lost or had to be put elsewhere")
SLOWED = _watched("it was hot, so that figures may be of a throttled device")
SHUT = _watched("as after a power cut")
LINK = _watched("the link had errors: look at cable and connectors")
ATTRIBUTES = {
    "passed": Attribute("Its own verdict", judge=_passed),
    # NVMe
    "critical_warning": Attribute("Critical warning", judge=_critical),
    "media_errors": Attribute("Media errors", judge=LOST),
    "available_spare": Attribute("Available spare", "%", _spare),
    "available_spare_threshold": Attribute("Threshold of the spare", "%"),
    "percentage_used": Attribute("Endurance used", "%", _used),
    "temperature_c": Attribute("Temperature", "°C"),
    "warning_temp_time": Attribute("Above the warning temperature", "min",
                                   SLOWED),
    "critical_comp_time": Attribute("Above the critical temperature", "min",
                                    SLOWED),
    "thm_temp1_trans_count": Attribute("Light throttling, times", "", SLOWED),
    "thm_temp2_trans_count": Attribute("Heavy throttling, times", "", SLOWED),
    "thm_temp1_total_time": Attribute("Light throttling", "s", SLOWED),
    "thm_temp2_total_time": Attribute("Heavy throttling", "s", SLOWED),
    "num_err_log_entries": Attribute("Entries of the error log", "", _watched(
        "look at them with nvme error-log: refused commands count, too")),
    "unsafe_shutdowns": Attribute("Unsafe shutdowns", "", SHUT),
    "data_units_written": Attribute("Written", UNIT_OF_DATA),
    "data_units_read": Attribute("Read", UNIT_OF_DATA),
    "host_writes": Attribute("Write commands"),
    "host_reads": Attribute("Read commands"),
    "controller_busy_time": Attribute("Busy", "min"),
    "power_on_hours": Attribute("Powered on", "h"),
    "power_cycles": Attribute("Power cycles"),
    # OCP's log and those of vendors, by the names of extendedlog.py
    "throttle_events": Attribute("Throttling by heat, times", "", SLOWED),
    "throttle_level": Attribute("Throttled now, level or percent"),
    "media_written_bytes": Attribute("Written to the medium", "B"),
    "uncorrectable_reads": Attribute("Uncorrectable reads", "", LOST),
    "end_to_end_errors": Attribute("End-to-end errors", "", LOST),
    "bad_user_blocks": Attribute("Bad blocks"),
    "pcie_correctable_errors": Attribute("PCIe errors that were corrected", "",
                                         LINK),
    "incomplete_shutdowns": Attribute("Incomplete shutdowns", "", SHUT),
    "free_blocks_percent": Attribute("Free blocks", "%"),
    "capacitor_health_percent": Attribute("Capacitor health", "%"),
    # The bus, by the names of bus.py
    "link_gt_s": Attribute("PCIe link", "GT/s"),
    "link_lanes": Attribute("PCIe lanes"),
    "sata_gbit_s": Attribute("SATA link", "Gbit/s"),
    **{f"{front}aer_{name}": Attribute(f"PCIe errors, {name}{place}", "", LINK)
       for front, place in (("", ""), ("port_", ", at the port above"))
       for name in ("correctable", "nonfatal", "fatal")},
    # ATA, by the names of smartctl's database, which has one for each vendor
    **{name: Attribute("Reallocated sectors", "", LOST) for name in (
        "Reallocated_Sector_Ct", "Reallocated_Block_Count",
        "Reallocate_NAND_Blk_Cnt", "Realloc_Flash_Blocks_Ct",
        "Retired_Block_Count", "New_Bad_Blk_Count", "New_Bad_Block_Count",
        "Later_Bad_Block")},
    "Reallocated_Event_Count": Attribute("Reallocations", "", _watched(
        "sectors were put elsewhere")),
    **{name: Attribute("Uncorrectable errors", "", LOST) for name in (
        "Reported_Uncorrect", "Uncorrectable_Error_Cnt", "Reported_UE_Counts",
        "Reported_Uncorr_Errors", "Uncorrectable_ECC_Ct",
        "Uncor_Read_Error_Ct")},
    **{name: Attribute("Pending sectors", "", LOST) for name in (
        "Current_Pending_Sector", "Current_Pending_ECC_Cnt",
        "Pending_Sector_Count")},
    **{name: Attribute("Uncorrectable sectors", "", LOST) for name in (
        "Offline_Uncorrectable", "Offline_UErr_Media_Scan")},
    **{name: Attribute("End-to-end errors", "", LOST) for name in (
        "End-to-End_Error", "End-to-End_Error_Count",
        "End_to_End_Err_Detect")},
    **{name: Attribute("CRC errors of the link", "", LINK) for name in (
        "UDMA_CRC_Error_Count", "CRC_Error_Count", "SATA_CRC_Error_Count",
        "SATA_CRC_Error", "SATA_FIS_CRC_Errors")},
    "over_temperature_time": Attribute("Above its highest temperature", "min",
                                       SLOWED),
    **{name: Attribute("Written to the medium", unit) for name, unit in (
        ("NAND_Writes_1GiB", "GiB"), ("NAND_Writes_GiB", "GiB"),
        ("NAND_Writes_32MiB", "32 MiB"))},
    **{name: Attribute("Written by the host", unit) for name, unit in (
        ("Total_LBAs_Written", "512 B"), ("Host_Writes_32MiB", "32 MiB"),
        ("Host_Writes_GiB", "GiB"))},
    "Host_Program_Page_Count": Attribute("Pages written for the host"),
    **{name: Attribute("Pages written for itself") for name in (
        "FTL_Program_Page_Count", "Bckgnd_Program_Page_Cnt")},
    # SCSI
    "grown_defects": Attribute("Grown defects", "", LOST),
    "read_errors_uncorrected": Attribute("Uncorrected reads", "", LOST),
    "write_errors_uncorrected": Attribute("Uncorrected writes", "", LOST),
    "verify_errors_uncorrected": Attribute("Uncorrected verifies", "", LOST),
}
# The counters by which it tells that it throttled, that it lost data, and that
# its link had errors.
SLOWING, LOSING, LINKING = (
    tuple(name for name, one in ATTRIBUTES.items() if one.judge is judge)
    for judge in (SLOWED, LOST, LINK))


def is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def growth(values: Sequence[float]) -> float:
    """By how much a counter grew, of its values in order.  One that goes back
    began anew meanwhile, as the bus's do when a device is found again, or tells
    of what is mended: what it had gained before is not lost."""
    return sum(max(0, after - before) for before, after in pairwise(values))


def parts(name: str) -> tuple[str, str]:
    """("sda: " or nothing, the attribute's own name)"""
    front, mark, own = name.rpartition(": ")
    return front + mark, own


def _of(log, front):
    """The attributes of one member."""
    return {parts(name)[1]: value for name, value in log.items()
            if parts(name)[0] == front}


def _row(name, before, after):
    front, own = parts(name)
    known = ATTRIBUTES.get(own, Attribute(own))
    one, two = before.get(name), after.get(name)
    both = is_number(one) and is_number(two)
    judgement = note = None
    if known.judge and isinstance(two, (int, float)):
        judgement, note = known.judge(one if is_number(one) else None, two,
                                      _of(after, front))
    return {"name": name, "title": front + known.title, "unit": known.unit,
            "before": one, "after": two,
            "difference": two - one if both else None,
            "judgement": judgement, "note": note}


def rows(before: dict | None, after: dict | None) -> list[dict]:
    """Of each attribute of two logs: name, title, unit, before, after, their
    difference, judgement (None: it only tells) and note; those that are known
    first."""
    before, after = before or {}, after or {}
    order = {name: number for number, name in enumerate(ATTRIBUTES)}
    return [_row(name, before, after) for name in sorted(
        dict.fromkeys((*before, *after)),
        key=lambda name: order.get(parts(name)[1], len(order)))]

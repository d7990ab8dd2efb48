# SPDX-License-Identifier: GPL-2.0-only
# A device's own health log, by smartctl or else nvme: {name: number or text},
# with smartctl's names and temperatures in degrees Celsius: all of it, or in
# brief, with as few commands to the device as can be.  Only tells (what it
# means is for drive/smartlog.py); a log that cannot be read is a sentence and
# no fault.
import json
import re

from . import tools

SECONDS = 20
KELVIN = 273
FAILED = 3          # smartctl's status: a bad command line, or no such device
# nvme-cli's names: smartctl's.
NAMES = {"avail_spare": "available_spare", "percent_used": "percentage_used",
         "spare_thresh": "available_spare_threshold",
         "host_read_commands": "host_reads",
         "host_write_commands": "host_writes"}
# smartctl's names after 7.5: ours, which are nvme-cli's.
NEWER = {f"thermal_mgmt_temperature_{i}_{long}": f"thm_temp{i}_{short}"
         for i in (1, 2) for long, short in (
             ("transition_count", "trans_count"),
             ("total_time", "total_time"))}
# Of ATA's device statistics, by smartctl's names: ours.
STATISTICS = {"Time in Over-Temperature": "over_temperature_time",
              "Percentage Used Endurance Indicator": "percentage_used"}
# What smartctl takes for the value of a raw field that holds more: "1 (1999 0)"
# of reallocated sectors with the spares beside them, "33 (Min/Max 20/45)".
LEADING = re.compile(r"(\d+)(?: \(|h\+)")
WHOLE = re.compile(r"(\d+)(?:\.0+)?")
SMART_KINDS = ("nvme", "sata", "scsi")
ALL = ("-a",)
# What is asked of smartctl in brief.
BRIEF = {"nvme": ("-H", "-A"), "sata": ("-H", "-A"),
         "scsi": ("-H", "-A", "-l", "error")}
DEVSTAT = ("-l", "devstat")         # of SATA, too
NEEDS = ("SMART data need smartctl ("
         f"{tools.hint('smartctl')}){{}}.")


def _parsed(answer):
    try:
        found = json.loads(answer.text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _scalars(table):
    return {name: value for name, value in table.items()
            if isinstance(value, (int, float, str))}


def _ata(found):
    """Raw values of the attributes, each by its name."""
    rows = found.get("ata_smart_attributes", {}).get("table", [])
    return {row["name"]: int(part[1]) if (part := LEADING.match(
        row["raw"].get("string", ""))) else row["raw"]["value"]
            for row in rows if "value" in row.get("raw", {})}


def _scsi(found):
    """How often a SAS drive corrected what it read or wrote, and not."""
    log = found.get("scsi_error_counter_log", {})
    return {f"{kind}_errors_uncorrected": row["total_uncorrected_errors"]
            for kind, row in log.items() if "total_uncorrected_errors" in row}


def _statistics(found):
    """Of ATA's device statistics those that the attributes lack."""
    rows = [row for page in found.get("ata_device_statistics", {}).get(
        "pages", []) for row in page.get("table", [])]
    return {STATISTICS[row["name"]]: row["value"] for row in rows
            if row.get("name") in STATISTICS and "value" in row}


def _celsius(found):
    """0 of a SCSI disk is what smartctl tells of one without a sensor."""
    heat = found.get("temperature", {}).get("current")
    scsi = found.get("device", {}).get("protocol") == "SCSI"
    return heat or (None if scsi else heat)


def flat(found):
    """What smartctl -j told, as one table of scalars."""
    table = {"tool": "smartctl " + ".".join(
        map(str, found.get("smartctl", {}).get("version", []))),
        "passed": found.get("smart_status", {}).get("passed"),
        "temperature_c": _celsius(found),
        "power_on_hours": found.get("power_on_time", {}).get("hours"),
        "power_cycles": found.get("power_cycle_count"),
        # Before 7.5 smartctl has a name of its own for that of SAS.
        "percentage_used": found.get("endurance_used", {}).get(
            "current_percent", found.get(
                "scsi_percentage_used_endurance_indicator")),
        "available_spare": found.get("spare_available", {}).get(
            "current_percent"),
        "available_spare_threshold": found.get("spare_available", {}).get(
            "threshold_percent"),
        "grown_defects": found.get("scsi_grown_defect_list")}
    health = _scalars(found.get("nvme_smart_health_information_log", {}))
    health.pop("temperature", None)     # told above
    health = {NEWER.get(name, name): value for name, value in health.items()}
    table = {name: value for name, value in table.items() if value is not None}
    return {**health, **_ata(found), **_statistics(found), **_scsi(found),
            **table}


def _said(found, answer):
    texts = [message.get("string") for message in
             found.get("smartctl", {}).get("messages", [])]
    return next(filter(None, texts), None) or answer.why()


def _by_smartctl(path, words, seconds):
    answer = tools.run("smartctl", "-j", *words, path, seconds=seconds)
    if answer is None:
        return None, NEEDS.format("")
    found = _parsed(answer)
    said = f"smartctl {words[0]} {path}"
    if answer.status is None or answer.status & FAILED or not found:
        return None, f"{said}: {_said(found, answer)}."
    table, odd = tools.understood(flat, found, said)
    if table and set(table) == {"tool"}:
        return None, f"{said}: the device tells nothing of its health."
    return table, odd


def _number(value):
    """Of nvme-cli 2 counters of 128 bits are text, in 2.1 with a fraction; some
    tell the bits of critical_warning beside its value."""
    if isinstance(value, dict):
        value = value.get("value")
    whole = isinstance(value, str) and WHOLE.fullmatch(value)
    return int(whole[1]) if whole else value


def by_smartctl_names(log):
    """nvme-cli's log with smartctl's names and degrees Celsius."""
    found = _scalars({name: _number(value) for name, value in log.items()})
    heat = {name: found.pop(name) for name in tuple(found)
            if name.startswith("temperature")}
    return {**{NAMES.get(name, name): value for name, value in found.items()},
            # 0: the device has none.
            **{f"{name}_c": value - KELVIN for name, value in heat.items()
               if value}}


def _by_nvme(path, seconds):
    answer = tools.run("nvme", "smart-log", path, "-o", "json",
                       seconds=seconds)
    if answer is None:
        return None, NEEDS.format(f" or nvme ({tools.hint('nvme')})")
    found = _parsed(answer)
    said = f"nvme smart-log {path}"
    if answer.status != 0 or not found:
        return None, f"{said}: {answer.why()}."
    return tools.understood(lambda found: {
        **by_smartctl_names(found), "tool": "nvme smart-log"}, found, said)


def of(path, kind):
    """(table, None) or (None, a sentence) of a whole device."""
    if kind not in SMART_KINDS:
        return None, f"{path} is of a kind without SMART data (" + (
            f"{kind})." if kind else "not known).")
    found, why = _by_smartctl(path, ALL, SECONDS)
    if found is None and kind == "nvme":
        other, other_why = _by_nvme(path, SECONDS)
        if other or not tools.find("smartctl"):
            return other, other_why
    return found, why


def lacks(path, kind):
    """What brief() is not to ask for: a set.  A SATA drive that says that it
    has no such logs would refuse its statistics, and count that as an error.
    """
    answer = kind == "sata" and tools.run("smartctl", "-j", "-c", path,
                                          seconds=SECONDS)
    has, _ = tools.understood(
        lambda found: found["ata_smart_data"]["capabilities"]
        ["gp_logging_supported"], _parsed(answer) if answer else {}, "")
    return {DEVSTAT} if has is False else set()


def brief(path, kind, seconds, lacking=None):
    """The same with as little as can be asked of a device at work: of NVMe
    one log page, by nvme where it is there, as smartctl leaves its thermal
    management out up to 7.5.

    lacking: a set that the caller keeps, at first what it lacks(), and from the
    first time on, before the device is at work, what it refuses to tell: each
    refusal has the kernel recover the link, and the I/O wait for that.
    """
    if kind == "nvme" and tools.find("nvme"):
        return _by_nvme(path, seconds)
    more = kind == "sata" and DEVSTAT not in (lacking or ())
    found, why = _by_smartctl(path, BRIEF[kind] + DEVSTAT * more, seconds)
    if more and found and lacking is not None and not (
            found.keys() & STATISTICS.values()):
        lacking.add(DEVSTAT)
    return found, why

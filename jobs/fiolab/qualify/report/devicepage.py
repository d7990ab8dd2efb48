# SPDX-License-Identifier: GPL-2.0-only
# A target as the page shows it: what it is and how it is connected and set,
# the devices that it is made of, and its health log.
from ...report import wording
from ...target.drive import smartlog
from . import cachewords, phrases

SMART_ROWS = 60
FIRST = ("vendor", "model", "serial", "firmware", "kind", "transport")
THEN = ("scheduler", "rotational")
ELSEWHERE = ("name", "size_bytes", "logical_block", "physical_block",
             "write_cache", "read_only", "queues")
BELOW = ("kind", "model", "serial", "size_bytes", "scheduler", "rotational",
         "transport")       # of the device below a file
# Shown with the marks of a result.
RESULTS = {smartlog.BAD: "fail", smartlog.NOTED: "not measured",
           smartlog.GOOD: "pass"}


def _link(bus, front):
    speed, width = bus[f"{front}link_speed"], bus[f"{front}link_width"]
    return f"{speed or '?'}, x{width or '?'}" if speed or width else None


def _bus(known):
    bus = known.get("bus")
    if not bus:
        return None
    now, most = _link(bus, ""), _link(bus, "max_")
    parts = (f"PCI {bus['address']}", now, most and f"could have {most}",
             bus["sata_speed"] and f"SATA {bus['sata_speed']}",
             bus["power_state"] and f"power state {bus['power_state']}")
    return ", ".join(part for part in parts if part)


def _lba(nvme):
    if nvme["lba_format"] is None:
        return None
    size, where = nvme["metadata_bytes"], nvme["metadata"]
    return (f"number {nvme['lba_format']} of {nvme['lba_formats']}: "
            f"{nvme['data_bytes']} B of data and " + (
                f"{size} B of metadata {where}" if size else "no metadata"))


def _protection(known, nvme):
    """Protection information: of NVMe, else of the kernel's profile."""
    if nvme and nvme["protection"] is not None:
        return (f"type {nvme['protection']}, in the "
                f"{nvme['protection_place']}" if nvme["protection"]
                else "none")
    profile = known.get("integrity")
    if not profile:
        return None
    return (f"{profile['format']}, {profile['tag_bytes'] or 0} B of tags, "
            f"{'of the device' if profile['of_device'] else 'of the kernel'}")


def _state(nvme):
    if nvme["power_state"] is None:
        return None
    most = nvme["power_states"]
    return f"{nvme['power_state']}" + (f" of 0 to {most - 1}" if most else "")


def _heat(nvme):
    """At which temperatures it slows down, and whether it counts that."""
    limits = [f"{word} at {nvme[name]} °C" for name, word in (
        ("warning_temperature_c", "warning"),
        ("critical_temperature_c", "critical"))
              if nvme.get(name) is not None]
    counts = nvme.get("thermal_management")
    return ", ".join(limits + ([] if counts is None else [
        "counts its throttling" if counts else
        "does not count its throttling"])) or None


def _nvme(known):
    nvme = known.get("nvme")
    if not nvme:
        return [("Protection information", _protection(known, None))]
    return [("NVMe version", nvme["version"]), ("LBA format", _lba(nvme)),
            ("Protection information", _protection(known, nvme)),
            ("NVMe power state", _state(nvme)),
            ("Heat", _heat(nvme)),
            ("Extended health log", nvme.get("extended_log") or
             nvme.get("extended_log_why")),
            ("NVMe beyond sysfs", nvme["why"])]


def _namespaces(known):
    found = known.get("namespaces")
    return found and ", ".join(
        f"{one['name']} ({wording.decimal_size(one['size_bytes'])})"
        for one in found)


def _array(known):
    md = known.get("array")
    return md and ", ".join(
        f"{name.replace('_', ' ')} {text}" for name, text in md.items()
        if text is not None)


def _connected(known):
    """What it has of this: nothing is said of what a kind of device lacks."""
    rows = [("Connected by", _bus(known)),
            ("Hardware queues", known.get("queues")), *_nvme(known),
            ("Namespaces", _namespaces(known)), ("Array", _array(known))]
    return [(name, phrases.plain(text)) for name, text in rows
            if text is not None]


def _is_scalar(value):
    return value is not None and not isinstance(value, (dict, list))


def _named(name):
    return wording.label(name.replace("_", " "))


def _member(known):
    """One line on it."""
    parts = [phrases.device({"identity": known, "path": known["name"]}), *(
        f"{words} {known[name]}" for words, name in (
            ("serial", "serial"), ("firmware", "firmware"),
            ("starts at byte", "partition_start_bytes"))
        if known.get(name))]
    size = known.get("size_bytes")
    return ", ".join([*parts, *(
        [wording.decimal_size(size)] if size else []), *(
            f"{name.lower()} {text}" for name, text in _connected(known))])


def _members(known, level=""):
    """[(its name and those above it, what it is)], to the last."""
    return [row for one in known.get("members") or () for row in (
        (f"Member {level}{one['name']}", _member(one)),
        *_members(one, f"{level}{one['name']} / "))]


def _below(known):
    return [(f"Below: {name.replace('_', ' ')}", phrases.plain(
        known.get(name))) for name in ("name", *BELOW)] + [
            (f"Below: {name[:1].lower()}{name[1:]}", text)
            for name, text in (*_connected(known), *_members(known))]


def fields(target):
    """[(name, text)]: the known fields first, in order, then what is set."""
    known = target["identity"]
    rest = [name for name, value in known.items() if _is_scalar(value) and
            name not in (*FIRST, *THEN, *ELSEWHERE)]
    return [*((_named(name), phrases.plain(known.get(name)))
              for name in FIRST), *cachewords.rows(target),
            *((_named(name), phrases.plain(known.get(name)))
              for name in (*THEN, *rest)),
            *_connected(known), *_members(known),
            *(_below(known["below"]) if known.get("below") else ())]


# The health log

def _amount(value, unit):
    if value is None:
        return "n/a"
    if unit == smartlog.UNIT_OF_DATA:
        return wording.decimal_size(int(value * 512000))
    return f"{phrases.plain(value)} {unit}".rstrip()


def _difference(row):
    value = row["difference"]
    if value is None:
        return "n/a"
    sign = "+" if value > 0 else "−" if value < 0 else ""
    return sign + _amount(abs(value), row["unit"])


def smart(target):
    """(rows as the page has them, how many are left out): what is judged
    badly first, then what changed."""
    found = sorted(target["smart"].get("rows", ()), key=lambda row: (
        row["judgement"] != smartlog.BAD, row["judgement"] != smartlog.NOTED,
        row["judgement"] is None, not row["difference"]))
    rows = [{**row, "before": _amount(row["before"], row["unit"]),
             "after": _amount(row["after"], row["unit"]),
             "difference": _difference(row), "changed": bool(
                 row["difference"]), "result": RESULTS.get(row["judgement"])}
            for row in found]
    return rows[:SMART_ROWS], max(0, len(rows) - SMART_ROWS)

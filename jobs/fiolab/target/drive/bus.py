# SPDX-License-Identifier: GPL-2.0-only
# How a device is connected and set up, from sysfs alone: its place on the PCI
# bus with the link that it has and could have, the errors that were counted
# there, its hardware queues, protection information, NVMe's namespaces, and the
# state of an md array.
import glob
import os
import re

from .. import sysfs

LINK = {"link_speed": "current_link_speed", "link_width": "current_link_width",
        "max_link_speed": "max_link_speed", "max_link_width": "max_link_width"}
ARRAY = ("level", "raid_disks", "chunk_size", "metadata_version",
         "array_state", "sync_action", "degraded")
# The file of PCIe's advanced error reporting, and its line that has the sum.
ERRORS = {"correctable": ("aer_dev_correctable", "TOTAL_ERR_COR"),
          "nonfatal": ("aer_dev_nonfatal", "TOTAL_ERR_NONFATAL"),
          "fatal": ("aer_dev_fatal", "TOTAL_ERR_FATAL")}
UNKNOWN = (None, "Unknown", "0", "255")     # a link that is none
GIGA = re.compile(r"[\d.]+")


def _pci(folder):
    """The folder of the PCI device that it hangs on; None without one."""
    while folder not in ("", "/"):
        if os.path.basename(os.path.realpath(folder + "/subsystem")) == "pci":
            return folder
        folder = os.path.dirname(folder)
    return None


def hangs_on(folder: str) -> str:
    """The folder below which a whole device's place on the bus is: with native
    multipath that of its first controller, else its own."""
    return (sysfs.controllers(folder) or [folder])[0]


def place(folder: str) -> str | None:
    """The folder of the PCI device that a whole device hangs on, or None."""
    return _pci(hangs_on(folder))


def _known(text):
    return None if text in UNKNOWN else text


def _sata(folder):
    """The speed of a SATA link, as "6.0 Gbps"."""
    port = re.match(r".*/ata\d+(?=/)", folder + "/")
    return port and sysfs.first(port[0], "link*/ata_link/link*/sata_spd")


def of(folder: str) -> dict | None:
    """Its place on the bus, of a whole device's folder; None where it has
    none.  Widths are in lanes."""
    pci = place(folder)
    if pci is None:
        return None
    found = {name: _known(sysfs.read(pci, file))
             for name, file in LINK.items()}
    return {"address": os.path.basename(pci), **found,
            "power_state": sysfs.read(pci, "power_state"),
            "sata_speed": _sata(folder)}


def _number(text):
    found = GIGA.match(text or "")
    return float(found[0]) if found else None


def _errors(places, front):
    found = {}
    for name, (file, total) in ERRORS.items():
        sums = [re.search(rf"^{total} (\d+)$", sysfs.read(place, file) or "",
                          re.M) for place in places]
        if any(sums):
            found[f"{front}aer_{name}"] = sum(int(one[1]) for one in sums
                                              if one)
    return found


def _slowest(places, file):
    told = [_number(_known(sysfs.read(place, file))) for place in places]
    return min((one for one in told if one is not None), default=None)


def counters(folder: str) -> dict:
    """What may change of its link while it works, as numbers: GT/s, lanes,
    Gbit/s of SATA, and the errors that the device and the port above it have
    reported (an end that sees none may yet cause those of the other).  Of
    native multipath, with I/O by each controller, the slowest and the sum."""
    places: list[str] = list(dict.fromkeys(filter(None, map(
        _pci, sysfs.controllers(folder) or [folder]))))
    if not places:
        return {}
    told = {"link_gt_s": _slowest(places, "current_link_speed"),
            "link_lanes": _slowest(places, "current_link_width"),
            "sata_gbit_s": _number(_sata(folder))}
    return {**{name: value for name, value in told.items()
               if value is not None}, **_errors(places, ""),
            **_errors(dict.fromkeys(os.path.dirname(place)
                                    for place in places), "port_")}


def narrow(name: str, bus: dict | None) -> str | None:
    """A sentence where the PCI link is below what the device could have."""
    if bus is None:
        return None
    pairs = [tuple(_number(bus[front + what]) for front in ("", "max_"))
             for what in ("link_speed", "link_width")]
    if not any(now and most and now < most for now, most in pairs):
        return None
    return (f"the PCIe link of {name} is {bus['link_speed']}, "
            f"x{bus['link_width']}, and the device could have "
            f"{bus['max_link_speed']}, x{bus['max_link_width']}.")


def queues(folder: str) -> int | None:
    """The hardware queues that the kernel has for it."""
    found = [name for name in glob.glob(glob.escape(folder) + "/mq/*")
             if os.path.basename(name).isdigit()]
    return len(found) or None


def protection(folder: str) -> dict | None:
    """The integrity profile, as "T10-DIF-TYPE1-CRC"; None: it has none, or
    metadata that protect nothing ("nop")."""
    name = sysfs.read(folder, "integrity/format")
    if name in (None, "none", "nop"):
        return None
    return {"format": name,
            "tag_bytes": sysfs.number(folder, "integrity/tag_size"),
            "of_device": sysfs.read(
                folder, "integrity/device_is_integrity_capable") == "1"}


def namespaces(folder: str) -> list[dict] | None:
    """Those of the same NVMe controllers; None of another device."""
    if sysfs.kind(folder) != "nvme":
        return None
    sizes = {name: sysfs.number(path, "size") for name, path in
             sorted(sysfs.namespaces(folder).items())}
    return [{"name": name, "size_bytes": sectors * 512}
            for name, sectors in sizes.items() if sectors is not None] or None


def array(folder: str) -> dict | None:
    """An md array; None: it is none."""
    found = {name: sysfs.read(folder, "md", name) for name in ARRAY}
    return found if any(found.values()) else None


def busy(name: str, md: dict | None) -> str | None:
    """A sentence where an array has more to do than our I/O."""
    state = (md or {}).get("sync_action")
    if state in (None, "idle", "frozen"):
        return None
    return (f"the array {name} was in its {state} when the run began, which "
            "takes of its speed: let it end, and begin anew.")

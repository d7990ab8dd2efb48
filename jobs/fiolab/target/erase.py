# SPDX-License-Identifier: GPL-2.0-only
# Purges that are a device's own: NVMe's format and ATA's secure erase.  Each
# is offered only where its tool is there, the device is of that kind and used
# as a whole, and nothing else is erased with it; else a reason is given.
import json
import os
import re

from ..base.problem import Problem
from . import claim, identity, sysfs, tools
from .drive import nvme

ASK, FORMAT_SECONDS = 20, 3600
PASSWORD = "kaio"           # set for the erase, which removes it
FORMATS, ALL_FORMAT, ALL_ERASE = 2, 1, 2    # bits of OACS and of FNA
UNKNOWN_MINUTES, LONGEST = 480, 12 * 3600


def json_of(*words: str) -> dict:
    """The JSON object that a tool prints; {} without one."""
    answer = tools.run(*words, seconds=ASK)
    try:
        found = (json.loads(answer.text)
                 if answer and answer.status == 0 else None)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


# --- NVMe

def _shared(control):
    """Does a format here end other namespaces, too?  nvme-cli then formats
    all of them without a question."""
    bits = control.get("fna", ALL_FORMAT)
    return bool(bits & (ALL_FORMAT | ALL_ERASE)) and control.get("nn", 2) != 1


def _nvme_blocked(target):
    """Why this namespace cannot be formatted, or None."""
    if identity.block(sysfs.place(target.path))["partition_of"]:
        return "nvme format takes a whole namespace, and this is a partition"
    if not tools.find("nvme"):
        return f"nvme format needs {tools.hint('nvme')}"
    control = json_of("nvme", "id-ctrl", target.path, "-o", "json")
    if "oacs" not in control:
        return "nvme id-ctrl did not say whether the device can be formatted"
    if not control["oacs"] & FORMATS:
        return "the controller has no nvme format"
    if _shared(control):
        return "nvme format would erase all namespaces of the controller"
    if not {"flbas", "dps"} <= json_of("nvme", "id-ns", target.path, "-o",
                                       "json").keys():
        return "nvme id-ns did not say which LBA format is in use"
    return None


def format_options(namespace):
    """The format that a namespace has: nvme-cli would take other values for
    none of these, so that protection information would be gone."""
    flbas, dps = namespace["flbas"], namespace["dps"]
    return [f"--lbaf={nvme.lba_format(flbas)}", f"--ms={flbas >> 4 & 1}",
            f"--pi={dps & 7}", f"--pil={dps >> 3 & 1}"]


def _format(target):
    """User data erase, with the LBA format that it has."""
    namespace = json_of("nvme", "id-ns", target.path, "-o", "json")
    # Of itself nvme-cli has the kernel abort a format after 10 minutes.
    answer = tools.run("nvme", "format", target.path, "--ses=1", "--force",
                       f"--timeout={1000 * FORMAT_SECONDS}",
                       *format_options(namespace),
                       seconds=FORMAT_SECONDS + ASK)
    if answer.status != 0:
        raise Problem(f"nvme format {target.path} failed ({answer.why()}): "
                      "look at dmesg.")


# --- ATA

def security(text):
    """What `hdparm -I` says of the security features; {} without them."""
    begin = re.search(r"^Security:", text, re.M)
    if not begin:
        return {}
    lines = [line.split() for line in text[begin.end():].splitlines()]
    found = {word: ["not", word] not in lines
             for word in ("supported", "enabled", "locked", "frozen")
             if [word] in lines or ["not", word] in lines}
    minutes = re.search(r"(\d+)\s*min for SECURITY ERASE", text)
    return {**found, "minutes": (int(minutes[1]) if minutes
                                 else UNKNOWN_MINUTES)}


def _ask_ata(target):
    answer = tools.run("hdparm", "-I", target.path, seconds=ASK)
    return security(answer.text) if answer.status == 0 else {}


def _ata_blocked(target):
    known = identity.block(sysfs.place(target.path))
    if known["partition_of"]:
        return "ata secure erase takes a whole drive, and this is a partition"
    if known["transport"] == "usb":
        return "ata secure erase is not safe through USB"
    if not tools.find("hdparm"):
        return f"ata secure erase needs {tools.hint('hdparm')}"
    told = _ask_ata(target)
    if not told.get("supported"):
        return "the drive has no ata secure erase"
    if told.get("locked", True) or told.get("enabled", True):
        return ("ata secure erase needs a drive that has no password set "
                "(where it was broken off: hdparm --user-master u "
                f"--security-disable {PASSWORD} {target.path})")
    if told.get("frozen", True):
        return ("ata secure erase needs a drive that is not frozen (suspend "
                "and resume the machine, or plug the drive in again)")
    return None


def _hdparm(target, seconds, *words):
    return tools.run("hdparm", "--user-master", "u", *words, PASSWORD,
                     target.path, seconds=seconds)


def _secure_erase(target):
    """The drive has a password only while it is erased."""
    minutes = _ask_ata(target).get("minutes", UNKNOWN_MINUTES)
    answer = _hdparm(target, ASK, "--security-set-pass")
    erased = False
    try:
        if answer.status == 0:
            answer = _hdparm(target, min(600 + 180 * minutes, LONGEST),
                             "--security-erase")
            erased = answer.status == 0
    finally:
        if not erased:
            _hdparm(target, ASK, "--security-disable")
    if not erased:
        raise Problem(f"ata secure erase of {target.path} failed "
                      f"({answer.why()}): look at hdparm -I, and if it says "
                      "'enabled', give hdparm --user-master u "
                      f"--security-disable {PASSWORD} {target.path}.")


WAYS = {"nvme": ("nvme-format", _nvme_blocked,
                 "nvme format: user data erase of the namespace"),
        "sata": ("ata-secure-erase", _ata_blocked, "ata secure erase")}
ERASES = {"nvme-format": _format, "ata-secure-erase": _secure_erase}


def _end(target):
    return os.lseek(target.descriptor, 0, os.SEEK_END)


def offer(target):
    """(method, why), (None, why not), or (None, None) for other kinds."""
    method, blocked, words = WAYS.get(target.kind, (None, None, None))
    if method is None:
        return None, None
    if target.given < _end(target):
        return None, (f"{words.partition(':')[0]} erases all of a device, and "
                      f"only {target.given:,} bytes are to be used")
    reason = blocked(target)
    return (None, reason) if reason else (method, words)


def erase(target, method):
    """By a tool, after all that was checked for the plan is checked again."""
    chosen, reason = offer(target)
    if chosen != method:
        raise Problem(f"cannot purge {target.path} by {method}: "
                      f"{reason or 'it is of another kind'}.")
    claim.check_same(target)    # a tool opens the path
    ERASES[method](target)
    if _end(target) < target.given:
        raise Problem(f"{target.path} is smaller after {method}: look at "
                      "dmesg.")

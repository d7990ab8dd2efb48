# SPDX-License-Identifier: GPL-2.0-only
# What a device promises of its trimmed blocks.  It is the device that is
# asked: queue/discard_zeroes_data is 0 on each kernel since 4.12.
#   NVMe   DLFEAT of the namespace: zeroes, 0xff, or either; the same each time
#   SCSI   LBPRZ (page B2), where LBPME says that blocks are provisioned at all
#   ATA    word 69 of IDENTIFY DEVICE: DRAT, the same each time; with RZAT, too,
#          zeroes
#   loop   a hole is punched into its file, and fallocate(2) promises zeroes
# Of all others the kernel knows no promise.
from dataclasses import dataclass
import re

from . import erase, sysfs, tools

ZEROES, ONES = "zeroes", "0xff"
LBPRZ, DRAT, RZAT = 1 << 2, 1 << 14, 1 << 5
WORD = 2 * 69               # of IDENTIFY DEVICE
READS = {1: ZEROES, 2: ONES}    # DLFEAT, bits 2:0
AFTER = re.compile(r"^\s*\*\s+Deterministic read (\w+) after TRIM", re.M)
PROVISIONED = "device/scsi_disk/*/thin_provisioning"


@dataclass(frozen=True)
class Promise:
    text: str               # who says so, or why nobody does
    holds: str | None = None    # ZEROES or ONES
    same: bool = True       # each time that it is read
    asked: bool = True      # False: the device could not be asked


def _of_nvme(_folder, path):
    if not tools.find("nvme"):
        return Promise("what the device promises was not asked: that needs "
                       f"{tools.hint('nvme')}", asked=False)
    told = erase.json_of("nvme", "id-ns", path, "-o", "json")
    bits = told.get("dlfeat")
    if not isinstance(bits, int):
        return Promise("nvme id-ns did not say what the device promises",
                       asked=False)
    holds = READS.get(bits & 7)
    return Promise(f"the device promises {holds or 'nothing'} (DLFEAT "
                   f"{bits})", holds)


def _of_words(same, zeroes):
    """Of ATA's two bits; the second means nothing without the first."""
    if same and zeroes:
        return Promise("the device promises zeroes (DRAT and RZAT)", ZEROES)
    return Promise("the device promises the same data each time, but not "
                   "which (DRAT without RZAT)" if same else
                   "the device promises nothing (no DRAT)", same=same)


def _of_ata(folder, path):
    page = sysfs.page(folder, "vpd_pg89")[60:]
    if len(page) >= 512:
        word = int.from_bytes(page[WORD:WORD + 2], "little")
        return _of_words(bool(word & DRAT), bool(word & RZAT))
    answer = tools.run("hdparm", "-I", path, seconds=erase.ASK)
    if answer is None or answer.status != 0:
        return Promise("what the device promises was not asked: " + (
            f"that needs {tools.hint('hdparm')}" if answer is None else
            f"hdparm -I says {answer.why()}"), asked=False, same=False)
    said = AFTER.search(answer.text)
    return _of_words(bool(said), bool(said) and said[1] == "ZEROs")


def _lbprz(folder, path):
    """The flag; None where the device does not tell."""
    page = sysfs.page(folder, "vpd_pgb2")
    if len(page) > 5:
        return bool(page[5] & LBPRZ)
    answer = tools.run("sg_vpd", "-p", "lbpv", path, seconds=erase.ASK)
    said = answer and re.search(r"\(LBPRZ\)\s*[:=]\s*(\d)", answer.text)
    return bool(int(said[1]) & 1) if said else None


def _of_scsi(folder, path):
    if sysfs.first(folder, PROVISIONED) == "0":
        return Promise("the device promises nothing (LBPME 0)", same=False)
    flag = _lbprz(folder, path)
    if flag is None:
        return Promise("what the device promises was not asked: this kernel "
                       "shows no page B2, and sg_vpd "
                       f"({tools.hint('sg_vpd')}) tells none", asked=False,
                       same=False)
    return (Promise("the device promises zeroes (LBPRZ 1)", ZEROES) if flag
            else Promise("the device promises nothing (LBPRZ 0)", same=False))


def _of_loop(_folder, _path):
    return Promise("a loop device's file system promises zeroes, as it "
                   "punches a hole into the file", ZEROES)


ASK = {"nvme": _of_nvme, "sata": _of_ata, "scsi": _of_scsi, "loop": _of_loop}


def of(path: str) -> Promise:
    """The Promise of a block device, or of the disk that it is a part of."""
    folder = sysfs.place(path)
    disk = sysfs.whole(folder)
    if sysfs.number(folder, "discard_alignment"):
        return Promise("the partition does not begin with a whole block of "
                       "what the device trims, which is then no promise",
                       same=False)
    kind = sysfs.kind(disk)
    ask = ASK.get(kind or "")
    if ask is None:
        return Promise("the kernel knows of no promise of a device of its "
                       f"kind ({kind or 'unknown'})")
    return ask(disk, sysfs.node(disk))

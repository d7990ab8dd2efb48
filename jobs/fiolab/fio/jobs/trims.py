# SPDX-License-Identifier: GPL-2.0-only
# Jobs that trim, of which some are refused before anything is written.
#
# fio trims by BLKDISCARD, so block devices alone.  Of a device that another
# descriptor holds exclusively, as a claimed one, Linux first invalidates the
# pages of the range (block/bdev.c, truncate_bdev_range), and gives EBUSY where
# one of them is dirty.  So what is trimmed must not be written through the page
# cache meanwhile, which fio before 3.34 does whatever direct= says: it opens a
# file without O_DIRECT as soon as the section trims.
from ...base.problem import Problem
from .. import fiorun, jobfile
from ..jobfile import Job
from . import amounts

DIRECT_TRIMS = (3, 34)
ALONE = {"trim", "randtrim"}
HELD = ("Linux refuses a trim of pages that are not written out yet (EBUSY) "
        "on a device that is held, as {} is")


def on_devices(job: Job, path: str) -> None:
    """Refuse a job that fio cannot run on a file."""
    for section in jobfile.in_force(job.text, "rw"):
        rw = section.get("rw", "")
        if "trim" in rw:
            raise Problem(
                f"job {job.name} trims (rw={ascii(rw)[1:-1]}), which fio does "
                f"on block devices alone, and {path} is none: give one as "
                "--target, with --destroy-data; a loop device (losetup -f "
                "--show FILE) does.")


def _sections(job):
    """(kind, filename or None, is it direct?) of each section."""
    return [(amounts.pattern(one)[0], one.get("filename"), direct)
            for one, direct in zip(
                jobfile.in_force(job.text, "rw", "filename"),
                jobfile.direct_each(job.text))]


def _trimmed(found, kind, file):
    """Is what a section of that kind writes to that file trimmed as well?"""
    return "trim" in kind or file is not None and any(
        "trim" in other and name == file for other, name, _ in found)


def not_of_cached_writes(job: Job, path: str, version: str) -> None:
    """Refuse trims that would meet EBUSY on a claimed device; version: of the
    fio that runs it."""
    found = _sections(job)
    for kind, file, direct in found:
        if kind in jobfile.READ_ONLY | ALONE or not _trimmed(found, kind,
                                                             file):
            continue
        if not direct:
            raise Problem(
                f"job {job.name} trims what it writes without direct=1, and "
                f"{HELD.format(path)}: set direct=1 in it.")
        if "trim" in kind and fiorun.older(version, DIRECT_TRIMS):
            raise Problem(
                f"job {job.name} writes what it trims (rw={kind}), and "
                f"{version} opens what trims without O_DIRECT, whatever "
                f"direct= says; {HELD.format(path)}: name fio 3.34 or later "
                "with --fio.")

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


# A share of what a section has written and is to verify.
OF_VERIFIED = ("trim_percentage", "trim_backlog")
READ = ("rw", "verify", "verify_pattern", *OF_VERIFIED)


def trims(values: amounts.Values) -> bool:
    """Does a section trim?"""
    kind = amounts.pattern(values)[0]
    return "trim" in kind or kind not in jobfile.READ_ONLY and values.get(
        "verify", values.get("verify_pattern", "0")) != "0" and all(
        values.get(key, "0") != "0" for key in OF_VERIFIED)


def on_devices(job: Job, path: str) -> None:
    """Refuse a job that fio cannot run on a file."""
    for section in jobfile.in_force(job.text, *READ):
        if trims(section):
            said = ", ".join(f"{key}={section[key]}" for key in section
                             if "trim" in key + section[key])
            raise Problem(
                f"job {job.name} trims ({ascii(said)[1:-1]}), which fio does "
                f"on block devices alone, and {path} is none: give one as "
                "--target, with --destroy-data; a loop device (losetup -f "
                "--show FILE) does.")


def _sections(job):
    """(kind, does it trim, filename or None, is it direct?) of each section."""
    return [(amounts.pattern(one)[0], trims(one), one.get("filename"), direct)
            for one, direct in zip(
                jobfile.in_force(job.text, "filename", *READ),
                jobfile.direct_each(job.text))]


def _trimmed(found, does, file):
    """Is what a section writes to that file trimmed, by it (does) or others?"""
    return does or file is not None and any(
        other and name == file for _, other, name, _ in found)


def not_of_cached_writes(job: Job, path: str, version: str) -> None:
    """Refuse trims that would meet EBUSY on a claimed device; version: of the
    fio that runs it."""
    found = _sections(job)
    for kind, does, file, direct in found:
        if kind in jobfile.READ_ONLY | ALONE or not _trimmed(found, does,
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

# SPDX-License-Identifier: GPL-2.0-only
# A job file of several jobs, rewritten so that each has a log of its own:
# numjobs=3 becomes three sections, as write_iolog can only be set for a whole
# section.  fio seeds a job by its number in the file, which this leaves as it
# is, so the I/O is the same.
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from ..base.problem import Problem
from . import jobfile
from .jobfile import Job, option_of, value_of


def logs(number: int) -> list[str]:
    """The names of the logs, in the order of the jobs."""
    return [f"iolog.{place}" for place in range(number)]


def unlike(job: Job) -> Problem:
    return Problem(f"cannot compare the I/O of the jobs in {job.path}, as fio "
                   "does not run as many as the file says: write each job as "
                   "a section with a plain numjobs.")


def counts(job: Job, result: dict) -> tuple[int, ...]:
    """How many jobs each section of a job file is, by fio's own account."""
    jobs, found, place = result["jobs"], [], 0
    for _ in filter(jobfile.is_job, jobfile.sections(job.effective([]))):
        if place >= len(jobs):
            raise unlike(job)
        options = {**result.get("global options", {}),
                   **jobs[place].get("job options", {})}
        number = options.get("numjobs", "1")
        if not number.isdigit() or int(number) < 1:
            raise unlike(job)
        found.append(int(number))
        place += int(number)
    if place != len(jobs):
        raise unlike(job)
    return tuple(found)


@dataclass(frozen=True)
class Apart:
    """A job file that logs the I/O of each of its jobs apart."""
    job: Job
    counts: tuple

    @classmethod
    def of(cls, job: Job, result: dict) -> Self:
        return cls(job, counts(job, result))

    @property
    def name(self) -> str:
        return self.job.name

    def effective(self, options: Iterable[str]) -> str:
        numbers, place, lines = iter(self.counts), 0, []
        for section in jobfile.sections(self.job.effective(options)):
            if not jobfile.is_job(section):
                lines += [x for x in section if option_of(x) != "numjobs"]
                continue
            for number in range(next(numbers)):
                lines += [*_one(section, number),
                          f"write_iolog={logs(place + 1)[-1]}"]
                place += 1
        return "\n".join([*lines, ""])


def _one(section, number):
    """The section of one of its jobs, which begins where that one would."""
    begin = {option_of(line): int(value_of(line)) for line in section
             if option_of(line) in ("offset", "offset_increment")}
    kept = [x for x in section if option_of(x) not in ("numjobs", *begin)]
    return kept if not begin else [*kept, "offset={}".format(
        begin["offset"] + number * begin.get("offset_increment", 0))]

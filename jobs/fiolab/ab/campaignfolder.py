# SPDX-License-Identifier: GPL-2.0-only
# The folder of a campaign: campaign.json (the plan), runs/NNNNNN.json (one file
# for each run), the job files that repeat them, and the reports.
import os
import re

from ..base import runfolder
from ..base.files import dump
from ..base.problem import Problem
from ..base.runfolder import RUNS
from . import planschema

SCHEMA = "kaio-campaign/1"
RUN_NAME = re.compile(r"(\d{6,})\.json")


class CampaignFolder(runfolder.Folder):
    PLAN, SCHEMA = "campaign.json", SCHEMA
    KIND, COMMAND = "campaign", "jobs/ab"

    @staticmethod
    def check(found):
        planschema.check(found)

    def save_run(self, number, run):
        """Compact: the latency bins are most of it."""
        self._save(os.path.join(RUNS, f"{number:06d}.json"), "a run",
                   dump(run, separators=(",", ":")))

    def save_report(self, content):
        self._save("report.json", "the report", dump(content, indent=1))

    def save_jobs(self, texts):
        """The job files of the commands that repeat a run."""
        try:
            os.makedirs(self.file("jobs"), exist_ok=True)
        except OSError as error:
            raise self.full(error, "the job files") from None
        for name, text in texts.items():
            self._save(os.path.join("jobs", name), "the job files", text)

    def runs(self):
        """(number, run) of every file that holds one, in order.

        Others are left alone, with a sentence in .strange; a run that is
        missing for it is made again by --resume.
        """
        try:
            names = sorted(os.listdir(self.file(RUNS)),
                           key=lambda name: (len(name), name))
        except OSError as error:
            raise Problem(f"cannot read {self.shown}/{RUNS}: {error.strerror}."
                          ) from None
        for name in names:
            match = RUN_NAME.fullmatch(name)
            run = self._read(name) if match else None
            if run is None:
                self.disown(name, f"it is not a run of {self.COMMAND}, whole")
            else:
                yield int(match[1]), run

    def disown(self, name, why):
        self.strange.append(f"{RUNS}/{ascii(name)[1:-1]} is ignored: {why}.")

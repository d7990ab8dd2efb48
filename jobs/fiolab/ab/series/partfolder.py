# SPDX-License-Identifier: GPL-2.0-only
"""The parts of a campaign in its folder: parts.json beside campaign.json, and
their runs in runs/.  A run belongs to a part, a cell and a round; a part that
was left (SIGKILL, a power cut) is gone on with in the same boot, and done
again in another, where the runs that it has do not count.
"""
from dataclasses import asdict, dataclass, field, fields
import json
import os
from typing import Any

from ...base import machine, schema
from ...base.files import dump
from ...base.problem import Problem
from ...base.runfolder import RUNS
from ...stats.pairing import pair_seed
from ..campaign import Campaign
from ..campaignfolder import CampaignFolder
from ..results import values_of

PARTS = schema.Schema("parts", lambda data: None)
LABELS = ("A", "B")
EACH = 5                # parts of each, where no other number was asked for


@dataclass
class Part:
    label: str
    boot_id: str
    state: dict
    begun: str = field(default_factory=machine.moment)
    ended: str | None = None
    streams: list = field(default_factory=list)
    given_up: str = ""
    # {(cell, round): values}, of the runs that are there
    runs: dict = field(default_factory=dict)

    def data(self) -> dict:
        return {name: value for name, value in asdict(self).items()
                if name != "runs"}

    @property
    def counts(self) -> bool:
        return self.ended is not None


# What parts.json has of each; a later version may add to it.
STORED = {one.name for one in fields(Part)} - {"runs"}


class Parts:
    """All parts of a campaign, also those that were given up."""

    def __init__(self, campaign: Campaign):
        self.campaign, self.folder = campaign, campaign.folder
        self.every: list[Part] = []
        self.same_boot = False

    @property
    def planned(self) -> int:
        """Of A, and of B: with so many there are verdicts."""
        return self.campaign.asked.each or EACH

    def load(self) -> None:
        found = self._read()
        self.same_boot = found["same_boot"]
        self.every = [Part(**{name: one[name] for name in STORED
                              if name in one}) for one in found["parts"]]
        for number, run in self.folder.runs():
            try:
                self._take(number, run)
            except (KeyError, TypeError, ValueError, AttributeError,
                    IndexError):
                self.folder.disown(f"{number:06d}.json",
                                   "it is not a run of this campaign")
        for number, part in enumerate(self.every, 1):
            if part.counts:
                self._refuse_gap(number, part)

    def _refuse_gap(self, number, part):
        """A cell of a finished part of which no run is left."""
        cells = {cell for cell, _ in part.runs}
        if len(cells) < len(self.campaign.cells):
            raise Problem(f"{self.folder.shown}/{RUNS} no longer has the runs "
                          f"of part {number} ({part.label}): put them back, or "
                          "give another --out.")

    def _read(self):
        path = self.folder.file("parts.json")
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            PARTS.check(found)
            return found
        except FileNotFoundError:       # killed before the first was begun
            return {"same_boot": False, "parts": []}
        except (OSError, ValueError, RecursionError, schema.Wrong) as error:
            why = " ".join(map(str, error.args))
            raise Problem(f"{self.folder.shown}/parts.json is damaged "
                          f"({ascii(why)[1:-1]:.100}): give another "
                          "--out.") from None

    def save(self) -> None:
        self.folder.save_text("parts.json", dump(
            {"schema": PARTS.version, "same_boot": self.same_boot,
             "parts": [one.data() for one in self.every]}, indent=1))

    # Its runs

    def number(self, part: int, round_: int, cell: int) -> int:
        return ((part * self.campaign.pairs + round_) *
                len(self.campaign.cells) + cell)

    def _take(self, number, run):
        campaign, cell = self.campaign, run["cell"]
        if run["campaign"] != campaign.id or number != self.number(
                run["part"], run["round"], cell) or min(
                    run["part"], run["round"], cell) < 0:
            raise ValueError
        self.every[run["part"]].runs[cell, run["round"]] = {
            "start": float(run["start"]), "values": values_of(
                run["values"], campaign.cells[cell].metrics)}

    def keep(self, part: int, round_: int, cell: int, found: dict) -> None:
        """A run's file, and the run."""
        number = self.number(part, round_, cell)
        self.folder.save_run(number, found)
        self._take(number, found)

    def record(self, part: int, round_: int, cell: int, values: dict,
               start: float) -> dict[str, Any]:
        return {"campaign": self.campaign.id, "part": part, "cell": cell,
                "round": round_, "seed": self.seed(round_, cell),
                "start": start, "values": values}

    def seed(self, round_: int, cell: int) -> int:
        """The same in all parts, so that they do the same I/O."""
        return pair_seed(self.campaign.asked.seed, cell, round_)

    def finished(self) -> list[Part]:
        return [one for one in self.every if one.counts]


def holds_parts(path: str) -> bool:
    """Is there a campaign in this folder?"""
    return os.path.exists(os.path.join(path, CampaignFolder.PLAN))

# SPDX-License-Identifier: GPL-2.0-only
"""A campaign: what was asked for, what it compares with what, and, cell by
cell, what came of it.  It is made from the command line (planning.py) or read
from its folder (campaignfolder.py); from there on both are the same."""
from dataclasses import dataclass, field
from typing import Any

from ..fio.jobfile import Job
from ..fio.sidespec import LETTERS, Side
from ..stats import sequential, verdict
from ..stats.pairing import ROLES, SEQUENCES, pair_seed
from .results import Cell

# Seconds of measuring without --max-time: of a campaign, of a cell of many,
# and the length of a run for which these are.
MINUTE, CELL, RUN = 60, 10, 0.6
SLOW = 2                # times as long, at most, where pairs are so slow that
                        # a cell has too few to be decided
SELF_CHECK = 3          # times as long, for its four cells of two kinds


@dataclass(frozen=True)
class Request:
    """What the user asked for: the options of jobs/ab of which the campaign
    is made, in the order of its --help."""
    side: list | None = None
    a: str | None = None
    b: str | None = None
    own: list | None = None
    job: list | None = None
    line: list | None = None        # what is behind --: fio's command line
    matrix: list | None = None
    aa: bool = False
    parts: bool = False     # of A alone; see series/partcommand.py
    each: int | None = None     # so many of these of A, and of B
    self_check: bool = False
    target: list | None = None
    size: int | None = None
    allow: list | None = None
    buffered: bool = False
    restore: str | None = None
    client: str | None = None
    build: str = ""
    fio: str = ""
    pairs: int = 0
    quick: bool = False
    max_time: float | None = None
    precision: float | None = None
    pairing: str = "auto"
    runtime: float = 0.5
    ramp: float = 0.1
    timeline: float | None = None
    cpu: int | None = None
    seed: int = 0


@dataclass
class Campaign:
    asked: Request
    sides: tuple            # of sidespec.Side, the first is A
    jobs: list              # of jobfile.Job
    clients: list = field(default_factory=list)     # see clientrun.parse()
    targets: list = field(default_factory=list)     # as they were at first
    cells: list = field(default_factory=list)       # of results.Cell
    files: list = field(default_factory=list)       # sums of the sides' files
    fios: list = field(default_factory=list)    # of each side; see below
    binary: dict = field(default_factory=dict)      # fio: path, version, sum
    id: str = ""
    title: str = ""
    created: str = ""
    command: list = field(default_factory=list)
    alpha: float = verdict.ALPHA
    margin: float = verdict.MARGIN
    environment: dict = field(default_factory=dict)
    warnings: list = field(default_factory=list)
    devices: dict = field(default_factory=dict)     # see machinestate.names()
    # Of this command alone:
    side_jobs: list = field(default_factory=list)   # of a new one, by side
    side_targets: list = field(default_factory=list)
    fio: Any = None         # fiorun.Fio, where there is something to run
    folder: Any = None      # CampaignFolder
    destroy: bool = False   # may what is on the targets be overwritten?

    @property
    def anytime(self) -> bool:
        """Do its verdicts hold whenever it stops?  Else the number of pairs
        is fixed."""
        return not self.asked.pairs

    @property
    def pairs(self) -> int:
        """The most that a cell may have."""
        return self.asked.pairs or sequential.LAST

    @property
    def max_time(self) -> float:
        """Seconds of measuring, after which a sequential campaign ends: what
        was asked for, else a minute, and longer for more than six cells and
        for longer runs."""
        if self.asked.max_time:
            return self.asked.max_time
        more = max(1, (self.ramp + self.runtime) / RUN) * (
            SELF_CHECK if self.asked.self_check else 1)
        return max(MINUTE, CELL * len(self.cells)) * more

    @property
    def fewest(self) -> int:
        """The pairs with which all primary comparisons can be decided."""
        count = sum(len(cell.primary) for cell in self.cells)
        both = count < sum(len(cell.metrics) for cell in self.cells)
        return verdict.fewest_pairs(
            count / (1 - verdict.SECONDARY if both else 1), self.alpha,
            self.anytime)

    def _until(self, cell: Cell) -> float:
        """The seconds of measuring after which a cell gets no more pairs.
        The number of its pairs, and not what they show, may lengthen it."""
        few = not self.asked.max_time and len(cell.pairs) < self.fewest
        return self.max_time * (SLOW if few else 1)

    @property
    def runtime(self) -> float:
        return self.asked.runtime

    @property
    def ramp(self) -> float:
        return self.asked.ramp

    def side(self, cell: Cell, role: str) -> Side:
        """The Side that a role of a cell is."""
        return self.sides[cell.b if role == "B" else cell.a]

    def other_fios(self) -> list[dict | None]:
        """Of each side the fio that it has for itself, as .binary; None: the
        campaign's."""
        return self.fios or [None] * len(self.sides)

    def cpu(self, side: Side) -> int | None:
        """The CPU to which the fio of a side is pinned."""
        return self.asked.cpu if side.own.cpu is None else side.own.cpu

    def cpus(self) -> set[int]:
        """Those to which the sides are pinned."""
        return {cpu for cpu in map(self.cpu, self.sides) if cpu is not None}

    def letter(self, cell: Cell) -> str:
        """That of the side that is B in a cell."""
        return LETTERS[cell.b]

    def writing(self) -> list[str]:
        """The names of the jobs that write."""
        return [job.name for job in self.jobs if job.writes()]

    def jobs_of(self, number: int) -> list[Job]:
        """Those of the side of that number."""
        if self.side_jobs:
            return self.side_jobs[number]
        found = {id(job): job for cell in self.cells for job in (
            [cell.job] if number == cell.a else
            [cell.job_of("B")] if number == cell.b else [])}
        return list(found.values())

    def number(self, cell: int, pair: int, position: int) -> int:
        """The name of a run: runs are numbered as they are made."""
        return (pair * len(self.cells) + cell) * len(ROLES) + position

    def _belongs(self, number, run):
        """Is this run what the plan has at this number?"""
        pair, rest = divmod(number, len(self.cells) * len(ROLES))
        cell, position = divmod(rest, len(ROLES))
        if pair >= self.pairs:
            return False
        expected = {"campaign": self.id, "cell": cell, "pair": pair,
                    "role": SEQUENCES[self.cells[cell].orders[pair]][position],
                    "seed": pair_seed(self.asked.seed, cell, pair)}
        return all(run.get(key) == value for key, value in expected.items())

    def load(self, folder: Any) -> None:
        """All runs of a folder; what does not belong is left out, named."""
        for number, run in folder.runs():
            try:
                if not self._belongs(number, run):
                    raise ValueError
                self.cells[run["cell"]].add(run)
            except (KeyError, TypeError, ValueError, AttributeError):
                folder.disown(f"{number:06d}.json",
                              "it is not a run of this campaign")

    def whole_pairs(self) -> int:
        return sum(len(cell.pairs) for cell in self.cells)

    def measured(self) -> float:
        """Seconds of measuring so far."""
        return sum(cell.seconds for cell in self.cells)

    def wants(self, cell: Cell) -> bool:
        """Is a cell still to get pairs, and is there time for one?"""
        return not cell.given_up and (not self.anytime or not cell.closed and (
            self.measured() + cell.next_seconds() <= self._until(cell)))

    def complete(self) -> bool:
        """Is there nothing left to run?"""
        return not any(self.wants(cell) and not all(
            map(cell.done, range(self.pairs))) for cell in self.cells)

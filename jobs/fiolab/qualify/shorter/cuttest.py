# SPDX-License-Identifier: GPL-2.0-only
# A test that --time cuts: it is made and run with a profile of its own, and
# its digest says so.  All else is the test's.
from dataclasses import asdict, dataclass, replace

from ..suite import pts
from ..suite.kinds import Test
from ..suite.model import Profile


def remade(test, profile):
    """The test as a profile has it; those that are not SNIA's ask it when they
    run."""
    if test.group != "pts":
        return test
    return next(one for one in pts.tests(profile) if one.name == test.name)


@dataclass(frozen=True)
class CutTest(Test):
    test: Test
    own: Profile            # for the run's
    cuts: tuple             # sentences
    keeps: bool             # is it PTS's where steady state was reached?

    def __getattr__(self, name):
        return getattr(self.test, name)

    @property
    def file(self):
        return self.test.file

    @property
    def provokes(self):
        return self.test.provokes

    @property
    def writes(self):
        return self.test.writes

    @property
    def purges(self):
        return self.test.purges and not self.own.shared

    def said(self):
        return self.test.said()

    def entry(self):
        return self.test.entry()

    def run(self, bench, found):
        mine = replace(bench, profile=self.own)
        try:
            self.test.run(mine, found)
        finally:
            bench.covered = mine.covered

    def estimate(self, _profile, size):
        return self.test.estimate(self.own, size)

    def cell_names(self):
        return self.test.cell_names()

    def digest(self):
        return f"{self.test.digest()} {sorted(asdict(self.own).items())}"

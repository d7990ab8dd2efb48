# SPDX-License-Identifier: GPL-2.0-only
# Which of the cuts a run in a given time has: one after the other is made in
# all of its tests until the plan fits, then tests are left out; and then, from
# the last back, what there is time for after all is taken back, test by test.
# What fits is the longest that the harness reckons with (estimate.py).
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..suite.model import Profile
from . import fills
from .ladder import AFTER, FILL, ORDER, SHARED, STEPS, Cut
from .cuttest import CutTest, remade


@dataclass
class Draft:
    """A plan on the way; it is what its cuts are, and which tests are out."""
    tests: Sequence[Any]    # as the profile has them
    profile: Profile
    sizes: Sequence[int]    # bytes of each target
    fixed: float = 0        # seconds of what is no test
    sprandom: bool = False  # has fio it?
    # (Cut, name of the test in which it is made); None: it is left out.
    steps: list = field(default_factory=list)
    known: dict = field(default_factory=dict)   # what was reckoned already

    @property
    def out(self):
        """The names of tests that are left out."""
        return [name for cut, name in self.steps if not cut]

    def _of(self, name):
        """The cuts of a test, of each field the last."""
        return {cut.field: cut for cut, test in self.steps
                if cut and test == name}

    def _ordered(self):
        """The tests that are left."""
        left = [test for test in self.tests if test.name not in self.out]
        if not any(cut and cut.field == SHARED for cut, _ in self.steps):
            return left
        places = [i for i, test in enumerate(left) if test.name in ORDER]
        found = sorted((left[i] for i in places),
                       key=lambda test: ORDER.index(test.name))
        for place, test in zip(places, found):
            left[place] = test
        return left

    def made(self):
        """The tests, each with its cuts, in the order in which they run."""
        found, before = [], None
        for test in self._ordered():
            cuts = self._of(test.name)
            if before not in AFTER.get(test.name, (before,)):
                cuts.pop(SHARED, None)  # there is nothing to share
            found.append(self._made(test, tuple(cuts.values())))
            before = test.name
        return found

    def _made(self, test, cuts):
        if not cuts:
            return test
        key = (test.name, cuts)
        if key not in self.known:
            own = self.changed(cuts)
            self.known[key] = CutTest(
                remade(test, own), own, self._told(test, cuts),
                all(cut.keeps for cut in cuts))
        return self.known[key]

    def changed(self, cuts):
        """The profile with them."""
        own = self.profile
        for cut in cuts:
            value = cut.value
            if cut.times:
                value *= getattr(own, cut.field)
            elif cut.field == FILL and self._one_pass(cuts):
                value = fills.SPRANDOM
            elif cut.field in ("most", "wsat_hours"):
                value = min(value, getattr(own, cut.field))
            own = replace(own, **{cut.field: value})
        return own

    def _one_pass(self, cuts):
        """It is for a device that was purged."""
        return self.sprandom and not any(cut.field == SHARED for cut in cuts)

    def _told(self, test, cuts):
        """In words; of one that shares, only what is added."""
        fill = fills.SPRANDOM if self._one_pass(cuts) else fills.RANDOM
        if any(cut.field == SHARED for cut in cuts):
            fill = fills.SHARED if test.name == "iops" else ""
        said = {FILL: fills.SAID.get(fill, "")}
        if test.name == "throughput":
            said[SHARED] = "1M without a purge and preconditioning of its own"
        return tuple(filter(None, (said.get(cut.field, cut.said)
                                   for cut in cuts)))

    def seconds(self):
        """Of all, at the longest; of several targets the longest of them."""
        made = self.made()
        return self.fixed + max(sum(self.longest(test, size)
                                    for test in made) for size in self.sizes)

    def longest(self, test, size):
        key = (id(test), size)
        if key not in self.known:
            self.known[key] = test.estimate(self.profile, size).longest
        return self.known[key]

    def take(self, step: Cut | str, kept: Iterable[str]):
        """A cut in each test where it changes something; a test out, unless it
        is to be kept."""
        names = [test.name for test in self.tests]
        if isinstance(step, str):
            self.steps += [(None, step)] if step in names and \
                step not in kept else []
            return
        self.steps += [(step, name) for name in names
                       if name in step.tests and self._changes(step, name)]

    def _changes(self, cut, name):
        own = self._of(name)
        if cut.needs and cut.needs not in own and any(
                    one.field == cut.needs and name in one.tests
                for one in STEPS if isinstance(one, Cut)):
            return False
        before = tuple(own.values())
        return self.changed((*before, cut)) != self.changed(before) or \
            cut.field == SHARED

    def back(self, index):
        """The steps without one of them; None where another needs it."""
        (cut, name), rest = self.steps[index], \
            self.steps[:index] + self.steps[index + 1:]
        others = [one for one, test in rest if one and test == name]
        if cut and any(one.needs == cut.field for one in others) and \
                not any(one.field == cut.field for one in others):
            return None
        return rest


def choose(draft: Draft, seconds: float, kept: Iterable[str] = ()) -> bool:
    """Cut the draft until it takes no longer, then take back what there is
    time for; False: it cannot be cut so far.

    kept: names of tests that are not left out.
    """
    for step in STEPS:
        if draft.seconds() <= seconds:
            break
        draft.take(step, kept)
    if draft.seconds() > seconds:
        return False
    for index in range(len(draft.steps) - 1, -1, -1):
        before, after = draft.steps, draft.back(index)
        if after is not None:
            draft.steps = after
            if draft.seconds() > seconds:
                draft.steps = before
    return True

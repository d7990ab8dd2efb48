# SPDX-License-Identifier: GPL-2.0-only
"""A simulated drive: flash pages in blocks that are erased whole, a map from
the one to the other, and garbage collection that copies what is still valid of
the block that has least of it.  The write cliff and what follows are nobody's
formula, they come of that.  A page stands for a share of the capacity, so that
an hour of a large drive is a fraction of a second.

What it takes: `queue` I/Os per second at most, a bandwidth that host writes,
copies and reads share, and a latency where little is in flight."""
import random

BLOCK = 64              # pages
LEAST = 4               # free blocks, below which it collects
IDLE = 10               # to which it collects when nobody asks anything of it
QUEUE, FLASH, READ, PROGRAM = 90e3, 540e6, 90e-6, 25e-6
SMOOTH = 1 / 128        # of one write, in the pace of collecting


class Flash:
    """Pages, of which `spare` more than the host sees."""

    def __init__(self, pages, spare):
        self.pages = pages
        self.blocks = int(pages * (1 + spare)) // BLOCK + LEAST
        self.purge()

    def purge(self):
        self.place = [-1] * self.pages
        self.held = [[] for _ in range(self.blocks)]
        self.valid = [0] * self.blocks
        self.free = list(range(self.blocks))
        self.open = [self.free.pop(), self.free.pop()]  # host's, collector's
        self.closed = set()

    def _put(self, page, stream):
        block = self.open[stream]
        if len(self.held[block]) == BLOCK:
            self.closed.add(block)
            block = self.open[stream] = self.free.pop()
        self.place[page] = block * BLOCK + len(self.held[block])
        self.held[block].append(page)
        self.valid[block] += 1

    def collect(self):
        """Empty a block; pages that were copied."""
        victim = min(self.closed, key=self.valid.__getitem__)
        self.closed.remove(victim)
        kept = [page for i, page in enumerate(self.held[victim])
                if self.place[page] == victim * BLOCK + i]
        for page in kept:
            self._put(page, 1)
        self.held[victim], self.valid[victim] = [], 0
        self.free.append(victim)
        return len(kept)

    def write(self, page):
        """Pages that were programmed for it."""
        copies = 0
        while len(self.free) < LEAST:
            copies += self.collect()
        if self.place[page] >= 0:
            self.valid[self.place[page] // BLOCK] -= 1
        self._put(page, 0)
        return 1 + copies


def sprandom(pages, spare, rng, regions=100):
    """The pages that fio's sprandom writes, in its order (sprandom.c of fio
    3.41): regions of all the flash, each new page once, and of each region the
    share that steady state would have made invalid once more in the next."""
    shares = _invalid(regions, spare)
    order = list(range(pages))
    rng.shuffle(order)
    fresh, again = iter(order), []
    for share in shares:
        left, chosen = int(pages * (1 + spare)) // regions - len(again), []
        for page in again:
            yield page
            chosen += [page] * (rng.random() < share)
        for page in (one for _, one in zip(range(left), fresh)):
            yield page
            chosen += [page] * (rng.random() < share)
        again = chosen
    yield from fresh


def _invalid(regions, spare):
    """Of each region, the first of which steady state has emptied most."""
    least = 1 - 1 / (0.5 / spare + 0.7)
    valid = [1 + i * (least - 1) / (regions - 1) for i in range(regions)]
    ends, total = [], 0
    for one in valid:
        total += 1 / one
        ends.append(total)
    places = [ends[0] + i * (ends[-1] - ends[0]) / (regions - 1)
              for i in range(regions)]
    found, at = [], 0
    for place in places:
        while at < regions - 2 and ends[at + 1] < place:
            at += 1
        part = (place - ends[at]) / (ends[at + 1] - ends[at])
        found.append(1 - (valid[at] + (valid[at + 1] - valid[at]) * part))
    return found[::-1]


class Drive:
    """That flash behind a queue; `size` bytes in `pages`."""

    def __init__(self, size, pages=16384, spare=0.15, seed=1):
        self.flash, self.page = Flash(pages, spare), size / pages
        self.spare, self.rng = spare, random.Random(seed)
        self.purge()

    def purge(self):
        self.flash.purge()
        self.pace, self.part = 1.0, 0.0     # programs a write; of a page

    def idle(self, seconds):
        """It collects ahead, as far as the time goes."""
        left = seconds * FLASH / self.page
        while left > 0 and len(self.flash.free) < IDLE and self.flash.closed:
            left -= max(1, self.flash.collect())

    def _places(self, load):
        """The page of each next write."""
        first = int(load.offset / self.page)
        count = max(1, int(load.size / self.page))
        if load.sprandom:
            yield from sprandom(count, self.spare, self.rng)
        elif load.sequential:
            at = 0
            while True:
                yield first + at % count
                at += 1
        while True:
            yield first + int(count * self._spot(load.zones))

    def _spot(self, zones):
        """A random place in [0, 1); zones: ((share of I/Os, of the range),)"""
        chance, begin = self.rng.random(), 0.0
        for share, width in zones:
            if chance < share:
                return begin + width * self.rng.random()
            chance, begin = chance - share, begin + width
        return self.rng.random()

    def _each(self, load):
        """Seconds of an I/O, when as much is in flight as the load has."""
        moved = max(load.bytes, 4096)
        read = max(READ / load.flight, 1 / QUEUE, load.bytes / FLASH)
        write = max((PROGRAM + moved * (self.pace - 1) / FLASH) / load.flight,
                    1 / QUEUE, moved * self.pace / FLASH)
        return load.reads * read + (1 - load.reads) * write

    def run(self, load):
        """(I/Os, bytes written, seconds), for its seconds or its amount."""
        ios = done = clock = 0.0
        moved = max(load.bytes, 4096) * (1 - load.reads)    # of an I/O
        places = self._places(load)
        while True:
            each = self._each(load)
            left = (load.seconds - clock) / each if load.seconds else \
                (load.amount - done) / load.bytes
            now = min(left, (self.page - self.part) / moved) if moved else left
            ios, clock = ios + now, clock + now * each
            done += now * load.bytes * (1 - load.reads)
            self.part += now * moved
            if now >= left:
                return ios, done, clock
            self.part = 0.0
            self.pace += SMOOTH * (self.flash.write(next(places)) - self.pace)

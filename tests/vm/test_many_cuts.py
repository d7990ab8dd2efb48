# SPDX-License-Identifier: GPL-2.0-only
"""As many power cuts as one wants, unattended: jobs/qualify cuts four null_blk
that keep their word, and one that lies, all at once in one guest; where that
dies it boots again, and --resume goes on.  KAIO_CUTS=1000: so many in all, a
tenth of them of the one that lies (else 40); KAIO_CUTS_FOLDER: where it stays."""
import json
import os
import time

import vmlab

DEVICES, LIAR = 5, 4        # of the devices, the last
SIZE = "size=16M,irqmode=2,completion_nsec=50000,cache_size=4"
# The one that lies cannot trim: soon after that its cache holds all that it has,
# and one that has lost all is not cut again, as it may be another device.
SPECS = [f"null_blk,id=nullb{i},{SIZE},discard={int(i != LIAR)}"
         for i in range(DEVICES)]
POWER = "/sys/kernel/config/nullb/{0}/power"
CUT = f"echo 0 >{POWER}; echo 1 >{POWER}"
LIE = "echo write through >/sys/block/{0}/queue/write_cache"
CUTS = int(os.environ.get("KAIO_CUTS", 40))
LOOK = 60                   # seconds between two lines of progress
LONGEST = 3600 + 60 * CUTS  # seconds, on the slowest of machines
BOOTS = 10                  # more is a fault of the lab, not of a day


class Campaign:
    """A run of jobs/qualify for each device."""

    def __init__(self, guest, qualify, options):
        self.guest, self.qualify, self.options = guest, qualify, options
        lies = max(CUTS // 10, 1)
        honest = divmod(CUTS - lies, LIAR)
        self.cycles = [honest[0] + (i < honest[1]) for i in range(LIAR)]
        self.cycles.append(lies)
        self.boots, self.begun = 1, time.monotonic()
        self.done = {}      # device: how its run ended

    def out(self, number):
        return self.guest.shared / f"out-{number}"

    def cuts(self, number):
        """What was found after each, in order."""
        return [json.loads(path.read_text(encoding="utf-8"))["content"]
                for path in sorted(self.out(number).glob(
                    "rounds/t00-power-cut-cut-*.json"))]

    def say(self, *words):
        print(f"{time.monotonic() - self.begun:7.1f} s:", *words, flush=True)

    def progress(self):
        found = [self.cuts(i) for i in range(DEVICES)]
        lost = [sum(one["lost"] > 0 for one in cuts) for cuts in found]
        self.say(f"{sum(map(len, found))} cuts: {list(map(len, found))}, of "
                 f"which {lost} lost what was synced")

    def _start(self, number):
        name, out = f"nullb{number}", self.out(number)
        cut = CUT.format(name)
        if number == LIAR:
            lie = LIE.format(name)
            self.guest.check("sh", "-c", lie)
            cut = f"{cut}; {lie}"
        words = ["--resume", out] if (out / "plan.json").exists() else [
            "--target", f"/dev/{name}", "--profile", "quick", "--tests",
            "power-cut", "--cycles", self.cycles[number], "--power-cut", cut,
            "--out", out, *self.options]
        return self.guest.start(self.qualify, *words, "--destroy-data",
                                "--no-pdf")

    def _follow(self):
        """To the end of all; vmlab.Died if the guest ends before."""
        running = {i: self._start(i) for i in range(DEVICES)
                   if i not in self.done}
        for number, one in running.items():
            while number not in self.done:
                try:
                    self.done[number] = one.wait(LOOK, kill=False)
                    self.say(f"nullb{number} has ended: "
                             f"{self.done[number].status}")
                except vmlab.Late:
                    self.progress()
                    assert time.monotonic() < self.begun + LONGEST

    def run(self):
        while len(self.done) < DEVICES:
            try:
                self._follow()
            except vmlab.Died as died:
                self.say(died)
                assert self.boots < BOOTS, died
                self.boots += 1
                self.guest.boot()
        self.progress()


def sums(cuts):
    return {name: sum(one[name] for one in cuts) for name in (
        "acknowledged", "synced", "in_flight", "lost", "broken",
        "unsynced_lost", "torn_block", "torn_larger")}


def test_many_cuts(boot, root, fio_binary, build_dir, engine):
    guest = boot(*SPECS, memory=4096, **vmlab.FAST,
                 folder=os.environ.get("KAIO_CUTS_FOLDER"))
    campaign = Campaign(guest, root / "jobs/qualify",
                        ("--build", build_dir, "--fio", fio_binary))
    campaign.run()
    for number in range(DEVICES):
        cuts, done = campaign.cuts(number), campaign.done[number]
        campaign.say(f"nullb{number}: {len(cuts)} cuts, {sums(cuts)}")
        assert len(cuts) == campaign.cycles[number], done
        # Each cut of the one that lies is caught, and none of another.
        lies = number == LIAR
        assert [one["lost"] > 0 for one in cuts] == [lies] * len(cuts)
        assert done.status == int(lies), done
        assert all(one["in_flight"] or one["failed"] for one in cuts)
        if not lies:
            assert sum(one["unsynced_lost"] for one in cuts) > 0
            assert not any(one["broken"] or one["torn_block"] for one in cuts)

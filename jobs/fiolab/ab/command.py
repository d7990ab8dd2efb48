# SPDX-License-Identifier: GPL-2.0-only
# jobs/ab from its arguments to its report: a new campaign is planned into
# campaign.json, a resumed one is read from it; from there on both are the
# same.
from contextlib import ExitStack
import os
import sys

from ..base import commandline, privatefolder, progress
from ..base.problem import Problem
from ..fio import asking, clientrun, clienttarget, fairness, fiorun
from ..stats.verdict import count_pairs, fewest_pairs
from ..target import scratchfile
from . import (campaign, cli, planning, publish, reportdata, restore, selfcheck,
               twocampaigns)
from .campaignfolder import CampaignFolder
from .results import Results


def say(text):
    print(f"ab: {text}", file=sys.stderr)


def _memory(args, stack):
    """The scratch file in memory, as a list; empty where there is no room."""
    try:
        with ExitStack() as trial:
            made = scratchfile.scratch(commandline.MEMORY, args.size, trial)
            stack.push(trial.pop_all())
            return [made]
    except Problem as problem:
        say("comparing on the disk alone, as memory is out of reach: "
            f"{problem}")
        return []


def _targets(args, jobs, stack):
    if not args.target:
        memory = _memory(args, stack)
        if memory and args.self_check:
            return memory
        disk = scratchfile.scratch(commandline.disk(args), args.size, stack)
        return [*memory, disk]
    writes = [job.name for job in jobs if job.writes()]
    paths = dict.fromkeys(os.path.realpath(path) for path in args.target)
    return [scratchfile.prepare(path, writes, args.size, args.destroy_data,
                                stack) for path in paths]


def _again(known, args, jobs, stack):
    """The targets of a campaign that goes on: same places and sizes."""
    writes = [job.name for job in jobs if job.writes()]
    made = []
    for one in known["targets"]:
        if known["clients"]:
            made.append(reportdata.target_of(one))
        elif one["scratch"]:
            made.append(scratchfile.scratch(one["scratch"], one["size"], stack))
        else:
            made.append(scratchfile.prepare(one["path"], writes, one["size"],
                                            args.destroy_data, stack))
    return made


def _warn_of_few_pairs(pairs, groups, alpha):
    """groups: the cells, and each host in each."""
    comparisons = groups * len(reportdata.METRICS)
    need = fewest_pairs(comparisons, alpha)
    if pairs < need:
        say(f"{count_pairs(pairs)} cannot tell faster from slower: with "
            f"{comparisons} comparisons that takes at least {need} pairs.")


class Session:
    def __init__(self, args, stack):
        self.args, self.stack = args, stack
        self.jobs = planning.jobs_of(args)
        self.sides = planning.sides_of(args)
        self.clients = clientrun.parse(args.client)
        self.folder = None
        self.plan = None        # the content of campaign.json
        self.cells = []

    def ask_fio(self):
        """Find the mistakes that fio can name, before anything is written."""
        self.fio = fiorun.Fio(commandline.find_fio(self.args.fio),
                              self.args.cpu, privatefolder.folder(self.stack))
        asking.check(self.fio, self.sides, self.jobs, self.args.size)
        libraries = asking.check_libraries(self.fio, self.sides)
        self.live = campaign.Plan(
            self.fio, self.sides, self.args.pairs, self.args.runtime,
            self.args.ramp, None, libraries, tuple(self.clients))
        if self.clients:
            planning.remote_targets(self.args)
            clientrun.check(self.clients, self.sides, [
                job.name for job in self.jobs if job.writes()],
                self.args.destroy_data)

    def runs(self):
        """How many there will be, for the room that --json takes."""
        places = len(self.args.target or (commandline.MEMORY, self.args.build))
        return (3 * self.args.pairs * places * len(self.jobs) *
                (len(self.sides) - 1))

    def begin(self):
        """Plan a new campaign; prepares (and so may write) the targets."""
        for job in self.jobs:
            fairness.in_flight(job)     # before a mistake costs a target
        planning.refuse_buffered(self.args, self.jobs)
        self.folder = planning.folder(self.args)
        self.folder.create(self.stack)
        made = (planning.remote_targets(self.args) if self.clients else
                _targets(self.args, self.jobs, self.stack))
        for target in made:
            for job in self.jobs:
                fairness.large_enough(job, target.size)
                if target.is_part():
                    fairness.ends_inside(job, target.size)
        self._look_at_hosts(made)
        if self.args.self_check:
            self._plant(made[0])
        self.plan = planning.new(self, made)
        self.make_cells(made)
        _warn_of_few_pairs(self.args.pairs,
                           len(self.cells) * (1 + len(self.clients)),
                           self.plan["alpha"])
        self.save()

    def _look_at_hosts(self, made):
        if self.clients:
            for target in made:
                clienttarget.prepare(self.live, target)

    def _plant(self, target):
        cell = campaign.Cell(self.jobs[0], target, [],
                             restore=self._restore(self.jobs[0]))
        self.sides = planning.planted(self.sides, selfcheck.plant(self.live,
                                                                  cell))
        self.live.sides = self.sides

    def go_on(self, folder, plan, results):
        """Prepare what a resumed campaign still needs."""
        self.folder, self.plan = folder, plan
        planning.same(self, plan)
        if planning.complete(plan, results):
            return
        made = _again(plan, self.args, self.jobs, self.stack)
        self._look_at_hosts(made)
        self.sides = tuple(reportdata.side_of(side) for side in plan["sides"])
        self.live.sides = self.sides
        self.make_cells(made)

    def _restore(self, job):
        if not self.clients:
            return restore.chosen(job, self.args.restore)
        return clientrun.restore(self.live, job, self.args.restore)

    def make_cells(self, made):
        letters = [side["letter"] for side in self.plan["sides"]]
        self.cells = [campaign.Cell(
            self.jobs[cell["job"]], made[cell["target"]], [], id=cell["id"],
            b=letters.index(cell["b"]), stream=cell["stream"],
            calls=cell["calls"], restore=self._restore(
                self.jobs[cell["job"]])) for cell in self.plan["cells"]]

    def save(self):
        for cell, known in zip(self.cells, self.plan["cells"]):
            known.update(stream=cell.stream,
                         calls={"A": cell.calls.get("A"),
                                "B": cell.calls.get("B")})
        self.folder.save_plan(self.plan)

    def check(self, tick):
        """Fairness and system calls of the cells that have none yet."""
        left = [cell for cell in self.cells if not cell.stream]
        with ExitStack() as stack:
            here = left
            if self.clients and left:
                local = scratchfile.scratch(
                    commandline.disk(self.args), 64 << 20, stack)
                here = [planning.stand_in(cell, local) for cell in left]
            campaign.check(self.live, here, tick)
            for cell, other in zip(left, here):
                cell.stream, cell.calls = other.stream, other.calls
                if self.clients:
                    cell.stream += ", on this machine"
        self.save()

    def measure(self, results):
        """All runs that are not there yet, with progress."""
        left = len(self.cells) * self.live.pairs - sum(
            len(cell.pairs) + len(cell.discarded) for cell in results.cells)
        checks = 3 * sum(not cell.stream for cell in self.cells)
        each = self.live.ramp + self.live.runtime + (
            clientrun.STEP_OVERHEAD if self.clients
            else commandline.STEP_OVERHEAD)
        shown = progress.Progress(3 * left + checks, 3 * left * each +
                                  checks * commandline.CHECK_SECONDS)
        try:
            if checks:
                self.check(shown.tick)
            campaign.keep_going(
                self.live, self.cells, results, self.folder, shown.tick,
                clientrun.timed if self.clients else campaign.timed,
                lambda pairs: self.enough(pairs, results))
        finally:
            shown.clear()

    def enough(self, pairs, results):
        """At a planned look: is every verdict reached?"""
        looks = self.plan["looks"] or []
        if pairs not in looks[:-1] or not reportdata.decided(
                reportdata.evaluate(results, self.plan["alpha"])[0]):
            return False
        self.plan["stopped_at"] = pairs
        self.folder.save_plan(self.plan)
        return True


def _open(args, stack):
    """(session, results) of --resume or of a new campaign."""
    if not args.resume:
        planning.settle(args)
        commandline.prepare(args)
        session = Session(args, stack)
        session.ask_fio()
        file = commandline.output(args, session.runs(), stack)
        session.begin()
        return session, Results(session.plan), file
    folder = CampaignFolder(args.resume)
    plan = folder.open(stack)
    results = Results(plan)
    results.load(folder)
    args = planning.arguments(plan, args)
    left = not planning.complete(plan, results)
    if left:
        planning.check_cpu(args)       # before this process leaves it to fio
    commandline.prepare(args)
    session = Session(args, stack)
    if left:
        session.ask_fio()
    file = commandline.output(args, session.runs(), stack)
    session.go_on(folder, plan, results)
    return session, results, file


def compare(args, stack):
    planning.refuse(args)
    session, results, file = _open(args, stack)
    ending = None
    try:
        if not planning.complete(session.plan, results):
            session.measure(results)
    except (SystemExit, Problem) as error:
        ending = error
    if results.whole_pairs():
        found = publish.write(session, results, ending, file)
        if ending is None:
            publish.judge(found)
    elif ending is not None:
        publish.say_how_to_go_on(session)
    else:
        raise Problem("no pair was left to judge: every one was discarded.")
    if ending is not None:
        raise ending


def main(arguments=None):
    """jobs/ab: a campaign, or the comparison of two."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["compare"]:
        twocampaigns.main(words[1:])
    else:
        commandline.main(words, cli.parser(), compare)

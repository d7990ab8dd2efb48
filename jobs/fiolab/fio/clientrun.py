# SPDX-License-Identifier: GPL-2.0-only
# Runs on other machines, through fio's own client/server mode: each run starts
# at once on all hosts, each of which runs `fio --server`.  The figures are of
# all hosts together, and each host's own beside them.
#
# The rule for a host that is lost, fixed beforehand: if any host gives no
# result in any of the three runs of a pair, the whole pair is discarded, on
# all hosts, and named in the report; the campaign goes on with the next pair,
# and stops after three such pairs in a row.
#
# CPU per I/O is fio's own usr and sys here: the clocks of processes on another
# machine cannot be read.  What is checked by other means than a run (system
# calls, the stream of I/Os) is checked on this machine.
#
# What a target holds is seen by fio on the host alone, so every job sent there
# has options that keep fio from making or replacing a file, and the last block
# that the runs will use is read before anything else: see clienttarget.py.
from collections.abc import Callable, Iterable, Sequence
import re
import socket
from typing import Any

from ..base.problem import Problem
from ..target.target import Target
from . import fiorun, runfigures, timedrun
from .fiorun import Fio
from .jobfile import Job
from .metrics import entries
from .sidespec import Side

PORT = 8765
PATIENCE = 20           # seconds beyond a run until a host is given up
CONNECT = 3
Client = dict[str, Any]     # of parse()
STEP_OVERHEAD = 1.6     # seconds that fio's client takes to start and to end
NAME = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?")


def _client(text):
    match = NAME.fullmatch(text)
    if not match or not 0 < int(match[3] or PORT) < 65536:
        raise Problem(f"{text!r} is not a host: write NAME, NAME:PORT or "
                      "[IPv6]:PORT, separated by commas.")
    host, port = match[1] or match[2], int(match[3] or PORT)
    kind = "ip6" if match[1] else "ip"
    return {"name": text, "host": host, "port": port,
            "address": f"{kind}:{host},{port}"}


def parse(text: str | None) -> list[Client]:
    """[{name, host, port, address}] of --client host1,host2:port.

    Only None is no client: an empty name, perhaps of a variable that is not
    set, must not mean this machine.
    """
    found: list[Client] = []
    known: dict[tuple, str] = {}
    for client in map(_client, [] if text is None else text.split(",")):
        name = known.setdefault((client["host"].lower(), client["port"]),
                                client["name"])
        if len(known) == len(found):
            raise Problem(f"--client names {client['name']} twice"
                          f"{_as(name, client['name'])}: name each host once.")
        found.append(client)
    return found


def _as(first, second):
    return "" if first == second else f" (it is {first})"


def _addresses(client):
    """{(address, port)} that a host's name stands for."""
    try:
        found = socket.getaddrinfo(client["host"], client["port"],
                                   type=socket.SOCK_STREAM)
    except OSError:
        return set()            # reachable() says why
    return {place[:2] for *_, place in found}


def _refuse_one_twice(clients):
    """One server under two names would be measured, and counted, twice."""
    known = {}
    for client in clients:
        for place in _addresses(client):
            first = known.setdefault(place, client["name"])
            if first != client["name"]:
                raise Problem(
                    f"{first} and {client['name']} are one server "
                    f"({place[0]}), which would run both jobs at once: name "
                    "each host once.")


def reachable(client: Client) -> str:
    try:
        socket.create_connection((client["host"], client["port"]),
                                 CONNECT).close()
        return ""
    except OSError as error:
        return error.strerror or str(error)


def check(clients: Iterable[Client], sides: Iterable[Side],
          cells_write: Sequence[str], destroy: bool) -> None:
    """Mistakes that are known before any run."""
    for side in sides:
        if side.environment:
            raise Problem(f"side {side.text} has an environment of its own, "
                          "which cannot be sent to another machine: start "
                          "fio --server in it, and leave out @NAME.")
        if side.own.given():
            raise Problem(f"side {side.text} has a setting of its own, which "
                          "cannot be sent to another machine: leave out "
                          f"@{next(iter(side.own.given()))}=.")
    if cells_write and not destroy:
        raise Problem(f"job {cells_write[0]} writes on other machines, where "
                      "this command cannot see what a target holds: give "
                      "--destroy-data to overwrite it.")
    _refuse_one_twice(clients)
    for client in clients:
        why = reachable(client)
        if why:
            raise Problem(f"no fio --server answers at {client['name']} "
                          f"({why}): start `fio --server` there.")


class Run(fiorun.Run):
    """One run on all hosts; the job file is sent to each, all in words."""

    JOBS = "client_stats"

    def __init__(self, fio: Fio, side: Side, job: Job, target: Target,
                 options: Iterable[str]):
        self.clients = target.clients
        super().__init__(fio, side, job, target,
                         fiorun.literal(options, side, target))

    def command(self, fio: Fio, target: Target) -> list[str]:
        words = [fio.path, "--eta=never", "--output-format=json+",
                 "--output=out.json"]
        for client in self.clients:
            words += [f"--client={client['address']}", "effective.fio"]
        return words

    def answers(self, seconds: float) -> dict[str, list[dict]]:
        """{name: its jobs}, or Lost where any gives no result."""
        ended = self.child.wait(seconds)
        fiorun.check_room(self.folder)    # which no host is to blame for
        try:
            jobs = entries(fiorun.parse(self.read("out.json")), self.JOBS)
            found = {client["name"]: [job for job in jobs if _is(client, job)]
                     for client in self.clients}
        except (ValueError, KeyError, TypeError, AttributeError,
                RecursionError):
            found = {client["name"]: [] for client in self.clients}
        silent = [client for client in self.clients
                  if not found[client["name"]]]
        if silent:
            raise self._lost(silent, ended)
        return found

    def by_client(self, seconds: float) -> dict[str, list[dict]]:
        """The same of a run without errors."""
        found = self.answers(seconds)
        if self.child.status != 0 or any(
                job["error"] for jobs in found.values() for job in jobs):
            raise self.problem(f"exit status {self.child.status}")
        return found

    def _lost(self, silent, ended):
        """Lost, with the host that it was; None where several may be.

        fio writes no result before all hosts have given theirs, so that one
        that hangs, and takes connections still, silences the others too.
        """
        for client in silent:
            why = reachable(client)
            if why:
                return Lost(client["name"],
                            f"no fio --server answers: {why}")
        why = "no result" if ended else "no end of the run"
        if len(silent) == 1:
            return Lost(silent[0]["name"], why)
        names = ", ".join(client["name"] for client in silent)
        return Lost(None, f"{why} on one or more of {names}")


def _is(client, job):
    """Is this a job of the client?  'All clients' is fio's own sum."""
    return (job["jobname"] != "All clients" and job["port"] == client["port"]
            and job["hostname"] == client["host"])


def _values(jobs, side):
    found = runfigures.of_run(jobs, side.syncs)
    return {**found, "cpu_us": found["fio_cpu_us"]}


def run(fio: Fio, side: Side, job: Job, target: Target, options: Iterable[str],
        seconds: float) -> dict[str, list[dict]]:
    """{name: jobs} of one run on all hosts."""
    with Run(fio, side, job, target, options) as started:
        return started.by_client(seconds + PATIENCE)


def _options(plan, side, target, seed):
    options = fiorun.base_options(side, target, seed)
    return options + [line for line in timedrun.timed_options(
        plan.runtime, plan.ramp) if not line.startswith("exec_prerun")]


def timed(plan: Any, cell: Any, role: str, seed: int) -> dict:
    """One timed run on all hosts."""
    if cell.restore:
        cell.restore(cell.target)
    side = plan.side(cell, role)
    options = _options(plan, side, cell.target, seed)
    found = run(plan.fio, side, cell.job, cell.target, options,
                plan.ramp + plan.runtime + cell.job.lasts())
    hosts = {name: _values(jobs, side) for name, jobs in found.items()}
    for name, values in hosts.items():
        if not (values["iops"] > 0 and values["cpu_us"]):
            raise Problem(f"{name} completed no I/O in a run of {side.text} on "
                          f"job {cell.job.name}: give a longer --runtime.")
    whole = _values([job for jobs in found.values() for job in jobs], side)
    return {**whole, "hosts": {name: {key: value for key, value in
                                      values.items() if key != "latency"}
                               for name, values in hosts.items()},
            "steal": None, "repeats": 0, "options": options}


# The state of targets on other machines is made by fio itself.
FILL = Job("fill", "[fill]\nrw=write\nbs=1M\ndirect=1\niodepth=4\n"
           "refill_buffers=1\nend_fsync=1\n")
FILL_PATIENCE = 3600


def fill(fio: Fio, make: bool = False) -> Callable[[Target], None]:
    """A function that writes every byte of a target on all hosts once.

    make: a file that is not there is made."""
    libaio = Side("libaio", "libaio")
    may = ["allow_file_create=1"] if make else []

    def restore_one(target):
        # In place, whatever is there.
        options = [*fiorun.base_options(libaio, target, 1), *may]
        run(fio, libaio, FILL, target, options, FILL_PATIENCE)
    return restore_one


def restore(fio: Fio, job: Job,
            choice: str | None) -> Callable[[Target], None] | None:
    if choice == "trim":
        raise Problem("--restore trim is for targets of this machine: give "
                      "--restore fill.")
    return fill(fio) if job.writes() and choice != "none" else None


class Lost(Exception):
    """A client gave no result: (host or None, why).  Its pair is discarded."""

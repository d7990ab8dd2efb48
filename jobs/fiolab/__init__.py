# SPDX-License-Identifier: GPL-2.0-only
"""The package behind jobs/ab, jobs/bench, jobs/bench-lib and jobs/qualify.

Its rooms, from the lowest; a module imports from its own room and from rooms
before it, never from one behind it (`make lint` reads ROOMS and holds every
import to it).  A room that is a command: its command line, its plan, its runs,
what came of them as data, and the reports.
"""
ROOMS = {
    "base": "what has no domain: problems, processes, the command line, files, "
            "the folder of runs, schemas",
    "stats": "numbers in, numbers out: pairs, verdicts, two samples, bounds, "
             "steady state",
    "target": "what I/O goes to: the claim, sysfs, identity, health, purge, "
              "caches, scratch files, loop devices",
    "fio": "running fio: sides, job files, a run, hosts, figures, fairness",
    "report": "words, text on the terminal, pages, pictures, PDF",
    "ab": "jobs/ab",
    "bench": "jobs/bench and jobs/bench-lib",
    "qualify": "jobs/qualify: limits, the suite of tests, its report",
}
# These never meet.
APART = (("qualify", "ab"), ("qualify", "bench"))

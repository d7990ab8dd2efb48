#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What jobs/qualify does with devices before its tests, as JSON: run in a guest
of tests/vm, where there are drivers of real devices.

    guestqualify.py '[["claims", PATH, []], ...]'

claims PATH ALLOWED: why it is refused, or null; the warnings.  doubted PATH
ALLOWED...: the same with each.  purge PATH: fill, purge, look.  cache PATH ON
COMMAND: what COMMAND says before the write cache is set, meanwhile, and after
it.  All in one process, whose start takes longer than they.
"""
from contextlib import ExitStack
import json
import os
from pathlib import Path
import subprocess
import sys

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "jobs"))

from fiolab.base.problem import Problem  # noqa: E402
from fiolab.target import blockio, claim, purge, writecache  # noqa: E402

MIB = 1 << 20


def claims(path, allowed):
    """Held only until it is known."""
    with ExitStack() as stack:
        try:
            target = claim.prepare(path, 16 * MIB, True, stack, allowed)
        except Problem as problem:
            return {"refused": str(problem), "warnings": []}
        return {"refused": None, "warnings": target.warnings}


def doubted(path, *allowed):
    return [claims(path, words) for words in allowed]


def _places(target):
    """Of whole mebibytes."""
    return range(0, target.whole // MIB * MIB, MIB)


def _zeros(target):
    with blockio.opened(target) as raw:
        return sum(not any(raw.read(start, MIB)) for start in _places(target))


def purged(path):
    with ExitStack() as stack:
        target = claim.prepare(path, 16 * MIB, True, stack)
        with blockio.opened(target, writable=True) as raw:
            for start in _places(target):
                raw.write(start, os.urandom(MIB))
        before, said = _zeros(target), []
        method, why = purge.plan(target)
        try:
            purge.run(target, method, said.append)
        except Problem as problem:
            said.append(str(problem))
        return {"method": method, "why": why, "said": said, "before": before,
                "after": _zeros(target), "of": len(_places(target))}


def cache(path, on, command):
    def told():
        return subprocess.run(["/bin/sh", "-c", command], check=False,
                              text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT).stdout.strip()
    before = told()
    with ExitStack() as stack:
        why = writecache.set(path, on, stack)
        during = told()
    return {"why": why, "told": [before, during, told()]}


DO = {"claims": claims, "doubted": doubted, "purge": purged, "cache": cache}


def main(orders):
    json.dump([DO[what](*words) for what, *words in json.loads(orders)],
              sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])

# SPDX-License-Identifier: GPL-2.0-only
"""What came of the commands of @before= and @after= in all runs of a cell: how
often each, with which status, how long, and what it said at first."""
from typing import Any


class CommandTally:
    def __init__(self):
        self.found: dict[tuple, dict[str, Any]] = {}

    def add(self, role: str, commands: list[dict]) -> None:
        """Of one run; those of A' are A's."""
        for one in commands:
            self._add(role[0], one["when"], one["status"],
                      float(one["seconds"]), one["output"])

    def _add(self, letter, when, status, seconds, output):
        known = self.found.setdefault((letter, when, status), {
            "runs": 0, "seconds": 0.0, "output": output, "others": False})
        known["runs"] += 1
        known["seconds"] += seconds
        known["others"] |= output != known["output"]

    def data(self) -> list[dict]:
        """As report.json has it; a status of null: it was ended, as it took
        too long."""
        return [{"role": letter, "when": when, "status": status, **known,
                 "seconds": known["seconds"] / known["runs"]}
                for (letter, when, status), known in sorted(
                    self.found.items(), key=str)]


def sound(commands: object) -> bool:
    """Is this what a run's file has of them?"""
    return isinstance(commands, list) and all(
        isinstance(one, dict) and one.get("when") in ("before", "after") and
        type(one.get("status")) in (int, type(None)) and
        type(one.get("seconds")) in (int, float) and
        isinstance(one.get("output"), str) for one in commands)

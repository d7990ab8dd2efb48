# SPDX-License-Identifier: GPL-2.0-only
# What a report says of what a side has for itself: commands around its runs,
# and job files of its own.
from .wording import several, short


def _command_text(one, letter):
    status = ("ended, as it took too long," if one["status"] is None
              else f"exit status {one['status']}")
    said = f", said {short(one['output'])}" if one["output"] else ""
    more = " and more" if one["others"] else ""
    return (f"@{one['when']}= of {letter}: {status} in "
            f"{several(one['runs'], 'run')} ({one['seconds']:.2g} s each)"
            f"{said}{more}")


def commands(cell: dict) -> list[str]:
    """What came of the commands around a cell's runs, a line for each."""
    return [_command_text(one, cell["b"] if one["role"] == "B" else "A")
            for one in cell.get("commands", ())]


def other_jobs(data: dict, b: dict) -> str:
    """What a headline on side b has to say, if its job files are not A's."""
    different = any(cell.get("job_b") for cell in data["cells"]
                    if cell["b"] == b["letter"])
    return " (different job files)" if different else ""

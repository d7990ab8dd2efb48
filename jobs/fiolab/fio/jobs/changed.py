# SPDX-License-Identifier: GPL-2.0-only
# What a run changed of a job file, in words: 'size 1g -> 256M'.
from ...base.problem import Problem
from . import amounts, delays


def _seconds(key, text):
    try:
        return f"{delays.seconds({key: text}, key):g} s"
    except Problem:
        return text


def moved(key: str, values: amounts.Values, new: int) -> str:
    """'offset 1g -> 256M' (new: bytes), or '' where both mean the same."""
    old = values[key]
    try:
        same = amounts.size_of(old, key, amounts.base_of(values)) == new
    except Problem:
        same = False
    return "" if same else f"{key} {old} -> {new / (1 << 20):g}M"


def _plain(key, text):
    """A value in one spelling, so that equal ones are equal."""
    if key in ("runtime", "ramp_time"):
        return _seconds(key, text)
    if key in ("time_based", "direct"):
        return text or "1"
    return text


def replacement(key: str, old: str, new: str) -> str:
    """'size 1g -> 256M', or '' where both mean the same."""
    if _plain(key, new) == _plain(key, old):
        return ""
    shown = {"ioengine": "the side's", "filename": "the target",
             "randseed": "one per pair"}.get(key, _plain(key, new))
    return f"{key} {old} -> {shown}"


def delay(old: str, last: float) -> str:
    """Of a startdelay, where the last job begins after so many seconds."""
    if not last:
        return f"startdelay {old} -> 0"
    return f"startdelay {old} is kept, so each run takes {last:g} s longer"

# SPDX-License-Identifier: GPL-2.0-only
# How a report.json is put into words and figures, for the text, the page and
# the pictures alike: percent, intervals, verdicts and names.  Whatever text
# came from outside goes through clean(), so that no control character, no
# half of a surrogate pair and no reversal of direction reaches a reader.
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
import os
import re
from typing import Any

from ..target import extents

# Invisible or harmful: C0 but tab and newline, DEL, C1, line separators,
# zero-width and bidirectional controls, surrogates, non-characters.
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e"
                    "\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff]")
TONES = ("good", "bad", "same", "open")
MARKS = {"good": "▲", "bad": "▼", "same": "≈", "open": "○"}
OPEN = ("inconclusive", "no verdict")
IO_NAMES = {"all": "O_DIRECT", "some": "O_DIRECT in part",
            "none": "buffered (page cache)"}
FIGURES = ("pairs", "bins")
NAME_LENGTH = 60


def _visible(match):
    code = ord(match[0])
    if 0xdc80 <= code <= 0xdcff:        # a byte that is not UTF-8
        return f"\\x{code - 0xdc00:02x}"
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def clean(text: str) -> str:
    """Text to show, on several lines if it has some."""
    return UNSAFE.sub(_visible, text)


def line(text: str) -> str:
    """Text to show on one line."""
    return clean(text).replace("\n", "\\n").replace("\t", "\\t")


def made(version: str | None) -> str:
    """Which kaio made a report; nothing, of one that does not say so."""
    return f"Made by kaio {short(version)}." if version else ""


def cleaned(data: Any, how: Callable[[str], str] = clean) -> Any:
    """A copy with every text in it clean; the masses of figures, of which no
    text is ever shown, stay as they are."""
    if isinstance(data, str):
        return how(data)
    if isinstance(data, dict):
        return {how(name): x if name in FIGURES and isinstance(x, list)
                else cleaned(x, how) for name, x in data.items()}
    if isinstance(data, list):
        return [cleaned(x, how) for x in data]
    return data


def short(text: str, length: int = NAME_LENGTH) -> str:
    """One line of a bounded length: the middle of a long text is left out."""
    text = line(text)
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[:length - 1 - half]}…{text[-half:]}"


# Figures

def percent(ratio: float | None) -> str:
    """'+21.6%' of 1.216; beyond tenfold '12.0x'."""
    if ratio is None:
        return "n/a"
    return f"{100 * (ratio - 1):+.1f}%" if ratio < 10 else f"{ratio:.3g}x"


def span(interval: Sequence[float] | None) -> str:
    """'+16.4..+25.9%' of an interval of ratios."""
    if interval is None:
        return "n/a"
    low, high = map(percent, interval)
    both = low.endswith("%") and high.endswith("%")
    return f"{low[:-1] if both else low}..{high}"


def figure(value: float | None) -> str:
    """Three digits at least, thousands apart."""
    if value is None:
        return "n/a"
    if abs(value) >= 100:
        return f"{value:,.0f}" if abs(value) < 1e12 else f"{value:.3g}"
    return f"{value:.2f}" if abs(value) >= 0.1 or not value else f"{value:.3g}"


def p_text(p: float | None) -> str:
    return "n/a" if p is None else f"{p:.2g}"


def size(count: int | None) -> str:
    if count is None:
        return "n/a"
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 1 << power:
            return f"{count / (1 << power):.4g} {unit}"
    return f"{count} B"


def duration(ns: float) -> str:
    """A time in the unit that suits it."""
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= scale:
            return f"{ns / scale:.3g} {unit}"
    return f"{ns:.3g} ns"


def several(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")


# Verdicts

def tone(effect: dict) -> str:
    """Is B better ('good'), worse ('bad'), equal ('same'), or not ('open')?"""
    if effect["verdict"] == "equivalent":
        return "same"
    if effect["verdict"] in OPEN:
        return "open"
    better = (effect["ratio"] > 1) == (effect["better"] == "higher")
    return "good" if better else "bad"


def primaries(cell: dict) -> list[dict]:
    return [e for e in cell["effects"] if e["role"] == "primary"]


def floor_excludes_one(effect: dict) -> bool:
    """Two runs of one side differed: drift, or the place in the block."""
    interval = effect["aa"] and effect["aa"]["ci95"]
    return bool(interval) and not interval[0] <= 1 <= interval[1]


def tally(effects: Sequence[dict]) -> list[tuple[str, str, int]]:
    """[(tone, verdict, how many)], the decided ones first."""
    counts = Counter((tone(e), e["verdict"]) for e in effects)
    return sorted(((*key, n) for key, n in counts.items()),
                  key=lambda row: (TONES.index(row[0]), row[1]))


def tally_text(effects: Sequence[dict]) -> str:
    """'faster in 1, inconclusive in 1 of 2 cells'."""
    parts = [f"{word} in {n}" for _, word, n in tally(effects)]
    return f"{', '.join(parts)} of {several(len(effects), 'cell')}"


# Names

def side(data: dict, letter: str) -> dict:
    return next(s for s in data["sides"] if s["letter"] == letter)


def handed_text(target: dict) -> str:
    return (f"{target['label']}, {size(target['size'])} asked for; nothing of "
            "it was checked")


def path(target: dict) -> str:
    """What it is called; of more than three members the first."""
    first, *more = re.split(r"(?<!\\):", target["path"])
    many = target.get("members", 1) > 3
    return f"{first} and {len(more)} more" if many else target["path"]


def target_text(target: dict) -> str:
    """'RAM (tmpfs /dev/shm), 256 MiB, O_DIRECT, all of it was written'."""
    if target.get("handed"):
        return handed_text(target)
    number = target.get("members", 1)
    times = f"{number} x " if number > 1 else ""
    return ", ".join(filter(None, (
        target["label"], times + size(target["size"]),
        IO_NAMES[target["direct"]],
        extents.said(target.get("written")))))


def place(cell: dict) -> str:
    """What the targets of a cell lie on."""
    a, b = cell["target"]["label"], (cell.get("target_b") or {}).get("label")
    return a if b in (None, a) else f"{b} against {a}"


def job_name(cell: dict) -> str:
    a, b = cell["job"], (cell.get("job_b") or {}).get("name")
    return a if b in (None, a) else f"{b} against {a}"


SIDE, JOB, PLACE, FILE, PAIRING, NUMBER = range(6)
PAIRINGS = {"duet": "a duet", "alternate": "one after the other"}


def pairing(cell: dict) -> str:
    """How the runs of its pairs were made; earlier reports do not say."""
    return PAIRINGS[cell.get("pairing", "alternate")]


def continues(cell: dict, before: dict | None) -> bool:
    """Is it what the cell before it is, but for how its pairs are made?"""
    return before is not None and pairing(cell) != pairing(before) and all(
        cell[name] == before[name] for name in ("job", "job_text", "b")
    ) and cell["target"]["path"] == before["target"]["path"] and (
        cell.get("target_b") == before.get("target_b"))


def _parts(data, cell):
    """What can tell a cell from others."""
    target = cell["target"]
    return (side(data, cell["b"])["text"], job_name(cell), place(cell),
            os.path.basename(target["path"]), pairing(cell),
            f"cell {cell['id']}")


def cell_names(data: dict) -> dict[int, str]:
    """{id: name}: the job, and whatever else the cells differ in."""
    rows = {cell["id"]: _parts(data, cell) for cell in data["cells"]}
    told = [i for i in (SIDE, JOB, PLACE)
            if i == JOB or len({row[i] for row in rows.values()}) > 1
            or i == PLACE and len(rows) == 1]
    for more in (FILE, PAIRING, NUMBER):
        if len({tuple(row[i] for i in told)
                for row in rows.values()}) < len(rows) and (
                    more != PAIRING or
                    len({row[more] for row in rows.values()}) > 1):
            told.append(more)
    return {number: " · ".join(line(row[i]) for i in told)
            for number, row in rows.items()}


def comparisons(data: dict) -> list[tuple[dict, list[dict]]]:
    """[(side B, its cells)], for every side that has cells."""
    found = [(each, [c for c in data["cells"] if c["b"] == each["letter"]])
             for each in data["sides"][1:]]
    return [(b, cells) for b, cells in found if cells]


def metric_effects(cells: Iterable[dict], metric: str) -> list[dict]:
    return [e for cell in cells for e in cell["effects"]
            if e["metric"] == metric]


def primary_names(cells: Iterable[dict]) -> dict[str, str]:
    """{metric: name} of the primary metrics, in their order."""
    return {e["metric"]: e["name"] for cell in cells for e in primaries(cell)}


def measured(data: dict) -> tuple[int, int]:
    """How many pairs and runs there are."""
    pairs = sum(len(cell["pairs"]) for cell in data["cells"])
    runs = sum(len(pair["values"]) for cell in data["cells"]
               for pair in cell["pairs"])
    return pairs, runs


def verdict_line(effect: dict) -> str:
    """'faster: +21.6% (95% CI +16.4..+25.9%)'."""
    return (f"{effect['verdict']}: {percent(effect['ratio'])} "
            f"(95% CI {span(effect['ci95'])})")


def label(name: str) -> str:
    """A name at the beginning of a line."""
    return name[:1].upper() + name[1:]


def decimal_size(count: int) -> str:
    """As vendors count: '480 GB'."""
    for name, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= scale:
            return f"{count / scale:.4g} {name}"
    return f"{count:,} B"


def time(seconds: float | None) -> str:
    """'2 h 5 min', '3 min 20 s', '4.1 s'."""
    if seconds is None:
        return "n/a"
    if seconds < 0.001:
        return "0 s"
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    pair = ((hours, "h"), (minutes, "min")) if hours else (
        (minutes, "min"), (rest, "s"))
    return " ".join(f"{n} {name}" for n, name in pair if n)

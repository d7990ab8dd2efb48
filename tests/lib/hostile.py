# SPDX-License-Identifier: GPL-2.0-only
"""A report in which every text that can come from outside is hostile: markup,
quotes, template and math syntax, control characters, bytes that are not
UTF-8, reversed direction, very long names.  Each page made of it must have
the structure of the page made of the harmless twin.
"""
import pytest

ATTACKS = (
    "<script>window.hacked=1</script>", '"><img src=x onerror=hacked=1>',
    "' onload='hacked=1", "</title></style></svg><h1>x</h1>", "<!--", "]]>",
    "{{ 7*7 }}{% raw %}", "$\\frac{1}{0}$", "$a$ ${b} `id` $(id)", "&lt;&amp;",
    "\x00\x07\x1b[31m\x1b]0;x\x07\x7f\x9b", "\udcff\udc80\ud800",
    "\u202egnp.oif\u2066\u200b", "javascript:hacked=1", "=1+1", "-2+3", "@x",
    "line\none\ttab\r\n\u2028", "W" * 4000, "漢字" * 100, "a\u0301" * 50,
    "-->", "\\", "url(#cell0f-p1)", "id=\"x\"", "#010207")
GROUPS = [" ".join(ATTACKS[i::6]) for i in range(6)]
# Where text stands in thousands of places, no part of it is very long.
SHORT = " ".join(attack[:60] for attack in ATTACKS)
# All of them at once; in make test-slow each group with its long ones.
OF_A_PAGE = [pytest.param(SHORT, id="all"), *(
    pytest.param(group, id=f"group{i}", marks=pytest.mark.slow)
    for i, group in enumerate(GROUPS))]
IDS = [f"attack{i}" for i in range(len(ATTACKS))]
# What has a meaning for the program, and so no free text; of the report of a
# comparison.
FIXED = {"schema", "letter", "b", "order", "verdict", "role", "better",
         "direct", "created", "metric", "when"}


def poison(value, made, fixed, name=""):
    """A copy with made(text) for every text that is not of a fixed name."""
    if isinstance(value, dict):
        return {key: poison(x, made, fixed, key) for key, x in value.items()}
    if isinstance(value, list):
        return [poison(x, made, fixed, name) for x in value]
    return made(value) if isinstance(value, str) and name not in fixed \
        else value


def report(data, attack):
    """The report with every free text made hostile, some names as well."""
    made = poison(data, lambda text: f"{attack}{text}{attack}", FIXED)
    made["sides"][0]["environment"] = {attack: attack}
    made["sides"][1]["library"] = attack
    made["sides"][1]["fio"] = {"path": attack, "version": attack}
    made["self_check"] = {attack: attack, "text": attack, "passed": True}
    made["warnings"] = [attack] * 5
    for cell in made["cells"]:
        for one in cell["commands"]:
            one["output"] = attack
        cell["discarded"] = [{"pair": 1, "host": attack, "why": attack}]
        cell["hosts"] = {attack: {"effects": cell["effects"][:2]}}
    return made

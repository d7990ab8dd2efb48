# SPDX-License-Identifier: GPL-2.0-only
# What fio makes of a value: variables of the environment, then its own words
# for this machine, and with one of these the sum around it (bs=4*$pagesize),
# for which fio asks bc.  A sum without such a word it does not calculate.  And
# which value each of reads, writes and trims has of one such as bs=4k,8k.
import ast
import operator
import os
import re

PAGE = os.sysconf("SC_PAGE_SIZE")
WORDS = {"$pagesize": PAGE,
         "$mb_memory": os.sysconf("SC_PHYS_PAGES") * PAGE >> 20,
         "$ncpus": os.sysconf("SC_NPROCESSORS_CONF")}
VARIABLE = re.compile(r"\$\{([^}]*)\}")
WORD = re.compile("|".join(map(re.escape, WORDS)))
SUM = re.compile(r"[0-9+*/() -]{1,100}", re.A)     # in all that fio takes


def _divided(a, b):
    """As bc has it, towards 0."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


DOES = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
        ast.Div: _divided}


def _value(node):
    if isinstance(node, ast.BinOp):
        return DOES[type(node.op)](_value(node.left), _value(node.right))
    return ast.literal_eval(node)


# Of each direction: one that is left out keeps what it has had before.
BY_DIRECTION = {"bs", "bsrange", "bssplit", "ba", "percentage_random"}


def directions(text: str) -> list[str]:
    """What a value of BY_DIRECTION is for reads, writes and trims; '' where
    it leaves one out."""
    found = text.split(",")
    return [*found, *found[-1:] * 2][:3]


def over(key: str, text: str, before: str) -> str:
    """The value of an option, of which another one was in force before."""
    if key not in BY_DIRECTION or not before or all(directions(text)):
        return text
    return ",".join(map(lambda new, old: new or old, directions(text),
                        directions(before)))


def expanded(text: str) -> str:
    """A text with the variables in it, as fio knows them: $HOME is none to it,
    and one that is not set is empty."""
    return VARIABLE.sub(lambda match: os.environ.get(match[1], ""), text)


def meant(text: str) -> str:
    """A value as fio has it; what is no sum is left as it is."""
    text = expanded(text)
    found = WORD.sub(lambda match: str(WORDS[match[0]]), text)
    if found == text or not SUM.fullmatch(found):
        return found
    try:
        return str(_value(ast.parse(found, mode="eval").body))
    except (SyntaxError, ValueError, KeyError, ZeroDivisionError):
        return found

# SPDX-License-Identifier: GPL-2.0-only
# One side of a comparison: an engine and its options, as given to --a or --b.
# "kaio" stands for the engine in the build folder; "external:PATH" for any
# other engine file; anything else is the name of an engine built into fio.
from dataclasses import dataclass
import os
import re

from . import jobfile
from .problem import Problem

ENGINE_FILE = "fio-kaio.so"


@dataclass(frozen=True)
class Side:
    text: str
    ioengine: str
    options: tuple = ()


def _external(path):
    full = os.path.realpath(os.path.expanduser(path))
    if jobfile.misread(full):
        raise Problem(f"the engine path {full!r} has a character that fio "
                      "would misread (; # $ or a backslash): move it.")
    if not os.path.isfile(full):
        hint = ("run `make` first, or name the build folder with --build"
                if os.path.basename(full) == ENGINE_FILE
                else "check the path after external:")
        raise Problem(f"there is no engine at {full}: {hint}.")
    return "external:" + full


def _option(text, whole):
    match = re.fullmatch(r"([a-z][a-z0-9_]*)(=[^\s;#${}]*)?", text)
    if not match:
        raise Problem(f"'{text}' in '{whole}' is not an engine option: write "
                      "ENGINE,option=value,option=value.")
    if jobfile.reserved(match[1]):
        raise Problem(f"'{match[1]}' in '{whole}' is set by the comparison "
                      "itself: leave it out, or see --help for its switch.")
    return text


def parse(text, build):
    """The Side that a --a or --b value means."""
    engine, *options = text.split(",")
    options = tuple(_option(o, text) for o in options)
    if engine == "kaio":
        return Side(text, _external(os.path.join(build, ENGINE_FILE)), options)
    if engine.startswith("external:"):
        return Side(text, _external(engine[len("external:"):]), options)
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", engine):
        raise Problem(f"'{engine}' is not an engine name: use libaio, "
                      "io_uring, kaio or external:/path/to/engine.so.")
    return Side(text, engine, options)

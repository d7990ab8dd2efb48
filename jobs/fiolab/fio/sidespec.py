# SPDX-License-Identifier: GPL-2.0-only
# One side of a comparison: an engine, its options and its environment, as
# given to --side: ENGINE[,option=value...][@NAME...], where "kaio" is the
# engine in the build folder, "external:PATH" any other engine file, and
# anything else an engine built into fio.  NAME is one of ENVIRONMENTS,
# VARIABLE=VALUE, a simple value, or one of the settings of sidesettings.py.
from collections.abc import Iterable
from dataclasses import dataclass, replace
import os
import re

from ..base.problem import Problem
from ..target import claimable
from . import jobfile, sidesettings
from .jobs import fromhere, hidden
from .sidesettings import NAMES, SETTING, Own

ENGINE_FILE = "fio-kaio.so"
LIBRARY_FILE = "libaio.so.1"
# Engines of fio to which a target is a name, whatever the job: they would
# unlink, cut or rearrange a file also of a job that only reads, or run one.
NO_IO = {"filecreate", "filestat", "filedelete", "dircreate", "dirstat",
         "dirdelete", "fileoperations", "ftruncate", "falloc", "e4defrag",
         "exec"}
# Of fio, and with it of all sides: engines that know names of their own often
# run in threads only.
THREAD = "thread"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"      # of the sides, in their order


@dataclass(frozen=True)
class Side:
    text: str
    ioengine: str
    options: tuple = ()
    environment: tuple = ()     # (variable, value) pairs, beside our own
    library: str = ""           # the libaio.so.1 that fio must then use
    plant: tuple = ()           # job options: a handicap, see selfcheck.py
    own: Own = Own()            # what else it has for itself
    syncs: bool = True          # has fio their latency? asking.check_syncs()


def _our_library(build):
    """Our libaio.so.1 instead of the distribution's, its ring in use."""
    folder = os.path.realpath(build)
    library = os.path.join(folder, LIBRARY_FILE)
    if not os.path.isfile(library):
        raise Problem(f"there is no library at {library}: run `make` first, or "
                      "name the build folder with --build.")
    if re.search("[:;$]", folder):
        raise Problem(f"the build folder {folder!r} has a character that "
                      "LD_LIBRARY_PATH cannot hold (: ; or $): move it.")
    others = os.environ.get("LD_LIBRARY_PATH")
    path = f"{folder}:{others}" if others else folder
    return (("LD_LIBRARY_PATH", path), ("LIBAIO_RING", "1")), library


def asked_library(side: Side) -> str:
    """The libaio.so.1 on which a side asked to be run, "" for none; its
    .library is that which fio was seen to use."""
    known = dict(side.environment)
    if "LIBAIO_RING" not in known:
        return ""
    return os.path.join(known["LD_LIBRARY_PATH"].split(":")[0], LIBRARY_FILE)


# name after @ -> function of the build folder: (variables, library or "")
ENVIRONMENTS = {"our-library": _our_library}


# Ours: what the comparison itself sets, or has @our-library for.
TAKEN = {"ENGINE", "TARGET", "LD_LIBRARY_PATH", "LD_PRELOAD", "LIBAIO_RING",
         "PATH", "TMPDIR"}
VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=([A-Za-z0-9_.:%+-]*)")


# Engines take options of several words (SPDK's env_context), and lists.
COMMA = re.compile(r"(?<!\\),")
OPTION = re.compile(r"([a-z][a-z0-9_]*)(?:=((?! )[^\x00-\x1f\x7f;#${}]*)"
                    r"(?<! ))?")


def _variable(match, text):
    if match[1] in TAKEN:
        raise Problem(f"'{match[1]}' in '{text}' is set by the comparison "
                      "itself: leave it out; @our-library runs a side on our "
                      "libaio.so.1.")
    return match[1], match[2]


def _pieces(text):
    """(the engine and its options, what is behind each @); an @ of a path in
    these is none."""
    head, *pieces = text.split("@")
    while pieces and "/" in pieces[0] and not SETTING.fullmatch(pieces[0]) and (
            "/" in head or head.startswith("external:")):
        head += "@" + pieces.pop(0)
    return head, pieces


def _not_known(piece, text):
    return Problem(
        f"'{ascii(piece)[1:-1]}' in '{text}' is not an environment: write "
        f"ENGINE,option=value@NAME with NAME {', '.join(ENVIRONMENTS)}, "
        "VARIABLE=VALUE, where VALUE has only letters, digits and _.:%+-, or "
        f"one of {', '.join(f'{name}=' for name in NAMES)} (one whose value "
        "has an @ is given by --own).")


def _around(pieces, text, build):
    """(variables, library, Own) of what is behind each @."""
    variables, library, own = (), "", Own()
    for piece in pieces:
        setting = SETTING.fullmatch(piece)
        match = VARIABLE.fullmatch(piece)
        if setting:
            own = sidesettings.with_setting(own, *setting.groups(), text)
        elif match:
            one = _variable(match, text)
            if one[0] in dict(variables):
                raise Problem(f"'{text}' sets {one[0]} twice: leave one out.")
            variables += (one,)
        elif piece in ENVIRONMENTS:
            if library:
                raise Problem(f"'{text}' has @{piece} twice: leave one out.")
            more, library = ENVIRONMENTS[piece](build)
            variables += more
        else:
            raise _not_known(piece, text)
    return variables, library, own


def engine_files(build: str) -> list[str]:
    """ioengine= of the files of our engine in a build folder: that of `make`,
    for one fio, and that of `make engines`, for several."""
    paths = (os.path.realpath(os.path.join(build, folder, ENGINE_FILE))
             for folder in ("", "engines"))
    return ["external:" + path for path in paths if os.path.isfile(path)]


def _external(path):
    full = os.path.realpath(os.path.expanduser(path))
    if claimable.misread(full):
        raise Problem(f"the engine path {full!r} has a character that fio "
                      "would misread (; # $ or a backslash): move it.")
    if not os.path.isfile(full):
        hint = ("run `make` first, or name the build folder with --build"
                if os.path.basename(full) == ENGINE_FILE
                else "check the path after external:")
        raise Problem(f"there is no engine at {full}: {hint}.")
    return "external:" + full


def _option(text, whole):
    match = OPTION.fullmatch(text)
    if not match:
        raise Problem(f"'{ascii(text)[1:-1]}' in '{ascii(whole)[1:-1]}' is not "
                      "an engine option: write ENGINE,option=value,"
                      r"option=value, a comma in a value as \,; a value has "
                      "none of ; # $ { and }, nor a blank around it.")
    if jobfile.reserved(match[1]):
        raise Problem(f"'{match[1]}' in '{whole}' is set by the comparison "
                      "itself: leave it out, or see --help for its switch.")
    if hidden.maps_file(match[1], match[2] or ""):
        raise Problem(f"'{match[1]}' in '{whole}' puts fio's buffers into a "
                      "file, which reads would overwrite: leave out the "
                      "file's name.")
    if match[2] is None:
        return text
    return f"{match[1]}={fromhere.value(match[1], match[2])}"


def parse(text: str, build: str,
          more: Iterable[tuple[str, str]] = ()) -> Side:
    """The Side that a --side value means; more: (name, value) of --own."""
    before, pieces = _pieces(text)
    variables, library, own = _around(pieces, text, build)
    engine, *options = (one.replace("\\,", ",")
                        for one in COMMA.split(before))
    given = tuple(_option(one, text) for one in options)
    ioengine = _ioengine(engine, build)
    for name, value in more:
        own = sidesettings.with_setting(own, name, value, text)
        text += f"@{name}={value}"
    return Side(text, ioengine, given, variables, library, own=own)


def alike(sides: Iterable[Side]) -> tuple[Side, ...]:
    """The sides, all of them as threads where one asks for that."""
    sides = tuple(sides)
    asked = {option for side in sides for option in side.options
             if option.partition("=")[0] == THREAD}
    if len(asked) > 1:
        raise Problem(f"sides ask for {' and '.join(sorted(asked))}, which all "
                      "have to be alike: give one.")
    return tuple(replace(side, options=(
        *side.options, *(asked - set(side.options)))) for side in sides)


def _ioengine(engine, build):
    if engine == "kaio":
        return next(iter(engine_files(build)), "") or _external(
            os.path.join(build, ENGINE_FILE))
    if engine.startswith("external:"):
        return _external(engine[len("external:"):])
    if engine in NO_IO:
        raise Problem(f"the engine {engine} makes, cuts or removes files and "
                      "does no I/O in them: use libaio, io_uring or kaio.")
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", engine):
        raise Problem(f"'{engine}' is not an engine name: use libaio, "
                      "io_uring, kaio or external:/path/to/engine.so.")
    return engine

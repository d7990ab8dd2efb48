# SPDX-License-Identifier: GPL-2.0-only
# Where loads of the user's own come from: job files (--job), folders of them
# (--suite) and logs of I/O (--replay), read once, when the run is planned.  The
# folder of the run keeps a copy of each, with what it includes, and of the logs
# that it replays: a resumed run reads these.
from dataclasses import asdict, dataclass, replace
import hashlib
import os
import shutil

from ...base import files
from ...base.problem import Problem
from ...fio import jobfile
from ...fio.jobs import arithmetic, includes, jobgroups
from ..suite.profiles import PROFILES

JOB, SUITE, REPLAY = "job", "suite", "replay"
ENDS = ".fio"           # of the files of a suite
AGAIN = "put it back, or begin a new run"


@dataclass(frozen=True)
class Copy:
    """A file of the user's and its copy in the folder of the run."""
    path: str           # as the user's
    copy: str           # its name there
    sha256: str


@dataclass(frozen=True)
class Source:
    path: str           # of the user's file
    way: str            # JOB, SUITE or REPLAY
    copy: str           # the name in the folder of the run
    sha256: str         # of the text
    logs: tuple = ()    # a Copy of each log that it replays
    text: str = ""
    folder: str = ""    # of the copies; "": they are still to be made

    @property
    def stem(self):
        """What its test is called by."""
        return os.path.splitext(os.path.basename(self.path))[0]

    def log(self, path):
        """From where to read a log, and its sum."""
        one = next(one for one in self.logs if one.path == path)
        return (os.path.join(self.folder, one.copy) if self.folder
                else one.path), one.sha256

    def data(self):
        """What plan.json keeps of it."""
        known = asdict(self)
        return {key: known[key] for key in ("path", "way", "copy", "sha256")
                } | {"logs": [asdict(one) for one in self.logs]}


def _sum(path, name):
    if os.path.exists(path) and not os.path.isfile(path):
        raise Problem(f"{name} is no file: name one.")
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Problem(f"cannot read {name}: {error.strerror}: name a file "
                      "that can be read.") from None


def _text_sum(text):
    return hashlib.sha256(text.encode(
        "utf-8", "surrogateescape")).hexdigest()


def _log_paths(text):
    """Those that a job text replays."""
    return list(dict.fromkeys(
        one["read_iolog"] for one in jobfile.in_force(text, "read_iolog")
        if one.get("read_iolog")))


def _found(path, beside):
    """A log, found from here, else beside the file that names it."""
    other = os.path.join(os.path.dirname(beside), path)
    return os.path.abspath(path if os.path.exists(path) else other)


def _with_logs(text, beside):
    """The text of a job file, its logs by their absolute names."""
    made = []
    for line in jobfile.lines(text):
        value = jobfile.value_of(line)
        if jobfile.option_of(line) == "read_iolog" and value:
            log = _found(arithmetic.expanded(value), beside)
            _fit_for_a_line(log)
            line = f"read_iolog={log}"
        made.append(line)
    return "\n".join(made)


def _source(number, path, way, text):
    stem = f"own-{number:02d}"
    logs = tuple(Copy(one, f"{stem}-log-{place}", _sum(one, one))
                 for place, one in enumerate(_log_paths(text)))
    return Source(path, way, f"{stem}.fio", _text_sum(text), logs, text)


def _suite(folder):
    """The job files in a folder, but for those that another one includes."""
    try:
        names = sorted(name for name in os.listdir(folder)
                       if name.endswith(ENDS))
    except OSError as error:
        raise Problem(f"cannot read the suite {folder}: {error.strerror}: name "
                      "a folder with job files.") from None
    paths = [os.path.join(folder, name) for name in names]
    parts = {os.path.realpath(one) for path in paths
             for one in includes.named(path)}
    found = [path for path in paths if os.path.realpath(path) not in parts]
    if not found:
        raise Problem(f"{folder} has no job file (*{ENDS}): name a folder that "
                      "has some.")
    return found


def _replay(path, asked):
    """The job file that a log alone is."""
    lines = ["[replay]", f"read_iolog={path}", "direct=1",
             f"iodepth={PROFILES[asked.profile].depth}"]
    return "\n".join([*lines, *(["replay_no_stall=1"] if asked.unpaced
                                else []), ""])


def _fit_for_a_line(path):
    if path != path.strip() or any(one in path for one in ";#$\n\r"):
        raise Problem(f"the name {ascii(path)} of a log has a character that "
                      "a job file has no place for (; # $ or an outer blank): "
                      "rename it.")


def listed(asked):
    """The Sources of a Request."""
    found = []
    for name in asked.job or ():
        path = os.path.abspath(jobgroups.path_of(name))
        found.append((path, JOB, _with_logs(includes.text_of(path), path)))
    for folder in asked.suite or ():
        found += [(path, SUITE, _with_logs(includes.text_of(path), path))
                  for path in _suite(os.path.abspath(folder))]
    for name in asked.replay or ():
        path = os.path.abspath(name)
        _fit_for_a_line(path)
        found.append((path, REPLAY, _replay(path, asked)))
    return [_source(number, *one) for number, one in enumerate(found)]


# Copies

def _refuse_another(log, copy):
    if _sum(copy, log.path) != log.sha256:
        raise Problem(f"{log.path} has changed since it was planned for: begin "
                      "a new run.")


def keep(sources, folder):
    """Copy them into the folder of a new run; the Sources that these are."""
    made = []
    for one in sources:
        folder.save_result(one.copy, one.text)
        for log in one.logs:
            try:
                with files.Part(folder.file(log.copy)) as part:
                    shutil.copyfile(log.path, part.name)
                    _refuse_another(log, part.name)
                    part.keep()
            except OSError as error:
                raise folder.full(error, "a log") from None
        made.append(replace(one, folder=folder.path))
    return made


def again(folder, known):
    """The Sources of a run that goes on; known: the "own" of its plan."""
    found = []
    for one in known:
        logs = tuple(Copy(**log) for log in one["logs"])
        path = folder.file(one["copy"])
        for copy in (Copy(one["path"], one["copy"], one["sha256"]), *logs):
            if _sum(folder.file(copy.copy), folder.file(
                    copy.copy)) != copy.sha256:
                raise Problem(f"{folder.file(copy.copy)} is not the copy of "
                              f"{copy.path} that the run began with: {AGAIN}.")
        with open(path, encoding="utf-8", errors="surrogateescape",
                  newline="\n") as file:
            text = file.read()
        found.append(Source(one["path"], one["way"], one["copy"],
                            one["sha256"], logs, text, folder.path))
    return found


def _same(one):
    """Is the user's file, with its logs, as it was copied?"""
    try:
        now = one.text if one.way == REPLAY else _with_logs(
            includes.text_of(one.path), one.path)
        return now == one.text and all(
            _sum(log.path, log.path) == log.sha256 for log in one.logs)
    except Problem:
        return False


def changed(sources):
    """A sentence on each whose original is another by now."""
    return [f"{one.path} is another than when the run began, or gone: the run "
            "goes on with its copy." for one in sources if not _same(one)]

# SPDX-License-Identifier: GPL-2.0-only
# The folder of a qualification: plan.json (all that decides the runs), runs/
# (one file for each fio process, the evidence), rounds/ (what each finished
# round or procedure came to) and files of lines, to which each adds one.  A
# resumed command takes finished rounds from rounds/ and makes the rest; a file
# that is torn or not ours is named and not read, a line that is torn left out.
# A gap ends a test: what comes after it is made anew.
import contextlib
import json
import os
import re

from ..base import files, runfolder
from ..base.schema import Schema, Wrong
from .records import manifest
from .suite.profiles import PROFILES, SHORTENED

ROUNDS = "rounds"
RUN_SCHEMA = "kaio-qualify-run/1"
ROUND_SCHEMA = "kaio-qualify-round/1"
LINES_SCHEMA = "kaio-qualify-lines/1"
NAME = re.compile(r"t\d{2}-[A-Za-z0-9._-]+\.json")


def _profiles(plan):
    for where, name in (("arguments.profile", plan["arguments"]["profile"]),
                        ("profile.name", plan["profile"]["name"])):
        if name not in PROFILES and (where, name) != (
                "profile.name", SHORTENED):
            raise Wrong(where, f"is none of {', '.join(PROFILES)}")


class Folder(runfolder.Folder):
    PLAN, SCHEMA = "plan.json", Schema("plan", _profiles)
    KIND, COMMAND = "qualification", "jobs/qualify"

    def __init__(self, path):
        super().__init__(path)
        self.id = None          # of the plan
        self.part = 0           # how often the run was resumed

    def _make(self):
        super()._make()
        os.makedirs(self.file(ROUNDS), exist_ok=True)

    def _remove_if_empty(self):
        if not os.path.exists(self.file(self.PLAN)) and \
                os.path.isdir(self.file(ROUNDS)):
            self.made.append(self.file(ROUNDS))
        super()._remove_if_empty()

    def open(self, stack):
        plan = super().open(stack)
        try:
            os.makedirs(self.file(ROUNDS), exist_ok=True)
            self._look_over(runfolder.RUNS)
            self._look_over(ROUNDS)
            self._drop_parts()
        except OSError as error:
            raise self.full(error, "a round") from None
        self.id, self.part = plan["id"], len(plan.get("resumed", ()))
        return plan

    def resume(self, plan, when):
        """Rounds from now on are of another part of the run."""
        plan["resumed"] = [*plan.get("resumed", ()), when]
        self.save_plan(plan)
        self.part = len(plan["resumed"])

    def _look_over(self, folder):
        """Remove what was being written; name what is not ours."""
        for name in sorted(os.listdir(self.file(folder))):
            if files.PART_NAME.fullmatch(name):
                os.unlink(self.file(folder, name))
            elif not NAME.fullmatch(name):
                self._disown(folder, name, "jobs/qualify writes none of that "
                             "name")

    def _drop_parts(self):
        """Of reports that were being written."""
        for name in os.listdir(self.path):
            if files.PART_NAME.fullmatch(name):
                os.unlink(self.file(name))

    def _disown(self, folder, name, why):
        said = f"{folder}/{ascii(name)[1:-1]} is ignored: {why}."
        if said not in self.strange:
            self.strange.append(said)

    def save_plan(self, plan):
        super().save_plan(plan)
        self.id = plan["id"]

    def save_run(self, name, run):
        """A fio process; the source of its figures."""
        content = {"schema": RUN_SCHEMA, "campaign": self.id, **run}
        self._save(os.path.join(runfolder.RUNS, f"{name}.json"), "a run",
                   files.dump(content, separators=(",", ":")))
        return f"{runfolder.RUNS}/{name}.json"

    def save_round(self, name, content):
        self._save(os.path.join(ROUNDS, f"{name}.json"), "a round",
                   files.dump({"schema": ROUND_SCHEMA, "campaign": self.id,
                               "content": content}, separators=(",", ":")))

    def load_round(self, name):
        """The content of a finished round; None if it is not there, whole."""
        path = os.path.join(ROUNDS, f"{name}.json")
        if not os.path.lexists(self.file(path)):
            return None
        found = self._read(os.path.join("..", path))
        if not found or found.get("schema") != ROUND_SCHEMA or \
                found.get("content") is None:
            self._disown(ROUNDS, f"{name}.json", "it is not a round of "
                         "jobs/qualify, whole")
            return None
        if found.get("campaign") != self.id:
            self._disown(ROUNDS, f"{name}.json", "it is of another "
                         "qualification")
            return None
        return found["content"]

    def once(self, name, make, kept=True, finished=lambda: True):
        """The content of a round: from disk, where it was finished (not kept:
        whatever is there), else as make() makes it, which is kept then.

        finished: was it, once it is made?
        """
        content = self.load_round(name) if kept else None
        if content is None:
            content = make()
            if finished():
                self.save_round(name, content)
        return content

    def forget_round(self, name):
        self.forget(os.path.join(ROUNDS, f"{name}.json"))

    def forget(self, name):
        self.break_seal()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.file(name))

    def _save(self, name, what, text):
        if name != manifest.NAME:
            self.break_seal()
        super()._save(name, what, text)

    def break_seal(self):
        """Nothing is written beside a manifest that does not know of it."""
        for name in manifest.SEAL:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.file(name))

    def seal(self):
        """The manifest, once all is written; what is left out of it."""
        text, strange = manifest.text(self.path)
        self._save(manifest.NAME, "the manifest", text)
        return strange

    # Files of lines, each a JSON object, the first with schema and id

    def _head(self):
        return {"schema": LINES_SCHEMA, "campaign": self.id}

    def lines(self, name):
        """The objects of a file of lines that are whole; [] without it."""
        found = []
        try:
            with open(self.file(f"{name}.jsonl"), encoding="utf-8",
                      errors="replace") as file:
                for line in file:
                    with contextlib.suppress(ValueError, RecursionError):
                        found.append(json.loads(line))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self.full(error, "a file of lines") from None
        if found[:1] != [self._head()]:
            self._disown(".", f"{name}.jsonl", "it is not of this "
                         "qualification")
            return []
        return [one for one in found[1:] if isinstance(one, dict)]

    def append(self, name, record):
        """A line more; OSError.  SIGKILL may tear it, and no other."""
        self.break_seal()
        path = self.file(f"{name}.jsonl")
        with open(path, "a+b") as file:
            size, text = file.tell(), json.dumps(
                record, separators=(",", ":"), allow_nan=False) + "\n"
            if not size:
                text = json.dumps(self._head()) + "\n" + text
            elif os.pread(file.fileno(), 1, size - 1) != b"\n":
                text = "\n" + text
            file.write(text.encode())

    def save_result(self, name, text):
        self._save(name, "the report", text)

    def save_report(self, content):
        self._save("qualify.json", "the report", files.dump(content, indent=1))

# SPDX-License-Identifier: GPL-2.0-only
# jobs/ab as a user runs it: each campaign in a folder of its own, nothing left
# in the temporary folder, never a traceback.
import json
import os
from pathlib import Path
import re
import shutil
import subprocess
import time

ROOT = Path(__file__).resolve().parents[2]
AB = str(ROOT / "jobs" / "ab")
QUICK = ["--size", "16M", "--runtime", "0.2", "--ramp", "0.05"]
# One run after the other, so that all metrics are measured.
FAST = [*QUICK, "--pairing", "alternate"]


class Ab:
    def __init__(self, folder):
        """folder: an empty one, for temporary files and campaigns."""
        self.folder, self.count = folder, 0
        (folder / "tmp").mkdir()
        self.environment = {**os.environ, "TMPDIR": str(folder / "tmp")}

    def command(self, *arguments):
        """With a campaign folder of its own, .out, unless one is given."""
        words = list(map(str, arguments))
        if words[0] not in ("compare", "export") and not {"--out", "--resume"} & set(words):
            self.count += 1
            self.out = self.folder / f"campaign{self.count}"
            words[:0] = ["--out", str(self.out)]    # before a "--"
        return [AB, *words]

    def __call__(self, *arguments, **changes):
        done = subprocess.run(self.command(*arguments), timeout=600, text=True,
                              capture_output=True, check=False,
                              env={**self.environment, **changes})
        assert "Traceback" not in done.stderr, done.stderr
        assert os.listdir(self.environment["TMPDIR"]) == []
        return done

    def measured(self, *arguments, call=None):
        """The same, with longer runs where a busy machine left jobs/ab itself
        no CPU in the short ones; call: instead of this."""
        for seconds in ("0.2", "1", "3"):
            done = (call or self)(*arguments, "--runtime", seconds)
            if not re.search("itself got no CPU|every one was discarded|"
                             "too busy to measure", done.stderr):
                break
        return done

    def start(self, *arguments, **changes):
        return subprocess.Popen(self.command(*arguments), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**self.environment, **changes})

    def report(self):
        """The report.json of the last campaign."""
        return json.loads((self.out / "report.json").read_text())

    def runs(self):
        return [json.loads(path.read_text())
                for path in sorted((self.out / "runs").glob("*.json"))]

    def await_runs(self, count, process):
        """Until that many run files are there."""
        end = time.monotonic() + 180
        while len(list((self.out / "runs").glob("*.json"))) < count:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.02)


def handicap(folder, source="slow_submit.c", engine="libaio"):
    """Words for a fio that, for a side with @SLOW=1, sleeps in each io_submit
    (or in what else a source of tests/lib makes slow): so much slower that no
    load of the machine hides it."""
    library, fio = folder / "slow.so", folder / "fio"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, ROOT / "tests" /
                    "lib" / source], check=True)
    fio.write_text(f"""#!/bin/sh
[ -z "$SLOW" ] || export LD_PRELOAD={library}
exec {shutil.which(os.environ.get("FIO", "fio"))} "$@"
""")
    fio.chmod(0o755)
    return ["--fio", str(fio), "--a", engine, "--b", f"{engine}@SLOW=1"]


def sentence(done, word):
    """It failed, and its last line on stderr is the sentence."""
    assert done.returncode == 1 and done.stdout == "", done.stderr
    last = done.stderr.splitlines()[-1]
    assert re.match("ab( compare| run)?: ", last) and word in last, done.stderr


def effect(cell, metric):
    return next(e for e in cell["effects"] if e["metric"] == metric)


def check_calls(cell, a, b):
    """System calls per I/O; None without a working strace."""
    for found, least in zip(cell["calls_per_io"].values(), (a, b)):
        assert found is None or least - 0.1 < found < least + 0.3

# SPDX-License-Identifier: GPL-2.0-only
# jobs/ab with fios that die or print garbage, with hostile names and texts, and
# killed: what is left.
import os
from pathlib import Path
import shutil
import time

import pytest

from abrun import FAST, sentence

LATENCY = ["--job", "latency", *FAST]


# A fio that does not do what it should: a script in front of the real one

def fake_fio(tmp_path, script):
    """A fio that runs a script instead in timed runs; FIO is the real one."""
    path = tmp_path / "fio"
    path.write_text(f"""#!/bin/sh
FIO={shutil.which('fio')}
if grep -qs '^ramp_time' effective.fio; then
{script}
fi
exec $FIO "$@"
""")
    path.chmod(0o755)
    return ["--fio", str(path), "--b", "libaio", "--pairs", "2"]


EDIT = """$FIO "$@" || exit
sed -i '{}' out.json
exit 0"""


@pytest.mark.slow
@pytest.mark.parametrize("script, word", [
    ("$FIO \"$@\" & until [ -e started ]; do sleep 0.01; done; "
     "pkill -ABRT -P $!; wait $!", "fio failed"),
    ("touch started; echo 'not even { JSON' >out.json; sleep 0.5; exit 0",
     "its JSON is not a result"),
    ("touch started; echo '{}' >out.json; sleep 0.5; exit 0",
     "its JSON is not a result"),
    ("touch started; echo '[[1]]' >out.json; sleep 0.5; exit 0",
     "its JSON is not a result"),
    ("exit 0", "its JSON is not a result"), ("exit 7", "exit status 7"),
    ("touch started; printf '\\377\\376\\000' >out.json; sleep 0.5; exit 0",
     "its JSON is not a result"),
    (EDIT.format('s/"total_ios" : [1-9].*,/"total_ios" : nan,/'), "is not a result"),
    (EDIT.format('s/"total_ios" : [1-9].*,/"total_ios" : NaN,/'), "is not a result"),
    (EDIT.format('s/"total_ios" : [1-9].*,/"total_ios" : 1e999,/'),
     "reports inf as iops"),
    (EDIT.format('s/"total_ios" : [1-9].*,/"total_ios" : -5,/'), "reports -"),
    (EDIT.format('s/"total_ios" : [1-9].*,/"total_ios" : "many",/'), "lacks what"),
    (EDIT.format('s/"lat_ns"/"lat_xs"/'), "lacks what"),
    (EDIT.format('s/"total_ios" : [1-9].*,/"total_ios" : 0,/'),
     "it completed no I/O")])
def test_a_fio_that_dies_or_prints_garbage(script, word, ab, shm, tmp_path):
    done = ab(*fake_fio(tmp_path, script), "--target", f"{shm}/s", *LATENCY)
    if "too busy" in done.stderr:
        done = ab.measured(*fake_fio(tmp_path, script), "--target",
                           f"{shm}/s", *LATENCY)
    sentence(done, word)
    assert os.listdir(shm) == []


@pytest.mark.slow
def test_an_engine_that_dies_later_keeps_what_was_measured(ab, shm, tmp_path):
    """In the fifth run that counts: one whole pair, and a sentence."""
    script = (f"[ $(ls {tmp_path}/*/runs 2>/dev/null | grep -c json) -lt 4 ] ||"
              " kill -ABRT $$")
    done = ab(*fake_fio(tmp_path, script), "--target", f"{shm}/s", *LATENCY)
    sentence(done, "fio failed with engine")
    assert f"--resume {ab.out}" in done.stderr
    report = ab.report()
    assert not report["finished"] and len(report["cells"][0]["pairs"]) == 1


# Hostile names and texts

def test_names_and_job_texts_reach_no_shell_and_break_no_page(ab, shm,
                                                              tmp_path):
    name = "a' b`touch pwned`<img src=x onerror=alert(1)>é"
    job = tmp_path / f"{name}.fio"
    job.write_text("# </script><script>alert(1)</script> \x1b[31m {{ 7*7 }}\n"
                   "[x $(touch pwned) `touch pwned`]\nrw=randread\nbs=4k\n"
                   "direct=1\nexec_postrun=touch pwned\n")
    target = f"{shm}/{name}"
    done = ab("--b", "libaio", "--pairs", "1", "--job", str(job), "--target",
              target, *FAST)
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.glob("**/pwned")) and not Path("pwned").exists()
    assert not list(Path(shm).iterdir())
    page = (ab.out / "report.html").read_text()
    assert "<script>alert" not in page and "<img src=x" not in page
    assert "\x1b" not in page and "\x1b" not in done.stdout
    cell, = ab.report()["cells"]
    assert cell["target"]["path"] == target


@pytest.mark.parametrize("axis, word", [
    ("bs", "not an axis"), ("bs=4k,$(reboot)", "not an axis"),
    ("filename=/dev/sda", "cannot be an axis"),
    ("exec_prerun=reboot", "cannot be an axis"), ("bs=4k,4k", "twice"),
    ("bs=4k,nosuch", "nosuch"), ("nosuchoption=1", "nosuchoption")])
def test_a_matrix_that_cannot_be(axis, word, ab, shm):
    sentence(ab("--b", "libaio", "--matrix", axis, "--target", f"{shm}/s",
                *FAST), word)
    assert os.listdir(shm) == [] and not ab.out.exists()


def _fios(folder):
    """The processes with a working directory below a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(path / "cwd").startswith(f"{folder}/"):
                found.append(int(path.name))
        except OSError:
            continue
    return found


def test_fio_dies_with_a_command_that_is_killed(ab, shm):
    """And what the command left is gone after the next one."""
    words = ["--b", "psync", "--pairs", "1", "--target", f"{shm}/s", *LATENCY,
             "--runtime", "60"]
    temporary = ab.environment["TMPDIR"]
    started = ab.start(*words)
    end = time.monotonic() + 60
    while len(list(Path(temporary).glob("*/*/started"))) < 1 or not (
            ab.out / "campaign.json").exists():
        assert time.monotonic() < end and started.poll() is None
        time.sleep(0.05)
    assert len(_fios(temporary)) >= 2           # fio and its job
    started.kill()
    started.communicate(timeout=300)
    end = time.monotonic() + 60
    while _fios(temporary):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert os.listdir(temporary) != []
    os.unlink(f"{shm}/s")
    # Ab itself checks that the temporary folder is then empty.
    sentence(ab("--b", "nosuch", "--target", f"{shm}/s", *LATENCY), "nosuch")

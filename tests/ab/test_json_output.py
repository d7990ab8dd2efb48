# SPDX-License-Identifier: GPL-2.0-only
# Where --json may write: a regular file is whole or absent; a pipe, a device, a
# link or stdout is written to and never replaced.
import json
import os
from pathlib import Path
import stat
import subprocess
import threading

import pytest

ROOT = Path(__file__).resolve().parents[2]
import abreport
from fiolab.base import jsonfile
from fiolab.base.problem import Problem

AB = str(ROOT / "jobs" / "ab")


def save(path, content=({"a": 1},)):
    made = jsonfile.output(str(path), 1)
    made.save(list(content))
    made.close()


def test_a_file_is_made_or_replaced_and_nothing_else_is_left(tmp_path):
    for _ in range(2):
        save(tmp_path / "f")
        assert json.loads((tmp_path / "f").read_text()) == [{"a": 1}]
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_a_link(there, tmp_path):
    link, real = tmp_path / "link", tmp_path / "real"
    link.symlink_to(real)
    if there:
        real.write_text("old")
    save(link)
    assert link.is_symlink() and not real.is_symlink()
    assert json.loads(real.read_text()) == [{"a": 1}]


def test_a_pipe_gets_the_json_and_stays_a_pipe(tmp_path):
    path, got = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(path.read_text()),
                              daemon=True)
    reader.start()
    save(path)
    reader.join(10)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert json.loads(got[0]) == [{"a": 1}]


@pytest.mark.root
def test_devices_are_not_replaced(tmp_path):
    null, disk = tmp_path / "null", tmp_path / "disk"
    try:
        os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.mknod(disk, stat.S_IFBLK | 0o600, os.makedev(7, 255))
    except OSError as error:
        pytest.skip(f"no device can be made here: {error}")
    if not _opens(null):
        pytest.skip(f"no device can be used in {tmp_path}")
    save(null)
    assert stat.S_ISCHR(null.stat().st_mode)
    with pytest.raises(Problem, match="is a block device"):
        save(disk)
    assert sorted(os.listdir(tmp_path)) == ["disk", "null"]


def _opens(path):
    try:
        with open(path, "w", encoding="ascii"):
            return True
    except OSError:
        return False


def compared(folder, name, stdout):
    report = folder / "report.json"
    report.write_text(json.dumps(abreport.typical()))
    return subprocess.run([AB, "compare", report, report, "--json", name],
                          stdout=stdout, stderr=subprocess.PIPE, text=True,
                          timeout=300, check=True)


@pytest.mark.long
def test_stdout_gets_text_and_json_in_order(tmp_path):
    done = compared(tmp_path, "/dev/stdout", subprocess.PIPE)
    text, _, found = done.stdout.partition("\n[\n")
    assert "verdict" in text and len(json.loads("[" + found)) == 2
    with open(tmp_path / "out", "w+", encoding="utf-8") as file:
        compared(tmp_path, str(tmp_path / "out"), file)
        file.seek(0)
        assert file.read() == done.stdout
    assert sorted(os.listdir(tmp_path)) == ["out", "report.json"]


def test_a_loop_of_links_is_one_sentence(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "a")
    with pytest.raises(Problem, match="^cannot write .*[.]$"):
        save(tmp_path / "a")

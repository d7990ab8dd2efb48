# SPDX-License-Identifier: GPL-2.0-only
# The progress line of jobs/ab: rewritten in place on a terminal (a real pty),
# plain lines elsewhere, and a time left that comes true.
import io
import os
import pty
import re
import subprocess

import pytest

from abrun import FAST

from fiolab.base import progress

pytestmark = pytest.mark.fio
LINE = re.compile(r"\[(\d+)/(\d+)\] (\d+) s left: (.*)")
CLEAR = "\r\x1b[K"


def on_a_terminal(command, environment):
    """(exit status, all that the terminal of its stderr got)"""
    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs,
                          env=environment) as started:
        os.close(theirs)
        said = b""
        while True:
            try:
                said += os.read(ours, 65536)
            except OSError:         # EIO: the last writer has ended
                break
    os.close(ours)
    return started.returncode, said.decode()


def words(shm, pairs):
    return ["--b", "psync", "--pairs", pairs, "--target", f"{shm}/s",
            "--job", "latency", *FAST]


def test_a_terminal_gets_one_line_that_is_rewritten(ab, shm):
    status, said = on_a_terminal(ab.command(*words(shm, 2)), ab.environment)
    assert status == 0, said
    first, *shown = said.split(CLEAR)
    assert "s left" not in first and not shown[-1].startswith("[")
    lines = [LINE.fullmatch(text) for text in shown[:-1]]
    assert all(lines), shown
    assert [int(line[1]) for line in lines] == list(range(9))
    assert {line[2] for line in lines} == {"9"}
    assert lines[-1][4] == "latency on s, pair 2 of 2"
    assert int(lines[0][3]) >= 4
    assert all(len(line[0]) < 80 for line in lines)


@pytest.mark.slow
def test_a_pipe_gets_plain_lines(ab, shm):
    done = ab(*words(shm, 2))
    assert done.returncode == 0, done.stderr
    assert "\r" not in done.stderr and "\x1b" not in done.stderr
    found = [LINE.fullmatch(line) for line in done.stderr.splitlines()
             if line.startswith("[")]
    assert found[0] and found[0][1] == "0" and int(found[0][3]) >= 4


class Clock:
    """Stands in for time.monotonic: hours pass at once."""
    now = 1000.0


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    Clock.now = 1000.0
    return Clock


def test_plain_lines_come_every_ten_seconds(clock):
    stream = io.StringIO()
    shown = progress.Progress(100, 400, stream)
    for step in range(100):
        shown.tick(f"step {step}")
        clock.now += 4
    shown.clear()
    assert [line[4] for line in map(LINE.fullmatch,
                                    stream.getvalue().splitlines())] == [
        f"step {step}" for step in range(0, 100, 3)]


@pytest.mark.parametrize("pace", [1, 4, 12])
def test_the_time_left_comes_true(pace, clock):
    """From the plan of 4 s a step at first, from the real pace later on."""
    shown, left = progress.Progress(100, 400, io.StringIO()), []
    for step in range(100):
        shown.tick("")
        left.append(shown.left() / (pace * (100 - step)))
        clock.now += pace
    assert left[0] == 4 / pace
    assert all(0.5 < ratio < 2 for ratio in left[40:]), left
    assert left[99] == pytest.approx(1, abs=0.2)
    assert all(abs(later - 1) <= abs(first - 1) + 1e-9
               for first, later in zip(left, left[20:])), left

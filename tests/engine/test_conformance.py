# SPDX-License-Identifier: GPL-2.0-only
# kaio beside fio's built-in libaio engine, with the same seed, over a matrix
# of jobs and options: the same stream of I/O, totals and depths, and
# latencies that add up; what is written is verified.  By default a selection
# in which every two values meet; KAIO_CONFORMANCE=full: all of it (make
# test-conformance); KAIO_CONFORMANCE=2/50: the second fiftieth of it;
# KAIO_CONFORMANCE=N: N cells by chance.
import concurrent.futures
import contextlib
import os
import random
from pathlib import Path

import pytest

from conformance import (
    AXES, BLOCK, EXCLUDED, SEED, SIZE, TOGETHER, Place, outcome, rounds, title,
)  # fmt: skip
import fiorun
import pairwise
import targets
from iolog import stream

CHOICE = os.environ.get("KAIO_CONFORMANCE", "")


def chosen():
    if not CHOICE:
        return pairwise.all_pairs(AXES, EXCLUDED)
    cells = pairwise.product(AXES, EXCLUDED)
    if "/" in CHOICE:
        part, parts = map(int, CHOICE.split("/"))
        return cells[len(cells) * (part - 1) // parts:
                     len(cells) * part // parts]
    return cells if CHOICE == "full" else \
        random.Random(SEED).sample(cells, int(CHOICE))


@pytest.fixture(scope="module")
def new_place(fio_binary, engine, san, need_root, tmp_path_factory):
    """Places, on tmpfs and on loop devices with files there behind."""
    def new(stack):
        shm = stack.enter_context(targets.shm_dir())
        fio = fiorun.Fio(fio_binary, str(engine),
                         tmp_path_factory.mktemp("conformance"),
                         fiorun.sanitizer_env(san))
        return Place(
            fio, shm,
            stack.enter_context(targets.loop_of(shm, TOGETHER * SIZE)),
            stack.enter_context(targets.ext4(shm, 3 * TOGETHER * SIZE)))

    return new


def test_torn_log(fio, need_root, tmp_path, shm_file):
    """It is fio's, where it has no room for it, and not our reading."""
    with targets.small_tmpfs(str(tmp_path), 64 << 10) as small:
        log, end = Path(small) / "log", "\n"
        while end == "\n":      # by chance: time stamps differ
            log.unlink(missing_ok=True)
            fio(shm_file, engine="libaio", rw="randread", bs=BLOCK,
                size=SIZE, write_iolog=log).ok()
            end = log.read_text(encoding="ascii")[-1]
        with pytest.raises(AssertionError, match=r"is torn; 0 bytes are free"):
            stream(log)


CELLS = chosen()


@pytest.fixture(scope="module")
def exactly(fio_has):
    """Does this fio leave the time of submission to its engines?"""
    return fio_has("ioengines.h", "FIO_ASYNCIO_SETS_ISSUE_TIME")


@pytest.fixture(scope="module")
def outcomes(new_place, exactly, fio_queues_ranges):
    """{title: what is wrong with it, or None} of all cells; half of them in
    one place and half in another, as most of the time goes into waiting."""
    def half(number):
        found = {}
        with contextlib.ExitStack() as stack:
            place = new_place(stack)
            for turns in list(rounds(CELLS))[number::2]:
                found.update(outcome(place, turns, exactly,
                                     fio_queues_ranges))
                print("half %d: %d cells, %d wrong" % (
                    number, len(found), sum(map(bool, found.values()))),
                      flush=True)
        return found

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first, second = pool.map(half, range(2))
    return {**first, **second}


if not CHOICE:
    @pytest.mark.parametrize("cell", CELLS, ids=title)
    def test_pairwise(outcomes, cell):
        assert outcomes[title(cell)] is None
else:
    def test_product(outcomes):
        wrong = ["%s: %s" % item for item in outcomes.items() if item[1]]
        print("%d cells, %d of them wrong" % (len(outcomes), len(wrong)))
        assert len(outcomes) == len(CELLS)
        assert not wrong, "\n".join(wrong)

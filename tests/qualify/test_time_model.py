# SPDX-License-Identifier: GPL-2.0-only
# How far are shortened figures from whole ones?  On a simulated drive whose
# write cliff comes of its garbage collection, with the project's own phases and
# rules of steady state.
from dataclasses import replace
import random

import pytest

import flashdrive
import jsonchecks
import modelruns
from fiolab.qualify.shorter import chooser, figuremarks, fills
from fiolab.qualify.suite import pts
from fiolab.qualify.suite.profiles import ENTERPRISE

pytestmark = pytest.mark.long
README = jsonchecks.DOCS.parent / "README.md"
PAGES, SPARE = 8192, 0.15


def amplification(flash, rng, writes):
    return sum(flash.write(rng.randrange(flash.pages))
               for _ in range(writes)) / writes


# The drive

def test_a_purged_drive_is_fast_until_its_spare_flash_is_used():
    flash, rng = flashdrive.Flash(PAGES, SPARE), random.Random(1)
    assert amplification(flash, rng, PAGES) == 1
    amplification(flash, rng, 8 * PAGES)
    # 0.5 / spare + 0.7, as fio's sprandom.c has it
    assert amplification(flash, rng, PAGES) == pytest.approx(4.03, rel=0.1)


def test_after_sequential_writes_the_cliff_is_near():
    flash, rng = flashdrive.Flash(PAGES, SPARE), random.Random(1)
    assert sum(flash.write(page) for _ in range(2)
               for page in range(PAGES)) == 2 * PAGES
    assert amplification(flash, rng, PAGES // 10) == 1
    amplification(flash, rng, PAGES // 10)
    assert amplification(flash, rng, PAGES // 2) > 3.4


def test_sprandom_ends_at_the_steady_state():
    flash, rng = flashdrive.Flash(PAGES, SPARE), random.Random(1)
    written = [flash.write(page) for page in
               flashdrive.sprandom(PAGES, SPARE, rng)]
    assert sum(written) / len(written) < 1.1
    assert len(written) == pytest.approx(PAGES * (1 + SPARE), rel=0.02)
    assert -1 not in flash.place
    assert amplification(flash, rng, PAGES // 4) == pytest.approx(4.03,
                                                                  rel=0.15)


def test_a_drive_that_rests_collects_ahead():
    drive = flashdrive.Drive(int(1e12), PAGES)
    for _ in range(3 * PAGES):
        drive.flash.write(drive.rng.randrange(PAGES))
    drive.idle(600)
    assert len(drive.flash.free) >= flashdrive.IDLE
    assert amplification(drive.flash, drive.rng, 64) == 1


# Shortened against whole

@pytest.fixture(scope="module")
def whole():
    return modelruns.measured(modelruns.planned(None))[0]


def changes(whole, hours, **more):
    """{(test, cell): (change, extent, steady)} of IOPS, of what is not left
    out."""
    found, seconds = modelruns.measured(modelruns.planned(hours, **more))
    return {key[:2]: (mean / whole[key][0] - 1, extent, steady)
            for key, (mean, extent, steady) in found.items()
            if key[2] == "iops" and key in whole}, seconds


def test_a_figure_of_pts_is_the_figure_of_the_whole_run(whole):
    """Of tests that only end their search sooner, and were steady."""
    draft = chooser.Draft(pts.tests(ENTERPRISE)[:2], ENTERPRISE,
                          [modelruns.SIZE])
    assert chooser.choose(draft, draft.seconds() - 1)
    found, _ = modelruns.measured(draft)
    kept = {key: one for key, one in found.items()
            if one[1] == figuremarks.PTS}
    assert {key[0] for key in kept} == {"iops", "throughput"}
    for key, (mean, *_) in kept.items():
        assert mean == whole[key][0]


@pytest.mark.parametrize("hours", [24, 6])
@pytest.mark.parametrize("sprandom", [False, True])
def test_how_far_shortened_figures_are(whole, hours, sprandom):
    found, seconds = changes(whole, hours, sprandom=sprandom)
    assert seconds <= hours * 3600
    for (test, cell), (change, extent, steady) in found.items():
        where = test, cell, change, extent
        assert extent == figuremarks.CUT or abs(change) < 0.02, where
        if test in ("iops", "throughput", "latency"):
            assert steady in (True, None) and abs(change) < 0.1, where


def test_short_rounds_without_a_fill_are_far_off(whole):
    """Why there is one: the rounds find a steady state above the cliff."""
    cell = "iops", "4K 0/100", "iops"
    for fill, least, most in ((fills.PTS, 2, 3), (fills.SPRANDOM, 0.9, 1.1)):
        own = replace(ENTERPRISE, thin=True, minute=5, fill=fill)
        found, _ = modelruns.of([pts.tests(own)[0]], own)
        mean, _, steady = found[cell]
        assert steady and least < mean / whole[cell][0] < most


def test_short_loads_end_the_latency_test_before_the_cliff(whole):
    """Why they are not cut."""
    cell = "latency", "4K 0/100", "lat_mean_us"
    own = replace(ENTERPRISE, minute=15)
    found, _ = modelruns.of([pts.tests(own)[2]], own)
    mean, _, steady = found[cell]
    assert steady and mean / whole[cell][0] == pytest.approx(0.5, abs=0.05)


def test_the_table_of_the_readme_is_what_the_model_gives():
    lines = README.read_text().splitlines()
    for line in modelruns.table():
        assert line in lines

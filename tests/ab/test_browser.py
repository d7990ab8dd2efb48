# SPDX-License-Identifier: GPL-2.0-only
# report.html in a real headless Chromium, on a phone and on a screen, light
# and dark: nothing on the console, nothing asked from elsewhere, no sideways
# scrolling, text with contrast, pictures that can be read, and the verdict in
# sight without scrolling.  KAIO_SHOTS=DIR keeps the pictures to look at.

import numpy as np
import pytest

import abreport
import abrun
import hostile
import pagechecks
from browser import HEIGHT
from fiolab.ab import schema
from fiolab.ab.report import htmlreport

pytestmark = pytest.mark.browser
BOTTOM = """[...document.querySelectorAll('h1, .card')].slice(0, 2).map(
  e => e.getBoundingClientRect().bottom)"""


def three_sides():
    """Hosts, three sides, an early stop, and a cell without a pair."""
    rng = np.random.default_rng(4)
    cells = [abreport.cell(rng, 0, effect=0.1, hosts=("h1", "h2")),
             abreport.cell(rng, 1, effect=-0.1, b="C"),
             abreport.cell(rng, 2, b="C")]
    cells[2].update(pairs=[], effects=[], latency={}, order_effect={})
    return abreport.report(cells, 3, finished=False, pairs=None,
                           max_time_s=60,
                           self_check=abreport.SELF_CHECK)


def many():
    rng = np.random.default_rng(5)
    return abreport.report([
        abreport.cell(rng, i, n=8, effect=rng.normal(0, 0.1),
                      job=f"randrw-bs4k-iodepth{1 << i % 7}-numjobs{i}")
        for i in range(45)])


def one():
    return abreport.report([abreport.cell(np.random.default_rng(5), 0)])


REPORTS = {"one": one, "typical": abreport.typical, "many": many,
           "three": three_sides,
           "hostile": lambda: hostile.report(abreport.typical(),
                                             " ".join(hostile.ATTACKS))}


@pytest.fixture(scope="module",
                params=pagechecks.some(REPORTS, ("one", "three")))
def report(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("html") / f"{request.param}.html"
    htmlreport.write(schema.check(REPORTS[request.param]()), path)
    return path


@pytest.fixture(scope="module", params=pagechecks.PAGES,
                ids=lambda size: f"{size[0]}-{size[1]}")
def page(request, browser, report):
    return pagechecks.opened(browser, report, request.param)


def test_nothing_on_the_console_and_nothing_from_elsewhere(page):
    pagechecks.is_alone(page)


def test_no_sideways_scrolling(page):
    pagechecks.fits_its_width(page)


def test_the_verdict_is_in_sight(page):
    if page.name in ("hostile", "three"):
        pytest.skip("its names are longer than a screen, or it has several "
                    "verdicts")
    page.evaluate("scrollTo(0, 0)")
    bottoms = page.evaluate(BOTTOM)
    assert len(bottoms) == 2 and max(bottoms) < HEIGHT


def test_text_has_contrast(page):
    pagechecks.has_contrast(page)


def test_pictures_can_be_read(page):
    page.evaluate(pagechecks.OPEN)
    assert page.evaluate(pagechecks.SMALLEST) >= 10


def test_what_a_screen_reader_gets(page):
    seen = pagechecks.spoken(page)
    assert len(seen["heading"]) > 5 and all(seen["heading"])
    assert "Results" in seen["table"] and len(seen["row"]) > 2
    assert {"Cell", "Effect", "95% CI", "Verdict"} <= set(
        seen["columnheader"])
    assert all(seen["image"]) and len(seen["image"]) > 3


@pytest.mark.slow
def test_the_picture_of_the_page(page, tmp_path):
    pagechecks.is_painted(page, tmp_path)


@pytest.mark.slow
def test_a_real_campaign(browser, tmp_path, shm):
    """What jobs/ab writes is what the schema says, and the page shows it."""
    (tmp_path / "ab").mkdir()
    ab = abrun.Ab(tmp_path / "ab")
    done = ab("--a", "libaio", "--b", "psync", "--pairs", "6", "--target",
              f"{shm}/<script>hacked=1", "--job", "latency", *abrun.FAST)
    assert done.returncode == 0, done.stderr
    data = schema.load(ab.out / "report.json")
    assert (ab.out / "report.txt").read_text() in done.stdout
    rows = (ab.out / "report.csv").read_text().splitlines()
    assert len(rows) == 1 + len(data["cells"][0]["effects"])
    page = browser.open(ab.out / "report.html")
    assert page.problems == []
    assert page.evaluate("window.hacked === undefined")
    text = page.evaluate(pagechecks.OPEN + "; document.body.textContent")
    cell, = data["cells"]
    for part in (*cell["command"].values(), *cell["effective"].values(),
                 cell["target"]["path"], cell["effects"][0]["verdict"]):
        assert part in text

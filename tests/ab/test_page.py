# SPDX-License-Identifier: GPL-2.0-only
# report.html: complete in itself, the right figures in it, ids unique, and a
# structure that no text from outside can change.  What a browser makes of it
# is in tests/ab/test_browser.py.
from pathlib import Path
import re

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
import abreport
import hostile
from fiolab.ab import schema
from fiolab.ab.report import htmlreport
from fiolab.fio.metrics import SHARES
from fiolab.report import latencyplots, plotting, svg
from outline import (Outline, is_well_formed,
                     links_lead_somewhere, needs_nothing_else)


def page_of(data):
    return htmlreport.page(schema.check(data))


@pytest.fixture(scope="module")
def typical():
    return page_of(abreport.typical())


@pytest.fixture(scope="module")
def outline(typical):
    return Outline(typical)


def test_it_needs_nothing_else(typical, outline):
    needs_nothing_else(typical, outline)


def test_it_is_well_formed(outline):
    is_well_formed(outline)
    assert outline.tags.count(("html", "lang")) == 1


def test_ids_are_unique_and_all_links_lead_somewhere(typical, outline):
    links_lead_somewhere(typical, outline)


def test_every_picture_is_described(outline):
    pictures = [dict((name, value) for tag, name, value in
                     outline.attributes if tag == "svg")]
    assert pictures
    shown = [tag for tag in outline.tags if tag[0] == "svg"]
    for tag in shown:
        assert "aria-labelledby" in tag or "aria-hidden" in tag
    assert outline.tags.count(("desc", "id")) == sum(
        "aria-labelledby" in tag for tag in shown) == 2 + 2 * 5


def test_the_verdict_and_its_figures_are_there(outline):
    data = abreport.typical()
    effect = data["cells"][0]["effects"][0]
    effect.update(ratio=1.2164, ci95=[1.164, 1.259], p_holm=7.6e-6, n=19,
                  aa={"ratio": 1, "ci95": [0.994, 1.089]}, verdict="faster")
    text = Outline(page_of({**data, "cells": data["cells"][:1]})).words()
    assert text.index("kaio is faster than libaio") < text.index("Results")
    for figure in ("+21.6%", "+16.4 to +25.9%", "−0.6 to +8.9%", "7.6e-06",
                   "19 pairs"):
        assert figure in text


@pytest.mark.parametrize("verdicts, headline", [
    (["faster"], "kaio is faster than libaio"),
    (["equivalent"], "kaio is equivalent to libaio"),
    (["inconclusive"], "kaio against libaio: inconclusive"),
    (["slower"] * 3, "kaio is slower than libaio in all 3 cells"),
    (["equivalent", "slower", "faster"], "kaio against libaio: faster in 1, "
     "slower in 1, equivalent in 1 of 3 cells")])
def test_the_headline(verdicts, headline):
    rng = np.random.default_rng(1)
    cells = [abreport.cell(rng, i, n=6) for i in range(len(verdicts))]
    for cell, verdict in zip(cells, verdicts):
        cell["effects"][0].update(
            verdict=verdict, ratio=0.8 if verdict == "slower" else 1.25)
    data = abreport.report(cells)
    assert htmlreport.headline(data, data["sides"][1], cells) == headline
    data["sides"][1]["text"] = "libaio"
    said = htmlreport.headline(data, data["sides"][1], cells[:1])
    assert said.startswith("libaio against itself")


def test_each_cell_says_how_to_repeat_it(outline):
    text = "".join(outline.text)
    for cell in abreport.typical()["cells"]:
        for role in "AB":
            assert cell["command"][role] in text
            assert cell["effective"][role] in text
        assert cell["job_text"] in text


@pytest.mark.long
def test_discards_warnings_and_an_early_stop():
    data = abreport.typical()
    data.update(finished=False, warnings=[f"warning {i}." for i in range(7)])
    text = Outline(page_of(data)).words()
    assert "7 warnings" in text and "4 more" in text and "Warning 6." in text
    assert "Stopped early after 40 of 40 pairs" in text
    assert "8 this machine fio did no I/O" in text


def test_nothing_measured_is_a_page():
    cell = abreport.cell(np.random.default_rng(1), 0)
    cell.update(pairs=[], effects=[], latency={}, order_effect={})
    assert "Nothing was measured" in page_of(abreport.report([]))
    assert "no pair was measured" in page_of(abreport.report([cell]))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_pairs_without_intervals(n):
    data = abreport.report([abreport.cell(np.random.default_rng(1), 0, n=6)])
    cell = data["cells"][0]
    cell["pairs"] = cell["pairs"][:n]
    for effect in cell["effects"]:
        effect.update(n=n, ci95=None, ci90=None, detectable=None,
                      verdict="no verdict", reason="too few",
                      aa={"ratio": 1.0, "ci95": None})
    assert "n/a" in page_of(data)


@pytest.mark.slow
def test_only_some_cells_get_pictures():
    rng = np.random.default_rng(1)
    cells = [abreport.cell(rng, i, n=6, effect=i / 100, job=f"job{i}")
             for i in range(45)]
    found = Outline(page_of(abreport.report(cells)))
    text = found.words()
    assert "Pictures are drawn for 12 of 45 cells" in text
    assert "5 cells are left out here: the 40 with the clearest" in text
    drawn = {x for x in found.ids if re.fullmatch(r"cell\d+t0-title", x)}
    assert len(drawn) == 12 and "cell44t0-title" in drawn
    assert all(f"cell-{i}" in found.ids for i in range(45))


def test_many_pairs_are_thinned_and_the_caption_says_so():
    data = abreport.report([abreport.cell(np.random.default_rng(1), 0,
                                          n=3333)])
    page = page_of(data)
    assert "3,333 pairs in 240 points, each the median of about 14" in page
    assert len(page) < 600_000


def small():
    return abreport.report([abreport.cell(np.random.default_rng(1), 0, n=6)])


@pytest.fixture(scope="module")
def harmless():
    """The same report with nothing hostile in the same places."""
    return Outline(page_of(hostile.report(small(), "x")))


@pytest.mark.parametrize("attack", hostile.OF_A_PAGE)
def test_hostile_text_changes_no_structure(attack, harmless):
    page = page_of(hostile.report(small(), attack))
    page.encode()
    found = Outline(page)

    assert found.outside() == harmless.outside()
    assert len(found.ids) == len(set(found.ids))
    assert {tag for tag, *_ in found.tags} == {
        tag for tag, *_ in harmless.tags}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", page)


def test_hostile_text_is_shown_as_it_is():
    attack = "<script>window.hacked=1</script>"
    text = "".join(Outline(page_of(hostile.report(small(), attack))).text)
    assert attack in text


# The pictures

def test_colours_are_the_pages():
    """In no picture is a colour of its own, so dark and light both work."""
    page = page_of(abreport.typical())
    inside = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(inside) > 10
    for picture in inside:
        assert not re.search(r"#[0-9a-f]{6}\b", picture)
        assert "var(--" in picture
    css = (ROOT / "jobs" / "fiolab" / "report" / "templates" /
           "report.css").read_text()
    light, dark = css.split("prefers-color-scheme: dark")
    for name in set(svg.COLOURS.values()):
        assert f"{name}: #" in light and f"{name}: #" in dark


def exact(bins, share):
    """The latency that a share of the I/Os does not exceed."""
    counts = np.cumsum([count for _, count in bins])
    return bins[int(np.searchsorted(counts, share * counts[-1]))][0]


def test_thinning_keeps_the_percentiles():
    found = abreport.latency_of(np.random.default_rng(2), 4e5, buckets=1500)
    ns, share = latencyplots.thinned(found["bins"], list(SHARES.values()))
    assert len(ns) <= plotting.POINTS + len(SHARES)
    assert share[-1] == 1.0 and ns[-1] == found["bins"][-1][0]
    for q in (0.5, 0.9, 0.99, 0.999, 0.9999):
        assert ns[np.searchsorted(share, q)] == exact(found["bins"], q)


def test_thinning_nothing():
    ns, share = latencyplots.thinned([])
    assert len(ns) == len(share) == 0
    assert latencyplots.cdf({r: {"bins": [], "percentiles": {}} for r in "AB"},
                     "read", "p") is None


def test_points_stand_for_all_pairs():
    assert [len(x) for x in plotting.groups(20)] == [1] * 20
    many = plotting.groups(3333)
    assert len(many) == plotting.POINTS
    assert sum(map(len, many)) == 3333 and {*map(len, many)} == {13, 14}


@pytest.mark.parametrize("low, high", [(90, 110), (300, 950), (8e4, 3e6),
                                       (1, 1e9), (2e3, 2.5e4)])
def test_a_latency_axis_has_a_few_round_places(low, high):
    ticks = latencyplots.log_ticks(low, high)
    assert 1 <= len(ticks) <= 6 and ticks == sorted(set(ticks))
    assert all(low <= tick <= high for tick in ticks)


@pytest.mark.parametrize("ratio", [1e-9, 0.3, 1.0, 1.0001, 5, 1e9])
def test_any_effect_can_be_drawn(ratio):
    effect = {**abreport.typical()["cells"][0]["effects"][0],
              "ratio": ratio, "ci95": [ratio / 2, ratio * 2],
              "aa": {"ratio": 1.0, "ci95": [1.0, 1.0]}}
    with svg.styled():
        assert "nan" not in plotting.forest([("x", effect)], "p", "t", 0.02)

# SPDX-License-Identifier: GPL-2.0-only
"""What a browser is asked about a page: JavaScript for browser.Page.evaluate;
and what must be so of every page."""
import os

import matplotlib.image
import numpy as np
import pytest

WIDTHS, SCHEMES = (390, 1280), ("light", "dark")
SIZES = [(width, scheme) for width in WIDTHS for scheme in SCHEMES]
# A light phone and a dark screen show nearly all.
PAGES = [size if WIDTHS.index(size[0]) == SCHEMES.index(size[1]) else
         pytest.param(size, marks=pytest.mark.slow) for size in SIZES]


def some(reports, slow):
    """Parameters of a fixture: those of the names in slow are slow."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in slow else name
            for name in reports]


OPEN = "document.querySelectorAll('details').forEach(d => d.open = true)"
# What reaches over the right edge and cannot be scrolled in its own frame.
OVER = """[...document.body.querySelectorAll('*')].filter(e =>
    !e.closest('.scroll, svg') && e.getClientRects().length &&
    e.getBoundingClientRect().right > innerWidth + 1).map(e =>
    e.tagName + '.' + e.className).slice(0, 5)"""
CONTRAST = """(() => {
  const parts = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = parts(c).map(x => x / 255).map(
    x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const under = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor;
    if (parts(c)[3] !== 0) return c; } };
  const walk = document.createTreeWalker(document.body,
                                         NodeFilter.SHOW_TEXT);
  let worst = [99, ''], n = 0;
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(e.closest('svg') ? style.fill : style.color),
                    light(under(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    n++;
    if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 90)];
  }
  return [...worst, n]; })()"""
SMALLEST = """Math.min(...[...document.querySelectorAll('svg.plot text')].map(
  t => { const s = t.ownerSVGElement; return parseFloat(
    getComputedStyle(t).fontSize) * s.getBoundingClientRect().width /
    s.viewBox.baseVal.width; }))"""
# Texts of a picture that lie on one another: [text, text].
CROWDED = """[...document.querySelectorAll('svg.plot')].flatMap(s => {
  const all = [...s.querySelectorAll('text')].map(t =>
    [t.textContent, t.getBoundingClientRect()]);
  return all.flatMap(([a, p], i) => all.slice(i + 1).filter(([, q]) =>
    Math.min(p.right, q.right) - Math.max(p.left, q.left) > 2 &&
    Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 4)
    .map(([b]) => a + ' / ' + b)); })"""
# Texts of a picture that leave it: they would lie on what is beside it.
OUTSIDE = """[...document.querySelectorAll('svg.plot')].flatMap(s => {
  const box = s.getBoundingClientRect();
  return [...s.querySelectorAll('text')].filter(t => {
    const r = t.getBoundingClientRect();
    return r.left < box.left - 2 || r.right > box.right + 2 ||
      r.top < box.top - 2 || r.bottom > box.bottom + 2; })
    .map(t => t.textContent); })"""


def spoken(page):
    """{role: [names]}: what a screen reader gets."""
    seen = {}
    for node in page.call("Accessibility.getFullAXTree")["nodes"]:
        if not node.get("ignored"):
            name = node.get("name", {}).get("value", "")
            seen.setdefault(node["role"]["value"], []).append(name)
    return seen


def opened(browser, path, size, prefix=""):
    """A page of a width and a scheme."""
    width, scheme = size
    page = browser.open(path, width, scheme == "dark")
    page.name, page.path, page.dark = path.stem, path, scheme == "dark"
    page.shot = f"{prefix}{path.stem}-{width}-{scheme}.png"
    return page


def is_alone(page):
    """Nothing on the console, nothing asked from elsewhere, no script."""
    assert page.problems == []
    assert page.requests == [page.path.as_uri()]
    assert page.evaluate("window.hacked === undefined")
    assert page.evaluate("document.querySelectorAll('script').length") == 0


def fits_its_width(page):
    """No sideways scrolling, as it comes and with everything open."""
    for _ in range(2):
        assert page.evaluate("document.documentElement.scrollWidth") \
            <= page.width
        assert page.evaluate(OVER) == []
        page.evaluate(OPEN)


def has_contrast(page):
    """At least the 4.5 to 1 of WCAG AA, in pictures and on shades as well."""
    page.evaluate(OPEN)
    worst, where, texts = page.evaluate(CONTRAST)
    assert texts > 100 and worst >= 4.5, where


def is_painted(page, folder):
    """Dark or light as asked; KAIO_SHOTS=DIR keeps the picture."""
    path = os.path.join(os.environ.get("KAIO_SHOTS") or folder, page.shot)
    page.screenshot(path)
    shot = matplotlib.image.imread(path)[..., :3]
    assert shot.shape[1] == page.width and shot.shape[0] > 800
    assert (shot[:, 0].mean() < 0.2) if page.dark else (
        shot[:, 0].mean() > 0.9)
    reds = np.unique((shot[::2, ::2, 0] * 255).astype(np.uint8))
    assert len(reds) > 40

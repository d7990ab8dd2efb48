# SPDX-License-Identifier: GPL-2.0-only
# Latency against the rate that was asked for, of each mix, with the rate that
# it does at most, and the highest that was found to keep p99.
from ...fio.metrics import TABLE
from ...report import plotting, svg, wording
from ..suite.derive import middle_of
from . import cellpage, phrases, pictures

DASHES = {"due_p50_us": "-", "due_p99_us": (0, (4, 2)),
          "due_p99_9_us": (0, (1, 1.5))}
FASTEST, HIGHEST = "closed loop", "highest"


def families(cells):
    """{mix: {what of it: cell}} of cells such as "4K 100/0 25%"."""
    found = {}
    for cell in cells:
        parts = cell["name"].split(" ", 2)
        if len(parts) == 3:
            found.setdefault(" ".join(parts[:2]), {})[parts[2]] = cell
    return {mix: one for mix, one in found.items()
            if any("due_p50_us" in cell["values"] for cell in one.values())}


def _curve(cells):
    return sorted(((middle_of(cell, "iops"), cell)
                   for name, cell in cells.items() if name.endswith("%")),
                  key=lambda one: one[0])


def _lines(axes, points):
    """What is drawn of each percentile: [(name, last y, colour)], all y."""
    ends, every = [], []
    for (metric, dash), colour in zip(DASHES.items(), svg.LINES):
        found = [(x, middle_of(cell, metric)) for x, cell in points]
        found = [point for point in found if point[1] is not None]
        if found:
            axes.plot(*zip(*found), color=colour, linestyle=dash,
                      linewidth=1.5, marker="os^"[len(ends)], markersize=4)
            ends.append((TABLE[metric].head.split()[0], found[-1][1], colour))
            every += [y for _, y in found]
    return ends, every


def _mark(axes, x, text, colour, height):
    axes.axvline(x, color=colour, linewidth=1.1, linestyle=":")
    # Beside the rule, on the side that has room.
    left, right = axes.get_xlim()
    on_left = x > (left + right) / 2
    axes.annotate(text, (x, height), (-4 if on_left else 4, 0), color=colour,
                  xycoords=axes.get_xaxis_transform(), va="bottom",
                  ha="right" if on_left else "left",
                  textcoords="offset points")


def _found(cells):
    """(IOPS, 'p99 <= 2 ms') of the first search; None without one."""
    one = next(iter(cells.get(HIGHEST, {}).get("paces", ())), None)
    return one and one["iops"] and (
        one["iops"], f"p99 ≤ {wording.duration(1000 * one['p99_us'])}")


def picture(mix, cells, prefix):
    """None: of a mix without a curve."""
    points = _curve(cells)
    if len(points) < 2 or FASTEST not in cells:
        return None
    names = [TABLE[metric].head.split()[0] for metric in DASHES]
    made, axes = pictures.figure(280, right=pictures.room(names), top=30)
    fastest = middle_of(cells[FASTEST], "iops")
    axes.set_xlim(0, 1.04 * max(fastest, *(x for x, _ in points)))
    ends, every = _lines(axes, points)
    pictures.value_axis(axes, every, "us")
    _mark(axes, fastest, "at most", svg.MUTED, 0.02)
    found = _found(cells)
    if found:
        _mark(axes, *found, svg.BAD, 0.12)
    axes.xaxis.get_major_locator().set_params(nbins=5)
    axes.xaxis.set_major_formatter(lambda x, _: pictures.tick(x, "1/s"))
    axes.set_xlabel("IOPS")
    pictures.end_labels(axes, ends)
    plotting.caption(axes, "latency from when due")
    return svg.render(made, prefix, f"Latency at set rates, {mix}",
                      _said(points, found))


def _said(points, found):
    text = "; ".join(f"{x:,.0f} IOPS: p99 "
                     f"{phrases.amount(middle_of(cell, 'due_p99_us'), 'us')}"
                     for x, cell in points)
    return text + (f"; {found[1]} up to {found[0]:,.0f} IOPS" if found else "")


def drawn(test, prefix):
    """[(picture, caption, source)] of each mix."""
    made = [(picture(mix, cells, f"{prefix}m{i}"),
             f"{mix}: latency against IOPS, from the moment that I/Os were due "
             "(at random, at the rate of each point), medians of the rounds. "
             "At most: as fast as it goes at the profile's depth.",
             phrases.sources(cellpage.sources(cells.values())))
            for i, (mix, cells) in enumerate(families(test["cells"]).items())]
    return [one for one in made if one[0]]

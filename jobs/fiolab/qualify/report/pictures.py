# SPDX-License-Identifier: GPL-2.0-only
# The pictures of PTS: convergence of all stimuli over the rounds, and the
# measurement window with its mean, the band of +-10% and the fitted line.
# Lines bear their names at their ends, and markers differ: colour is never
# the only sign.  Axes and labels here serve the other pictures as well.
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ...report import latencyplots, plotting, svg, wording
from . import phrases

LETTER, LINE = 7.4, 15      # CSS pixels of a label's letter, and its height
LONGEST = 18                # letters of a label beside a picture
MARKERS = "os^Dv<>P"
SPREAD = 8                  # times: from here on an axis is logarithmic
BAND = 0.1                  # of the mean: what the window's plot shows


# Axes

def figure(height, left=0.15, right=0.03, top=26, bottom=40):
    """(figure, axes); left and right in shares, top and bottom in pixels."""
    made = svg.figure(height)
    axes = made.add_axes([left, bottom / height, 1 - left - right,
                          1 - (top + bottom) / height])
    axes.grid(True)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, which="both")
    return made, axes


def room(names):
    """The share of the width that labels need on the right."""
    longest = max((plotting.weight(name) for name in names), default=0)
    return (min(longest, LONGEST) * LETTER + 12) / svg.WIDTH


def tick(value, unit):
    """A figure of an axis, short: '120k', '3.2 ms'."""
    if unit == "us":
        return wording.duration(value * 1000) if value > 0 else "0"
    if unit == "share":
        return f"{100 * value:g}%"
    for name, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= scale:
            return f"{value / scale:.3g}{name}"
    return f"{value:.3g}"


def value_axis(axes, values, unit, zero=True):
    """From zero; logarithmic where the values are far apart."""
    found = [x for x in values if x is not None]
    low, high = min(found, default=0), max(found, default=1)
    if low > 0 and high / low > SPREAD and zero:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.35, high * 1.35)
        axes.yaxis.set_major_locator(FixedLocator(latencyplots.log_ticks(
            *axes.get_ylim())))
    elif zero:
        axes.set_ylim(min(0, low * 1.1), high * 1.1 or 1)
        axes.yaxis.get_major_locator().set_params(nbins=5)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(
        lambda y, _: tick(y, unit).replace("-", "−")))


def rounds_axis(axes, numbers):
    low, high = min(numbers), max(numbers)
    axes.set_xlim(low - 0.4, high + 0.4)
    step = -(-(high - low + 1) // 9)
    axes.xaxis.set_major_locator(FixedLocator(range(low, high + 1, step)))
    axes.set_xlabel("round")


def apart(places, least):
    """Places moved as little as need be, so that none is nearer than that
    to the next; in the order given."""
    order = sorted(range(len(places)), key=places.__getitem__)
    found = list(places)
    for _ in range(60):
        for one, two in zip(order, order[1:]):
            lacking = least - (found[two] - found[one])
            if lacking > 0.01:
                found[one] -= lacking / 2
                found[two] += lacking / 2
    return found


def end_labels(axes, ends):
    """ends: [(text, last y, colour)], beside the right edge."""
    height = axes.get_window_extent().height / svg.POINT * 72 / 100
    to_axes = (axes.transData + axes.transAxes.inverted()).transform
    at = [to_axes((0, y))[1] for _, y, _ in ends]
    for (text, _, colour), y in zip(ends, apart(at, LINE / height)):
        axes.text(1.02, y, text, color=colour, va="center",
                  transform=axes.transAxes)


# Convergence

def per_round(phase, stimulus, metric):
    """([round], [mean of its results]) of a stimulus."""
    numbers, means = [], []
    for one in phase["rounds"]:
        found = [r["values"].get(metric) for r in one["results"]
                 if r["stimulus"] == stimulus]
        found = [x for x in found if x is not None]
        if found:
            numbers.append(one["round"])
            means.append(sum(found) / len(found))
    return numbers, means


def _window(axes, steady):
    """The window's rounds, shaded."""
    if steady["first"] is None or steady["rounds"] < steady["window"]:
        return
    axes.axvspan(steady["first"] - 0.4, steady["last"] + 0.4, color=svg.BAND,
                 linewidth=0, zorder=0)


def convergence(phase, names, metric, prefix, short=str):
    """The stimuli of these names over the rounds; None: no figure at all."""
    lines = [(plotting.label(short(name), LONGEST), *per_round(
        phase, name, metric)) for name in names]
    lines = [line for line in lines if line[1]]
    if not lines:
        return None
    unit = phrases.unit(metric)
    made, axes = figure(250, right=room([line[0] for line in lines]))
    value_axis(axes, [y for line in lines for y in line[2]], unit)
    _window(axes, phase["steady"])
    ends = []
    for i, (name, numbers, means) in enumerate(lines):
        colour = svg.LINES[i % len(svg.LINES)]
        axes.plot(numbers, means, color=colour, linewidth=1.5, markersize=4,
                  marker=MARKERS[i % len(MARKERS)])
        ends.append((name, means[-1], colour))
    rounds_axis(axes, [x for line in lines for x in line[1]])
    end_labels(axes, ends)
    plotting.caption(axes, axis_name(metric))
    said = "; ".join(f"{name}: {phrases.amount(y[0], unit)} in round {x[0]}, "
                     f"{phrases.amount(y[-1], unit)} in round {x[-1]}"
                     for name, x, y in lines)
    return svg.render(made, prefix, f"{wording.label(phrases.label(metric))} "
                      "over the rounds", said)


def axis_name(metric):
    unit = phrases.unit(metric)
    said = wording.label(phrases.label(metric))
    return f"{said}, {unit}" if unit not in ("us", "1/s", "share", "") \
        and unit != said else said


# The measurement window

def _limits_of(mean, series):
    reach = max(1.6 * BAND * abs(mean), *(abs(y - mean) * 1.25
                                          for y in series))
    return mean - reach, mean + reach


def window(steady, one, prefix):
    """The rounds of the window; None with fewer."""
    if one["mean"] is None or steady["first"] is None:
        return None
    numbers = list(range(steady["first"], steady["last"] + 1))
    series = one["series"][steady["first"] - 1:steady["last"]]
    mean = one["mean"]
    made, axes = figure(230, left=0.17, right=0.15)
    axes.set_ylim(*_limits_of(mean, series))
    value_axis(axes, series, one["unit"], zero=False)
    axes.axhspan(0.9 * mean, 1.1 * mean, color=svg.BAND, linewidth=0,
                 zorder=0)
    axes.axhline(mean, color=svg.MUTED, linewidth=1.2)
    ends = [numbers[0] - 0.4, numbers[-1] + 0.4]
    fit = [one["slope"] * x + one["intercept"] for x in ends]
    axes.plot(ends, fit, color=svg.B, linewidth=1.4, linestyle=(0, (5, 2)))
    axes.plot(numbers, series, "o", color=svg.INK, markersize=5)
    rounds_axis(axes, numbers)
    end_labels(axes, [("+10%", 1.1 * mean, svg.MUTED),
                      ("mean", mean, svg.MUTED), ("fit", fit[1], svg.B),
                      ("−10%", 0.9 * mean, svg.MUTED)])
    plotting.caption(axes, plotting.label(one["label"]))
    holds = "holds" if one["holds"] else "does not hold"
    return svg.render(
        made, prefix, f"Measurement window of {one['label']}",
        f"rounds {steady['first']} to {steady['last']}: "
        f"{', '.join(phrases.amount(y, one['unit']) for y in series)}; mean "
        f"{phrases.amount(mean, one['unit'])}; fit {phrases.formula(one)}; it "
        f"{holds}")

# SPDX-License-Identifier: GPL-2.0-only
# A selection of cells from a matrix of options in which every pair of values
# occurs: most faults need two values to meet, few need three.
import itertools

from allpairspy import AllPairs


def fits(cell, excluded):
    """Does the cell, which may be partial, contain no excluded one?"""
    return not any(bad.items() <= cell.items() for bad in excluded)


def pairs(cell):
    """All pairs of (axis, value) in the cell, each as a frozenset."""
    return {frozenset(pair) for pair in itertools.combinations(cell.items(),
                                                               2)}


def product(axes, excluded=()):
    """All cells of {axis: values}, but those that contain a dictionary in
    excluded."""
    cells = (dict(zip(axes, values))
             for values in itertools.product(*axes.values()))
    return [cell for cell in cells if fits(cell, excluded)]


def generated(axes, excluded):
    """The cells of AllPairs, which misses some pairs where cells are excluded:
    it ends with the first that brings nothing new."""
    for row in AllPairs([list(values) for values in axes.values()],
                        lambda row: fits(dict(zip(axes, row)), excluded)):
        yield dict(zip(axes, row))


def all_pairs(axes, excluded=()):
    """Cells in which every pair of values occurs that can occur in an allowed
    cell; the same ones each time."""
    cells = list(generated(axes, excluded))
    found = set().union(*map(pairs, cells))
    for one, two in itertools.combinations(axes, 2):
        for values in itertools.product(axes[one], axes[two]):
            pair = dict(zip((one, two), values))
            if frozenset(pair.items()) in found:
                continue
            narrow = {**axes, **{axis: [pair[axis]] for axis in pair}}
            for cell in itertools.islice(generated(narrow, excluded), 1):
                found |= pairs(cell)
                cells.append(cell)
    return cells

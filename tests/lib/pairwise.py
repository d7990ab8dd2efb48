# SPDX-License-Identifier: GPL-2.0-only
# A selection of cells from a matrix of options in which every pair of values
# occurs: most faults need two values to meet, few need three.
import itertools


def fits(cell, excluded):
    """Does the cell, which may be partial, contain no excluded one?"""
    return not any(bad.items() <= cell.items() for bad in excluded)


def pairs(cell):
    """All pairs of (axis, value) in the cell, each as a frozenset."""
    return {frozenset(pair) for pair in itertools.combinations(cell.items(),
                                                               2)}


def complete(cell, axes, excluded, missing):
    """The cell with a value for every axis: the one that brings the most
    missing pairs, and another where that leads to nothing allowed.  None if
    there is no such cell."""
    if not fits(cell, excluded):
        return None
    left = [axis for axis in axes if axis not in cell]
    if not left:
        return cell

    def gain(value):
        return sum(frozenset([(left[0], value), item]) in missing
                   for item in cell.items())

    # sorted() keeps the order of equals, so that the result is always one.
    for value in sorted(axes[left[0]], key=gain, reverse=True):
        found = complete({**cell, left[0]: value}, axes, excluded, missing)
        if found:
            return found
    return None


def product(axes, excluded=()):
    """All cells of {axis: values}, but those that contain a dictionary in
    excluded."""
    cells = (dict(zip(axes, values))
             for values in itertools.product(*axes.values()))
    return [cell for cell in cells if fits(cell, excluded)]


def all_pairs(axes, excluded=()):
    """Cells in which every pair of values occurs that can occur in an allowed
    cell; the same ones each time."""
    wanted = [dict(zip(two, values))
              for two in itertools.combinations(axes, 2)
              for values in itertools.product(*(axes[axis] for axis in two))]
    missing = {frozenset(pair.items()) for pair in wanted}
    cells = []
    for pair in wanted:
        if frozenset(pair.items()) not in missing:
            continue
        cell = complete(pair, axes, excluded, missing)
        if cell:
            missing -= pairs(cell)
            cells.append({axis: cell[axis] for axis in axes})
    return cells

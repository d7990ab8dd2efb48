# SPDX-License-Identifier: GPL-2.0-only
# The generator of the conformance matrix: no pair is left out, none that is
# excluded is in, and the selection is small and always the same.

import pytest

import pairwise

MATRICES = {
    "two axes": ({"a": [1, 2, 3], "b": [1, 2]}, ()),
    "four axes": ({"a": range(4), "b": range(3), "c": range(3),
                   "d": range(2)}, ()),
    "excluded pair": ({"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2, 3]},
                      [{"a": 1, "b": 2}, {"b": 3, "c": 3}]),
    "excluded triple": ({"a": [1, 2], "b": [1, 2], "c": [1, 2]},
                        [{"a": 1, "b": 1, "c": 1}]),
    # a=1 leaves c no value but 2, so that (b=1, a=1) is out as well.
    "implied": ({"a": [1, 2], "b": [1, 2], "c": [1, 2]},
                [{"a": 1, "c": 1}, {"b": 1, "c": 2}]),
    # The best value for c fits to nothing in d.
    "dead end": ({"a": [1, 2], "b": [1, 2], "c": [1, 2], "d": [1, 2]},
                 [{"c": 1, "d": 1}, {"c": 1, "d": 2}]),
}


@pytest.fixture(params=MATRICES)
def matrix(request):
    return MATRICES[request.param]


def covered(cells):
    return set().union(*map(pairwise.pairs, cells))


def test_every_possible_pair_occurs(matrix):
    """Possible: in some cell of the full product."""
    assert covered(pairwise.all_pairs(*matrix)) == \
        covered(pairwise.product(*matrix))


def test_nothing_excluded_occurs(matrix):
    axes, excluded = matrix
    for cell in pairwise.all_pairs(axes, excluded):
        assert list(cell) == list(axes)
        assert not any(bad.items() <= cell.items() for bad in excluded)


def test_always_the_same(matrix):
    assert pairwise.all_pairs(*matrix) == pairwise.all_pairs(*matrix)


def test_no_cell_twice(matrix):
    cells = [tuple(cell.items()) for cell in pairwise.all_pairs(*matrix)]
    assert len(cells) == len(set(cells))


def test_small():
    """31,104 cells have 459 pairs; no selection does with less than 9 x 4."""
    sizes = (9, 4, 4, 2, 2, 3, 3, 3, 2)
    axes = {axis: range(size) for axis, size in enumerate(sizes)}
    cells = pairwise.all_pairs(axes)
    assert len(covered(cells)) == \
        (sum(sizes) ** 2 - sum(size ** 2 for size in sizes)) // 2 == 436
    assert 36 <= len(cells) <= 54


def test_nothing_allowed():
    assert pairwise.all_pairs({"a": [1], "b": [1]}, [{"b": 1}]) == []

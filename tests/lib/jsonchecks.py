# SPDX-License-Identifier: GPL-2.0-only
"""Reports with one place changed, and how their schema refuses them."""
import copy

import pytest

from fiolab.base.problem import Problem


def changed(good, path, value):
    """A report in which one place is another; path as in cells.0.id.  With
    KeyError as the value it is missing."""
    data = copy.deepcopy(good)
    *way, last = [int(x) if x.isdigit() else x for x in path.split(".")]
    place = data
    for step in way:
        place = place[step]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return data


def refused(check, data, *words):
    """The one sentence, with the words in it."""
    with pytest.raises(Problem) as caught:
        check(data)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and len(text) < 300
    for word in words:
        assert word in text
    return text

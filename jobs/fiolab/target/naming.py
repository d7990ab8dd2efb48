# SPDX-License-Identifier: GPL-2.0-only
# The names of targets, as fio reads them.
import re


def misread(path):
    """True for a path that fio would cut short or expand, even when quoted."""
    return path != path.strip() or re.search(r"[\x00-\x1f\x7f;#$\\]", path)

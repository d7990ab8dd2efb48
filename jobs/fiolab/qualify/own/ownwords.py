# SPDX-License-Identifier: GPL-2.0-only
# The figures of loads of the user's own in words: there are few, and without
# limits they are all that the user wants of the run.
from ..limits import specfile
from ..report import phrases

# In the order of a line: (metric, its name, where its unit does not say it)
FIGURES = (("iops", "IOPS"), ("mbps", ""), ("lat_mean_us", "mean"),
           ("lat_p99_us", "p99"), ("lat_max_us", "longest"))


def figures(test):
    """A line for each cell: the means of its rounds; [] of another test."""
    if test["group"] != specfile.JOBS:
        return []
    found = []
    for cell in test["cells"]:
        each = [f"{name} {phrases.amount(one['mean'], phrases.unit(metric))}"
                .strip() for metric, name in FIGURES
                if (one := cell["values"].get(metric))
                and one["mean"] is not None]
        found.append(f"{cell['name']}: {', '.join(each) or 'no figures'}")
    return found

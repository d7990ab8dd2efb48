# SPDX-License-Identifier: GPL-2.0-only
# All devices of a "fleet" as a part of the report's page, and as a page alone.
from ...report import page, wording
from ..report import phrases
from . import batch, fleettext


def prepared(fleet):
    """What fleet.html.j2 shows; None without a fleet."""
    if not fleet:
        return None
    return {"devices": [{**one, "called": batch.called(one),
                         "limits": fleettext.share(one["limits"]),
                         "checks": fleettext.share(one["checks"]),
                         "differs": fleettext.differs(one)}
                        for one in fleet["devices"]],
            "sizes": fleettext.sizes(fleet), "note": fleet["note"],
            "marks": [{"device": batch.called(device),
                       "where": fleettext.where(row),
                       "value": phrases.amount(one["value"], row["unit"]),
                       "median": phrases.amount(row["median"], row["unit"]),
                       "ratio": one["ratio"], "worse": one["worse"]}
                      for device, row, one in fleettext.marks(fleet)],
            "rows": [{**row, "where": fleettext.where(row),
                      **{name: phrases.amount(row[name], row["unit"])
                         for name in ("low", "median", "high")},
                      "spread": row["high"] / row["low"]}
                     for row in fleet["rows"]]}


def render(fleet):
    """A page as text."""
    fleet = wording.cleaned(fleet)
    made = page.environment()
    made.filters.update(rmark=phrases.MARKS.get, rtone=phrases.TONES.get)
    return made.get_template("summary.html.j2").render(
        fleet=prepared(fleet), shortened=fleet["shortened"],
        title=fleettext.sizes(fleet))

# SPDX-License-Identifier: GPL-2.0-only
# jobs/qualify summary: one table of the devices of several runs, of this host
# or of others.
import argparse
import os

from ...base import commandline
from ...base.problem import Problem
from ...report import forms, wording
from ...report.markdown import plain
from ...report.terminal import fitted, narrow
from ..report import phrases, schema
from . import batch, fleettext

ABOUT = """One table of all devices of several finished runs of jobs/qualify,
with those marked that differ from their batch (devices of one model and
size), and in which figures."""
MORE = """csv: a row for each figure of each device; html: the table as a page;
markdown: for a ticket."""


def _html(fleet):
    # Half of the time that the command takes to start is jinja2's.
    from . import fleetpage
    return fleetpage.render(fleet)


def _markdown(fleet):
    said = fleet["shortened"]
    return (f"**{plain(said)}**\n\n" if said else "") + \
        fleettext.markdown_text(fleet)


FORMATS = {"csv": fleettext.csv_text, "html": _html, "markdown": _markdown}


def load(path):
    """(path, qualify.json) of a run, which must have come to its end."""
    file = os.path.join(path, "qualify.json") if os.path.isdir(path) else path
    data, shown = schema.load(file), ascii(path)[1:-1]
    if not data["finished"]:
        raise Problem(f"{shown} is not finished: jobs/qualify --resume {shown} "
                      "goes on with it.")
    return shown, data


def _summary(args, _stack):
    given = args.format or ()
    forms.check(given, None)
    same = {os.path.realpath(path): path for path in args.run}
    if len(same) < len(args.run):
        raise Problem("a run is named twice, and its devices would count "
                      "twice: name each once.")
    fleet = batch.summary([load(path) for path in args.run])
    for name, path in given:
        forms.put(FORMATS[name](fleet), path or forms.STDOUT)
    if not any(path in ("", forms.STDOUT) for _, path in given):
        clean = wording.cleaned(fleet, lambda text: narrow(
            wording.line(text)))
        print("\n".join(phrases.ascii_only(line) for line in (
            *fitted(clean["shortened"] or "", ""),
            *fleettext.lines(clean)[1:])))


def main(arguments):
    new = argparse.ArgumentParser(
        commandline.called("qualify") + " summary", description=ABOUT,
        epilog=MORE, formatter_class=argparse.RawDescriptionHelpFormatter)
    new.add_argument("run", metavar="DIR", nargs="+", help="the folder of a "
                     "run, or its qualify.json")
    new.add_argument("--format", action="append", type=forms.wanted(FORMATS),
                     metavar="NAME[=PATH]", help=f"{', '.join(FORMATS)}; PATH: "
                     "the file, in place of the standard output; may be "
                     "repeated")
    commandline.main(arguments, new, _summary, failure=2)

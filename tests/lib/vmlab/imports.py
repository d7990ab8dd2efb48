# SPDX-License-Identifier: GPL-2.0-only
"""Imports all of the package behind the commands in jobs/, and prints the files
that Python has read for it, one a line: what copies.py takes into a guest's RAM.
What of this tree is not compiled, as a guest cannot write here, is compiled into
COMPILED, a folder like /.

    imports.py COMPILED
"""
import importlib
import os
from pathlib import Path
import py_compile
import sys

JOBS = Path(__file__).resolve().parents[3] / "jobs"
SCRATCH = ("/proc/", "/sys/", "/dev/", "/tmp/", "/run/")
opened = set()
sys.addaudithook(lambda event, words: opened.add(words[0])
                 if event == "open" else None)
sys.path.insert(0, str(JOBS))


def modules():
    """Of the package; those that functions of it import, but for scipy.stats,
    which few tests need and which is as large as all the rest."""
    for path in sorted((JOBS / "fiolab").rglob("*.py")):
        yield ".".join(path.relative_to(JOBS).with_suffix("").parts
                       ).removesuffix(".__init__")
    yield from ("numpy.random", "fastjsonschema")


def compiled(module, folder):
    """The path of its compiled file; made in the folder if it is one of
    ours, whatever is beside it."""
    source, path = module.__file__, module.__cached__
    if source.startswith(f"{JOBS}/"):
        py_compile.compile(
            source, cfile=folder + path, doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    return path


def main(folder):
    for name in modules():
        try:
            importlib.import_module(name)
        except ImportError:     # of what this machine has not
            continue
    opened.update(line.split(None, 5)[-1].strip()
                  for line in open("/proc/self/maps", encoding="utf-8"))
    if "matplotlib" in sys.modules:
        from matplotlib import font_manager
        opened.add(font_manager.findfont("DejaVu Sans"))
    found = set()
    for module in list(sys.modules.values()):
        if getattr(module, "__file__", None):
            found.add(module.__file__)
        if getattr(module, "__cached__", None):
            found.add(compiled(module, folder))
    found.update(path for path in opened if isinstance(path, str)
                 and os.path.isfile(path))
    print("\n".join(sorted(path for path in found if path.startswith("/") and
                           not path.startswith(SCRATCH))))


if __name__ == "__main__":
    main(sys.argv[1])

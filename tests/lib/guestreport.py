#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What a report says of devices, as JSON: run in a guest of tests/vm, where
there are drivers of real devices.

    guestreport.py identity PATH...         guestreport.py cache PATH...
    guestreport.py smart PATH...
    guestreport.py beside PATH OTHER OFFSET...  the kernel's log, of PATH, while
                                            4 KiB of OTHER are read there
"""
import json
import os
from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "jobs"))

from fiolab.qualify.watch import kernelerrors  # noqa: E402
from fiolab.target import identity, sysfs, writecache  # noqa: E402
from fiolab.target.drive import smartlog  # noqa: E402
from fiolab.target.target import Target  # noqa: E402


def cache(path):
    found = writecache.look(path)
    return {**found, "said": writecache.contradictions(path, found)}


def smart(path):
    found, why = identity.smart(path)
    return {"log": found, "why": why, "rows": smartlog.rows(found, found)}


def _error(path, offset):
    """Of a read that may fail; None if it does not."""
    import mmap
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        os.preadv(descriptor, [mmap.mmap(-1, 4096)], int(offset))
    except OSError as error:
        return error.strerror
    finally:
        os.close(descriptor)
    return None


def beside(path, other, offset):
    target = Target(path, writable=True, folder=sysfs.place(path))
    watch = kernelerrors.Watch(target, None, lambda _: None)
    with watch.during("read"):
        why = _error(other, offset)
    return {"error": why, "names": kernelerrors.names(target),
            **watch.of("read")}


def main(what, *words):
    if what == "beside":
        found = [beside(*each) for each in zip(words[::3], words[1::3],
                                               words[2::3])]
    else:
        found = [{"identity": identity.asked, "cache": cache,
                  "smart": smart}[what](path) for path in words]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])

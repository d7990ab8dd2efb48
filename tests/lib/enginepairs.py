# SPDX-License-Identifier: GPL-2.0-only
"""An engine loaded into a fio, in each way that a user has: it runs there, or
the guard refuses it before any I/O, in one sentence."""
import os
from pathlib import Path
import re
import tempfile

import fiorun

WRITE = {"rw": "write", "bs": "4k", "size": 256 << 10}


def as_process(fio, target):
    return fio(target, **WRITE)


def as_thread(fio, target):
    return fio(target, thread=1, **WRITE)


def with_option(fio, target):
    """One of the engine's: its table must not be read either."""
    return fio(target, libaio_vectored=1, **WRITE)


def in_server(fio, target):
    """What the client shows.  It writes on to a server that has given up,
    which for any engine that cannot be loaded ends it with SIGPIPE."""
    job = Path(fio.cwd) / "job.fio"
    options = {"ioengine": "external:%s" % fio.engine, "filename": target,
               **WRITE}
    job.write_text("[job]\n" + "".join("%s=%s\n" % item
                                       for item in options.items()))
    with fio.server() as (address, server):
        result = fiorun.Running(
            ["env", "--ignore-signal=PIPE", fio.binary, "--client=" + address,
             "--output-format=json", str(job)], fio.cwd, {}, 20).wait()
        assert server.process.poll() is None, "the server ended"
    return result


def enghelp(fio, _target):
    return fio.raw("--enghelp=" + fio.engine)


def enghelp_of_one(fio, _target):
    return fio.raw("--enghelp=%s,nowait" % fio.engine)


WAYS = (as_process, as_thread, with_option, in_server, enghelp,
        enghelp_of_one)


def sentence(result):
    """The guard's; None if there is none, or not just one."""
    found = set(re.findall(r"kaio: this engine was built for .*",
                           result.text))
    return found.pop() if len(found) == 1 else None


def not_refused(way, result, engine, running):
    """What is wrong with a refusal; None if it is as it has to be.  A client
    that lives ends with what fio makes of it, 0 or 1."""
    said = sentence(result)
    status = (0, 1) if way is in_server else (1,)
    if result.rc not in status or "got signal" in result.text:
        return "exit status %d" % result.rc
    if not said:
        return "not one sentence of the guard's"
    for words in ("was built for %s but" % engine.version,
                  "%s is %s" % (running.binary, running.version),
                  "make FIO=%s " % running.binary):
        if words not in said:
            return 'not the words "%s"' % words
    return None


def runs(way, result):
    """What is wrong with a run of an engine that fits; None if nothing."""
    if way in (enghelp, enghelp_of_one):
        return None if result.rc == 0 and "nowait" in result.text \
            else "no help"
    try:
        written = result.ok().job["write"]["io_bytes"]
    except AssertionError as why:
        return str(why)
    return None if written == WRITE["size"] else "%d bytes written" % written


def try_way(way, engine, running, folder):
    """(what happened, what is wrong with it or None)."""
    target = os.path.join(folder, "target")
    try:
        result = way(running.fio(engine.engine, folder), target)
    except AssertionError as why:  # hung, or a sanitizer's report
        return "failed", str(why)
    done = os.path.exists(target)
    if done:
        os.unlink(target)
    if engine.version == running.version and not sentence(result):
        wrong = runs(way, result)
        return "runs", wrong and "%s\n%s" % (wrong, result.text)
    wrong = "it did I/O" if done else not_refused(way, result, engine, running)
    return "refused", wrong and "%s\n%s" % (wrong, result.text)


def pair(engine, running):
    """Load one's engine into the other's fio, in each way.  Returns what to
    put in the table, and (passed, failed).  Only a fio of the same version
    may take it, if it takes it in each way, and runs."""
    seen, failed = {}, 0
    for way in WAYS:
        with tempfile.TemporaryDirectory(prefix="kaio-matrix-",
                                         dir="/dev/shm") as folder:
            happened, wrong = try_way(way, engine, running, folder)
        seen.setdefault(happened, []).append(way)
        if wrong:
            failed += 1
            print("%s in %s, %s: %s" % (engine.engine, running.binary,
                                        way.__name__, wrong))
    if len(seen) > 1 and not failed:
        failed = 1
        print("%s in %s: refused in some ways only" % (
            engine.engine, running.binary))
    cell = "%d WRONG" % failed if failed else "".join(seen)
    return cell, (len(WAYS) - failed, failed)

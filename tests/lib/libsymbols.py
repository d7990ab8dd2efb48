# SPDX-License-Identifier: GPL-2.0-only
"""The symbols and the USDT probes of the library: those of libaio 0.3.113 and of
the extension, and those in a file."""
import re

from abi_tools import output_of, symbols

# name@@version is what a new program binds to, name@version only an old one.
LIBAIO = {
    "io_queue_init@@LIBAIO_0.1",
    "io_queue_run@@LIBAIO_0.1",
    "io_queue_release@@LIBAIO_0.1",
    "io_submit@@LIBAIO_0.1",
    "io_queue_wait@LIBAIO_0.1",
    "io_cancel@LIBAIO_0.1",
    "io_getevents@LIBAIO_0.1",
    "io_setup@@LIBAIO_0.4",
    "io_destroy@@LIBAIO_0.4",
    "io_cancel@@LIBAIO_0.4",
    "io_getevents@@LIBAIO_0.4",
    "io_queue_wait@@LIBAIO_0.4",
    "io_pgetevents@@LIBAIO_0.5",
}
EXTENSION = {
    "io_ring_usable", "io_ring_disable", "io_ring_reap", "io_ring_ready",
    "io_wait", "io_wait_kernel", "io_limits", "io_limits_holders", "io_probe",
    "io_probe_on", "io_refill", "io_setup_explain",
}  # fmt: skip
ARGUMENTS = {"submit": 3, "reap": 4, "enter": 3}
NOTE = re.compile(
    r"Provider: libaio\s+Name: (\w+)\s+"
    r"Location: (0x\w+),.*Semaphore: (0x\w+)\s+Arguments: (.*)"
)


def exported(path):
    """(type, name with version) of each defined dynamic symbol."""
    return symbols(path, "-D", "--defined-only", "--with-symbol-versions")


def exported_functions(path):
    return {name for kind, name in exported(path) if kind != "A"}


def dynamic_entries(path, tag):
    text = output_of("readelf", "-W", "-d", path)
    return re.findall(rf"\({tag}\).*\[(.*)\]", text)


def probes(path):
    """(name, location, semaphore, number of arguments) of each site."""
    return [
        (name, int(location, 16), int(semaphore, 16), len(arguments.split()))
        for name, location, semaphore, arguments in NOTE.findall(
            output_of("readelf", "-W", "-n", path)
        )
    ]

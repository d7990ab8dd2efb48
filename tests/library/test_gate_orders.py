# SPDX-License-Identifier: GPL-2.0-only
"""The model of the gate's memory orders (test_gate_orders.c) has those of the
source: each atomic access of the gate, the ring and the tables, by the function
that it is in."""
import re

from abi_tools import AIO, BUILD, output_of

FILES = ("gate.c", "ring.c", "ring.h", "contexts.c", "contexts.h")


def functions(text):
    """(name, body) of each function."""
    for found in re.finditer(r"^\w[^;{}#]*?(\w+)\([^;{}]*\)\n\{\n(.*?)^\}", text,
                             re.MULTILINE | re.DOTALL):
        yield found.groups()


def atomics(body):
    """What of the builtins it calls, with the (first) order of each."""
    return re.findall(r"__atomic_(\w+)\((?:[^;]*?)__ATOMIC_(\w+)", body)


def test_model_has_the_orders_of_the_source():
    said = output_of(BUILD / "tests/library/test_gate_orders", "--orders")
    found = [f"{name} {what} {order}" for file in FILES
             for name, body in functions((AIO / file).read_text())
             for what, order in atomics(body)]
    assert len(found) == sum((AIO / file).read_text().count("__atomic_")
                             for file in FILES)
    assert sorted(said.splitlines()) == sorted(found)

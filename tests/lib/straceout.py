# SPDX-License-Identifier: GPL-2.0-only
# Reads what strace wrote: the system calls of a traced fio, and the totals
# of strace -c.
import re

CALL = re.compile(r"^\d+\s+(\w+)\((.*)\)\s+= (-?\w+)(.*)$")
TOTAL = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$")


class Call:
    def __init__(self, name, args, ret, rest):
        self.name, self.args, self.rest = name, args, rest
        self.ret = int(ret, 0) if re.match(r"-?\d", ret) else None

    @property
    def opcodes(self):
        """Of an io_submit under strace -v."""
        return re.findall(r"aio_lio_opcode=IOCB_CMD_(\w+)", self.args)

    @property
    def injected(self):
        return "(INJECTED)" in self.rest


def calls(path):
    """The calls in the order of their ends; unfinished ones are joined."""
    pending, found = {}, []
    with open(path, encoding="latin-1") as lines:
        for line in lines:
            line = line.rstrip("\n")
            pid = line.partition(" ")[0]
            if line.endswith("<unfinished ...>"):
                pending[pid] = line[:-len("<unfinished ...>")]
                continue
            resumed = re.match(r"^\d+\s+<\.\.\. \w+ resumed>(.*)$", line)
            if resumed and pid in pending:
                line = pending.pop(pid) + resumed.group(1)
            match = CALL.match(line)
            if match:
                found.append(Call(*match.groups()))
    return found


def totals(path):
    """{name: calls} of strace -c."""
    with open(path, encoding="latin-1") as lines:
        found = (TOTAL.match(line.rstrip("\n")) for line in lines)
        return {m.group(2): int(m.group(1)) for m in found
                if m and m.group(2) != "total"}

# SPDX-License-Identifier: GPL-2.0-only
# Loads of a user's own for jobs/qualify: job files, and logs of I/O in the
# formats that fio replays, made here byte by byte.
import struct

KIB, MIB = 1 << 10, 1 << 20
# Two jobs at once, then one alone.
MINE = """[global]
ioengine=libaio
filename=/dev/nvme9n1
direct=1
bs=4k
runtime=400ms
time_based
[reads]
rw=randread
iodepth=8
[writes]
rw=randwrite
offset=8m
size=4m
[alone]
stonewall
rw=write
bs=64k
offset=16m
size=2m
numjobs=2
offset_increment=2m
"""
READS = """[randread]
rw=randread
direct=1
bs=4k
iodepth=4
runtime=300ms
time_based
"""
EVENT = "IIQQIIIIIHH"
QUEUE, COMPLETE = 1, 8
ACTIONS = {"read": 1, "write": 2, "sync": 4, "trim": 1 << 13 | 2}
NOTIFY = 1 << 10


def event(order, us, action, offset, length, more=b"", device=0x800010):
    return struct.pack(
        order + EVENT, 0x65617407, 1, int(us * 1000), offset // 512, length,
        action, 99, device, 0, 0, len(more)) + more


def blktrace(ios, order="<"):
    """A file of blkparse -d of [(us, kind, offset, length)], with what else is
    in one."""
    made = [event(order, 0, NOTIFY << 16, 0, 0, b"fio\0"),
            event(order, 0, (1 | 16) << 16 | QUEUE, 0, 0)]
    for us, kind, offset, length in ios:
        made.append(event(order, us, ACTIONS[kind] << 16 | QUEUE, offset,
                          length))
        made.append(event(order, us + 50, ACTIONS[kind] << 16 | COMPLETE,
                          offset, length))
    return b"".join(made)


def iolog(ios, version=3, name="/dev/sdz"):
    """The same as fio's log."""
    lines = [f"fio version {version} iolog"]

    def say(us, *words):
        stamp = [str(int(us))] if version == 3 else []
        lines.append(" ".join([*stamp, name, *map(str, words)]))
    say(0, "add")
    say(0, "open")
    for us, kind, offset, length in ios:
        if version == 2 and us >= 1000:
            say(us, "wait", int(us // 1000), 0)
        say(us, kind, offset, length)
    say(ios[-1][0], "close")
    return "\n".join([*lines, ""]).encode()


def changed(before, after, step=4 * KIB):
    """[(first byte, byte behind the last)] of what differs."""
    found = []
    for at in range(0, len(before), step):
        if before[at:at + step] != after[at:at + step]:
            if found and found[-1][1] == at:
                found[-1] = (found[-1][0], at + step)
            else:
                found.append((at, at + step))
    return found

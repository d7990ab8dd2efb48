# SPDX-License-Identifier: GPL-2.0-only
# May this block device be overwritten?  Never while it, the disk it is a part
# of, or a part of it is mounted, swapped on, or held by md, dm or a loop
# device.  The answer ends in an exclusive open that the caller keeps, so
# nothing can be mounted from the device during the comparison.
import errno
import os
import re
import stat

from .problem import Problem

REFUSE = "refusing to write to {}: {}, and --destroy-data does not change that."


def device_number(path):
    """st_rdev of a block device node (symlinks followed); None otherwise."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_rdev if stat.S_ISBLK(info.st_mode) else None


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _unescape(text):
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), text)


def mounts():
    """(device number, mount point, type, source) of every mount we can see."""
    found = []
    for line in _read("/proc/self/mountinfo").splitlines():
        fields = line.split()
        major, minor = map(int, fields[2].split(":"))
        fstype, source = fields[fields.index("-") + 1:][:2]
        found.append((os.makedev(major, minor), _unescape(fields[4]), fstype,
                      _unescape(source)))
    return found


def swaps():
    return [_unescape(line.split()[0])
            for line in _read("/proc/swaps").splitlines()[1:]]


def loop_files():
    """(loop device name, its backing file or device) of all loop devices."""
    names = [n for n in os.listdir("/sys/block") if n.startswith("loop")]
    pairs = [(n, _read(f"/sys/block/{n}/loop/backing_file").strip())
             for n in names]
    return [(n, path) for n, path in pairs if path]


def sysfs(number):
    return os.path.realpath(
        f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")


def _number(folder):
    major, minor = _read(folder + "/dev").strip().split(":")
    return os.makedev(int(major), int(minor))


def family(number):
    """sysfs folders of the device, its whole disk and its partitions."""
    own = sysfs(number)
    folders = [own]
    if os.path.exists(own + "/partition"):
        folders.append(os.path.dirname(own))
    folders += [os.path.join(own, name) for name in os.listdir(own)
                if os.path.exists(os.path.join(own, name, "partition"))]
    return folders


def held_by(number, but=""):
    """What uses the device or an overlapping one, in words; None if nothing.

    but: the name of a loop device that may be on it.
    """
    folders = family(number)
    numbers = {_number(folder) for folder in folders}
    for mounted, point, _, source in mounts():
        if mounted in numbers or device_number(source) in numbers:
            return f"it is mounted on {point}"
    for path in swaps():
        if device_number(path) in numbers:
            return f"{path} is swap space"
    for name, path in loop_files():
        if name != but and device_number(path) in numbers:
            return f"/dev/{name} is a loop device on it"
    for folder in folders:
        for holder in os.listdir(folder + "/holders"):
            return f"it is held by {holder}"
    return None


def claim(path):
    """Open a device exclusively for the whole comparison, or refuse it."""
    reason = held_by(device_number(path))
    if reason:
        raise Problem(REFUSE.format(path, reason))
    try:
        return os.open(path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise Problem(REFUSE.format(path, "something holds it "
                                        "(exclusive open fails)")) from None
        raise Problem(f"cannot open {path} for writing: "
                      f"{error.strerror}.") from None


def check_file(path, but=""):
    """Refuse to overwrite a file that is swap space or backs a loop device.

    but: the name of a loop device that may be on it.
    """
    for other in swaps():
        if os.path.exists(other) and os.path.samefile(path, other):
            raise Problem(REFUSE.format(path, "it is swap space"))
    for name, other in loop_files():
        if (name != but and os.path.exists(other)
                and os.path.samefile(path, other)):
            raise Problem(REFUSE.format(path, f"/dev/{name} is a loop device "
                                        "on it"))


def size(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)

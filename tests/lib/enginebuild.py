# SPDX-License-Identifier: GPL-2.0-only
# Builds the engine again in another way, to try it on a fio that it does not
# fit: with another version string, a missing symbol, or shifted structs.
import os
import re
import shlex
import shutil
import subprocess


def copy_headers(headers, to):
    """fio's headers alone: quoted includes look beside the includer first,
    so that a changed one needs a tree of its own."""
    for where, _, files in os.walk(headers):
        for name in files:
            if name.endswith(".h"):
                target = os.path.join(to, os.path.relpath(where, headers))
                os.makedirs(target, exist_ok=True)
                shutil.copy(os.path.join(where, name), target)
    return str(to)


def unconfigured(tree, to):
    """A copy of the source tree of a fio that is not configured for any machine
    or C library."""
    shutil.copytree(tree, to, symlinks=True)
    for name in ("config-host.h", "config-host.mak", ".stamp", ".version"):
        (to / name).unlink(missing_ok=True)
    return to


def insert(path, before, line):
    """Insert line before the first match of the pattern."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    changed, count = re.subn(before, lambda m: line + m.group(0), text,
                             count=1, flags=re.MULTILINE)
    assert count == 1, "no %r in %s" % (before, path)
    with open(path, "w", encoding="utf-8") as file:
        file.write(changed)


def move(path, member, before):
    """Move the first line that matches member to before the other match: the
    struct keeps its size, and what is between the two shifts."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    found = re.search(member + r".*\n", text, flags=re.MULTILINE)
    assert found, "no %r in %s" % (member, path)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text[:found.start()] + text[found.end():])
    insert(path, before, found.group(0))


def dynstr(binary):
    """Where the names of its dynamic symbols lie in an ELF file."""
    text = subprocess.run(["readelf", "-SW", binary], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    offset, size = re.search(
        r"\.dynstr\s+STRTAB\s+\w+\s+(\w+)\s+(\w+)", text).groups()
    return int(offset, 16), int(offset, 16) + int(size, 16)


def hide_symbols(binary, names, out):
    """A copy of a program that does not export these symbols."""
    start, end = dynstr(binary)
    with open(binary, "rb") as file:
        data = file.read()
    table = data[start:end]
    assert all(name.encode() + b"\0" in table for name in names), names
    # A name may be the end of another.
    for name in sorted(names, key=len):
        table = table.replace(name.encode() + b"\0",
                              b"?" * len(name) + b"\0")
    with open(out, "wb") as file:
        file.write(data[:start] + table + data[end:])
    os.chmod(out, 0o755)
    return str(out)


def glue_symbols(engine):
    """What an engine takes from fio: its weak undefined symbols."""
    text = subprocess.run(["nm", "-D", "--undefined-only", engine], check=True,
                          text=True, stdout=subprocess.PIPE).stdout
    return re.findall(r"^ +w ((?!_)\w+)$", text, flags=re.MULTILINE)


def knows_fio(name, made):
    """Does the object depend on fio's headers?"""
    path = os.path.join(made, "engine", name[:-1] + "d")
    with open(path, encoding="utf-8") as file:
        return "config-host.h" in file.read()


def build(source, headers, made, out, version, flags=(), san=""):
    """The engine as in the build folder made, but for what knows fio, which is
    compiled with headers, version and flags; returns its path in out."""
    os.makedirs(out, exist_ok=True)
    cc = [*shlex.split(os.environ.get("CC", "gcc")), "-std=gnu11", "-fPIC",
          "-O1", "-g", "-D_FILE_OFFSET_BITS=64", "-D_GNU_SOURCE",
          "-I" + os.path.join(source, "aio"), "-isystem", headers, "-include",
          os.path.join(headers, "config-host.h"), "-DFIO_INTERNAL",
          '-DKAIO_FIO_VERSION="%s"' % version, '-DKAIO_VERSION="test"', *flags]
    if san:
        cc += ["-fsanitize=" + san, "-fno-sanitize-recover=all"]
    path, objects = os.path.join(out, "fio-kaio.so"), []
    for name in sorted(os.listdir(os.path.join(source, "engine"))):
        if not name.endswith(".c"):
            continue
        objects.append(os.path.join(made, "engine", name[:-1] + "o"))
        if knows_fio(name, made):
            objects[-1] = os.path.join(out, name[:-1] + "o")
            subprocess.run([*cc, "-c", "-o", objects[-1], os.path.join(
                source, "engine", name)], check=True)
    subprocess.run([*cc, "-shared", "-Wl,-z,now", "-Wl,--version-script=" +
                    os.path.join(source, "engine", "engine.map"),
                    "-o", path, *objects, os.path.join(made, "libaio.a")],
                   check=True)
    return path

# SPDX-License-Identifier: GPL-2.0-only
# Builds the engine again in another way, to try it on a fio that it does not
# fit: with another version string, a missing symbol, or shifted structs.
import os
import re
import shlex
import shutil
import subprocess

# compat.c is for the shared library only.
LIBRARY_ONLY = ("compat.c",)


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


def insert(path, before, line):
    """Insert line before the first match of the pattern."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    changed, count = re.subn(before, lambda m: line + m.group(0), text,
                             count=1, flags=re.MULTILINE)
    assert count == 1, "no %r in %s" % (before, path)
    with open(path, "w", encoding="utf-8") as file:
        file.write(changed)


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


def c_files(folder):
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))
            if name.endswith(".c") and name not in LIBRARY_ONLY]


def build(source, headers, out, version, flags=(), san=""):
    """out: a directory; returns the path of the engine in it."""
    os.makedirs(out, exist_ok=True)
    cc = [*shlex.split(os.environ.get("CC", "gcc")), "-std=gnu11", "-fPIC",
          "-O1", "-g", "-D_FILE_OFFSET_BITS=64", "-D_GNU_SOURCE",
          "-I" + os.path.join(source, "aio")]
    if san:
        cc += ["-fsanitize=" + san, "-fno-sanitize-recover=all"]
    fio = ["-isystem", headers, "-include",
           os.path.join(headers, "config-host.h"), "-DFIO_INTERNAL",
           '-DKAIO_FIO_VERSION="%s"' % version, *flags]
    path = os.path.join(out, "fio-kaio.so")
    objects = []
    for folder, extra in (("aio", ["-fvisibility=hidden"]), ("engine", fio)):
        for name in c_files(os.path.join(source, folder)):
            objects.append(os.path.join(out, os.path.basename(name) + ".o"))
            subprocess.run([*cc, *extra, "-c", "-o", objects[-1], name],
                           check=True)
    subprocess.run([*cc, "-shared", "-Wl,-z,now", "-Wl,--version-script=" +
                    os.path.join(source, "engine", "engine.map"),
                    "-o", path, *objects], check=True)
    return path

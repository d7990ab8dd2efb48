# SPDX-License-Identifier: GPL-2.0-only
"""Running a script of .setup, and stand-ins for what it looks at."""
import hashlib
import os
import pathlib
import signal
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETUP = ROOT / ".setup"
OURS = ("FIO", "FIO_SRC", "NO_INSTALL", "CC", "XDG_CACHE_HOME", "APT_CONFIG")
BASE_ENV = {k: v for k, v in os.environ.items() if k not in OURS}


def run(script, *args, env=None, prefix=(), setup=SETUP, timeout=600):
    return subprocess.run([*prefix, setup / script, *args], text=True,
                          env={**BASE_ENV, **(env or {})}, timeout=timeout,
                          stdin=subprocess.DEVNULL, capture_output=True)


def write_program(path, body):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + body)
    path.chmod(0o755)
    return path


def fake_fio(tmp_path, version):
    return write_program(tmp_path / version, f"echo {version}\n")


def fake_tree(path, version, configure="echo > config-host.h"):
    """What the scripts look at in a fio source tree, and no more."""
    write_program(path / "configure", configure + "\n")
    (path / "FIO-VERSION-GEN").write_text(f"#!/bin/sh\nDEF_VER={version}\n")
    (path / "fio.h").write_text("struct thread_data { void *eo; };\n")
    (path / "options.c").write_text(
        'struct fio_option fio_options[2] = {\n\t{\n'
        '\t\t.name = "description",\n\t},\n};\n')
    return path


def private_path(directory, *without):
    """A PATH with every command of /usr/bin except the named ones."""
    directory.mkdir()
    for entry in os.scandir("/usr/bin"):
        if entry.name not in without:
            (directory / entry.name).symlink_to(entry.path)
    return directory


def snapshot(*directories):
    """Name, time, size and content of all files, to compare two moments."""
    seen = {}
    for top in directories:
        for path in sorted(pathlib.Path(top).rglob("*")):
            stat = path.lstat()
            digest = (hashlib.sha256(path.read_bytes()).hexdigest()
                      if path.is_file() and not path.is_symlink()
                      and os.access(path, os.R_OK) else None)
            seen[str(path)] = (stat.st_mtime_ns, stat.st_size, digest)
    return seen


def one_sentence(result, script):
    lines = result.stderr.splitlines()
    assert result.returncode == 1 and result.stdout == ""
    assert len(lines) == 1 and lines[0].startswith(script + ": ")
    return lines[0]


def wait_for(path):
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not appear"
        time.sleep(0.02)


def default_sigint():
    """Of a job in the background it is ignored, and a shell keeps that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def interrupt(env, out, started, how):
    """Starts fio-headers, and signals its process group once it is busy."""
    with subprocess.Popen([SETUP / "fio-headers", out], text=True,
                          env={**BASE_ENV, **env}, start_new_session=True,
                          preexec_fn=default_sigint,
                          stderr=subprocess.DEVNULL) as process:
        wait_for(started)
        os.killpg(process.pid, how)
        assert process.wait(timeout=60) != 0
    started.unlink()

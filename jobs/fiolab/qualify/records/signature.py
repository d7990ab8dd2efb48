# SPDX-License-Identifier: GPL-2.0-only
# The signature of a manifest, by minisign(1) or gpg(1) where they are
# installed.  A key is named, and the tool finds it: what is secret is never
# read here, nor its passphrase, which the tool asks for where somebody can
# answer.  A signature that fits, but is of another key than the one that is
# named, is none.
from dataclasses import dataclass
import os
import re
import subprocess
import sys

from ...base.problem import Problem
from ...target import tools
from . import manifest

SECONDS = 60            # of a tool that asks nobody
PUBLIC = re.compile("RW[A-Za-z0-9+/]{54}")      # a key of minisign
WHAT = ("minisign:FILE, of a key's file, or gpg:KEY, as gpg --local-user "
        "takes it")


@dataclass(frozen=True)
class Key:
    tool: str
    name: str           # of a file, or a key as gpg knows it

    @property
    def file(self):
        """Of the signature, in a folder."""
        return manifest.SIGNATURES[self.tool]

    def __str__(self):
        return f"{self.tool}:{ascii(self.name)[1:-1]}"


def key(text):
    """For argparse; ValueError where it is none."""
    tool, _, name = text.partition(":")
    if tool not in manifest.SIGNATURES or not name:
        raise ValueError
    return Key(tool, name)


def _files(folder, which):
    """The paths of the manifest and its signature, which are no options."""
    return [os.path.join(os.path.abspath(folder), name)
            for name in (manifest.NAME, which.file)]


def _call(tool, *words):
    """tools.Answer of a tool that asks nobody."""
    answer = tools.run(tool, *words, seconds=SECONDS)
    if answer is None:
        raise Problem(f"there is no {tool} on this machine: install it "
                      f"({tools.hint(tool)}).")
    return answer


def check(which):
    """Before the runs: can it be signed with that key?  A passphrase is asked
    for at their end."""
    if which.tool == "minisign":
        _call("minisign", "-v")
        if not os.path.isfile(which.name):
            raise Problem(f"there is no file {which} with a secret key: name "
                          "the one that minisign -G wrote.")
    elif _call("gpg", "--batch", "--list-secret-keys", "--",
               which.name).status:
        raise Problem(f"gpg has no secret key {which}: name one of gpg "
                      "--list-secret-keys.")


# Signing

def _signing(which, path, signature):
    if which.tool == "minisign":
        return ["-S", "-s", which.name, "-m", path, "-x", signature]
    # --batch, and yet gpg's agent asks whom it can.
    return ["--batch", "--yes", "--armor", "--local-user", which.name,
            "--output", signature, "--detach-sign", path]


def _run(tool, words):
    """(status, what it said): on the terminal, if there is one, where it asks
    for a passphrase."""
    terminal = sys.stdin is not None and sys.stdin.isatty()
    quiet = {} if terminal else {
        "stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT,
        "timeout": SECONDS}
    try:
        done = subprocess.run(
            [tools.find(tool), *words], check=False, text=True,
            errors="replace",
            stdout=sys.stderr if terminal else subprocess.PIPE, **quiet)
    except subprocess.TimeoutExpired:
        return 1, "no answer in time"
    lines = (done.stdout or "").strip().splitlines()
    return done.returncode, lines[-1] if lines else "its words are above"


def sign(folder, which):
    """The manifest of a folder, which is there."""
    path, signature = _files(folder, which)
    check(which)
    if os.path.lexists(signature):
        os.unlink(signature)        # minisign and gpg write over none
    status, said = _run(which.tool, _signing(which, path, signature))
    if status or not os.path.exists(signature):
        shown = ascii(folder)[1:-1]
        raise Problem(f"{which.tool} has not signed the manifest ({said}): "
                      f"jobs/qualify sign {shown} --key {which} does it "
                      "later.")


# Verifying

def _public(name):
    """A minisign key: that itself, or the last line of its file."""
    if PUBLIC.fullmatch(name):
        return name
    try:
        with open(name, encoding="utf-8") as file:
            found = file.read().split()[-1:]
    except (OSError, UnicodeDecodeError):
        found = []
    if not found or not PUBLIC.fullmatch(found[0]):
        raise Problem(f"minisign:{ascii(name)[1:-1]} is no public key, nor a "
                      "file with one: name the .pub that minisign -G wrote.")
    return found[0]


def _by_minisign(which, path, signature):
    answer = _call("minisign", "-V", "-m", path, "-x", signature, "-P",
                   _public(which.name))
    return None if answer.status == 0 else answer.why()


def _fingerprints(name):
    """Of the primary keys that gpg knows by a name."""
    listed = _call("gpg", "--batch", "--with-colons", "--fingerprint",
                   "--list-keys", "--", name)
    found, primary = set(), False
    for line in listed.text.splitlines():
        parts = line.split(":")
        if parts[0] in ("pub", "sub"):
            primary = parts[0] == "pub"
        elif parts[0] == "fpr" and primary:
            found.add(parts[9])
    if not found:
        raise Problem(f"gpg has no public key gpg:{ascii(name)[1:-1]}: import "
                      "it, or name one of gpg --list-keys.")
    return found


def _by_gpg(which, path, signature):
    wanted = _fingerprints(which.name)
    answer = _call("gpg", "--batch", "--status-fd", "1", "--verify",
                   signature, path)
    told = [line.split()[1:] for line in answer.text.splitlines()
            if line.startswith("[GNUPG:] ")]
    valid = [words for words in told if words[0] == "VALIDSIG"]
    if answer.status or not valid:
        return answer.why()
    if any(words[0] == "REVKEYSIG" for words in told):
        return "its key was revoked"
    # The last word is the fingerprint of the primary key.
    others = {words[-1] for words in valid} - wanted
    return f"it is of the key {min(others)}" if others else None


def verify(folder, which):
    """Why the signature of a manifest is none of that key; None: it is."""
    path, signature = _files(folder, which)
    if not os.path.lexists(signature):
        return f"there is no {which.file}"
    by = {"minisign": _by_minisign, "gpg": _by_gpg}[which.tool]
    return by(which, path, signature)

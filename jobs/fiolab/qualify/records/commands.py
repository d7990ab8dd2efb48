# SPDX-License-Identifier: GPL-2.0-only
# jobs/qualify verify, sign and export: what is done with the folder of a run
# that is finished.
import argparse
import os
import re

from ...base import commandline
from ...report import forms, wording
from ..report import schema
from . import exporters, manifest, signature

VERIFY = """Say whether the folder of a finished qualification is as its run
left it: each file by its sha256 in manifest.sha256 (`sha256sum -c` reads it,
too), none missing, none added; and, with --key, whether that is the manifest
that was signed."""
VERIFY_MORE = """exit status: 0 all is as it was; 1 something differs, or the
signature is not of that key; 2 nothing could be said: there is no manifest, or
it is signed and no --key was given."""
SIGN = """Sign the manifest of a finished qualification by minisign or gpg,
after all files were compared with it.  The key is only named: the tool reads
it, and asks for its passphrase."""
EXPORT = """Write the report of a qualification in the form that another
program reads, on the standard output unless a PATH is given."""


def key(text):
    """For argparse."""
    try:
        return signature.key(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' names no key: write {signature.WHAT}") from None


def _sha256(text):
    if not re.fullmatch("[0-9a-f]{64}", text.lower()):
        raise argparse.ArgumentTypeError(f"'{text}' is no sha256: write its "
                                         "64 hexadecimal digits")
    return text.lower()


def _parser(name, about, more=None):
    new = argparse.ArgumentParser(
        commandline.called("qualify") + f" {name}", description=about,
        epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter)
    new.add_argument("folder", metavar="DIR", help="the folder of the run")
    return new


# verify

def _said(found):
    """What differs, a line for each file."""
    rows = [*(("changed", name) for name in found.changed),
            *(("missing", name) for name in found.missing),
            *(("added", name) for name in found.added),
            *(("renamed", f"{name} -> {now}") for name, now in found.renamed)]
    if found.broken:
        rows.append(("changed", f"{manifest.NAME}: {found.broken}"))
    return [f"{word:<9} {wording.line(name)}" for word, name in rows]


def _signatures(folder, keys):
    """(lines, are all by the keys, is one left unchecked)"""
    lines, good = [], True
    for one in keys:
        why = signature.verify(folder, one)
        good = good and why is None
        lines.append(f"signature {one}: " + (
            "good" if why is None else f"NOT GOOD: {wording.line(why)}"))
    left = [name for tool, name in manifest.SIGNATURES.items()
            if os.path.lexists(os.path.join(folder, name))
            and tool not in {one.tool for one in keys}]
    lines += [f"signature {name}: not checked, as no --key is for it"
              for name in left]
    if not keys and not left:
        lines.append("not signed: who can write there could have changed the "
                     "manifest, too")
    return lines, good, bool(left)


def _verify(args, _stack):
    found = manifest.verify(args.folder)
    if args.sha256 not in (None, found.sha256):
        found.broken = f"its sha256 is {found.sha256}"
    lines, good, left = _signatures(args.folder, args.key or ())
    shown = ascii(args.folder)[1:-1]
    print("\n".join([*_said(found), *lines]))
    if found.whole:
        print(f"{shown}: {wording.several(found.count, 'file')} as in the "
              f"manifest, whose sha256 is {found.sha256}")
    if not found.whole or not good:
        raise SystemExit(1)
    if left:
        raise SystemExit(2)


def verify(arguments):
    new = _parser("verify", VERIFY, VERIFY_MORE)
    new.add_argument("--key", action="append", type=key, metavar="KEY",
                     help="who must have signed: minisign:FILE (of the public "
                     "key, or that key itself) or gpg:KEY (a fingerprint, "
                     "best); may be repeated")
    new.add_argument("--sha256", type=_sha256, metavar="HEX",
                     help="of the manifest, as it was written down when the "
                     "run ended")
    commandline.main(arguments, new, _verify, failure=2)


# sign

def _sign(args, _stack):
    manifest.refuse_changed(args.folder, ascii(args.folder)[1:-1])
    signature.sign(args.folder, args.key)
    print(f"Signed: {ascii(args.folder)[1:-1]}/{args.key.file}")


def sign(arguments):
    new = _parser("sign", SIGN)
    new.add_argument("--key", required=True, type=key, metavar="KEY",
                     help=signature.WHAT)
    commandline.main(arguments, new, _sign, failure=2)


# export

def _export(args, _stack):
    path = os.path.join(args.folder, "qualify.json") if os.path.isdir(
        args.folder) else args.folder
    forms.check(args.format, None)
    exporters.write(schema.load(path), args.format, forms.STDOUT)


def export(arguments):
    new = _parser("export", EXPORT)
    exporters.add_option(new, "the standard output", required=True)
    commandline.main(arguments, new, _export, failure=2)

# SPDX-License-Identifier: GPL-2.0-only
# The manifest of a finished run: sha256sum reads it, whatever was done to a
# file is named, it is there only where all is finished, and a signature of
# another key is none.
from contextlib import ExitStack
import hashlib
import os
from pathlib import Path
import shutil
import signal
import subprocess
import tempfile

import pytest

ROOT = Path(__file__).resolve().parents[2]
import finishedrun
from fiolab.base.problem import Problem
from fiolab.qualify import folder as folders, resume
from fiolab.qualify.records import manifest, signature

QUALIFY = str(ROOT / "jobs" / "qualify")
RUN = f"runs/{finishedrun.ROUND}-001.json"


@pytest.fixture
def run(tmp_path):
    """A finished run."""
    return finishedrun.make(tmp_path / "out")


def command(*words, status=0, **environment):
    done = subprocess.run(
        [QUALIFY, *map(str, words)], capture_output=True, text=True,
        timeout=300, check=False, stdin=subprocess.DEVNULL,
        env={**os.environ, **environment})
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == status, (done.stdout, done.stderr)
    return done.stdout + done.stderr


def named(found):
    """{what happened: the names}, of what there is."""
    return {word: names for word, names in vars(found).items()
            if word in ("changed", "missing", "added", "renamed") and names}


def flip(path):
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)


# The manifest

def test_sha256sum_reads_it(run):
    done = subprocess.run(["sha256sum", "--strict", "-c", manifest.NAME],
                          cwd=run, capture_output=True, text=True, check=False,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    files = {str(path.relative_to(run)) for path in run.rglob("*")
             if path.is_file()} - {manifest.NAME}
    assert {line.rpartition(": OK")[0] for line in
            done.stdout.splitlines()} == files and len(files) == 7
    assert manifest.verify(str(run)).whole


@pytest.mark.parametrize("name", [
    "a b", "back\\slash", "line\nfeed", "return\rhere", " * x", "ü",
    "byte\udcff", "-n", "\\n"])
def test_names_are_as_sha256sum_has_them(run, name):
    path = run / name
    path.write_bytes(b"x")
    text, _ = manifest.text(str(run))
    theirs = subprocess.run(["sha256sum", "--", name], cwd=run, timeout=60,
                            capture_output=True, check=True).stdout
    assert theirs in text.encode(errors="surrogateescape")
    (run / manifest.NAME).write_bytes(text.encode(errors="surrogateescape"))
    assert manifest.verify(str(run)).whole
    subprocess.run(["sha256sum", "--strict", "--quiet", "-c", manifest.NAME],
                   cwd=run, check=True, timeout=60)
    path.unlink()
    assert named(manifest.verify(str(run))) == {"missing": [name]}


def test_each_change_is_named(run):
    flip(run / RUN)
    (run / "report.txt").unlink()
    (run / "runs" / "mine.json").write_text("{}")
    os.rename(run / "plan.json", run / "plan.old")
    found = manifest.verify(str(run))
    assert named(found) == {
        "changed": [RUN], "missing": ["report.txt"],
        "added": ["runs/mine.json"], "renamed": [("plan.json", "plan.old")]}
    out = command("verify", run, status=1)
    for line in (f"changed   {RUN}", "missing   report.txt",
                 "added     runs/mine.json",
                 "renamed   plan.json -> plan.old"):
        assert line in out.splitlines()
    assert "as in the manifest" not in out


@pytest.mark.parametrize("change, says", [
    (lambda path: os.utime(path, (1, 1)), {}),
    (lambda path: path.write_bytes(path.read_bytes() + b"\n"),
     {"changed": [RUN]}),
    (lambda path: path.write_bytes(b""), {"changed": [RUN]}),
    (lambda path: (path.unlink(), path.mkdir()), {"missing": [RUN]}),
    (lambda path: (shutil.copy(path, f"{path}.x"), path.unlink(),
                   path.symlink_to(f"{path.name}.x")),
     {"changed": [RUN], "added": [f"{RUN}.x"]}),
    (lambda path: (path.parent / "loop").symlink_to(".."),
     {"added": ["runs/loop"]}),
    (lambda path: os.mkfifo(path.parent / "pipe"), {"added": ["runs/pipe"]})])
def test_what_is_another_file_is_told(run, change, says):
    change(run / RUN)
    assert named(manifest.verify(str(run))) == says


def test_two_files_that_change_places_are_both_changed(run):
    one, two = (run / "runs" / f"{finishedrun.ROUND}-00{i}.json"
                for i in (0, 2))
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert manifest.verify(str(run)).changed == [
        str(path.relative_to(run)) for path in (one, two)]


def without(name):
    return lambda text: "".join(line for line in text.splitlines(True)
                                if not line.endswith(f"  {name}\n"))


@pytest.mark.parametrize("change, why", [
    (lambda text: text.replace("  ", " ", 1), "line 1 is none of sha256sum's"),
    (lambda text: text[:-1], "its last line does not end"),
    (lambda text: "", "it lists no plan.json"),
    (lambda text: text + "# nothing\n", "is none of sha256sum's"),
    (lambda text: text + text.splitlines(True)[0], "or one again"),
    (lambda text: text + "0" * 64 + "  ../other\n", "names no file of the"),
    (lambda text: text + "0" * 64 + "  /etc/passwd\n", "names no file of the"),
    (lambda text: "\\" + text.replace("plan.json", "plan\\x"),
     "line 1 is none"),
    (without("qualify.json"), "it lists no qualify.json")])
def test_a_manifest_that_is_none_is_told(run, change, why):
    path = run / manifest.NAME
    path.write_text(change(path.read_text()))
    found = manifest.verify(str(run))
    assert not found.whole and why in found.broken


@pytest.mark.parametrize("put", [
    os.mkfifo, lambda path: path.symlink_to("/dev/zero"),
    lambda path: path.mkdir()], ids=["fifo", "link", "folder"])
def test_what_is_in_place_of_a_manifest_is_not_read(run, put):
    """It may have no end, or a writer who never comes."""
    path = run / manifest.NAME
    path.unlink()
    put(path)
    with pytest.raises(Problem, match="manifest.sha256 is no file"):
        manifest.verify(str(run))


def test_a_changed_manifest_names_its_file(run):
    path = run / manifest.NAME
    text = path.read_text()
    path.write_text(without(RUN)(text))
    assert named(manifest.verify(str(run))) == {"added": [RUN]}
    first = text[:64]
    path.write_text(text.replace(first, first[::-1], 1))
    assert len(named(manifest.verify(str(run)))["changed"]) == 1


def test_a_manifest_made_anew_is_told_by_its_sha256(run):
    """Whoever can write there can make another that fits: its sha256 was
    written down, or it was signed."""
    known = hashlib.sha256((run / manifest.NAME).read_bytes()).hexdigest()
    assert known in command("verify", run, "--sha256", known.upper())
    flip(run / RUN)
    text, _ = manifest.text(str(run))
    (run / manifest.NAME).write_text(text)
    assert "not signed" in command("verify", run)
    said = command("verify", run, "--sha256", known, status=1)
    assert f"changed   {manifest.NAME}: its sha256 is" in said


@pytest.mark.parametrize("words, said", [
    (("verify", "/nonexistent"), "there is no folder /nonexistent"),
    (("verify", "/etc"), "/etc is not a qualification folder"),
    (("verify", "{run}/qualify.json"), "there is no folder"),
    (("verify", "{run}", "--sha256", "12"), "'12' is no sha256"),
    (("verify", "{run}", "--key", "x"), "'x' names no key: write minisign:"),
    (("verify", "{run}", "--key", "rot13:x"), "'rot13:x' names no key"),
    (("verify",), "DIR"), (("sign", "{run}"), "--key"),
    (("sign", "/nonexistent", "--key", "gpg:x"), "there is no folder"),
    (("export", "{run}"), "--format"),
    (("export", "{run}", "--format", "csv"), "not NAME or NAME=PATH"),
    (("export", "/nonexistent", "--format", "junit"), "/nonexistent"),
    (("export", "{run}", "--format", "junit=/nonexistent/x"),
     "there is no folder for /nonexistent/x")])
def test_a_mistake_is_one_sentence(run, words, said):
    out = command(*(word.format(run=run) for word in words), status=2)
    assert said in out.splitlines()[-1]


def test_what_cannot_be_read_is_not_taken_for_good(run):
    if not os.geteuid():
        pytest.skip("root reads everything")
    (run / RUN).chmod(0)
    with pytest.raises(Problem, match="cannot read .*-001.json"):
        manifest.verify(str(run))


# Of what is finished only

def test_a_run_that_did_not_finish_has_none(run):
    (run / manifest.NAME).unlink()
    said = command("verify", run, status=2)
    assert "as has a run that did not finish" in said
    assert f"--resume {run} makes" in said


def test_whatever_is_written_later_takes_the_seal_away(run):
    for name in manifest.SIGNATURES.values():
        (run / name).write_text("x")
    again = folders.Folder(str(run))
    with ExitStack() as stack:
        again.open(stack)
        assert manifest.is_there(run)       # it was only opened
        again.save_round("t00-iops-p01-r0002", {})
    assert not any((run / name).exists() for name in manifest.SEAL)


def test_what_was_being_written_is_no_part_of_a_run(run):
    part = run / f"{manifest.NAME}.0123abcd.part"
    part.write_text("x")
    with ExitStack() as stack:
        folders.Folder(str(run)).open(stack)
    assert not part.exists() and manifest.verify(str(run)).whole


def test_a_changed_run_is_not_gone_on_with(run):
    flip(run / RUN)
    with ExitStack() as stack, pytest.raises(Problem, match="names what diff"):
        resume.go_on({"resume": str(run)}, stack)
    assert manifest.is_there(run)


def test_what_is_no_file_is_left_out_and_named(run):
    (run / "away").symlink_to("/etc")
    with ExitStack() as stack:
        again = folders.Folder(str(run))
        again.open(stack)
        assert again.seal() == ["away"]
    assert named(manifest.verify(str(run))) == {"added": ["away"]}


@pytest.mark.fio
def test_a_run_that_is_killed_has_none_and_a_finished_one_has(qualify, shm):
    path = os.path.join(shm, "target")
    with open(path, "wb") as file:
        file.truncate(32 << 20)
    words = ("--target", path, "--destroy-data", "--profile", "quick",
             "--tests", "xsr", "--engine", "psync", "--no-pdf")
    started = qualify.start(*words)
    qualify.await_rounds(2, started)
    started.send_signal(signal.SIGINT)
    started.communicate(timeout=300)
    assert (qualify.out / "qualify.json").exists()
    assert "did not finish" in command("verify", qualify.out, status=2)
    done = qualify("--resume", qualify.out, "--destroy-data", "--no-pdf",
                   "--format", "junit", "--format", "markdown")
    assert done.returncode == 2, done.stderr        # nothing was judged
    sha256 = done.stdout.partition(f"{manifest.NAME}, sha256 ")[2].split()[0]
    command("verify", qualify.out, "--sha256", sha256)
    known = (qualify.out / manifest.NAME).read_text()
    for name in ("report.junit.xml", "report.md", "rounds/", "runs/"):
        assert f"  {name}" in known
    flip(next((qualify.out / "runs").iterdir()))
    done = qualify("--resume", qualify.out, "--no-pdf")
    assert "is not as its manifest.sha256 has it" in done.stderr
    assert done.returncode == 2


# Signatures

def needs(tool):
    if not shutil.which(tool):
        pytest.skip(f"needs {tool}: run make deps")


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    """Two pairs of minisign's keys, without a passphrase: (secret, public)."""
    needs("minisign")
    place = tmp_path_factory.mktemp("minisign")
    pairs = []
    for name in ("ours", "theirs"):
        secret, public = place / f"{name}.key", place / f"{name}.pub"
        subprocess.run(["minisign", "-G", "-W", "-s", secret, "-p", public],
                       check=True, capture_output=True, timeout=60)
        pairs.append((secret, public))
    return pairs


def test_minisign_signs_and_another_key_does_not(run, mini):
    (secret, public), (_, other) = mini
    out = command("sign", run, "--key", f"minisign:{secret}")
    assert f"Signed: {run}/manifest.sha256.minisig" in out
    assert "signature minisign:" in command(
        "verify", run, "--key", f"minisign:{public}")
    line = public.read_text().splitlines()[1]
    command("verify", run, "--key", f"minisign:{line}")
    said = command("verify", run, "--key", f"minisign:{other}", status=1)
    assert "NOT GOOD" in said
    assert "not checked, as no --key" in command("verify", run, status=2)
    subprocess.run(["minisign", "-V", "-p", public, "-m",
                    run / manifest.NAME], check=True, capture_output=True,
                   timeout=60)
    _another_manifest(run)
    said = command("verify", run, "--key", f"minisign:{public}", status=1)
    assert "NOT GOOD" in said and "changed" not in said


def _another_manifest(run):
    """One that fits what was changed."""
    flip(run / RUN)
    text, _ = manifest.text(str(run))
    (run / manifest.NAME).write_text(text)


@pytest.mark.parametrize("key", ["/nowhere", "secret", "RWshort"])
def test_a_key_that_is_none_says_nothing_of_the_signature(run, mini, key):
    """So that a name that was mistyped is not taken for a forgery."""
    command("sign", run, "--key", f"minisign:{mini[0][0]}")
    key = str(mini[0][0]) if key == "secret" else key
    said = command("verify", run, "--key", f"minisign:{key}", status=2)
    assert f"minisign:{key} is no public key, nor a file with one" in said
    assert "NOT GOOD" not in said


def test_a_run_that_was_changed_is_not_signed(run, mini):
    flip(run / RUN)
    said = command("sign", run, "--key", f"minisign:{mini[0][0]}", status=2)
    assert "names what differs" in said
    assert not (run / manifest.SIGNATURES["minisign"]).exists()


def test_a_key_that_cannot_sign_is_told_before_the_run(run, mini, tmp_path):
    for key, said in ((tmp_path / "none", "with a secret key"),
                      (mini[0][1], "minisign has not signed")):
        out = command("sign", run, "--key", f"minisign:{key}", status=2)
        assert said in out
    out = command("--scratch", "--sign", "minisign:/nonexistent", status=2)
    assert "there is no file minisign:/nonexistent" in out


@pytest.fixture(scope="module")
def gnupg():
    """(environment, fingerprint, another's, a third), with gpg's agent ended.
    (Its socket's path must be short.)"""
    needs("gpg")
    with tempfile.TemporaryDirectory(prefix="kaio-gpg-", dir="/tmp",
                                     ignore_cleanup_errors=True) as home:
        environment = {"GNUPGHOME": home}

        def gpg(*words):
            return subprocess.run(
                ["gpg", "--batch", *words], check=True, capture_output=True,
                text=True, timeout=120,
                env={**os.environ, **environment}).stdout
        try:
            for name in ("ours", "theirs", "gone"):
                gpg("--passphrase", "", "--quick-gen-key",
                    f"{name}@lab.example", "ed25519", "sign", "never")
            keys = [line.split(":")[9] for line in gpg(
                "--with-colons", "--list-keys").splitlines()
                if line.startswith("fpr")]
            yield environment, *keys
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], check=False,
                           timeout=60, env={**os.environ, **environment})


def test_gpg_signs_and_another_key_does_not(run, gnupg):
    environment, ours, theirs, _ = gnupg
    command("sign", run, "--key", f"gpg:{ours}", **environment)
    for key in (ours, "ours@lab.example"):
        assert f"signature gpg:{key}: good" in command(
            "verify", run, "--key", f"gpg:{key}", **environment)
    said = command("verify", run, "--key", f"gpg:{theirs}", status=1,
                   **environment)
    assert f"NOT GOOD: it is of the key {ours}" in said
    said = command("verify", run, "--key", "gpg:nobody@x", status=2,
                   **environment)
    assert "gpg has no public key gpg:nobody@x" in said
    said = command("sign", run, "--key", "gpg:nobody@x", status=2,
                   **environment)
    assert "gpg has no secret key gpg:nobody@x" in said
    _another_manifest(run)
    said = command("verify", run, "--key", f"gpg:{ours}", status=1,
                   **environment)
    assert "NOT GOOD" in said and "BAD signature" in said


def test_a_passphrase_that_nobody_can_give_is_a_sentence(run, gnupg):
    """Nobody sits at the end of a run of days."""
    environment = {**gnupg[0], "DISPLAY": "", "GPG_TTY": ""}
    everything = {**os.environ, **environment}
    subprocess.run(
        ["gpg", "--batch", "--passphrase", "secret", "--quick-gen-key",
         "locked@lab.example", "ed25519", "sign", "never"], check=True,
        capture_output=True, timeout=120, env=everything)
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], check=True, timeout=60,
                   env=everything)        # which remembers it
    said = command("sign", run, "--key", "gpg:locked@lab.example", status=2,
                   **environment)
    assert "gpg has not signed the manifest" in said
    assert "does it later" in said.splitlines()[-1]
    assert not (run / manifest.SIGNATURES["gpg"]).exists()


def test_a_key_that_was_revoked_is_none(run, gnupg, tmp_path):
    environment, _, _, gone = gnupg
    words = ("--key", f"gpg:{gone}")
    command("sign", run, *words, **environment)
    command("verify", run, *words, **environment)
    home = Path(environment["GNUPGHOME"])
    revoke = tmp_path / "revoke"
    revoke.write_text((home / "openpgp-revocs.d" / f"{gone}.rev").read_text()
                      .replace(":-----BEGIN", "-----BEGIN"))
    subprocess.run(["gpg", "--batch", "--import", revoke], check=True,
                   capture_output=True, timeout=60,
                   env={**os.environ, **environment})
    said = command("verify", run, *words, status=1, **environment)
    assert "NOT GOOD: its key was revoked" in said


def test_two_sign_and_both_are_checked(run, mini, gnupg):
    environment, ours, *_ = gnupg
    keys = [f"gpg:{ours}", f"minisign:{mini[0][1]}"]
    command("sign", run, "--key", keys[0], **environment)
    command("sign", run, "--key", f"minisign:{mini[0][0]}")
    said = command("verify", run, "--key", keys[0], status=2, **environment)
    assert "manifest.sha256.minisig: not checked" in said
    said = command("verify", run, "--key", keys[0], "--key", keys[1],
                   **environment)
    assert said.count("good") == 2


def test_without_the_tool_the_sentence_names_it(run, fake):
    for tool in manifest.SIGNATURES:
        with pytest.raises(Problem, match=f"there is no {tool} on this mach"):
            signature.check(signature.Key(tool, "x"))


def test_an_unsigned_run_is_not_signed(run, mini):
    said = command("verify", run, "--key", f"minisign:{mini[0][1]}", status=1)
    assert "NOT GOOD: there is no manifest.sha256.minisig" in said

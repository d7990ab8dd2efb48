# SPDX-License-Identifier: GPL-2.0-only
# The acceptance spec: what is read, and that whatever is wrong is refused in
# one sentence with the file and the line.
from pathlib import Path
import random
import re
import tomllib

import pytest

ROOT = Path(__file__).resolve().parents[2]
from fiolab.base.problem import Problem
from fiolab.qualify import planning
from fiolab.qualify.limits import specfile
from fiolab.qualify.suite import profiles

GOOD = """\
# What the vendor promises.
[spec]
name = "Example 480 GB"     # shown in the report
confidence = 0.99

[device]
model = "EXAMPLE X480*"
firmware = 'A0[12]'

[iops."4K 0/100"]
min_iops = 90_000
max_p99_us = 2.5e3
[iops."*"]
max_excursion_percent = 120

[throughput."128K SEQ 0/100"]
min_mb_per_s = 0.5e3
[depth."QD 32"]
max_submit_share_percent = 100
"""


def load(tmp_path, content):
    path = tmp_path / "vendor.toml"
    path.write_bytes(content if isinstance(content, bytes)
                     else content.encode())
    return specfile.load(str(path))


def refused(tmp_path, content):
    """The sentence, without the folder."""
    with pytest.raises(Problem) as caught:
        load(tmp_path, content)
    text = str(caught.value).replace(f"{tmp_path}/", "")
    assert "\n" not in text and text[-1] in ".?" and len(text) < 500
    return text


def test_what_a_spec_says(tmp_path):
    found = load(tmp_path, GOOD)
    assert (found.name, found.confidence) == ("Example 480 GB", 0.99)
    assert found.path == str(tmp_path / "vendor.toml")
    rows = [(one.line, one.test, one.cell, one.key, one.metric, one.sense,
             one.limit, one.unit) for one in found.limits]
    assert rows == [
        (11, "iops", "4K 0/100", "min_iops", "iops", "min", 90000, "IOPS"),
        (12, "iops", "4K 0/100", "max_p99_us", "lat_p99_us", "max", 2500,
         "us"),
        (14, "iops", "*", "max_excursion_percent", "excursion", "max", 120,
         "%"),
        (17, "throughput", "128K SEQ 0/100", "min_mb_per_s", "mbps", "min",
         500, "MB/s"),
        (19, "depth", "QD 32", "max_submit_share_percent", "submit_share",
         "max", 100, "%")]
    assert [(one.line, one.key, one.sense, one.limit)
            for one in found.device] == [
        (7, "model", "match", "EXAMPLE X480*"),
        (8, "firmware", "match", "A0[12]")]


def test_what_need_not_be_said(tmp_path):
    found = load(tmp_path, '[a."b"]\nmin_iops=1')
    assert (found.name, found.confidence) == ("vendor.toml", 0.95)
    assert found.device == ()
    assert load(tmp_path, '[spec]\n[a."b"]\nmin_iops=1').confidence == 0.95


def test_as_windows_saves_it(tmp_path):
    text = b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()
    found = load(tmp_path, text)
    (tmp_path / "unix").mkdir()
    assert found.limits == load(tmp_path / "unix", GOOD).limits


def test_every_key_has_a_metric_and_a_unit_in_its_name(tmp_path):
    names = {"IOPS": "iops", "MB/s": "mb_per_s", "us": "us", "%": "percent",
             "s": "s", "1/h": "per_hour", "1": "times_alone"}
    content = '[t."c"]\n' + "".join(
        f'"{key.replace("TIME", "3ms")}" = 7\n' for key in specfile.KEYS)
    for one in load(tmp_path, content).limits:
        assert one.key.startswith(one.sense + "_")
        assert one.key.endswith((names[one.unit], "iops_at_p99(3ms)", "_ms"))
        assert one.at_us == (3000 if "(" in one.key else 0)
        assert one.limit == (7000 if one.key == "max_max_ms" else 7)
    assert len(specfile.KEYS) == 20


HEAD = '[iops."4K 0/100"]\n'


@pytest.mark.parametrize("content,line,words", [
    # keys
    (HEAD + "min_iops = 1\nmax_p99 = 3\n", 3, 'unknown key "max_p99": did '
     "you mean max_p99_us?"),
    (HEAD + "MIN_IOPS = 1\n", 2, "did you mean min_iops?"),
    (HEAD + "max_lat_us = 1\n", 2, "did you mean max_latency_us?"),
    (HEAD + "min_mbps = 1\n", 2, "did you mean min_mb_per_s?"),
    (HEAD + "colour = 1\n", 2, "the keys are min_iops, min_mb_per_s"),
    (HEAD + '"\\u202e" = 1\n', 2, r'unknown key "\u202e"'),
    ("[spec]\nnam = 'x'\n" + HEAD + "min_iops = 1", 2, "did you mean name?"),
    ("[device]\nfirmwear = 'x'\n", 2, "did you mean firmware?"),
    (HEAD + "min_iops = 1\n\n# more\nmin_iops = 2\n", 5,
     '"min_iops" is in line 2 already'),
    ("min_iops = 1\n", 1, '"min_iops" stands in no table'),
    # tables
    ("[devcie]\nmodel = 'x'\n", 1, "did you mean device?"),
    ("[iops]\nmin_iops = 1\n", 1, 'unknown table "iops": tables are [spec], '),
    ('[iops.a.b]\nmin_iops = 1\n', 1, "too deep"),
    ('[spec.a]\nmin_iops = 1\n', 1, "too deep"),
    (HEAD + "min_iops = 1\n[iops.'4K 0/100']\nmax_p99_us = 1\n", 3,
     "this table is in line 1 already"),
    (HEAD + "[iops.b]\nmin_iops = 1\n", 1, "this table has no limit"),
    ("[[iops]]\nmin_iops = 1\n", 1, "lists of tables are not read"),
    ("[[iops.b]]\nmin_iops = 1\n", 1, "lists of tables are not read"),
    ("[]\n", 1, "each line must be"),
    # values
    (HEAD + 'min_iops = "90000"\n', 2, "min_iops is no number"),
    (HEAD + "min_iops = true\n", 2, "min_iops is no number"),
    (HEAD + "min_iops = [1]\n", 2, "min_iops is no number"),
    (HEAD + "min_iops = 2026-01-01\n", 2, "min_iops is no number"),
    (HEAD + "min_iops = 0\n", 2, "finite number above 0"),
    (HEAD + "min_iops = -5\n", 2, "finite number above 0"),
    (HEAD + "min_iops = nan\n", 2, "finite number above 0"),
    (HEAD + "min_iops = inf\n", 2, "finite number above 0"),
    (HEAD + "min_iops = 1e999\n", 2, "finite number above 0"),
    (HEAD + f"min_iops = {10**400}\n", 2, "finite number above 0"),
    (HEAD + f"min_iops = {'9' * 5000}\n", 2, "each line must be"),
    (HEAD + "max_submit_share_percent = 100.5\n", 2, "at most 100"),
    ("[spec]\nconfidence = 95\n" + HEAD + "min_iops = 1", 2, "as 0.95"),
    ("[spec]\nconfidence = 1.0\n" + HEAD + "min_iops = 1", 2, "as 0.95"),
    ("[spec]\nconfidence = '0.95'\n" + HEAD + "min_iops = 1", 2,
     "confidence is no number"),
    ("[spec]\nname = 3\n" + HEAD + "min_iops = 1", 2, "must be text"),
    ("[device]\nmodel = ''\n", 2, "must be text"),
    # syntax
    (HEAD + "min_iops\n", 2, "each line must be"),
    (HEAD + "min_iops = 90 000\n", 2, "each line must be"),
    (HEAD + "min_iops = 100us\n", 2, "each line must be"),
    (HEAD + "min_iops = 1 max_p99_us = 2\n", 2, "each line must be"),
    ("[iops.4K 0/100]\nmin_iops = 1\n", 1, "each line must be"),
    ('[iops."4K 0/100"\nmin_iops = 1\n', 1, "each line must be"),
    (HEAD + "a.b = 1\n", 2, "dotted keys and inline tables"),
    (HEAD + "a = {min_iops = 1}\n", 2, "dotted keys and inline tables"),
    (HEAD + "min_iops = [\n1,\n]\n", 2, "each line must be"),
    ('[spec]\nname = """two\nlines"""\n' + HEAD + "min_iops = 1", 2,
     "each line must be"),
    (HEAD + "min_iops = 1\0\n", 2, "each line must be"),
    (HEAD + "min_iops = 1\rmin_mb_per_s = 2\n", 2, "each line must be"),
    (HEAD + "min_iops = 1\r", 2, "each line must be"),
    (HEAD + "a = " + "[" * 100000 + "\n", 2, "each line must be")])
def test_what_is_refused_and_where(tmp_path, content, line, words):
    text = refused(tmp_path, content)
    assert text.startswith(f"vendor.toml, line {line}: ")
    assert words in text


def test_bytes_that_are_not_utf8(tmp_path):
    text = refused(tmp_path, b"[spec]\n# ok\nname = \"\xff\"\n")
    assert text.startswith("vendor.toml, line 3: this is not UTF-8")


@pytest.mark.parametrize("content", ["", "# nothing\n", "[spec]\nname='x'\n",
                                     "[device]\n"])
def test_a_spec_without_limits(tmp_path, content):
    assert "vendor.toml has no limit" in refused(tmp_path, content)


def test_a_spec_of_the_device_alone_is_one(tmp_path):
    assert load(tmp_path, "[device]\nmodel='x'").limits == ()


def test_files_that_cannot_be_read(tmp_path):
    for path, word in ((tmp_path, "Is a directory"),
                       (tmp_path / "none", "No such file"),
                       ("a\0b", "null byte")):
        with pytest.raises(Problem, match=word):
            specfile.load(path)
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(Problem, match="larger than 1 MiB"):
        specfile.load(tmp_path / "huge")
    with pytest.raises(Problem, match="larger than 1 MiB"):
        specfile.load("/dev/zero")


@pytest.mark.long
def test_random_damage_is_a_problem_or_read_as_tomllib_reads_it(tmp_path):
    """2,000 specs with random bytes changed, lost or doubled."""
    rng, read = random.Random(3), 0
    for _ in range(2000):
        content = bytearray(GOOD.encode())
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(content))
            content[place:place + rng.randint(0, 2)] = rng.choice(
                (b"", b"\n", b"\r", b'"', b'"""', b"[", b"{", b"=", b"\xc3\xa9",
                 b"#", b".", b"9", bytes([rng.randrange(256)])))
        try:
            found = load(tmp_path, bytes(content))
        except Problem:
            continue
        read += 1
        whole = tomllib.loads(content.decode())
        for one in found.limits:
            assert whole[one.test][one.cell][one.key] == one.limit
            assert one.key in content.split(b"\n")[one.line - 1].decode()
    assert 100 < read < 1900


TESTS = {"iops": {"4K 0/100", "64K 65/35"}, "latency": {"4K 0/100"},
         "depth": set()}


@pytest.mark.parametrize("header,words", [
    ('iops."4K 0/100"', None), ('iops."*"', None), ('depth."QD 32"', None),
    ('iosp."4K 0/100"', 'no test is called "iosp": did you mean iops?'),
    ('xyz."4K 0/100"', "the tests are iops, latency, depth."),
    ('iops."4k 0/100"', 'no cell "4k 0/100": did you mean 4K 0/100?'),
    ('latency."QD 1"', "its cells are 4K 0/100.")])
def test_names_that_there_are_not(tmp_path, header, words):
    found = load(tmp_path, f"[device]\nmodel='x'\n[{header}]\nmin_iops=1\n")
    if words is None:
        assert specfile.check_names(found, TESTS) is None
        return
    with pytest.raises(Problem) as caught:
        specfile.check_names(found, TESTS)
    assert words in str(caught.value)
    assert "vendor.toml, line 3: " in str(caught.value)


def test_the_readme_s_example_is_one(tmp_path):
    """Its tests, cells and keys exist, in the profile of SNIA's tests."""
    path = tmp_path / "vendor.toml"
    path.write_text(re.search(r"```toml\n(.*?)```", (
        ROOT / "jobs/README.md").read_text(encoding="utf-8"), re.DOTALL)[1])
    found = specfile.load(str(path))
    specfile.check_names(found, {
        test.name: test.cell_names()
        for test in planning.all_tests(profiles.PROFILES["pts-e"])})
    assert len(found.limits) >= 7

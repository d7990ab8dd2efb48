# SPDX-License-Identifier: GPL-2.0-only
"""The README and those of the folders: short, whole, true to the sources."""
import re

import pytest

READMES = ("README.md", "aio/README.md", "engine/README.md", "jobs/README.md")
PAGES = READMES + (".github/CONTRIBUTING.md", ".github/CHANGELOG.md",
                   "tests/README.md", "tests/vm/README.md")
README_LINES = 160  # more is not read

each = pytest.mark.parametrize("name", PAGES)


def read(root, name):
    return (root / name).read_text(encoding="utf-8")


def section(text, title):
    found = re.search(r"^## %s$(.*?)(?=^## |\Z)" % re.escape(title), text,
                      re.MULTILINE | re.DOTALL)
    assert found, "there is no section %s" % title
    return found.group(1)


def table_rows(text):
    """Cells of the first table whose first column is "option"."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in text.splitlines() if line.lstrip().startswith("|")]
    heads = [n for n, row in enumerate(rows) if row[0].lower() == "option"]
    assert heads, "no table with the column: option"
    return rows[heads[0] + 2:]


def readme_options(root):
    rows = table_rows(section(read(root, "engine/README.md"), "Options"))
    return [name for row in rows for name in re.findall(r"`(\w+)", row[0])]


def help_options(fio, engine):
    result = fio.raw("--enghelp=%s" % engine)
    return re.findall(r"^(\w+)\s*:", result.stdout, re.MULTILINE)


def anchors(text):
    """What headings are called in links: lower case, words and hyphens."""
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-")
            for head in re.findall(r"^#+ (.*)", text, re.MULTILINE)}


def test_option_table(fio, engine, root, fio_has):
    """All but cmdprio_hint are the engine's with every fio."""
    documented = readme_options(root)
    assert len(documented) == len(set(documented))
    if not fio_has("engines/cmdprio.h", "cmdprio_hint"):
        documented.remove("cmdprio_hint")
    assert set(documented) == set(help_options(fio, engine))


def test_readme_fits(root):
    assert len(read(root, "README.md").splitlines()) <= README_LINES


@each
def test_nothing_is_left_to_fill_in(name, root):
    assert "@@" not in read(root, name)


@each
def test_links_lead_somewhere(name, root):
    links = re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", read(root, name))
    for path, anchor in links:
        there = (root / name).parent / path if path else root / name
        assert there.exists(), path
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), anchor


@each
def test_paths_are_there(name, root):
    """Files of ours in back quotes, but for what a pattern or make makes."""
    ours = r"(?:aio|engine|jobs|tests|\.setup|\.ci|\.github)/"
    named = re.findall(r"`(%s[\w./-]*)`" % ours, read(root, name))
    assert [path for path in named if not (root / path).exists()] == []


@each
def test_targets_are_made(name, root):
    """What pages say of make; VARIABLE=... apart."""
    rules = read(root, "Makefile")
    known = {word for line in re.findall(r"^([a-z][\w -]*):(?!=)", rules, re.M)
             for word in line.split()}
    named = re.findall(r"(?:`|^\$ |^)make ([a-z][\w-]*)", read(root, name), re.M)
    assert set(named) <= known


def test_readme_leads_to_the_others(root):
    text = read(root, "README.md")
    assert [name for name in READMES[1:] if "](%s" % name not in text] == []


def test_example_is_the_tested_one(root):
    example = (root / "tests/lib/hello_aio.c").read_text(encoding="utf-8")
    assert example.strip() in read(root, "aio/README.md")

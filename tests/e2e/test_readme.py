# SPDX-License-Identifier: GPL-2.0-only
# The option table of the README is the engine's own.
import re


def section(text, title):
    found = re.search(r"^## %s$(.*?)(?=^## |\Z)" % re.escape(title), text,
                      re.MULTILINE | re.DOTALL)
    assert found, "README.md has no section %s" % title
    return found.group(1)


def table_rows(text):
    """Cells of the first table whose first column is "option"."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in text.splitlines() if line.lstrip().startswith("|")]
    heads = [n for n, row in enumerate(rows) if row[0].lower() == "option"]
    assert heads, "no table with the column: option"
    return rows[heads[0] + 2:]


def readme_options(root):
    text = (root / "README.md").read_text(encoding="utf-8")
    rows = table_rows(section(text, "Options"))
    return [name for row in rows for name in re.findall(r"`(\w+)", row[0])]


def help_options(fio, engine):
    result = fio.raw("--enghelp=%s" % engine)
    return re.findall(r"^(\w+)\s*:", result.stdout, re.MULTILINE)


def test_option_table(fio, engine, root, fio_has):
    """All but cmdprio_hint are the engine's with every fio."""
    documented = readme_options(root)
    assert len(documented) == len(set(documented))
    if not fio_has("engines/cmdprio.h", "cmdprio_hint"):
        documented.remove("cmdprio_hint")
    assert set(documented) == set(help_options(fio, engine))


def test_nothing_is_left_to_fill_in(root):
    assert "@@" not in (root / "README.md").read_text(encoding="utf-8")


def test_example_is_the_tested_one(root):
    readme = (root / "README.md").read_text(encoding="utf-8")
    example = (root / "tests/lib/hello_aio.c").read_text(encoding="utf-8")
    assert example.strip() in readme

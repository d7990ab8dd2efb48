# SPDX-License-Identifier: GPL-2.0-only
"""The manual pages: clean, complete, true to the headers, with live examples.

Examples and widths are checked in what man prints, as that is what people see
and copy; the rest is checked in the source.
"""
import errno
import re
import shlex

import pytest

from abi_tools import AIO, BUILD, STATIC, compile_program, compile_shared, need
from abi_tools import output_of, run

MAN = AIO / "man"
FILES = sorted(MAN.glob("man[37]/*"))
TEXTS = {path: path.read_text(encoding="utf-8") for path in FILES}
PAGES = [path for path in FILES if not TEXTS[path].startswith(".so ")]
ALIASES = [path for path in FILES if path not in PAGES]
CALLS = [path for path in PAGES if path.suffix == ".3"]
OVERVIEW = MAN / "man7/kaio-libaio.7"

HEADER = (AIO / "libaio.h").read_text(encoding="utf-8")
EXTENSION = (AIO / "libaio_ext.h").read_text(encoding="utf-8")
FUNCTION = re.compile(
    r"^(?:extern|static inline)\s+(\w+)\s+(io_\w+)\s*\(([^)]*)\)", re.M
)
CONTRACT = re.compile(r"/\*((?:(?!\*/).)*)\*/\nextern \w+ (\w+)\(", re.S)
WIDTH = 80
# As a terminal of this width would show it.
READER = {"MANWIDTH": str(WIDTH), "LC_ALL": "C.UTF-8", "MANOPT": ""}

by_name = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
by_call = pytest.mark.parametrize("page", CALLS, ids=lambda path: path.stem)


def plain(text):
    """C without needless white space."""
    return re.sub(r"\s*(\W)\s*", r"\1", " ".join(text.split()))


def declared(header):
    return {
        name: plain(f"{kind} {name}({arguments})")
        for kind, name, arguments in FUNCTION.findall(header)
    }


def documented(text):
    """Name and prototype of each .Fn and .Fo in the synopsis."""
    found, kind = {}, None
    for line in section(text, "SYNOPSIS").splitlines():
        words = shlex.split(line)
        if words[0] == ".Ft":
            kind = " ".join(words[1:])
        elif words[0] in (".Fn", ".Fo"):
            name, arguments = words[1], words[2:]
        elif words[0] == ".Fa":
            arguments += words[1:]
        if words[0] in (".Fn", ".Fc"):
            found[name] = plain(f"{kind} {name}({','.join(arguments)})")
    return found


def section(text, name):
    found = re.search(rf"^\.Sh {name}\n(.*?)(?=^\.Sh |\Z)", text, re.M | re.S)
    assert found, f"there is no section {name}"
    return found[1]


@pytest.fixture(scope="module")
def shown():
    """What man prints for a page, once for all tests."""
    need("man", "it shows the pages")
    texts = {}

    def show(page):
        if page not in texts:
            done = run("man", "--warnings=w", "-l", page, env=READER)
            assert (done.returncode, done.stderr) == (0, ""), done.stderr
            texts[page] = done.stdout
        return texts[page]

    return show


@by_name
def test_mandoc_finds_nothing(page):
    """The strictest level; pages of other packages may not be installed."""
    need("mandoc", "it checks the pages")
    lines = run("mandoc", "-T", "lint", "-W", "style", page).stdout.splitlines()
    assert [line for line in lines
            if "referenced manual not found" not in line] == []


@by_name
def test_man_shows_it_within_the_width(page, shown):
    text = shown(page)
    assert text.count("\n") > 20
    assert [line for line in text.splitlines() if len(line) > WIDTH] == []


def test_every_call_has_a_page():
    version_map = (AIO / "libaio.map").read_text(encoding="utf-8")
    exported = set(re.findall(r"^\s+(io_\w+);", version_map, re.M))
    assert len(exported) == 10
    calls = exported | set(declared(HEADER)) | set(declared(EXTENSION))
    assert {path.stem for path in FILES if path.suffix == ".3"} == calls


@pytest.mark.parametrize("alias", ALIASES, ids=lambda path: path.stem)
def test_alias_leads_to_a_page_that_names_it(alias):
    target = MAN / TEXTS[alias].removeprefix(".so ").rstrip("\n")
    assert target in PAGES
    assert re.search(rf"^\.Nm {alias.stem}\b", TEXTS[target], re.M)


def test_man_finds_an_alias():
    need("man", "it shows the pages")
    text = output_of("man", "-M", MAN, "io_fsync", env=READER)
    assert text.startswith("IO_PREP_PREAD(3)")


@by_call
def test_prototypes_are_the_headers(page):
    ext = "libaio_ext.h" in section(TEXTS[page], "SYNOPSIS")
    header = declared(EXTENSION if ext else HEADER)
    found = documented(TEXTS[page])
    assert page.stem in found
    assert found == {name: header.get(name) for name in found}
    named = re.findall(r"^\.Nm (io_\w+)", section(TEXTS[page], "NAME"), re.M)
    assert sorted(named) == sorted(found)


@by_call
def test_errors_are_told(page):
    """Both sections; real names; and all those of the header's contract."""
    assert section(TEXTS[page], "RETURN VALUES").strip()
    told = section(TEXTS[page], "ERRORS")
    assert told.strip()
    names = re.findall(r"\bEr (?:\\-)?(\w+)", TEXTS[page])
    assert [name for name in names if not hasattr(errno, name)] == []
    contracts = CONTRACT.findall(HEADER + EXTENSION)
    contracts = {name: text for text, name in contracts}
    for name in documented(TEXTS[page]):
        wanted = re.findall(r"-(E[A-Z]+)\b", contracts.get(name, ""))
        assert set(wanted) <= set(re.findall(r"\bE[A-Z]+\b", told)), name


@by_name
def test_references_lead_somewhere(page):
    sections = re.findall(r"^\.S[hs] (.*)", TEXTS[page], re.M)
    overview = re.findall(r"^\.S[hs] (.*)", TEXTS[OVERVIEW], re.M)
    for title in re.findall(r"^\.Sx ([^.;\n]*\w)", TEXTS[page], re.M):
        assert title in sections + overview
    for name, number in re.findall(r"^\.Xr (\S+) ([37])\b", TEXTS[page], re.M):
        if name.startswith(("io_", "kaio")):
            assert MAN / f"man{number}" / f"{name}.{number}" in FILES


def test_overview_names_every_page():
    see = section(TEXTS[OVERVIEW], "SEE ALSO")
    names = re.findall(r"^\.Xr (\S+) 3\b", see, re.M)
    assert sorted(names) == [page.stem for page in CALLS]


def test_probes_are_told_as_they_are():
    source = (AIO / "trace.h").read_text(encoding="utf-8")
    probes = re.findall(r"STAP_PROBE(\d)\(libaio, (\w+)", source)
    told = re.findall(
        r"^\.It (libaio:\w+)$(.*?)(?=^\.It|^\.El)", TEXTS[OVERVIEW], re.M | re.S
    )
    assert {name for name, _ in told} == {f"libaio:{name}" for _, name in probes}
    for name, text in told:
        arguments = text.split("Arguments: ")[1].count(",\n") + 1
        assert {arguments} == {
            int(count) for count, probe in probes if name == f"libaio:{probe}"
        }


def example(text):
    """The one program of a page, as printed."""
    text = text.split("\nEXAMPLES\n")[1]
    found = re.search(r"^ +#(?:include|define) .*^ +}$", text, re.M | re.S)
    assert found, text
    return found[0] + "\n"


@pytest.mark.parametrize(
    "page", [p for p in CALLS if ".Sh EXAMPLES" in TEXTS[p]], ids=lambda p: p.stem
)
def test_example_runs(page, shown, tmp_path):
    source, program = tmp_path / "example.c", tmp_path / "example"
    source.write_text(example(shown(page)), encoding="utf-8")
    if "libaio_ext.h" in source.read_text(encoding="utf-8"):
        compile_program(source, program, STATIC)
    else:
        compile_shared(source, program)
    output_of(program, env={"LD_LIBRARY_PATH": str(BUILD)})

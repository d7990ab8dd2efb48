# SPDX-License-Identifier: GPL-2.0-only
# The report of a qualification in a real headless Chromium, on a phone and on
# a screen, light and dark: nothing on the console, nothing asked from
# elsewhere, no sideways scrolling, text with contrast, pictures whose labels
# can be read, the result in sight; and as a PDF that has all of its text.
# KAIO_SHOTS=DIR keeps the pictures to look at.
import os
from pathlib import Path
import re
import shutil
import subprocess
import tempfile

import pytest

ROOT = Path(__file__).resolve().parents[2]
import hostile
import pagechecks
from browser import HEIGHT
import qualifydata
import tailsdata
from fiolab.qualify.report import htmlreport, phrases, schema, textreport
from fiolab.report import pdf

pytestmark = pytest.mark.browser
BOTTOM = """Math.max(...[...document.querySelectorAll(
    'h1, .card')].slice(0, 2).map(e => e.getBoundingClientRect().bottom))"""
REPORTS = {
    "full": qualifydata.report, "scaled": qualifydata.scaled,
    "passed": qualifydata.passed, "empty": qualifydata.empty,
    "tails": tailsdata.report,
    "two": lambda: qualifydata.report(targets=2, restless=True),
    "hostile": lambda: qualifydata.poisoned(hostile.SHORT)}


@pytest.fixture(scope="module",
                params=pagechecks.some(REPORTS, ("scaled", "passed")))
def report(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("html") / f"{request.param}.html"
    path.write_text(htmlreport.render(schema.check(REPORTS[request.param]())))
    return path


@pytest.fixture(scope="module", params=pagechecks.PAGES,
                ids=lambda size: f"{size[0]}-{size[1]}")
def page(request, browser, report):
    return pagechecks.opened(browser, report, request.param, "qualify-")


def test_nothing_on_the_console_and_nothing_from_elsewhere(page):
    pagechecks.is_alone(page)


def test_no_sideways_scrolling(page):
    pagechecks.fits_its_width(page)


def test_the_result_is_in_sight(page):
    if page.name == "hostile":
        pytest.skip("its names are longer than a screen")
    page.evaluate("scrollTo(0, 0)")
    assert page.evaluate(BOTTOM) < HEIGHT


def test_text_has_contrast(page):
    pagechecks.has_contrast(page)


def test_pictures_can_be_read(page):
    if page.name == "empty":
        pytest.skip("it has no picture")
    page.evaluate(pagechecks.OPEN)
    assert page.evaluate(pagechecks.SMALLEST) >= 9.5
    if page.name != "hostile":      # its names are longer than a picture
        assert page.evaluate(pagechecks.CROWDED) == []
        assert page.evaluate(pagechecks.OUTSIDE) == []


def test_what_a_screen_reader_gets(page):
    seen = pagechecks.spoken(page)
    assert len(seen["heading"]) > 5 and all(seen["heading"])
    assert "Tests, their preparation, and the rounds to steady state" in \
        seen["table"]
    assert {"Test", "State", "Steady state"} <= set(seen["columnheader"])
    if page.name not in ("scaled", "empty"):
        assert "Acceptance" in seen["table"]
        assert {"Limit", "Bound", "Result"} <= set(seen["columnheader"])
    assert all(seen.get("image", ()))
    assert page.name == "empty" or len(seen["image"]) > 30


@pytest.mark.slow
def test_the_picture_of_the_page(page, tmp_path):
    pagechecks.is_painted(page, tmp_path)


# The PDF

def printed(tmp_path, data):
    path = tmp_path / "report.html"
    path.write_text(htmlreport.render(data))
    why = pdf.write(path, tmp_path / "report.pdf")
    assert why is None, why
    assert sorted(os.listdir(tmp_path)) == ["report.html", "report.pdf"]
    return tmp_path / "report.pdf"


def tool(*command):
    if not shutil.which(command[0]):
        pytest.skip(f"needs {command[0]} (poppler-utils)")
    return subprocess.run(command, capture_output=True, text=True, check=True,
                          timeout=300).stdout


def test_the_pdf_has_all_of_its_text(tmp_path):
    data = qualifydata.report()
    path = printed(tmp_path, data)
    found = " ".join(tool("pdftotext", "-layout", str(path), "-").split())
    for part in ("Fail: 1 of 8 limits and 1 of 10 checks", "≥ 700,000",
                 "Steady state NOT REACHED", "Tested by", "Approved by",
                 "p99.999", "Evidence of each round", "1 / "):
        assert part in found, part
    # Evidence is folded on a screen, and not on paper.
    last = data["targets"][0]["tests"][0]["phases"][1]["rounds"][-1]
    assert last["results"][0]["source"].partition("#")[0] in found


@pytest.mark.slow
def test_the_pdf_is_a4_and_not_endless(tmp_path):
    info = tool("pdfinfo", str(printed(tmp_path, qualifydata.passed())))
    assert re.search(r"Page size: +59[45](\.\d+)? x 84[12](\.\d+)? pts", info)
    pages_found = int(re.search(r"Pages: +(\d+)", info)[1])
    assert 8 < pages_found < 40


def test_a_pdf_without_tools_to_read_it(tmp_path):
    content = printed(tmp_path, qualifydata.empty()).read_bytes()
    assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
    assert content.count(b"/Type /Page") >= 3


@pytest.mark.parametrize("length", [1, 100])
def test_the_temporary_folder_may_have_a_long_name(length, tmp_path,
                                                   monkeypatch):
    """The browser's socket there must have a short one.  Nothing is left."""
    made, used = [], pdf.tempfile.mkdtemp
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="t" * length) as top:
        monkeypatch.setattr(pdf.tempfile, "tempdir", top)
        monkeypatch.setattr(pdf.tempfile, "mkdtemp", lambda **how: (
            made.append(used(**how)) or made[-1]))
        printed(tmp_path, qualifydata.empty())
        assert os.path.dirname(made[-1]) == (top if length == 1 else "/tmp")
    assert not any(map(os.path.exists, made))


def test_no_browser_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    said = pdf.write(tmp_path / "a.html", tmp_path / "a.pdf")
    assert said.startswith("No PDF was made") and said.endswith(".")


@pytest.mark.parametrize("program, limit, word", [
    ("exit 3", 100, "ended with status 3"), ("exit 0", 100, "wrote no PDF"),
    ("sleep 1000", 3, "was not done after 3 s")])
def test_a_browser_that_does_not_print(program, limit, word, tmp_path,
                                       monkeypatch):
    """Nothing is left behind: no part of a PDF, no process."""
    fake = tmp_path / "chromium"
    fake.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\n{program}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(pdf, "LIMIT", limit)
    said = pdf.write(tmp_path / "a.html", tmp_path / "a.pdf")
    assert word in said and said.endswith(".")
    assert sorted(os.listdir(tmp_path)) == ["chromium", "pid"]
    pid = (tmp_path / "pid").read_text().strip()
    assert not os.path.exists(f"/proc/{pid}")


def test_every_source_of_a_limit_is_on_the_page(browser, tmp_path):
    data = qualifydata.report()
    path = tmp_path / "report.html"
    path.write_text(htmlreport.render(data))
    shown = browser.open(path).evaluate("document.body.innerText")
    for one in data["limits"]:
        assert phrases.sources(one["source"]) in shown


@pytest.mark.slow
def test_a_real_run(browser, engine, tmp_path, shm_file):
    """What jobs/qualify writes is what the schema says, the page shows it,
    and the recipe on it repeats a run with plain fio."""
    out = tmp_path / "out"
    done = subprocess.run(
        [str(ROOT / "jobs" / "qualify"), "--scratch", "--profile", "quick",
         "--tests", "overlap,xsr", "--size", "32M", "--out", str(out),
         "--build", str(Path(engine).parent)],
        capture_output=True, text=True, timeout=300, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    data = schema.load(out / "qualify.json")
    assert all(len(line) <= 79 for line in textreport.lines(data))
    assert "\n".join(textreport.lines(data)) in done.stdout
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF-")
    page = browser.open(out / "report.html")
    assert page.problems == []
    shown = page.evaluate(pagechecks.OPEN + "; document.body.textContent")
    overlap = next(t for t in data["targets"][0]["tests"]
                   if t["name"] == "overlap")
    source = overlap["checks"][0]["source"]
    assert source in shown and overlap["checks"][0]["text"] in shown
    recipe = page.evaluate("document.querySelector('.appendix pre').innerText")
    repeated(recipe, out / source.partition("#")[0], tmp_path, shm_file)


def repeated(recipe, run, folder, target):
    """Do as the page says, on another file."""
    Path(target).write_bytes(bytes(32 << 20))
    said = subprocess.run(
        ["sh", "-c", recipe.replace("runs/NAME.json", str(run))], cwd=folder,
        capture_output=True, text=True, check=True, timeout=300).stdout
    command = re.sub(r"TARGET=\S+", f"TARGET={target}", said.strip())
    assert target in command and command.endswith(" again.fio")
    subprocess.run(["sh", "-c", command], cwd=folder, check=True, timeout=300,
                   capture_output=True)
    assert '"jobname"' in (folder / "out.json").read_text()

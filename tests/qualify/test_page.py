# SPDX-License-Identifier: GPL-2.0-only
# The report of a qualification: complete in itself, the result and the limits
# first, every figure with its source, and a structure that no text from
# outside can change.  What a browser makes of it is in
# tests/qualify/test_browser.py.
import copy
from pathlib import Path
import re
import time

import pytest

ROOT = Path(__file__).resolve().parents[2]
import hostile
import qualifydata
from fiolab.qualify.report import htmlreport, phrases, schema
from fiolab.qualify.suite import profiles
from fiolab.report import svg
from outline import (Outline, is_well_formed,
                     links_lead_somewhere, needs_nothing_else)

pytestmark = pytest.mark.long
FOLDER = ROOT / "jobs" / "fiolab" / "report" / "templates"


def page_of(data):
    return htmlreport.render(schema.check(data))


@pytest.fixture(scope="module")
def full():
    return page_of(qualifydata.report())


@pytest.fixture(scope="module")
def outline(full):
    return Outline(full)


@pytest.fixture(scope="module")
def text(outline):
    return outline.words()


def test_it_needs_nothing_else(full, outline):
    needs_nothing_else(full, outline)


def test_it_is_well_formed(outline):
    is_well_formed(outline)
    assert outline.tags.count(("html", "lang")) == 1


def test_ids_are_unique_and_all_links_lead_somewhere(full, outline):
    links_lead_somewhere(full, outline)


def test_the_order(text):
    places = [text.index(part) for part in (
        "Fail: 1 of 8 limits and 1 of 10 checks", "Acceptance limits",
        "A limit passes when", "Everything written is read back",
        "What was tested, and how", "Tests, their preparation",
        "PTS 2.0.2, IOPS test", "SMART before and after",
        "Against an earlier run", "Repeat a figure with fio", "Tested by")]
    assert places == sorted(places)


def test_each_limit_has_its_figures_reason_line_and_source(text):
    data = qualifydata.report()
    rows = text[text.index("A limit passes when"):text.index("What was test")]
    for one in data["limits"]:
        for part in (phrases.bar(one), phrases.bound(one),
                     phrases.sources(one["source"])):
            assert part in rows
    assert ("IOPS ≥ 700,000 644,490 651,000 5 7 ✗ fail The bound 644,490 is "
            "below the limit.") in rows
    assert ("n/a n/a 0 16 ○ not measured Steady state was not reached in 25 "
            "rounds.") in rows


def test_each_check_is_there(text):
    for _, _, check in phrases.checks(qualifydata.report()):
        assert check["title"] in text and check["text"] in text
        assert check["source"] is None or check["source"] in text


def test_what_failed_is_under_the_headline(text):
    """What of data may be lost first, however many limits are missed."""
    head = text[:text.index("Acceptance limits")]
    limit = "IOPS, 4K 100/0: IOPS 651,000, asked for ≥ 700,000"
    check = "7 of 4,096 writes past the end"
    assert 0 < head.find(check) < head.find(limit)


def test_a_scaled_run_says_so_before_the_result():
    text = Outline(page_of(qualifydata.scaled())).words()
    assert text.index("SCALED DOWN: qualifies nothing") < text.index(
        "Not measured")
    assert "No spec was given, so the checks alone decide." in text


def test_a_pass_is_a_pass():
    text = Outline(page_of(qualifydata.passed())).words()
    assert "✓ Pass: all 6 limits and all 8 checks" in text
    assert "SCALED" not in text and "NOT REACHED" not in text


def test_steady_state_not_reached_is_loud(text):
    assert "Steady state NOT REACHED: Block sizes" in text
    assert text.count("NOT REACHED in 25 rounds") == 2
    assert text.count("✗ not steady") == 9


def test_the_determination_has_every_number(text):
    steady = qualifydata.report()["targets"][0]["tests"][0]["phases"][1][
        "steady"]
    for one in steady["tracked"]:
        assert phrases.formula(one) in text
        for name in ("mean", "allowed_excursion", "measured_excursion",
                     "allowed_slope", "measured_slope"):
            assert phrases.figure(one[name]) in text
    assert "20.0%" in text and "10.0%" in text


def test_tests_not_done_say_why(text):
    assert "Not run: Its 12 h were left out with --skip soak." in text
    assert "Failed: fio ended with status 1: write: No space left" in text


def test_every_cell_names_its_source(text):
    for test in qualifydata.report()["targets"][0]["tests"]:
        for cell in test["cells"]:
            found = [s for v in cell["values"].values() for s in v["sources"]]
            assert phrases.sources(found) in text


def test_the_head_of_a_column_is_over_its_text(full):
    """At the left over words, at the right over figures."""
    titles = {table["title"] for target in qualifydata.report()["targets"]
              for test in target["tests"] for table in test["tables"]}
    found = set()
    for title, table in re.findall(r'<caption>([^<]*)(.*?</table>)', full,
                                   re.S):
        if title.strip() not in titles or '<td class="h' in table:
            continue
        _, *heads = re.findall(r'<th scope="col"(| class="word")>', table)
        rows = [re.findall(r'<td(| class="word")>', row)
                for row in re.findall(r"<tr><th.*?</tr>", table)[1:]]
        assert heads == [max(column) for column in zip(*rows)], table
        found |= set(heads)
    assert found == {"", ' class="word"'}


def test_every_picture_is_described_and_names_its_source(full, outline):
    shown = [tag for tag in outline.tags if tag[0] == "svg"]
    assert len(shown) > 35 and all("aria-labelledby" in t for t in shown)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", full, re.S)
    assert len(captions) == len(shown)
    assert all('class="source">runs/' in caption for caption in captions)


def test_heat_maps_have_numbers_too(full):
    cells = re.findall(r'<td class="h\d">([^<]*)</td>', full)
    assert len(cells) > 50 and all(re.search(r"\d|n/a", x) for x in cells)


def test_smart_shows_what_changed(text):
    """With units, and what it means."""
    assert "Temperature temperature_c 38 °C 58 °C +20 °C" in text
    assert "Written data_units_written 2.1 TB 61.71 TB +59.61 TB" in text
    assert ("num_err_log_entries ○ noted Look at them with nvme error-log: "
            "refused commands count, too. 0 2 +2") in text
    assert "Media errors media_errors ✓ good 0 0 0" in text


def test_what_the_kernel_said_is_in_the_appendix(text):
    assert ("The kernel's log: 0 errors and 1 warning named the device, 1 "
            "error and 0 warnings did not. The lines.") in text
    assert ("11.250 warning, of the device, 4001 nvme nvme0: I/O 12 QID 3 "
            "timeout, completion polled") in text
    assert "22.500 err, of others, 4002 I/O error, dev sdq" in text


def test_a_log_that_was_not_read_is_no_log_without_errors():
    data = qualifydata.report()
    for test in data["targets"][0]["tests"]:
        test["kernel"] = {**test["kernel"], "lines": [], "why": "the kernel's "
                          "log cannot be read (Permission denied)"}
    text = Outline(page_of(data)).words()
    assert ("Errors of the kernel: not known, as the kernel's log cannot be "
            "read (Permission denied).") in text
    assert "0 errors" not in text.replace(data["targets"][0]["checks"][0][
        "text"], "")


def test_how_the_device_is_connected_and_set(text):
    for part in (
            "Connected by PCI 0000:03:00.0, 16.0 GT/s PCIe, x4, could have "
            "16.0 GT/s PCIe, x4, power state D0", "Hardware queues 32",
            "NVMe version 1.4.0", "LBA format number 1 of 4: 512 B of data "
            "and 8 B of metadata in a buffer of its own",
            "Protection information type 1, in the last bytes of the "
            "metadata", "NVMe power state 0 of 0 to 4",
            "Namespaces nvme0n1 (480.1 GB)",
            "Write cache off, as the device says (NVMe feature 6); the kernel "
            "believes write through"):
        assert part in text, part


def test_members_are_described_to_the_last():
    data = qualifydata.report()
    known = data["targets"][0]["identity"]
    inner = {**known, "name": "sda1", "model": "INNER", "nvme": None,
             "bus": None}
    known.update(array={"level": "raid1", "degraded": "0"}, members=[
        {**known, "name": "md1", "model": "OUTER", "members": [inner]}])
    cache = data["targets"][0]["write_cache"]
    cache["members"] = [{**cache, "name": "sda", "device": True}]
    text = Outline(page_of(data)).words()
    assert "Array level raid1, degraded 0" in text
    assert "Member md1 EXAMPLE OUTER, serial S64" in text
    assert "Member md1 / sda1 EXAMPLE INNER, serial S64" in text
    assert ("Write cache of sda on, as the device says (NVMe feature 6); the "
            "kernel believes write through: THEY DIFFER") in text


def test_colours_are_the_pages(full):
    """In no picture is a colour of its own, so dark and light both work."""
    for picture in re.findall(r"<svg.*?</svg>", full, re.S):
        assert not re.search(r"#[0-9a-f]{6}\b", picture)
    light, dark = (FOLDER / "qualify.css").read_text().split(
        "prefers-color-scheme: dark")
    names = [*svg.SERIES.values(), *(f"--{kind}{i}" for kind in "hl"
                                     for i in range(9))]
    for name in names:
        assert f"{name}: #" in light and f"{name}: #" in dark


def test_against_another_run(text):
    assert "/lab/runs/gdc5502/qualify.json" in text
    assert "▲ faster" in text and "▼ slower" in text and "≈ equiv" in text
    assert text.index("▼ slower") < text.index("▲ faster") < text.index(
        "3 other figures")
    assert "○ no verdict the other run: steady state was not reached" in text


def test_on_another_engine(text):
    assert "kaio against libaio: each of 2 limits" in text
    assert "4K 100/0, min_iops ✗ fail ✗ fail ✓ yes" in text


def test_an_identity_and_an_extreme_are_judged_too(text):
    assert "model like EXAMPLE MZ7L3* EXAMPLE MZ7L3480HCHQ-00A07 –" in text
    assert "≤ 20.00% 18.18% 18.18%" in text


def test_nothing_run_is_a_page():
    text = Outline(page_of(qualifydata.empty())).words()
    assert "Stopped early." in text and "Not measured: 12 of 12" in text
    assert "None were made." in text and "no tool." in text.lower()


@pytest.mark.slow
def test_two_targets_are_told_apart():
    found = Outline(page_of(qualifydata.report(targets=2)))
    text = found.words()
    assert "Tests of /dev/nvme0n1" in text and "Tests of /dev/nvme1n1" in text
    assert "Fail: 2 of 16 limits and 2 of 20 checks" in text
    assert len(found.ids) == len(set(found.ids))


def test_odd_figures():
    """Nothing but nulls, zeroes and one round: a page all the same."""
    data = qualifydata.report()
    for test in data["targets"][0]["tests"]:
        for phase in test["phases"]:
            phase["rounds"] = phase["rounds"][:1]
            for r in (x for one in phase["rounds"] for x in one["results"]):
                r["values"] = dict.fromkeys(r["values"])
                r["bytes_written"] = r["source"] = None
            if phase["steady"]:
                phase["steady"].update(rounds=1, first=1, last=1,
                                       reached=False)
                for one in phase["steady"]["tracked"]:
                    one.update(dict.fromkeys(
                        name for name in one if name not in (
                            "stimulus", "metric", "label", "unit")),
                        series=[None], holds=False)
        for cell in test["cells"]:
            cell.update(values={}, latency=None)
        for grid in test["grids"]:
            grid["z"] = [[None] * len(row) for row in grid["z"]]
    assert "nan" not in Outline(page_of(data)).words().split()


# Hostile text

@pytest.fixture(scope="module")
def harmless():
    return Outline(page_of(qualifydata.poisoned("x")))


@pytest.mark.parametrize("attack", hostile.OF_A_PAGE)
def test_hostile_text_changes_no_structure(attack, harmless):
    full = page_of(qualifydata.poisoned(attack))
    full.encode()
    found = Outline(full)
    assert found.outside() == harmless.outside()
    assert len(found.ids) == len(set(found.ids))
    assert {tag for tag, *_ in found.tags} == {
        tag for tag, *_ in harmless.tags}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", full)


def test_hostile_text_is_shown_as_it_is():
    attack = "<script>window.hacked=1</script>"
    text = "".join(Outline(page_of(qualifydata.poisoned(attack))).text)
    assert attack in text


# Size

@pytest.mark.slow
def test_all_of_the_enterprise_profile_on_two_devices():
    """56 cells, 25 rounds, thousands of samples: a page that opens."""
    data = qualifydata.report(profiles.ENTERPRISE, targets=2, restless=True)
    rounds = data["targets"][0]["tests"][0]["phases"][1]["rounds"]
    assert len(rounds) == 25 and len(rounds[0]["results"]) == 56
    data = copy.deepcopy(data)
    start = time.process_time()
    full = page_of(data)
    seconds = time.process_time() - start
    print(f"{len(full) / 1e6:.1f} MB, {seconds:.1f} s of CPU")
    assert seconds < 40 and len(full) < 6_000_000

# SPDX-License-Identifier: GPL-2.0-only
"""JUnit's XML, as Jenkins and GitLab read it: suites of test cases, each of
which failed, was skipped, or passed."""
from collections.abc import Iterable
import datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element


def suite(name: str, created: str) -> Element:
    """One without cases; created: a moment as reports have it."""
    start = datetime.datetime.fromisoformat(
        created.replace("Z", "+00:00")).strftime("%Y-%m-%dT%H:%M:%S")
    return Element("testsuite", name=name, timestamp=start,
                   hostname="localhost", time="0")


def properties(made: Element, pairs: Iterable[tuple[str, str]]) -> None:
    """What is told of a suite, before its cases."""
    inside = ElementTree.SubElement(made, "properties")
    for name, value in pairs:
        ElementTree.SubElement(inside, "property", name=name, value=value)


def case(made: Element, name: str, why: str = "", skipped: str = "",
         said: str = "") -> None:
    """A test case of a suite: failed with why, else skipped, else passed."""
    one = ElementTree.SubElement(
        made, "testcase", name=name, classname=made.get("name", ""), time="0")
    if why:
        ElementTree.SubElement(one, "failure", message=why, type="verdict")
    elif skipped:
        ElementTree.SubElement(one, "skipped", message=skipped)
    if said:
        ElementTree.SubElement(one, "system-out").text = said


def _count(made):
    for name in ("failure", "skipped"):
        made.set({"failure": "failures"}.get(name, name),
                 str(len(made.findall(f"testcase/{name}"))))
    made.set("tests", str(len(made.findall("testcase"))))
    made.set("errors", "0")


def document(name: str, suites: Iterable[Element]) -> str:
    """The whole, with what is counted."""
    whole = Element("testsuites", name=name)
    whole.extend(suites)
    for made in whole:
        _count(made)
    for key in ("tests", "failures", "errors"):
        whole.set(key, str(sum(int(made.get(key, "0")) for made in whole)))
    ElementTree.indent(whole)
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' +
            ElementTree.tostring(whole, encoding="unicode") + "\n")

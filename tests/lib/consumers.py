# SPDX-License-Identifier: GPL-2.0-only
"""Those for whom reports are written in other forms: JUnit's schema and its
reader, and the program that makes pages of GitHub's markdown."""
import html
import re
import subprocess

import junitparser

# Of Jenkins' junit-10.xsd: {element: (attributes that it must have, others
# that it may have, elements inside it)}.
XSD = {
    "testsuites": (set(), {"name", "time", "tests", "failures", "disabled",
                           "errors"}, {"testsuite"}),
    "testsuite": ({"name", "tests"}, {
        "failures", "errors", "time", "disabled", "skipped", "timestamp",
        "hostname", "id", "package"}, {"properties", "testcase", "system-out",
                                       "system-err"}),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": ({"name"}, {"assertions", "time", "classname", "status"},
                 {"skipped", "error", "failure", "system-out", "system-err"}),
    "failure": (set(), {"type", "message"}, set()),
    "skipped": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set())}


def check_xsd(element):
    must, may, inside = XSD[element.tag]
    assert must <= set(element.attrib) <= must | may, element.tag
    assert {one.tag for one in element} <= inside
    for one in element:
        check_xsd(one)


def cases(text):
    """{(suite, case): result or None} by junitparser."""
    found = {}
    for suite in junitparser.JUnitXml.fromstring(text.encode()):
        assert suite.tests == len(list(suite))
        for case in suite:
            result = case.result
            found[suite.name, case.name] = (
                type(result[0]).__name__ if result else None)
    return found


def rendered(text):
    """HTML by cmark-gfm, which is GitHub's own, and as it takes it."""
    return subprocess.run(
        ["cmark-gfm", "--unsafe", "-e", "table", "-e", "autolink", "-e",
         "strikethrough", "-e", "tagfilter"], input=text.encode(),
        capture_output=True, check=True, timeout=60).stdout.decode()


def tables(page):
    """The cells of all tables, row by row, as a reader sees them."""
    return [[html.unescape(re.sub("<[^>]*>", "", cell)).strip()
             for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.S)]
            for row in re.findall(r"<tr>(.*?)</tr>", page, re.S)]

# SPDX-License-Identifier: GPL-2.0-only
"""The structure of an HTML page: its elements in order, ids, addresses and
text; an element that is not closed, or closed twice, fails at once.
"""
from html.parser import HTMLParser
import re

FOREIGN = {"script", "img", "iframe", "object", "embed", "base", "form",
           "image", "foreignobject"}
VOID = {"meta", "link", "br", "path", "use", "rect", "circle"}
DRAWING = ("g", "path", "use", "text", "tspan", "defs", "clippath", "style")


class Outline(HTMLParser):
    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.ids, self.links, self.attributes = [], [], [], []
        self.text, self.open = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names)
        self.tags.append((tag, *sorted(names)))
        self.attributes += [(tag, *attr) for attr in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs
                       if name in ("href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def handle_comment(self, data):
        self.tags.append(("comment",))

    def words(self):
        return " ".join(" ".join(self.text).split())

    def outside(self):
        """The elements that are no drawing."""
        return [tag for tag in self.tags if tag[0] not in DRAWING]


def needs_nothing_else(page, outline):
    """No script, no address but of places in the page."""
    assert not {tag for tag, *_ in outline.tags} & FOREIGN
    assert all(link.startswith(("#", "data:,")) for link in outline.links)
    assert not any(name.startswith("on") for _, name, _ in
                   outline.attributes)
    assert "default-src 'none'" in page
    css = re.sub(r"url\(#[\w-]+\)", "", page)
    assert "url(" not in css and "@import" not in css
    left = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert "http:" not in left and "https:" not in left


def links_lead_somewhere(page, outline):
    """And ids are unique."""
    assert len(outline.ids) == len(set(outline.ids)) > 50
    known = set(outline.ids)
    assert {x[1:] for x in outline.links if x[0] == "#"} <= known
    assert set(re.findall(r"url\(#([^)]*)\)", page)) <= known
    spoken = [value for _, name, value in outline.attributes
              if name == "aria-labelledby"]
    assert {x for value in spoken for x in value.split()} <= known


def is_well_formed(outline):
    assert outline.open == []
    assert ("comment",) not in outline.tags
    heads = [tag for tag in outline.tags if tag[0] == "th"]
    assert heads and all("scope" in tag for tag in heads)

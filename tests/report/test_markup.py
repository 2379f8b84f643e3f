"""Text stays text: nothing a corpus holds can open a tag, close an attribute or break the document."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmod_report.markup import Markup, coordinate, element, escape, joined

# Everything a Python string can hold, lone surrogates and control characters too.
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(ANY_TEXT)
def test_any_text_reads_back_from_xml_as_itself_or_with_replacement_signs(text):
    node = ElementTree.fromstring(element("p", {"title": text}, text))
    assert len(node) == 0
    body = node.text or ""
    # XML reads every kind of line end as \n, and cannot hold controls or surrogates at all.
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    assert len(body) == len(expected)
    assert all(a == b or a == "\ufffd" for a, b in zip(body, expected, strict=True))


@given(ANY_TEXT)
def test_an_html_parser_sees_one_element_whatever_the_text(text):
    tags = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.append((tag, [name for name, _ in attrs]))

    reader = Reader()
    reader.feed(element("p", {"title": text}, text))
    reader.close()
    assert tags == [("p", ["title"])]


def test_markup_passes_and_a_sum_with_text_is_text_again():
    bold = element("b", None, "x")
    assert element("p", None, bold, "<i>") == "<p><b>x</b>&lt;i&gt;</p>"
    assert not isinstance(bold + "<i>", Markup)
    assert joined([bold + "<i>"]) == "&lt;b&gt;x&lt;/b&gt;&lt;i&gt;"


def test_escaping_twice_shows_the_entity_and_never_a_tag():
    assert escape(str(escape("<"))) == "&amp;lt;"


@pytest.mark.parametrize(("value", "text"), [(0.0, "0"), (-0.04, "0"), (1.25, "1.2"), (-3.0, "-3"), (99.96, "100")])
def test_coordinates_are_short(value, text):
    assert coordinate(value) == text

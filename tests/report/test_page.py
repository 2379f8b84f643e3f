"""A page is one self-contained document: structured, escaped, without anything that runs or loads."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from crossmod_report import (
    Code,
    Column,
    Exhibit,
    Facts,
    Figures,
    Markup,
    Notices,
    Page,
    Row,
    Section,
    Table,
    bar_chart,
    heat_map,
    line_chart,
    render_page,
    retrieval_sheet,
    write_page,
    write_svg,
)
from crossmod_report.frame import SERIES_COLOURS
from crossmod_report.markup import element

HOSTILE = "</p></pre></style></title><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\x00\x1b"
CHART = line_chart({"a": ([0, 1], [1, 2])}, title="a chart", x_label="step", y_label="y")


class Structure(HTMLParser):
    """Collects what a browser would see: elements, their attributes, and whether every element was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def tags(self) -> list[str]:
        return [tag for tag, _ in self.elements]


def parsed(page: Page) -> Structure:
    structure = Structure()
    structure.feed(render_page(page))
    structure.close()
    assert structure.open == []
    return structure


def everything(text: str) -> Page:
    table = Table(title=text, columns=[Column(key="k", title=text)], rows=[Row(cells={"k": text})], note=text)
    exhibit = Exhibit(caption=text)
    parts = [
        text,
        element("p", {"class": text}, text),
        table,
        CHART,
        Figures(
            charts=[
                line_chart({text: ([0], [1]), "b": ([0], [1])}, title=text, x_label=text, y_label=text),
                bar_chart({text: 1.0}, title=text, note=text),
                heat_map([[1.0]], title=text, row_labels=[text], column_labels=[text]),
            ]
        ),
        retrieval_sheet([exhibit], [exhibit], [[1.0]], [{0}], title=text, note=text),
        Code(text=text, title=text),
        Facts(values={text: text}),
        Notices(sentences=[text]),
    ]
    return Page(title=text, summary=text, sections=[Section(title=text, parts=parts)] * 2, footer=text)


def test_the_document_has_the_expected_skeleton():
    page = Page(title="T", summary="S", sections=[Section(title="One", parts=["a"]), Section(title="Two", parts=[])])
    structure = parsed(page)
    assert structure.tags()[:2] == ["html", "head"]
    for tag, count in {"h1": 1, "h2": 2, "section": 2, "main": 1, "nav": 1, "title": 1, "style": 1}.items():
        assert structure.tags().count(tag) == count, tag
    names = [attributes["id"] for _, attributes in structure.elements if "id" in attributes]
    assert len(names) == len(set(names))
    links = [attributes["href"] for tag, attributes in structure.elements if tag == "a"]
    assert links == ["#section-1", "#section-2"]
    assert {link.removeprefix("#") for link in links} <= set(names)


def test_hostile_text_in_every_place_makes_no_element_and_no_attribute():
    plain, hostile = parsed(everything("x" * len(HOSTILE))), parsed(everything(HOSTILE))
    assert hostile.tags() == plain.tags()
    assert "script" not in hostile.tags()
    for (_, before), (_, after) in zip(plain.elements, hostile.elements, strict=True):
        assert list(before) == list(after)
        assert not [name for name in after if name.startswith("on")]


def test_the_page_is_also_well_formed_xml():
    root = ElementTree.fromstring(render_page(everything(HOSTILE)).removeprefix("<!DOCTYPE html>"))
    assert [child.tag for child in root] == ["head", "body"]


def test_nothing_is_loaded_and_no_script_may_run():
    text = render_page(everything("plain"))
    for address in re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]*)""", text):
        assert address.startswith(("#", "data:")), address
    assert "@import" not in text
    policy = [
        attributes["content"]
        for tag, attributes in parsed(everything("plain")).elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy[0].startswith("default-src 'none'")
    assert "script" not in policy[0]


def test_markup_stands_as_it_is_and_a_string_is_a_paragraph():
    text = render_page(Page(title="T", summary="", sections=[Section(title="One", parts=[Markup("<hr />"), "<hr />"])]))
    assert "<hr />" in text
    assert "<p>&lt;hr /&gt;</p>" in text


def test_the_same_page_gives_the_same_bytes(tmp_path):
    first = write_page(everything("plain"), tmp_path / "a.html").read_bytes()
    assert first == write_page(everything("plain"), tmp_path / "b.html").read_bytes()
    assert first == render_page(everything("plain")).encode()


def test_a_page_that_cannot_be_rendered_leaves_the_old_file(tmp_path):
    target = tmp_path / "report.html"
    write_page(everything("plain"), target)
    before = target.read_bytes()

    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    broken = Page(title="T", summary="", sections=[Section(title="One", parts=[Facts(values={"a": Broken()})])])
    with pytest.raises(RuntimeError):
        write_page(broken, target)
    assert target.read_bytes() == before
    assert list(tmp_path.iterdir()) == [target]


def test_a_chart_alone_is_a_well_formed_file_that_follows_dark_screens(tmp_path):
    path = write_svg(CHART, tmp_path / "chart.svg")
    root = ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme: dark" in (root[0].text or "")
    assert len(root) == len(ElementTree.fromstring(CHART)) + 1


def test_every_series_colour_has_a_dark_counterpart(tmp_path):
    style = write_svg(CHART, tmp_path / "chart.svg").read_text()
    for index in range(len(SERIES_COLOURS)):
        assert f".line-{index} " in style
        assert f".dot-{index} " in style

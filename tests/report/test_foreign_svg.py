"""A drawing from a corpus keeps its shapes and loses everything that can act or fetch."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from crossmod_report import sanitised_svg

OPEN = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9">'
SPACE = "{http://www.w3.org/2000/svg}"


def cleaned(inside: str) -> ElementTree.Element:
    return ElementTree.fromstring(sanitised_svg(f"{OPEN}{inside}</svg>"))


def test_shapes_text_and_inline_styles_survive():
    root = cleaned('<g id="a"><path d="M0 0L1 1" style="fill:none;stroke:#000"/><text x="1">N&amp;H</text></g>')
    path, text = root[0]
    assert (root.tag, root.get("width")) == (f"{SPACE}svg", "9")
    assert path.attrib == {"d": "M0 0L1 1", "style": "fill:none;stroke:#000"}
    assert text.text == "N&H"


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<SCRIPT>alert(1)</SCRIPT>",
        '<x:script xmlns:x="http://www.w3.org/2000/svg">alert(1)</x:script>',
        '<script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script>',
        '<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><img src="x"/></body></foreignObject>',
        '<set attributeName="href" to="javascript:alert(1)"/>',
        '<animate attributeName="href" values="javascript:alert(1)"/>',
        '<a href="javascript:alert(1)"><text>alert</text></a>',
        '<iframe src="https://example.org/alert"/>',
        "<g><defs><handler>alert(1)</handler></defs></g>",
    ],
)
def test_elements_that_act_are_gone_with_all_they_hold(attack):
    root = cleaned(f'{attack}<rect width="1"/>')
    assert "alert" not in ElementTree.tostring(root, encoding="unicode")
    assert [node.tag for node in root.iter() if "rect" in node.tag] == [f"{SPACE}rect"]


@pytest.mark.parametrize(
    "attribute",
    [
        'onload="alert(1)"',
        'ONCLICK="alert(1)"',
        'href="javascript:alert(1)"',
        'href="https://example.org/alert.svg#a"',
        'xlink:href="//example.org/alert"',
        'xlink:href="data:image/svg+xml;base64,alert"',
        'fill="url(https://example.org/alert)"',
        "style=\"background: URL( 'https://example.org/alert' )\"",
        'style="fill:u\\72l(https://example.org/alert)"',
        'style="@import &quot;alert&quot;"',
        'filter="url(&#9;https://example.org/alert)"',
    ],
)
def test_attributes_that_act_or_fetch_are_gone(attribute):
    assert cleaned(f"<use {attribute}/>")[0].attrib == {}


def test_references_inside_the_drawing_and_raster_images_survive():
    root = cleaned('<use xlink:href="#a" fill="url(#g)"/><image href="data:image/png;base64,AAAA"/>')
    assert root[0].attrib == {"href": "#a", "fill": "url(#g)"}
    assert root[1].attrib == {"href": "data:image/png;base64,AAAA"}


def test_a_style_sheet_is_judged_whole_however_it_is_cut():
    assert cleaned("<style>*{stroke-linecap:butt}</style>")[0].text == "*{stroke-linecap:butt}"
    assert not cleaned("<style>@im<![CDATA[port 'x']]></style>")[0].text
    assert not cleaned("<style>*{fill:u<!-- -->rl(https://x)}</style>")[0].text


def test_entities_are_refused_before_they_expand():
    bomb = '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    with pytest.raises(ValueError, match="document type"):
        sanitised_svg(f"{bomb}{OPEN}<text>&b;</text></svg>")


def test_the_usual_document_type_and_processing_instructions_are_dropped():
    head = '<?xml version="1.0" encoding="iso-8859-1"?><?xml-stylesheet href="https://x"?>'
    kind = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    text = sanitised_svg(f"{head}{kind}{OPEN}<text>é</text></svg>")
    assert text.startswith("<svg ")
    assert "é" in text
    assert not re.search("xml-stylesheet|DTD", text)


@pytest.mark.parametrize("text", ["", "no drawing", "<svg>", "<svg/><svg/>", "<html><svg/></html>", "<g/>"])
def test_what_is_not_one_svg_is_refused(text):
    with pytest.raises(ValueError, match="drawing"):
        sanitised_svg(text)


def test_cleaning_twice_changes_nothing():
    once = sanitised_svg(f"{OPEN}<g><use xlink:href='#a'/><text xml:space='preserve'> a </text></g></svg>")
    assert sanitised_svg(once) == once

"""An exhibit shows its picture as an isolated image and its caption as text."""

from __future__ import annotations

import struct
import zlib
from base64 import b64decode
from xml.etree import ElementTree

import pytest

from crossmod_report import Exhibit, html_exhibit


def png_of_one_pixel() -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = zlib.compress(b"\0\x80")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def image_source(exhibit: Exhibit) -> str:
    (image,) = ElementTree.fromstring(html_exhibit(exhibit)).iter("img")
    return image.attrib["src"]


def test_png_bytes_arrive_unchanged_in_the_page():
    kind, content = image_source(Exhibit(caption="x", png=png_of_one_pixel())).split(",")
    assert kind == "data:image/png;base64"
    assert b64decode(content) == png_of_one_pixel()


def test_a_drawing_is_made_harmless_and_never_stands_inline():
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script><g/></svg>'
    exhibit = Exhibit(caption="x", svg=drawing)
    kind, content = image_source(exhibit).split(",")
    assert kind == "data:image/svg+xml;base64"
    assert b64decode(content) == b'<svg xmlns="http://www.w3.org/2000/svg"><g></g></svg>'
    assert "<svg" not in html_exhibit(exhibit)


def test_a_hostile_caption_is_text():
    root = ElementTree.fromstring(html_exhibit(Exhibit(caption="<script>alert(1)</script>")))
    assert [node.tag for node in root.iter()] == ["div", "span"]
    assert root[0].text == "<script>alert(1)</script>"


def test_two_pictures_and_bytes_that_are_not_png_are_refused():
    with pytest.raises(ValueError, match="both an SVG and a PNG"):
        Exhibit(caption="x", svg="<svg/>", png=png_of_one_pixel())
    with pytest.raises(ValueError, match="not PNG"):
        Exhibit(caption="x", png=b"GIF89a")

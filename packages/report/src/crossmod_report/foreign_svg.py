"""Drawings from elsewhere (a molecule, a plot) made harmless before they enter a page.

A drawing is parsed and written anew from what is allowed; nothing of the original text is copied through.
Scripts, foreign objects, animations, links and event handlers are left out; a reference may only point inside the
drawing or hold a raster image; a document type that declares entities is refused, since a few lines of it can
expand to gigabytes. The page then shows the result as an image, where a browser runs no script and loads nothing.
"""

from __future__ import annotations

from typing import final
from xml.parsers import expat

from crossmod_report.markup import Markup, escape

_SVG = "http://www.w3.org/2000/svg"
_XLINK_HREF = "http://www.w3.org/1999/xlink href"
_SPACE = "http://www.w3.org/XML/1998/namespace space"
_CONTAINERS = {"svg", "g", "defs", "symbol", "use", "switch", "title", "desc", "style"}
_SHAPES = {"path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "image"}
_TEXTS = {"text", "tspan", "textPath"}
_PAINTS = {"linearGradient", "radialGradient", "stop", "pattern", "clipPath", "mask", "marker"}
_ELEMENTS = frozenset(_CONTAINERS | _SHAPES | _TEXTS | _PAINTS)
_RASTERS = ("data:image/png;base64,", "data:image/jpeg;base64,")
#: A chart or a molecule stays far below this; what lies above would only slow the page down.
LARGEST_DRAWING_ELEMENTS = 200_000


def sanitised_svg(text: str) -> Markup:
    """Rewrite an SVG drawing with only what cannot act or fetch.

    Raises:
        ValueError: the text is not one well-formed SVG element, or it declares entities.
    """
    writer = _Writer()
    parser = expat.ParserCreate(encoding="utf-8", namespace_separator=" ")
    parser.StartElementHandler = writer.start
    parser.EndElementHandler = writer.end
    parser.CharacterDataHandler = writer.characters
    parser.StartDoctypeDeclHandler = writer.document_type
    parser.buffer_text = True
    try:
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise ValueError(f"the drawing is not well-formed SVG ({error}): write it again as XML") from None
    return Markup("".join(writer.written))


@final
class _Writer:
    """Receives the parser's events and writes the allowed ones."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self._refused_depth = 0
        self._open: list[str] = []
        self._elements = 0
        self._style: list[str] = []

    def document_type(self, _name: str, _system: str | None, _public: str | None, has_subset: bool) -> None:
        if has_subset:
            raise ValueError("the drawing declares its own document type: remove the [...] part of its DOCTYPE")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        allowed = namespace in ("", _SVG) and local in _ELEMENTS
        if not self._open and not self._refused_depth and (not allowed or local != "svg"):
            raise ValueError(f"the drawing begins with <{local}>: give a document whose root is <svg>")
        if self._refused_depth or not allowed:
            self._refused_depth += 1
            return
        self._elements += 1
        if self._elements > LARGEST_DRAWING_ELEMENTS:
            raise ValueError(f"the drawing has more than {LARGEST_DRAWING_ELEMENTS} elements: show it as PNG")
        space = f' xmlns="{_SVG}"' if not self._open else ""
        kept = "".join(f' {key}="{escape(value)}"' for key, value in _kept_attributes(attributes))
        self.written.append(f"<{local}{space}{kept}>")
        self._open.append(local)

    def end(self, _name: str) -> None:
        if self._refused_depth:
            self._refused_depth -= 1
            return
        local = self._open.pop()
        if local == "style":
            # Judged whole: the parser may deliver a text in pieces that are each innocent.
            style, self._style = "".join(self._style), []
            self.written.append(escape(style) if _harmless_style(style) else "")
        self.written.append(f"</{local}>")

    def characters(self, text: str) -> None:
        if self._refused_depth or not self._open:
            return
        if self._open[-1] == "style":
            self._style.append(text)
        else:
            self.written.append(escape(text))


def _kept_attributes(attributes: dict[str, str]) -> list[tuple[str, str]]:
    kept = []
    for name, value in attributes.items():
        if name in ("href", _XLINK_HREF):
            if _harmless_reference(value):
                kept.append(("href", value))
        elif name == _SPACE:
            kept.append(("xml:space", value))
        elif " " not in name and not name.lower().startswith("on") and _harmless_style(value):
            kept.append((name, value))
    return kept


def _harmless_reference(value: str) -> bool:
    return value.startswith("#") or value.startswith(_RASTERS)


def _harmless_style(value: str) -> bool:
    """Refuse what could name another document: imports, hidden words, addresses outside the drawing."""
    plain = "".join(value.lower().split())
    if "\\" in plain or "@" in plain or "javascript:" in plain or "/*" in plain or "image-set" in plain:
        return False
    targets = plain.split("url(")[1:]
    return all(target.lstrip("\"'").startswith("#") for target in targets)

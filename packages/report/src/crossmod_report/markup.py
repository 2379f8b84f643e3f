"""Text that is safe to write and text that is not: every other module builds its HTML and SVG from here.

A plain ``str`` is always escaped; only a `Markup` passes as it stands. Joining the two with ``+`` gives a plain
``str`` again, so a mistake shows as visible tags and never as an injection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import final

Attribute = str | int | float | None

_VOID_ELEMENTS = frozenset({"br", "hr", "img", "link", "meta"})
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
# XML 1.0 has no spelling at all for these, so a caption that holds one would make the whole figure unreadable.
_CONTROLS = [code for code in (*range(0x20), 0x7F) if chr(code) not in "\t\n\r"]
_UNWRITABLE = dict.fromkeys((*_CONTROLS, *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "\ufffd")
_TRANSLATION = str.maketrans({**{ord(sign): entity for sign, entity in _ENTITIES.items()}, **_UNWRITABLE})


class Markup(str):
    """HTML or SVG that is already escaped and is written as it stands."""

    __slots__ = ()


@final
class Svg(Markup):
    """One complete ``<svg>`` element, in light colours, with classes that a page recolours for dark screens."""

    __slots__ = ()

    def _repr_svg_(self) -> str:
        return str(self)


def escape(text: str) -> Markup:
    """Write any text so that HTML and XML read it back as text, in a body or in a quoted attribute.

    Characters that XML cannot hold (controls, lone surrogates) become U+FFFD.

    >>> escape('<b title="x">')
    '&lt;b title=&quot;x&quot;&gt;'
    """
    return Markup(text.translate(_TRANSLATION))


def element(name: str, attributes: Mapping[str, Attribute] | None = None, *children: str) -> Markup:
    """Write one element: `Markup` children as they stand, other text escaped, ``None`` attributes left out.

    >>> element("p", {"class": "note", "id": None}, "1 < 2 ", element("b", None, "yes"))
    '<p class="note">1 &lt; 2 <b>yes</b></p>'
    """
    written = "".join(f' {key}="{_attribute(value)}"' for key, value in (attributes or {}).items() if value is not None)
    if name in _VOID_ELEMENTS:
        return Markup(f"<{name}{written} />")
    return Markup(f"<{name}{written}>{joined(children)}</{name}>")


def joined(parts: Iterable[str], separator: str = "") -> Markup:
    """Join parts into one `Markup`, with every part that is not `Markup` escaped."""
    return Markup(separator.join(part if isinstance(part, Markup) else escape(part) for part in parts))


def coordinate(value: float) -> str:
    """Write a length in pixels with one decimal and no trailing zero.

    >>> coordinate(12.04), coordinate(-0.01), coordinate(3.25)
    ('12', '0', '3.2')
    """
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _attribute(value: Attribute) -> str:
    return coordinate(value) if isinstance(value, float) else escape(str(value))

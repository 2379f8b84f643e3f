"""One item of a corpus as a reader sees it: its text, and a picture where there is one."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import final

from crossmod_report.foreign_svg import sanitised_svg
from crossmod_report.markup import Markup, element, joined

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@final
@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """A caption, with at most one picture: an SVG drawing (made harmless, see `sanitised_svg`) or PNG bytes.

    Raises:
        ValueError: both pictures are given, the bytes are not PNG, or the drawing is not SVG.
    """

    caption: str
    svg: str | None = None
    png: bytes | None = None

    def __post_init__(self) -> None:
        if self.svg is not None and self.png is not None:
            raise ValueError(f"the exhibit {self.caption[:40]!r} has both an SVG and a PNG picture: give one")
        if self.png is not None and not self.png.startswith(_PNG_SIGNATURE):
            raise ValueError(f"the picture of the exhibit {self.caption[:40]!r} is not PNG: encode it as PNG")
        if self.svg is not None:
            object.__setattr__(self, "svg", str(sanitised_svg(self.svg)))


def html_exhibit(exhibit: Exhibit) -> Markup:
    """Write an exhibit as its picture, isolated as an image inside the page, above its caption."""
    parts = []
    if exhibit.svg is not None:
        parts.append(_picture("svg+xml", exhibit.svg.encode("utf-8")))
    if exhibit.png is not None:
        parts.append(_picture("png", exhibit.png))
    if exhibit.caption.strip():
        parts.append(element("span", {"class": "caption"}, exhibit.caption))
    return element("div", {"class": "exhibit"}, joined(parts))


def _picture(kind: str, content: bytes) -> Markup:
    address = f"data:image/{kind};base64,{b64encode(content).decode('ascii')}"
    # The caption stands right below, so the image itself is silent to a screen reader.
    return element("img", {"class": "thumbnail", "src": address, "alt": ""})

"""How wide a text will be: there is no browser to ask while an SVG is written, so widths are estimated.

The estimates are for a proportional sans-serif face and lean to the wide side; a label may get a little too much
room, never too little.
"""

from __future__ import annotations

import unicodedata

_NARROW = frozenset("fijlrt.,:;'|!()[]/- I")
_WIDE = frozenset("mwMW@%")


def text_width(text: str, font_size: float) -> float:
    """Estimate the width of one line of text, in the unit of `font_size`."""
    return sum(_advance(sign) for sign in text) * font_size


def fitted(text: str, width: float, font_size: float) -> str:
    """Cut a text with an ellipsis so that its estimated width is at most `width`.

    >>> fitted("validation recall", 60.0, 12.0)
    'validatio…'
    """
    line = " ".join(text.split())
    if text_width(line, font_size) <= width:
        return line
    room = width - text_width("…", font_size)
    for length in range(len(line)):
        if text_width(line[: length + 1], font_size) > room:
            return line[:length].rstrip() + "…"
    return line


def cell_width(text: str) -> int:
    """Count the terminal cells of a text: two for a wide East Asian sign, none for a combining mark."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )


def _advance(sign: str) -> float:
    if sign in _NARROW:
        return 0.36
    if sign.isdigit():
        return 0.6
    if sign in _WIDE:
        return 0.92
    if sign.isascii():
        return 0.66 if sign.isupper() else 0.57
    return 1.0 if unicodedata.east_asian_width(sign) in "WF" else 0.64

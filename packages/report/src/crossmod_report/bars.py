"""Horizontal bars: values side by side with a reference such as chance, and the histogram of retrieval ranks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from crossmod_report.axis import drawable, short_number
from crossmod_report.frame import (
    LABEL_SIZE,
    MARGIN,
    SERIES_COLOURS,
    heading,
    heading_height,
    rule,
    svg_root,
    text_at,
)
from crossmod_report.lettering import fitted, text_width
from crossmod_report.markup import Attribute, Markup, Svg, element

_ROW_HEIGHT, _BAR_HEIGHT = 26.0, 17.0


def bar_chart(
    values: Mapping[str, float],
    *,
    title: str,
    note: str = "",
    references: Mapping[str, float] | None = None,
    decimals: int | None = None,
    width: float = 640.0,
) -> Svg:
    """Draw one horizontal bar a name, from zero; `references` puts a tick, such as chance, on the bar it names.

    A value that is not finite has no bar and is written out. Without `decimals` each value has three digits.

    Raises:
        ValueError: a reference names no bar.
    """
    marks = dict(references or {})
    unknown = [name for name in marks if name not in values]
    if unknown:
        raise ValueError(f"reference {unknown[0]!r} names no bar: the bars are {', '.join(values) or '(none)'}")
    parts = heading(title, note, width=width)
    top = heading_height(note)
    if not values:
        parts.append(text_at(MARGIN, top + 18.0, "no values yet", muted=True))
        return svg_root(parts, width=width, height=top + 36.0, label=f"{title}: no values yet", kind="bars")
    numbers = {
        name: short_number(float(value)) if decimals is None else f"{value:.{decimals}f}"
        for name, value in values.items()
    }
    gutter = min(max(text_width(name, LABEL_SIZE) for name in values), 0.36 * width)
    room = max(text_width(number, LABEL_SIZE) for number in numbers.values()) + 10.0
    left, right = MARGIN + gutter + 8.0, width - MARGIN - room
    zero, pixels = _scale([*values.values(), *marks.values()], left, right, room)
    for index, (name, value) in enumerate(values.items()):
        y = top + index * _ROW_HEIGHT
        parts.append(text_at(left - 8.0, y + 18.0, fitted(name, gutter + 1.0, LABEL_SIZE), anchor="end"))
        parts.extend(_bar(y, zero, pixels, float(value), numbers[name], marks.get(name)))
    bottom = top + len(values) * _ROW_HEIGHT + 4.0
    parts.append(rule(zero, top, zero, bottom, "axis"))
    label = f"{title}: " + ", ".join(f"{name} {number}" for name, number in numbers.items())
    return svg_root(parts, width=width, height=bottom + 8.0, label=label, kind="bars")


def _scale(values: Iterable[float], left: float, right: float, room: float) -> tuple[float, float]:
    """Give the place of zero and the pixels a unit; numbers left of negative bars need their `room` too."""
    levels = [value for value in values if drawable(value)]
    low, high = min(levels, default=0.0), max(levels, default=0.0)
    low, high = min(low, 0.0), max(high, 0.0)
    start = left + room if low < 0 else left
    pixels = (right - start) / ((high - low) or 1.0)
    return start - low * pixels, pixels


def _bar(y: float, zero: float, pixels: float, value: float, number: str, mark: float | None) -> list[Markup]:
    middle = y + _ROW_HEIGHT / 2
    if not drawable(value):
        return [text_at(zero + 6.0, middle + 5.0, number, muted=True)]
    length = value * pixels
    box: dict[str, Attribute] = {
        "x": min(zero, zero + length),
        "y": middle - _BAR_HEIGHT / 2,
        "width": abs(length),
    }
    fill: dict[str, Attribute] = {"height": _BAR_HEIGHT, "rx": 2.0, "class": "bar", "fill": SERIES_COLOURS[0]}
    parts = [element("rect", {**box, **fill})]
    tip = zero + length
    if mark is not None and drawable(mark):
        place = zero + mark * pixels
        parts.append(
            rule(place, middle - 12.0, place, middle + 12.0, "reference", stroke_width="2", stroke_dasharray="3 2")
        )
        if value >= 0 and tip <= place < tip + 8.0:
            tip = place
    anchor, gap = ("end", -6.0) if value < 0 else (None, 6.0)
    parts.append(text_at(tip + gap, middle + 5.0, number, anchor=anchor))
    return parts


def rank_bins(gallery_size: int) -> list[tuple[int, int]]:
    """Divide the ranks 1 to `gallery_size` at 1, 2, 5, 10, 20, 50, ... into (first, last), both included.

    >>> rank_bins(30)
    [(1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 30)]
    """
    bins: list[tuple[int, int]] = []
    power = 1
    while True:
        for factor in (1, 2, 5):
            first = bins[-1][1] + 1 if bins else 1
            bins.append((first, min(factor * power, gallery_size)))
            if factor * power >= gallery_size:
                return bins
        power *= 10


def rank_histogram(
    ranks: Iterable[int | float],
    gallery_size: int,
    *,
    title: str = "Rank of the true item",
    width: float = 640.0,
) -> Svg:
    """Draw the share of queries whose true item came at each rank; a dashed tick marks the share under chance.

    Under chance every rank is as likely: a bin of n ranks holds n / `gallery_size` of the queries.

    Raises:
        ValueError: a rank is not a whole number from 1 to `gallery_size`, or the gallery is empty.
    """
    counted = [float(rank) for rank in ranks]
    if gallery_size < 1:
        raise ValueError(f"the gallery holds {gallery_size} items: ranks need at least one")
    for rank in counted:
        if not (math.isfinite(rank) and rank == int(rank) and 1 <= rank <= gallery_size):
            raise ValueError(f"rank {rank:g} is not a whole number from 1 to {gallery_size}, the gallery's size")
    if not counted:
        return bar_chart({}, title=title, width=width)
    bins = rank_bins(gallery_size)
    shares = {
        _bin_name(first, last): sum(first <= rank <= last for rank in counted) / len(counted) for first, last in bins
    }
    chance = {_bin_name(first, last): (last - first + 1) / gallery_size for first, last in bins}
    note = f"share of {len(counted)} queries, gallery of {gallery_size}; dashed: chance"
    return bar_chart(shares, title=title, note=note, references=chance, decimals=3, width=width)


def _bin_name(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}–{last}"

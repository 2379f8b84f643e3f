"""Heat maps of small matrices, such as the similarities of a handful of queries to a handful of items."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from crossmod_report.axis import Axis, drawable, short_number, tick_labels
from crossmod_report.frame import (
    GRID,
    LABEL_SIZE,
    MARGIN,
    MUTED,
    heading,
    heading_height,
    svg_root,
    text_at,
)
from crossmod_report.lettering import fitted, text_width
from crossmod_report.markup import Attribute, Markup, Svg, element

#: More cells than this per side cannot be told apart on a page.
LARGEST_SIDE = 64
_VALUES_UP_TO = 12

Colour = tuple[int, int, int]
# Dark blue to yellow, evenly rising lightness, the same to a reader who sees no red or no green.
_SEQUENTIAL: tuple[Colour, ...] = (
    (0, 34, 78),
    (53, 69, 108),
    (102, 105, 112),
    (148, 142, 119),
    (200, 184, 102),
    (254, 232, 56),
)
_DIVERGING: tuple[Colour, ...] = ((5, 80, 140), (116, 173, 209), (247, 247, 247), (244, 150, 100), (178, 50, 20))


def heat_map(
    values: Iterable[Iterable[float]],
    *,
    title: str,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    centre: float | None = None,
    note: str = "",
    width: float = 640.0,
) -> Svg:
    """Draw a matrix as coloured cells with a colour bar; small ones also show their values.

    With `centre` the colours diverge from that value to both sides, otherwise they rise from the lowest value to
    the highest. A cell whose value is not finite is left empty with a cross.

    Shape:
        values: (rows, columns), each side at most `LARGEST_SIDE`

    Raises:
        ValueError: the rows differ in length, a side is too long, or labels do not fit the matrix.
    """
    matrix = [[float(value) for value in row] for row in values]
    columns = _checked(matrix, row_labels, column_labels)
    if not matrix or not columns:
        parts = [*heading(title, note, width=width), text_at(MARGIN, 60.0, "no values yet", muted=True)]
        return svg_root(parts, width=width, height=80.0, label=f"{title}: no values yet", kind="heat")
    low, high = _range([value for row in matrix for value in row], centre)
    rows = list(row_labels) if row_labels is not None else [str(index) for index in range(len(matrix))]
    heads = list(column_labels) if column_labels is not None else [str(index) for index in range(columns)]
    gutter = min(max(text_width(label, LABEL_SIZE) for label in rows), 0.3 * width)
    left, right = MARGIN + gutter + 8.0, width - 70.0
    side = min((right - left) / columns, 46.0)
    head_height = min(max(text_width(label, LABEL_SIZE) for label in heads), 110.0) * 0.72 + 16.0
    top = heading_height(note) + head_height
    palette = _DIVERGING if centre is not None else _SEQUENTIAL
    parts = heading(title, note, width=width)
    parts.extend(_labels(rows, heads, left, top, side, gutter))
    for row, line in enumerate(matrix):
        for column, value in enumerate(line):
            corner = (left + column * side, top + row * side)
            name = f"{rows[row]}, {heads[column]}: {short_number(value)}"
            shown = max(len(matrix), columns) <= _VALUES_UP_TO and side >= 34.0
            parts.append(_cell(corner, side, value, (low, high), palette, name, shown))
    bottom = top + len(matrix) * side
    parts.extend(_colour_bar(left + columns * side + 14.0, top, max(bottom - top, 60.0), (low, high), palette))
    label = f"{title}: {len(matrix)} by {columns} values from {short_number(low)} to {short_number(high)}"
    return svg_root(parts, width=width, height=max(bottom, top + 60.0) + 14.0, label=label, kind="heat")


def _checked(matrix: list[list[float]], row_labels: Sequence[str] | None, column_labels: Sequence[str] | None) -> int:
    lengths = {len(row) for row in matrix} or {0}
    if len(lengths) > 1:
        raise ValueError(f"the rows of the matrix have {sorted(lengths)} values: give every row the same number")
    columns = lengths.pop()
    if max(len(matrix), columns) > LARGEST_SIDE:
        raise ValueError(
            f"the matrix has {len(matrix)} rows and {columns} columns: show at most {LARGEST_SIDE} of each"
        )
    for what, labels, count in (("row", row_labels, len(matrix)), ("column", column_labels, columns)):
        if labels is not None and len(labels) != count:
            raise ValueError(f"{len(labels)} {what} labels for {count} {what}s: give one for each, or none")
    return columns


def _range(values: Sequence[float], centre: float | None) -> tuple[float, float]:
    finite = [value for value in values if drawable(value)]
    if centre is not None:
        reach = max((abs(value - centre) for value in finite), default=0.0) or 1.0
        return centre - reach, centre + reach
    axis = Axis.spanning(finite, padding=0.0)
    return axis.low, axis.high


def colour_at(fraction: float, palette: Sequence[Colour]) -> Colour:
    """Interpolate a palette at a fraction from 0 to 1.

    >>> colour_at(0.25, [(0, 0, 0), (100, 200, 50)])
    (25, 50, 12)
    """
    place = min(max(fraction, 0.0), 1.0) * (len(palette) - 1)
    index = min(int(place), len(palette) - 2)
    share = place - index
    red, green, blue = (
        round(before + share * (after - before))
        for before, after in zip(palette[index], palette[index + 1], strict=True)
    )
    return red, green, blue


def _cell(
    corner: tuple[float, float],
    side: float,
    value: float,
    span: tuple[float, float],
    palette: Sequence[Colour],
    name: str,
    shown: bool,
) -> Markup:
    x, y = corner
    size: dict[str, Attribute] = {"x": x, "y": y, "width": max(side - 1.0, 1.0), "height": max(side - 1.0, 1.0)}
    tip = element("title", None, name)
    if not drawable(value):
        hollow = element("rect", {**size, "fill": "none", "stroke": GRID, "class": "grid"}, tip)
        cross = text_at(x + side / 2, y + side / 2 + 4.5, "×", anchor="middle", muted=True)
        return Markup(hollow + cross)
    low, high = span
    colour = colour_at((value - low) / (high - low), palette)
    fill = "#{:02x}{:02x}{:02x}".format(*colour)
    square = element("rect", {**size, "fill": fill}, tip)
    if not shown:
        return square
    ink = "#111111" if _luminance(colour) > 0.22 else "#ffffff"
    place: dict[str, Attribute] = {"x": x + side / 2, "y": y + side / 2 + 4.0, "fill": ink, "font-size": "12"}
    number = f"{value:.2f}" if abs(value) < 10 else short_number(value)
    return Markup(square + element("text", {**place, "text-anchor": "middle"}, number))


def _luminance(colour: Colour) -> float:
    """Relative luminance of an sRGB colour, between 0 and 1 (WCAG 2.2)."""
    linear = [part / 3294.6 if part <= 10 else math.pow((part / 255 + 0.055) / 1.055, 2.4) for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _labels(
    rows: Sequence[str], heads: Sequence[str], left: float, top: float, side: float, gutter: float
) -> list[Markup]:
    every = max(1, math.ceil(14.0 / side))
    parts = []
    for index in range(0, len(rows), every):
        middle = top + (index + 0.5) * side + 4.0
        text = fitted(rows[index], gutter + 1.0, LABEL_SIZE)
        parts.append(text_at(left - 7.0, middle, text, anchor="end", muted=True))
    for index in range(0, len(heads), every):
        x, y = left + (index + 0.5) * side, top - 7.0
        text = fitted(heads[index], 110.0, LABEL_SIZE)
        slanted: dict[str, Attribute] = {
            "transform": f"translate({x:.1f} {y:.1f}) rotate(-45)",
            "class": "muted",
            "fill": MUTED,
        }
        parts.append(element("text", slanted, text))
    return parts


def _colour_bar(
    x: float, top: float, height: float, span: tuple[float, float], palette: Sequence[Colour]
) -> list[Markup]:
    steps = 32
    axis = Axis(low=span[0], high=span[1])
    parts = []
    for index in range(steps):
        fill = "#{:02x}{:02x}{:02x}".format(*colour_at(1 - (index + 0.5) / steps, palette))
        y = top + index * height / steps
        parts.append(element("rect", {"x": x, "y": y, "width": 10.0, "height": height / steps + 0.6, "fill": fill}))
    ticks = axis.ticks(4)
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        parts.append(text_at(x + 15.0, top + (1 - axis.fraction(tick)) * height + 4.5, label, muted=True))
    return parts

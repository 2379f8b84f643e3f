"""The rectangle that charts are drawn in: title, grid, tick labels, axis names and the colours by their class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from crossmod_report.axis import Axis, tick_labels
from crossmod_report.lettering import fitted, text_width
from crossmod_report.markup import Attribute, Markup, Svg, element, joined

#: Okabe and Ito's colours, distinguishable with every common colour blindness, without their yellow and black.
SERIES_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b6b6b")
INK, MUTED, GRID, ALARM, PAPER = "#1c2024", "#5f6b76", "#e2e6ea", "#b3261e", "#ffffff"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Liberation Sans', Arial, sans-serif"
TITLE_SIZE, LABEL_SIZE = 15.0, 13.0
MARGIN = 2.0


@final
@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where values land: the plotting rectangle in pixels and the two axes."""

    left: float
    right: float
    top: float
    bottom: float
    x_axis: Axis
    y_axis: Axis

    def x(self, value: float) -> float:
        """Place a value on the horizontal axis, in pixels."""
        return self.left + self.x_axis.fraction(value) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Place a value on the vertical axis, in pixels from the top."""
        return self.bottom - self.y_axis.fraction(value) * (self.bottom - self.top)


def svg_root(parts: Iterable[str], *, width: float, height: float, label: str, kind: str) -> Svg:
    """Close parts into one scalable ``<svg>`` with a spoken label."""
    attributes: dict[str, Attribute] = {
        "xmlns": "http://www.w3.org/2000/svg",
        "class": f"chart {kind}",
        "viewBox": f"0 0 {width:g} {height:g}",
        "width": f"{width:g}",
        "height": f"{height:g}",
        "role": "img",
        "aria-label": label,
        "font-family": FONT,
        "font-size": f"{LABEL_SIZE:g}",
    }
    return Svg(element("svg", attributes, joined(parts, "\n")))


def text_at(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str | None = None,
    muted: bool = False,
    size: float | None = None,
    weight: str | None = None,
    halo: bool = False,
) -> Markup:
    """Write one line of text with its baseline at ``y``; a halo keeps it readable across lines."""
    kind = "muted" if muted else "ink"
    attributes: dict[str, Attribute] = {
        "x": x,
        "y": y,
        "class": f"{kind} halo" if halo else kind,
        "fill": MUTED if muted else INK,
        "text-anchor": anchor,
        "font-size": None if size is None else f"{size:g}",
        "font-weight": weight,
        "stroke": PAPER if halo else None,
        "stroke-width": "4" if halo else None,
        "paint-order": "stroke" if halo else None,
    }
    return element("text", attributes, text)


def rule(x1: float, y1: float, x2: float, y2: float, kind: str = "grid", **more: Attribute) -> Markup:
    """Draw one thin straight line of the colour that `kind` names: grid, axis or reference."""
    stroke = {"grid": GRID, "axis": MUTED, "reference": INK}[kind]
    extra = {name.replace("_", "-"): value for name, value in more.items()}
    return element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": kind, "stroke": stroke, **extra})


def heading(title: str, note: str, *, width: float) -> list[Markup]:
    """Write the title and, where there is one, a quiet note on the line below it."""
    room = width - 2 * MARGIN
    shown = fitted(title, room, TITLE_SIZE * 1.06)
    parts = [text_at(MARGIN, 20.0, shown, size=TITLE_SIZE, weight="600")]
    if note:
        parts.append(text_at(MARGIN, 38.0, fitted(note, room, LABEL_SIZE), muted=True))
    return parts


def heading_height(note: str) -> float:
    """Give the room that `heading` takes."""
    return 48.0 if note else 30.0


def tick_gutter(axis: Axis, count: int) -> float:
    """Give the width that the tick labels of a vertical axis take, with their gap."""
    labels = tick_labels(axis.ticks(count))
    return max((text_width(label, LABEL_SIZE) for label in labels), default=0.0) + 10.0


def axes(frame: Frame, *, x_label: str, x_count: int, y_count: int) -> list[Markup]:
    """Draw the horizontal grid, both rows of tick labels and the name of the horizontal axis."""
    parts = []
    y_ticks, x_ticks = frame.y_axis.ticks(y_count), frame.x_axis.ticks(x_count)
    for tick, label in zip(y_ticks, tick_labels(y_ticks), strict=True):
        height = frame.y(tick)
        parts.append(rule(frame.left, height, frame.right, height))
        parts.append(text_at(frame.left - 7.0, height + 4.5, label, anchor="end", muted=True))
    parts.append(rule(frame.left, frame.bottom, frame.right, frame.bottom, "axis"))
    for tick, label in zip(x_ticks, tick_labels(x_ticks), strict=True):
        place = frame.x(tick)
        parts.append(rule(place, frame.bottom, place, frame.bottom + 4.0, "axis"))
        parts.append(text_at(place, frame.bottom + 18.0, label, anchor="middle", muted=True))
    middle = (frame.left + frame.right) / 2
    parts.append(text_at(middle, frame.bottom + 36.0, x_label, anchor="middle", muted=True))
    return parts

"""Telling a reader which curve is which: names at the line ends, or a legend above when those would not fit."""

from __future__ import annotations

from collections.abc import Sequence

from crossmod_report.curve import Curve, stroke
from crossmod_report.frame import LABEL_SIZE, MARGIN, Frame, text_at
from crossmod_report.lettering import fitted, text_width
from crossmod_report.markup import Markup
from crossmod_report.polyline import unbroken_runs

_LINE_HEIGHT = 17.0


def legend(curves: Sequence[Curve], top: float, width: float) -> tuple[list[Markup], float]:
    """Write a legend that wraps to the width, and give where it ends."""
    parts: list[Markup] = []
    x, y = MARGIN, top + 8.0
    for curve in curves:
        name = fitted(curve.name, width - 2 * MARGIN - 24.0, LABEL_SIZE)
        advance = 24.0 + text_width(name, LABEL_SIZE) + 12.0
        if x > MARGIN and x + advance - 12.0 > width - MARGIN:
            x, y = MARGIN, y + _LINE_HEIGHT + 1.0
        parts.append(stroke(curve, f"M{x:.0f} {y - 4:.0f}h18", 2.4))
        parts.append(text_at(x + 24.0, y, name))
        x += advance
    return parts, y + 6.0


def direct_labels(curves: Sequence[Curve], frame: Frame) -> list[Markup]:
    """Write each name beside the end of its line, pushed apart so that no two overlap."""
    ends: list[tuple[float, Curve]] = []
    for curve in curves:
        runs = unbroken_runs(curve.pixels(frame, curve.smooth))
        ends.append((runs[-1][-1][1] if runs else frame.bottom, curve))
    ends.sort(key=lambda end: end[0])
    heights = spread_apart([height for height, _ in ends], _LINE_HEIGHT, frame.top, frame.bottom)
    parts = []
    for height, (_, curve) in zip(heights, ends, strict=True):
        parts.append(stroke(curve, f"M{frame.right + 5:.1f} {height:.1f}h10", 3.0))
        parts.append(text_at(frame.right + 19.0, height + 4.5, curve.name))
    return parts


def spread_apart(heights: Sequence[float], gap: float, top: float, bottom: float) -> list[float]:
    """Move sorted heights as little as a single pass each way allows, to at least `gap` from each other.

    >>> spread_apart([10.0, 12.0, 50.0], 15.0, 0.0, 100.0)
    [10.0, 25.0, 50.0]
    """
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap if placed else top))
    limit = bottom
    for index in range(len(placed) - 1, -1, -1):
        placed[index] = min(placed[index], limit)
        limit = placed[index] - gap
    return placed

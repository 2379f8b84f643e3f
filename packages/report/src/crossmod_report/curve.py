"""One curve of a line chart: its values, its look and its drawing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from crossmod_report.axis import drawable
from crossmod_report.frame import SERIES_COLOURS, Frame
from crossmod_report.markup import Attribute, Markup, element
from crossmod_report.polyline import Point, path_data, thinned, unbroken_runs

#: The colours come round with the next pattern, so that even many curves stay apart.
DASHES = (None, "7 3", "2 3")


@final
@dataclass(frozen=True, kw_only=True)
class Curve:
    """One series as it is drawn: raw values, their average, its colour and its dashes."""

    name: str
    xs: list[float]
    ys: list[float]
    smooth: list[float]
    colour: int
    dash: str | None

    def pixels(self, frame: Frame, ys: Sequence[float]) -> list[Point | None]:
        """Place values in a frame; what has no place there is a gap."""
        log = frame.y_axis.log
        return [
            (frame.x(x), frame.y(y)) if drawable(x) and drawable(y, log=log) else None
            for x, y in zip(self.xs, ys, strict=True)
        ]


def stroke(curve: Curve, data: str, thickness: float, opacity: str | None = None) -> Markup:
    """Draw a path in the colour and dashes of a curve."""
    attributes: dict[str, Attribute] = {
        "class": f"line line-{curve.colour}",
        "d": data,
        "fill": "none",
        "stroke": SERIES_COLOURS[curve.colour],
        "stroke-width": f"{thickness:g}",
        "stroke-linejoin": "round",
        "stroke-linecap": "round" if curve.dash is None else None,
        "stroke-dasharray": curve.dash,
        "stroke-opacity": opacity,
    }
    return element("path", attributes)


def drawn_curve(curve: Curve, frame: Frame) -> list[Markup]:
    """Draw a curve: its average bold over its raw values faint where they differ, a lone point as a dot."""
    parts: list[Markup] = []
    if curve.smooth != curve.ys and any(a != b and a == a for a, b in zip(curve.smooth, curve.ys, strict=True)):
        raw = [run for run in unbroken_runs(curve.pixels(frame, curve.ys)) if len(run) > 1]
        parts.extend(stroke(curve, path_data(thinned(run)), 1.1, "0.3") for run in raw)
    for run in unbroken_runs(curve.pixels(frame, curve.smooth)):
        if len(run) > 1:
            parts.append(stroke(curve, path_data(thinned(run)), 2.0))
        else:
            parts.append(_dot(curve, run[0]))
    return parts


def _dot(curve: Curve, centre: Point) -> Markup:
    fill = SERIES_COLOURS[curve.colour]
    return element("circle", {"cx": centre[0], "cy": centre[1], "r": 3.2, "class": f"dot-{curve.colour}", "fill": fill})

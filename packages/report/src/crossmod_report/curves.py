"""Line charts of what a run logged: several series over steps, with gaps where a value was not finite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from crossmod_report.axis import Axis, drawable, short_number
from crossmod_report.curve import DASHES, Curve, drawn_curve
from crossmod_report.curve_names import direct_labels, legend, spread_apart
from crossmod_report.frame import (
    ALARM,
    LABEL_SIZE,
    MARGIN,
    SERIES_COLOURS,
    Frame,
    axes,
    heading,
    heading_height,
    rule,
    svg_root,
    text_at,
    tick_gutter,
)
from crossmod_report.lettering import fitted, text_width
from crossmod_report.markup import Markup, Svg, element
from crossmod_report.polyline import exponential_average

_DIRECT_LABELS_UP_TO = 5


def line_chart(
    series: Mapping[str, tuple[Iterable[float], Iterable[float]]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    log_y: bool = False,
    smoothing: float | Mapping[str, float] = 0.0,
    references: Mapping[str, float] | None = None,
    width: float = 640.0,
    height: float = 320.0,
) -> Svg:
    """Draw named series of (x, y) as lines.

    A value that is not finite (on a logarithmic axis: not positive) breaks its line, and a cross at the top marks
    where. With `smoothing` above 0, for all series or by name, the bold line is the exponential moving average of
    that weight and the raw series lies faint beneath it. `references` are dashed level lines, such as chance.

    Shape:
        each series: xs and ys of one length; any number of series, also none

    Raises:
        ValueError: xs and ys of a series differ in length, or `smoothing` is not in [0, 1).
    """
    weights = smoothing if isinstance(smoothing, Mapping) else dict.fromkeys(series, smoothing)
    curves = _curves(series, weights)
    levels = {name: value for name, value in (references or {}).items() if drawable(value, log=log_y)}
    missing = sum(
        not (drawable(x) and drawable(y, log=log_y))
        for curve in curves
        for x, y in zip(curve.xs, curve.ys, strict=True)
    )
    note = _note(y_label, missing, log_y=log_y, smoothed=any(weights.values()))
    frame, direct, names = _layout(curves, levels, note, log_y, width, height)
    parts: list[Markup] = heading(title, note, width=width)
    if not any(curve.ys for curve in curves):
        parts.append(text_at(width / 2, height / 2 + 10, "no points yet", anchor="middle", muted=True))
        return svg_root(parts, width=width, height=height, label=f"{title}: no points yet", kind="curves")
    parts.extend(names)
    parts.extend(axes(frame, x_label=x_label, x_count=_x_count(frame), y_count=5))
    parts.extend(_references(levels, frame))
    for curve in curves:
        parts.extend(drawn_curve(curve, frame))
    parts.extend(_crosses(curves, frame))
    parts.extend(_reference_names(levels, frame))
    if direct:
        parts.extend(direct_labels(curves, frame))
    label = f"{title}: {y_label} over {x_label}, {', '.join(curve.name for curve in curves)}"
    return svg_root(parts, width=width, height=height, label=label, kind="curves")


def _curves(series: Mapping[str, tuple[Iterable[float], Iterable[float]]], weights: Mapping[str, float]) -> list[Curve]:
    curves = []
    for index, (name, (xs_given, ys_given)) in enumerate(series.items()):
        xs, ys = [float(x) for x in xs_given], [float(y) for y in ys_given]
        if len(xs) != len(ys):
            raise ValueError(f"series {name!r} has {len(xs)} x values and {len(ys)} y values: give one y for every x")
        repeat, colour = divmod(index, len(SERIES_COLOURS))
        smooth = exponential_average(ys, weights.get(name, 0.0))
        dash = DASHES[repeat % len(DASHES)]
        curves.append(Curve(name=name, xs=xs, ys=ys, smooth=smooth, colour=colour, dash=dash))
    return curves


def _note(y_label: str, missing: int, *, log_y: bool, smoothed: bool) -> str:
    notes = [y_label] if y_label else []
    if smoothed:
        notes.append("moving average, raw values faint")
    if missing:
        cause = "not finite or not positive" if log_y else "not finite"
        notes.append(f"{missing} point{'s' * (missing > 1)} {cause} (×)")
    return "; ".join(notes)


def _layout(
    curves: Sequence[Curve], levels: Mapping[str, float], note: str, log_y: bool, width: float, height: float
) -> tuple[Frame, bool, list[Markup]]:
    """Share out the room: names at the line ends when they are few and short, else a legend above."""
    widest = max((text_width(curve.name, LABEL_SIZE) for curve in curves), default=0.0)
    named = len(curves) > 1
    direct = named and len(curves) <= _DIRECT_LABELS_UP_TO and widest <= 0.26 * width
    values = [y for curve in curves for x, y in zip(curve.xs, curve.ys, strict=True) if drawable(x)]
    y_axis = Axis.spanning([*values, *levels.values()], log=log_y)
    xs = [x for curve in curves for x in curve.xs if drawable(x)]
    x_axis = replace(Axis.spanning(xs, padding=0.0), whole=all(x == int(x) for x in xs))
    top = heading_height(note)
    names: list[Markup] = []
    if named and not direct:
        names, top = legend(curves, top, width)
    frame = Frame(
        left=MARGIN + tick_gutter(y_axis, 5),
        right=width - (widest + 26.0 if direct else 20.0),
        top=top + 8.0,
        bottom=height - 44.0,
        x_axis=x_axis,
        y_axis=y_axis,
    )
    return frame, direct, names


def _x_count(frame: Frame) -> int:
    return max(2, int((frame.right - frame.left) // 85))


def _crosses(curves: Sequence[Curve], frame: Frame) -> list[Markup]:
    """Mark where values are missing, at most one cross for every few pixels."""
    log = frame.y_axis.log
    places = {
        round(frame.x(x) / 6.0) * 6.0
        for curve in curves
        for x, y in zip(curve.xs, curve.ys, strict=True)
        if drawable(x) and not drawable(y, log=log)
    }
    return [
        element(
            "path",
            {
                "class": "cross",
                "d": f"M{place - 3:.0f} {frame.top - 3:.0f}l6 6m0 -6l-6 6",
                "stroke": ALARM,
                "stroke-width": "1.6",
                "fill": "none",
            },
        )
        for place in sorted(places)
    ]


def _references(levels: Mapping[str, float], frame: Frame) -> list[Markup]:
    return [
        rule(frame.left, frame.y(value), frame.right, frame.y(value), "reference", stroke_dasharray="3 4")
        for value in levels.values()
    ]


def _reference_names(levels: Mapping[str, float], frame: Frame) -> list[Markup]:
    """Name each level at the right end just above its line, one name above the other where they crowd."""
    ordered = sorted(levels.items(), key=lambda level: frame.y(level[1]))
    places = [frame.y(value) - 5.0 for _, value in ordered]
    places = spread_apart(places, 15.0, frame.top + 11.0, frame.bottom - 5.0)
    room = frame.right - frame.left - 8.0
    return [
        text_at(
            frame.right - 4.0,
            place,
            fitted(f"{name} {short_number(value)}", room, LABEL_SIZE),
            anchor="end",
            muted=True,
            halo=True,
        )
        for place, (name, value) in zip(places, ordered, strict=True)
    ]

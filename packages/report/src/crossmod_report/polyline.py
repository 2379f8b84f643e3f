"""From a logged series to the points that are drawn: gaps, moving average, thinning.

A series of a million steps must not make a page of a hundred megabytes, and one NaN must neither hide the rest of
the curve nor be papered over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from crossmod_report.markup import coordinate

Point = tuple[float, float]


def exponential_average(values: Iterable[float], weight: float) -> list[float]:
    """Smooth values by an exponential moving average, corrected for its start at zero.

    m_t = w m_{t-1} + (1 - w) y_t, divided by 1 - w^t (the correction of Adam, arXiv:1412.6980, section 3).
    A value that is not finite stays as it is and does not enter the average.

    >>> exponential_average([2.0, 2.0, float("nan"), 2.0], 0.9)
    [2.0, 2.0, nan, 2.0]

    Raises:
        ValueError: `weight` is not in [0, 1).
    """
    if not 0.0 <= weight < 1.0:
        raise ValueError(f"smoothing is {weight}: give a weight from 0 (none) to just below 1, such as 0.9")
    averaged = []
    mean, seen = 0.0, 0
    for value in values:
        if not math.isfinite(value):
            averaged.append(value)
            continue
        seen += 1
        # The corrected mean, updated directly: a constant series then stays exactly constant.
        mean += (value - mean) * (1.0 - weight) / (1.0 - weight**seen)
        averaged.append(mean)
    return averaged


def unbroken_runs(points: Iterable[Point | None]) -> list[list[Point]]:
    """Split points at every gap (``None``) into runs that may be joined by a line.

    >>> unbroken_runs([(0.0, 1.0), None, None, (2.0, 3.0), (3.0, 3.0)])
    [[(0.0, 1.0)], [(2.0, 3.0), (3.0, 3.0)]]
    """
    runs: list[list[Point]] = []
    joined = False
    for point in points:
        if point is None:
            joined = False
        elif joined:
            runs[-1].append(point)
        else:
            runs.append([point])
            joined = True
    return runs


def thinned(points: Sequence[Point]) -> list[Point]:
    """Keep the first, lowest, highest and last point of every pixel column: the drawn line looks the same."""
    kept: list[Point] = []
    start = 0
    while start < len(points):
        column = math.floor(points[start][0])
        end = start + 1
        while end < len(points) and math.floor(points[end][0]) == column:
            end += 1
        if end - start <= 4:
            kept.extend(points[start:end])
        else:
            heights = [points[index][1] for index in range(start, end)]
            extremes = {start, start + heights.index(min(heights)), start + heights.index(max(heights)), end - 1}
            kept.extend(points[index] for index in sorted(extremes))
        start = end
    return kept


def path_data(points: Sequence[Point]) -> str:
    """Write points as the ``d`` attribute of an SVG path.

    >>> path_data([(0.0, 1.0), (2.5, 3.0)])
    'M0 1L2.5 3'
    """
    return "M" + "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in points)

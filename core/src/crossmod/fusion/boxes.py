"""Boxes of any dimension, with one order of axes and no guess about what four numbers mean (torch-free)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True)
class Box:
    """A box by its two corners, axes in array order: (row, column) of an image, (z, y, x) of a volume.

    Coordinates are continuous: the first cell of an axis reaches from 0 to 1. Published files mix "x, y, width,
    height" and "x1, y1, x2, y2"; each has its own constructor.

    Args:
        low: Lower end on each axis.
        high: Upper end on each axis.

    Raises:
        ValueError: An end is missing, or lies below the other.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or not self.low:
            raise ValueError(
                f"a box was given {len(self.low)} lower and {len(self.high)} upper ends; give one an axis."
            )
        if not all(low <= high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError(f"a box ends at {self.high} before it begins at {self.low}; were sizes taken for corners?")

    @classmethod
    def from_xywh(cls, x: float, y: float, width: float, height: float) -> Box:
        """An image's box from its left upper corner and its size."""
        return cls((y, x), (y + height, x + width))

    @classmethod
    def from_corners(cls, x1: float, y1: float, x2: float, y2: float) -> Box:
        """An image's box from its left upper and right lower corners."""
        return cls((y1, x1), (y2, x2))

    @property
    def centre(self) -> tuple[float, ...]:
        """The middle of each axis."""
        return tuple((low + high) / 2 for low, high in zip(self.low, self.high, strict=True))

    def clipped(self, size: Sequence[float]) -> Box | None:
        """The part inside a field of this size; None where nothing is left."""
        self._fits(size)
        low = tuple(max(0.0, value) for value in self.low)
        high = tuple(min(float(edge), value) for edge, value in zip(size, self.high, strict=True))
        return Box(low, high) if all(a < b for a, b in zip(low, high, strict=True)) else None

    def moved(self, matrix: Sequence[Sequence[float]]) -> Box:
        """The bounding box of its corners under an affine map.

        Whatever an augmentation does to the field (flip, quarter turn, crop, resize, rotation) it does to boxes as
        new = M old + t; PTP (arXiv:2212.09737) renders a rectangle and finds it again, which says the same to a pixel.

        Args:
            matrix: [axes, axes + 1]; the map's linear part and, last, its shift, in the box's order of axes.

        Raises:
            ValueError: The matrix has another shape.
        """
        axes = len(self.low)
        if len(matrix) != axes or any(len(row) != axes + 1 for row in matrix):
            raise ValueError(f"a box of {axes} axes is moved by {axes} rows of {axes + 1} numbers, not {matrix}.")
        corners = product(*zip(self.low, self.high, strict=True))
        places = [
            [sum(m * c for m, c in zip(row, (*corner, 1.0), strict=True)) for row in matrix] for corner in corners
        ]
        columns = list(zip(*places, strict=True))
        return Box(tuple(min(column) for column in columns), tuple(max(column) for column in columns))

    def block(self, size: Sequence[float], grid: Sequence[int]) -> int | None:
        """The block of a grid over the field that holds the centre of what is inside; None where nothing is.

        floor(centre * blocks / size) on each axis, at most the last block, counted row by row (PTP).
        """
        inside = self.clipped(size)
        if len(grid) != len(self.low) or min(grid) < 1:
            raise ValueError(f"a grid of {tuple(grid)} blocks does not divide a box of {len(self.low)} axes.")
        if inside is None:
            return None
        index = 0
        for middle, edge, blocks in zip(inside.centre, size, grid, strict=True):
            index = index * blocks + min(int(middle * blocks / edge), blocks - 1)
        return index

    def _fits(self, size: Sequence[float]) -> None:
        if len(size) != len(self.low) or min(size) <= 0:
            raise ValueError(f"a field of size {tuple(size)} cannot hold a box of {len(self.low)} axes.")


def box_to_text(box: Box, size: Sequence[float], *, bins: int = 1000) -> str:
    """A box as whole numbers, lower corner then upper: "120,80,431,512" (Lyrics; bins and order are [ours]).

    Coordinate c of an axis of length s is bin min(floor(c * bins / s), bins - 1), so that text round-trips within half
    a bin through bin centres.

    Raises:
        ValueError: The box reaches out of the field.
    """
    box._fits(size)
    for low, high, edge in zip(box.low, box.high, size, strict=True):
        if low < 0 or high > edge:
            raise ValueError(
                f"a box from {box.low} to {box.high} reaches out of a field of {tuple(size)}; clip it first."
            )
    values = [(value, edge) for end in (box.low, box.high) for value, edge in zip(end, size, strict=True)]
    return ",".join(str(min(int(value * bins / edge), bins - 1)) for value, edge in values)


def box_from_text(text: str, size: Sequence[float], *, bins: int = 1000) -> Box:
    """The box that `box_to_text` wrote, at the centres of its bins.

    Raises:
        ValueError: The text is not as many whole numbers in 0..bins-1.
    """
    parts = text.split(",")
    if len(parts) != 2 * len(size) or not all(part.isdecimal() and int(part) < bins for part in parts):
        raise ValueError(f"{text!r} is no box of {len(size)} axes: {2 * len(size)} numbers from 0 to {bins - 1}.")
    places = [(int(part) + 0.5) * edge / bins for part, edge in zip(parts, [*size, *size], strict=True)]
    return Box(tuple(places[: len(size)]), tuple(places[len(size) :]))

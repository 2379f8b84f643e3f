"""Volumes whose axes are those of the patient: one axis at a time, one plane in memory at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from crossmod_medical.grid import AIR_HU, VolumeGrid
from crossmod_medical.readers.scan import Plausibility, Scan, to_int16
from crossmod_medical.resampling.weights import AxisWeights, axis_weights, places_mm


def resample_separable(scan: Scan, grid: VolumeGrid, plausibility: Plausibility) -> npt.NDArray[np.int16]:
    """A scan along the patient's axes on the grid, its planes read once and in order.

    Shape:
        [depth, height, width].

    Raises:
        UnusableScan: A plane cannot be read.
    """
    geometry = scan.geometry
    centre = geometry.centre_mm
    weights = {
        axis: axis_weights(
            geometry.positions_mm(axis),
            places_mm(float(centre[axis]), grid.spacing_mm[axis], grid.size[axis]),
            grid.interpolation,
        )
        for axis in range(3)
    }
    slice_axis, row_axis, column_axis = geometry.axes
    # [slices, rows, columns] of the scan's own order, of which the patient's order is a view.
    out = np.full([grid.size[axis] for axis in geometry.axes], AIR_HU, np.int16)
    order = [geometry.axes.index(axis) for axis in (2, 1, 0)]
    plane_of = _PlaneSampler(weights[row_axis], weights[column_axis])
    along = weights[slice_axis].weights
    pending: dict[int, npt.NDArray[np.float32]] = {}
    targets, last = _targets(along)
    # Whichever are fewer are sampled within their plane: the scan's slices, or what is blended of them.
    blend_first = int((along != 0).any(0).sum()) > int((along != 0).any(1).sum())
    for number, plane in enumerate(scan.planes()):
        plausibility.see(plane)
        if not targets[number]:
            continue
        part = plane_of.part(plane)
        part = part if blend_first else plane_of(part)
        for place in targets[number]:
            share = along[place, number]
            if place in pending:
                pending[place] += share * part
            else:
                pending[place] = share * part
            if last[place] == number:
                whole = pending.pop(place)
                out[place][plane_of.inside] = to_int16(plane_of(whole) if blend_first else whole)[plane_of.inside]
    return np.ascontiguousarray(out.transpose(order))


def _targets(along: npt.NDArray[np.float32]) -> tuple[list[list[int]], npt.NDArray[np.int64]]:
    """For each slice the places that it gives to, and for each place its last slice."""
    place, number = np.nonzero(along)
    targets: list[list[int]] = [[] for _ in range(along.shape[1])]
    for at, of in zip(place.tolist(), number.tolist(), strict=True):
        targets[of].append(at)
    last = np.full(len(along), -1, np.int64)
    np.maximum.at(last, place, number)
    return targets, last


class _PlaneSampler:
    """Samples the rows and columns of one plane, on the part that counts.

    Args:
        rows: Weights along the rows.
        columns: Weights along the columns.
    """

    def __init__(self, rows: AxisWeights, columns: AxisWeights) -> None:
        row_weights, self._row_part = _needed(rows.weights)
        column_weights, self._column_part = _needed(columns.weights)
        self._rows, self._columns = _AxisSampler(row_weights), _AxisSampler(column_weights)
        self.inside = np.ix_(rows.inside, columns.inside)

    def part(self, plane: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """The rows and columns that give anything."""
        return plane[self._row_part, self._column_part].astype(np.float32)

    def __call__(self, part: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """[places of rows, places of columns]."""
        return self._columns.columns(self._rows.rows(part))


class _AxisSampler:
    """Weights along one axis as two neighbours a place, or as a matrix where there are more.

    Two gathers cost a third of the product with a matrix that is nearly all zeros.

    Args:
        weights: [places, voxels].
    """

    def __init__(self, weights: npt.NDArray[np.float32]) -> None:
        self._matrix: npt.NDArray[np.float32] | None = None
        if weights.shape[1] < 2 or int((weights != 0).sum(1).max(initial=0)) > 2:
            self._matrix = weights
            return
        self._lower = np.minimum((weights != 0).argmax(1), weights.shape[1] - 2)
        place = np.arange(len(weights))
        self._share_lower, self._share_upper = weights[place, self._lower], weights[place, self._lower + 1]

    def rows(self, part: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """[places, columns] of [rows, columns]."""
        if self._matrix is not None:
            return np.asarray(self._matrix @ part, np.float32)
        lower: npt.NDArray[np.float32] = part[self._lower]
        lower *= self._share_lower[:, None]
        upper = part[self._lower + 1]
        upper *= self._share_upper[:, None]
        lower += upper
        return lower

    def columns(self, part: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """[rows, places] of [rows, columns]."""
        if self._matrix is not None:
            return np.asarray(part @ self._matrix.T, np.float32)
        lower: npt.NDArray[np.float32] = part.take(self._lower, 1)
        lower *= self._share_lower
        upper = part.take(self._lower + 1, 1)
        upper *= self._share_upper
        lower += upper
        return lower


def _needed(weights: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], slice]:
    """The weights without the voxels that give nothing at either end."""
    used = np.flatnonzero(weights.any(0))
    part = slice(int(used[0]), int(used[-1]) + 1) if len(used) else slice(0, 0)
    return np.ascontiguousarray(weights[:, part]), part

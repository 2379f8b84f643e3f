"""Where the voxels of a scan lie in the patient, for scans whose slices are parallel but otherwise as they come."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from crossmod_medical.readers.reasons import UnusableScan

SMALLEST_SPACING_MM, LARGEST_SPACING_MM = 0.01, 50.0
"""Voxels outside of these are no CT: micro-CT has 0.01 mm, and no scanner makes slices of 5 cm."""

LARGEST_DRIFT_VOXELS = 0.25
"""How far a voxel may lie from where axes along the patient's would put it; below, no rotation is interpolated."""

AXES = ("RL", "AP", "SI")


@dataclass(frozen=True)
class Geometry:
    """Positions of voxels, in millimetres to the patient's right, front and head (RAS+).

    A stack of slices: voxel (k, j, i) lies at `origins[k] + j * row_step + i * column_step`. A gantry tilt is a
    stack whose origins shift within the plane; uneven slices are origins at uneven distances.

    Args:
        origins: [slices, 3], the centre of each slice's first voxel.
        row_step: [3], from one row of a slice to the next.
        column_step: [3], from one column to the next.
        rows: Rows of a slice.
        columns: Columns of a slice.
    """

    origins: npt.NDArray[np.float64]
    row_step: npt.NDArray[np.float64]
    column_step: npt.NDArray[np.float64]
    rows: int
    columns: int

    @classmethod
    def from_affine(cls, affine: npt.NDArray[np.float64], shape: tuple[int, int, int]) -> Geometry:
        """The geometry of an array [i, j, k] under a 4 x 4 affine to RAS+ millimetres (NIfTI).

        Raises:
            UnusableScan: The affine is not finite, singular, or of absurd scale.
        """
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise UnusableScan("its affine holds numbers that are not finite")
        steps = affine[:3, :3]
        origins = affine[:3, 3] + np.arange(shape[2])[:, None] * steps[:, 2]
        return cls(origins, steps[:, 1].copy(), steps[:, 0].copy(), shape[1], shape[0]).checked(steps[:, 2])

    def checked(self, slice_step: npt.NDArray[np.float64]) -> Geometry:
        """This geometry, if its steps span the space and are those of a scanner.

        Raises:
            UnusableScan: They are not.
        """
        steps = np.stack([self.column_step, self.row_step, slice_step])
        lengths = np.linalg.norm(steps, axis=1)
        if not np.isfinite(lengths).all() or lengths.min() < SMALLEST_SPACING_MM or lengths.max() > LARGEST_SPACING_MM:
            sizes = " x ".join(f"{length:.4g}" for length in lengths)
            raise UnusableScan(
                f"its voxels measure {sizes} mm, outside {SMALLEST_SPACING_MM:g} to {LARGEST_SPACING_MM:g} mm"
            )
        if abs(np.linalg.det(steps / lengths[:, None])) < 0.1:
            raise UnusableScan("its axes are nearly parallel to one another, so that positions are not defined")
        return self

    @property
    def slices(self) -> int:
        """Number of slices."""
        return len(self.origins)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        return self.slices, self.rows, self.columns

    @cached_property
    def normal(self) -> npt.NDArray[np.float64]:
        """[3] unit vector across the slices, along the order of the stack."""
        across = np.cross(self.column_step, self.row_step)
        across /= np.linalg.norm(across)
        return across if self.slices < 2 or (self.origins[-1] - self.origins[0]) @ across >= 0 else -across

    @cached_property
    def heights_mm(self) -> npt.NDArray[np.float64]:
        """[slices] position of every slice along the normal."""
        return self.origins @ self.normal

    @property
    def gaps_mm(self) -> npt.NDArray[np.float64]:
        """[slices - 1] distances of consecutive slices."""
        return np.diff(self.heights_mm)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distances of columns, rows and (median) slices."""
        gap = float(np.median(self.gaps_mm)) if self.slices > 1 else 0.0
        return float(np.linalg.norm(self.column_step)), float(np.linalg.norm(self.row_step)), gap

    @cached_property
    def axes(self) -> tuple[int, int, int]:
        """The patient's axis (0 right, 1 front, 2 head) that slices, rows and columns run along most nearly."""
        steps = np.stack([self.normal, self.row_step, self.column_step])
        closeness = np.abs(steps / np.linalg.norm(steps, axis=1)[:, None])
        orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
        return max(orders, key=lambda order: float(closeness[[0, 1, 2], order].sum()))

    @property
    def orientation(self) -> str:
        """Letters of the directions in which columns, rows and slices count, such as "LPS"."""
        steps = (self.column_step, self.row_step, self.normal)
        letters = []
        for step, axis in zip(steps, self.axes[::-1], strict=True):
            ahead, behind = ("R", "L") if axis == 0 else ("A", "P") if axis == 1 else ("S", "I")
            letters.append(ahead if step[axis] > 0 else behind)
        return "".join(letters)

    @property
    def is_along_axes(self) -> bool:
        """Whether every voxel lies within a quarter voxel of where axes along the patient's would put it."""
        slice_axis, row_axis, column_axis = self.axes
        drift = np.zeros(3)
        for step, axis, count in (
            (self.row_step, row_axis, self.rows),
            (self.column_step, column_axis, self.columns),
        ):
            off = np.abs(step) * (count - 1)
            off[axis] = 0.0
            drift += off / 2
        shift = np.abs(self.origins - self.origins.mean(0)).max(0)
        shift[slice_axis] = 0.0
        # A voxel longer than wide may drift further along its length: the tolerance is a share of the voxel.
        steps = [step for step in self.spacing_mm if step > 0]
        return bool((drift + shift).max() <= LARGEST_DRIFT_VOXELS * min(steps))

    def positions_mm(self, axis: int) -> npt.NDArray[np.float64]:
        """Positions along one of the patient's axes of the slices, rows or columns that run along it."""
        along = self.axes.index(axis)
        if along == 0:
            # The middle of each slice, so that what little the slices lean is shared by both ends.
            middle = self.row_step * (self.rows - 1) / 2 + self.column_step * (self.columns - 1) / 2
            return np.asarray((self.origins + middle)[:, axis], np.float64)
        step, count = (self.row_step, self.rows) if along == 1 else (self.column_step, self.columns)
        other, other_count = (self.column_step, self.columns) if along == 1 else (self.row_step, self.rows)
        start = float(self.origins[:, axis].mean() + other[axis] * (other_count - 1) / 2)
        return np.asarray(start + step[axis] * np.arange(count), np.float64)

    @cached_property
    def corners_mm(self) -> npt.NDArray[np.float64]:
        """[8, 3] the outermost voxels' centres."""
        ends = [
            origin + self.row_step * row + self.column_step * column
            for origin in (self.origins[0], self.origins[-1])
            for row in (0, self.rows - 1)
            for column in (0, self.columns - 1)
        ]
        return np.array(ends)

    @property
    def centre_mm(self) -> npt.NDArray[np.float64]:
        """[3] the middle of the scan's extent along the patient's axes."""
        if self.is_along_axes:
            ends = [self.positions_mm(axis)[[0, -1]] for axis in range(3)]
            return np.array([(first + last) / 2 for first, last in ends])
        return np.asarray((self.corners_mm.min(0) + self.corners_mm.max(0)) / 2, np.float64)

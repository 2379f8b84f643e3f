"""Tilted, turned and unevenly stacked scans: each place of the grid looks up its eight neighbours."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossmod_medical.grid import AIR_HU, VolumeGrid
from crossmod_medical.readers.geometry import Geometry
from crossmod_medical.readers.scan import Plausibility, Scan, to_int16
from crossmod_medical.resampling.weights import places_mm

Fractions = npt.NDArray[np.float64]


def resample_oblique(scan: Scan, grid: VolumeGrid, plausibility: Plausibility) -> npt.NDArray[np.int16]:
    """Any stack of parallel slices on the grid: gantry tilt, rotation and uneven gaps are undone exactly.

    Linear between voxels, whatever the grid's `interpolation`; the scan is held in memory as int16.

    Shape:
        [depth, height, width].

    Raises:
        UnusableScan: A plane cannot be read.
    """
    geometry = scan.geometry
    voxels = np.empty(geometry.shape, np.int16)
    for number, plane in enumerate(scan.planes()):
        plausibility.see(plane)
        voxels[number] = to_int16(plane)
    right, front, head = (
        places_mm(float(geometry.centre_mm[axis]), grid.spacing_mm[axis], grid.size[axis]) for axis in range(3)
    )
    out = np.full(grid.shape, AIR_HU, np.int16)
    plane = np.stack(np.broadcast_arrays(right[None, :], front[:, None], 0.0), -1)
    for depth, height in enumerate(head.tolist()):
        points = plane + np.array([0.0, 0.0, height])
        out[depth] = sample_points(voxels, geometry, points)
    return out


def sample_points(
    voxels: npt.NDArray[np.int16], geometry: Geometry, points_mm: npt.NDArray[np.float64]
) -> npt.NDArray[np.int16]:
    """Linear interpolation at points; air outside the scan.

    Shape:
        points_mm: [..., 3] to the right, front and head. Returns [...].
    """
    fractions, inside = voxel_coordinates(geometry, points_mm)
    result = np.full(points_mm.shape[:-1], AIR_HU, np.int16)
    if inside.any():
        result[inside] = to_int16(_trilinear(voxels, [axis[inside] for axis in fractions]))
    return result


def voxel_coordinates(
    geometry: Geometry, points_mm: npt.NDArray[np.float64]
) -> tuple[tuple[Fractions, Fractions, Fractions], npt.NDArray[np.bool_]]:
    """Fractional slice, row and column of each point, and whether it lies in the scan (half a voxel around it)."""
    heights = geometry.heights_mm
    at = points_mm @ geometry.normal
    numbers = np.arange(geometry.slices, dtype=np.float64)
    if geometry.slices > 1:
        slices = np.interp(at, heights, numbers)
        first, last = heights[1] - heights[0], heights[-1] - heights[-2]
        inside = (at >= heights[0] - first / 2) & (at <= heights[-1] + last / 2)
    else:
        slices, inside = np.zeros_like(at), np.ones(at.shape, bool)
    origin = np.stack([np.interp(at, heights, geometry.origins[:, axis]) for axis in range(3)], -1)
    basis = np.linalg.pinv(np.stack([geometry.row_step, geometry.column_step], 1))
    within = (points_mm - origin) @ basis.T
    rows, columns = within[..., 0], within[..., 1]
    inside &= (rows >= -0.5) & (rows <= geometry.rows - 0.5) & (columns >= -0.5) & (columns <= geometry.columns - 0.5)
    return (slices, rows, columns), inside


def _trilinear(voxels: npt.NDArray[np.int16], fractions: list[Fractions]) -> npt.NDArray[np.float64]:
    lower, share = [], []
    for axis, fraction in enumerate(fractions):
        clipped = np.clip(fraction, 0, voxels.shape[axis] - 1)
        floor = np.minimum(clipped.astype(np.int64), max(voxels.shape[axis] - 2, 0))
        lower.append(floor)
        share.append(clipped - floor)
    total = np.zeros(len(fractions[0]))
    for corner in range(8):
        upper = [(corner >> axis) & 1 for axis in range(3)]
        weight = np.prod([s if up else 1.0 - s for s, up in zip(share, upper, strict=True)], axis=0)
        at = [
            np.minimum(low + up, voxels.shape[axis] - 1)
            for axis, (low, up) in enumerate(zip(lower, upper, strict=True))
        ]
        total += weight * voxels[at[0], at[1], at[2]]
    return total

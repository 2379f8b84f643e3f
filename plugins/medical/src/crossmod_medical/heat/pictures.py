"""A volume with a phrase's heat over it: the hottest slice, and under it the coronal cut through the same place."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

from crossmod_medical.grid import VolumeGrid
from crossmod_medical.heat.maps import TISSUE_HU

WINDOW_HU = (-1000.0, 300.0)
"""Lung and soft tissue in one picture."""

PIXEL_MM = 1.6
"""A chest of 340 mm becomes 210 pixels wide."""

STRONGEST_TINT = 0.6
"""So that what lies below the hottest place can still be seen; nothing is shown beside it without colour."""

GAP = 4

Grey = npt.NDArray[np.int16]
Heat = npt.NDArray[np.float32]


def picture(voxels: Grey, heat: Heat, grid: VolumeGrid, hottest: float) -> bytes:
    """A PNG: the axial slice over the coronal cut, each through the hottest voxel and cropped to the patient.

    One above the other, as the run report's cards are narrow. The patient's right is on the left, front and head above.
    Tint grows from none at 0 to its strongest at `hottest`.

    Args:
        voxels: Hounsfield units on the grid.
        heat: Of every voxel; what is negative is not tinted.
        grid: Gives the distances of voxels.
        hottest: The heat that is tinted strongest; 0 or less tints nothing.

    Shape:
        voxels, heat: [depth, height, width].
    """
    from PIL import Image

    box = _outline(voxels)
    voxels, heat = voxels[box], heat[box]
    depth, height, _ = _hottest_place(heat)
    right, front, head = grid.spacing_mm
    share = np.clip(heat / hottest, 0.0, 1.0) if hottest > 0 else np.zeros_like(heat)
    axial = _colour(voxels[depth], share[depth], (front, right))
    coronal = _colour(voxels[:, height], share[:, height], (head, right))
    gap = np.full((GAP, axial.shape[1], 3), 255, np.uint8)
    stream = io.BytesIO()
    Image.fromarray(np.vstack([axial, gap, coronal])).save(stream, "PNG")
    return stream.getvalue()


def _outline(voxels: Grey) -> tuple[slice, slice, slice]:
    """The smallest box that holds all tissue; everything where there is none."""
    tissue = voxels > TISSUE_HU
    if not tissue.any():
        return slice(None), slice(None), slice(None)
    filled = [np.flatnonzero(tissue.any(axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    depth, height, width = (slice(int(places[0]), int(places[-1]) + 1) for places in filled)
    return depth, height, width


def _hottest_place(heat: Heat) -> tuple[int, int, int]:
    """The voxel in the middle of the hottest ones, of which there may be many."""
    hot = np.argwhere(heat >= heat.max() - 0.02 * abs(float(heat.max())))
    nearest = hot[np.square(hot - hot.mean(0)).sum(1).argmin()]
    return int(nearest[0]), int(nearest[1]), int(nearest[2])


def _colour(hounsfield: Grey, share: Heat, spacing_mm: tuple[float, float]) -> npt.NDArray[np.uint8]:
    """Grey under red, equal distances both ways.

    Shape:
        hounsfield, share: [rows, columns], row 0 at the back or at the feet, column 0 at the patient's left.
    """
    from PIL import Image

    low, high = WINDOW_HU
    grey = np.clip((hounsfield.astype(np.float32) - low) / (high - low), 0.0, 1.0)
    size = tuple(round(n * s / PIXEL_MM) for n, s in zip(grey.shape[::-1], spacing_mm[::-1], strict=True))
    parts = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(part[::-1, ::-1], np.float32)).resize(size, Image.Resampling.BILINEAR)
        )
        for part in (grey, share)
    ]
    tint = STRONGEST_TINT * parts[1][..., None]
    mixed = parts[0][..., None] * (1 - tint) + tint * np.array([1.0, 0.15, 0.0], np.float32)
    return np.asarray(np.rint(255 * mixed), np.uint8)

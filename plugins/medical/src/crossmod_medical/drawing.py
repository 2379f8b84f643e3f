"""Draws a volume for the run report: slices at three levels in three windows, as radiologists look at them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt

from crossmod_medical.grid import ImageGrid, VolumeGrid
from crossmod_medical.image_processor import read_image
from crossmod_medical.processors import read_volume
from crossmod_medical.readers.reasons import UnusableScan
from crossmod_medical.sources import volume_source

WINDOWS_HU = ((-1000.0, 200.0), (-160.0, 240.0), (-300.0, 1200.0))
"""Lung, mediastinum and bone, one a row."""

LEVELS = (0.72, 0.5, 0.3)
"""Shares of the scan's height, from the head downwards, one a column."""

GRID = VolumeGrid(
    spacing_mm=(4.0, 4.0, 5.0), size=(96, 80, 64), windows_hu=WINDOWS_HU, interpolation="area", cache="off"
)

IMAGE_GRID = ImageGrid(size=(240, 320))


def draw_image(item: Any) -> bytes | None:
    """A PNG of a volume or of a 2-D image; None where the item is neither."""
    try:
        return _png(mosaic(item))
    except UnusableScan:
        pass
    try:
        return _png(read_image(item, IMAGE_GRID).transpose(1, 2, 0))
    except UnusableScan:
        return None


def mosaic(item: Any) -> npt.NDArray[np.uint8]:
    """Three levels in three windows, the patient's right on the left and the front above.

    Shape:
        [rows, columns] grey.

    Raises:
        UnusableScan: The item is no volume.
    """
    source = volume_source(item)
    if source is None:
        raise UnusableScan("a path was expected")
    voxels = read_volume(source, GRID).voxels
    filled = np.flatnonzero((voxels > GRID.windows_hu[0][0]).any((1, 2)))
    first, last = (int(filled[0]), int(filled[-1])) if len(filled) else (0, len(voxels) - 1)
    slices = [voxels[round(first + share * (last - first))][::-1, ::-1].astype(np.float32) for share in LEVELS]
    rows = []
    for low, high in WINDOWS_HU:
        rows.append(np.hstack([np.clip((one - low) / (high - low), 0.0, 1.0) for one in slices]))
    return np.asarray(np.rint(255 * np.vstack(rows)), np.uint8)


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()

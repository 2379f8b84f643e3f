"""Pictures of heat: where the colour lies, which way round, and nothing tinted where nothing speaks."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from crossmod_medical.grid import VolumeGrid
from crossmod_medical.heat.pictures import GAP, PIXEL_MM, picture

GRID = VolumeGrid(spacing_mm=(8.0, 8.0, 16.0), size=(20, 16, 10), cache="off")


def _drawn(heat: np.ndarray, hottest: float) -> np.ndarray:
    voxels = np.full(GRID.shape, -350, np.int16)
    return np.asarray(Image.open(io.BytesIO(picture(voxels, heat.astype(np.float32), GRID, hottest)))).astype(int)


def test_the_hot_place_is_red_at_the_patient_s_side_of_the_picture() -> None:
    heat = np.zeros(GRID.shape)
    heat[8, 13, 17] = 2.0  # near the head, to the front, on the patient's right
    pixels = _drawn(heat, 2.0)
    wide, deep, tall = round(20 * 8 / PIXEL_MM), round(16 * 8 / PIXEL_MM), round(10 * 16 / PIXEL_MM)
    assert pixels.shape == (deep + GAP + tall, wide, 3)
    redness = pixels[..., 0] - pixels[..., 2]
    axial = redness[:deep]
    row, column = np.unravel_index(axial.argmax(), axial.shape)
    assert axial.max() > 50 and row < deep / 3 and column < wide / 3
    coronal = redness[deep + GAP :]
    row, column = np.unravel_index(coronal.argmax(), coronal.shape)
    assert coronal.max() > 50 and row < tall / 3 and column < wide / 3


def test_what_speaks_against_a_phrase_is_not_tinted() -> None:
    grey = _drawn(np.zeros(GRID.shape), 1.0)
    assert np.array_equal(grey, _drawn(np.full(GRID.shape, -1.0), 1.0))
    assert np.array_equal(grey, _drawn(np.full(GRID.shape, -1.0), -1.0))
    assert (grey[..., 0] == grey[..., 2]).all()


def test_tint_grows_with_heat_up_to_the_hottest() -> None:
    # Channels of grey at heat h: grey + (red - grey) * 0.6 * min(h / hottest, 1).
    levels = [_drawn(np.full(GRID.shape, heat), 2.0)[40, 50] for heat in (0.0, 1.0, 2.0, 5.0)]
    red = [int(level[0]) for level in levels]
    assert red[0] < red[1] < red[2] == red[3]
    assert abs((red[1] - red[0]) * 2 - (red[2] - red[0])) <= 2


def test_the_air_around_the_patient_is_cut_off() -> None:
    voxels = np.full(GRID.shape, -1000, np.int16)
    voxels[2:8, 4:12, 5:17] = 40
    heat = np.zeros(GRID.shape, np.float32)
    heat[6, 10, 15] = 1.0
    pixels = np.asarray(Image.open(io.BytesIO(picture(voxels, heat, GRID, 1.0)))).astype(int)
    wide, deep, tall = round(12 * 8 / PIXEL_MM), round(8 * 8 / PIXEL_MM), round(6 * 16 / PIXEL_MM)
    assert pixels.shape == (deep + GAP + tall, wide, 3) and pixels[:deep].min() > 50
    redness = (pixels[..., 0] - pixels[..., 2])[:deep]
    assert redness.argmax() % wide < wide / 4 and redness.argmax() // wide < deep / 2
    nothing = np.full(GRID.shape, -1000, np.int16)
    whole = np.asarray(Image.open(io.BytesIO(picture(nothing, np.zeros(GRID.shape, np.float32), GRID, 1.0))))
    assert whole.shape[1] == round(20 * 8 / PIXEL_MM) and not whole[0].any()

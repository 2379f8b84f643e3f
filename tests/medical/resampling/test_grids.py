"""Scans on grids: against a slow transcription and MONAI, alike along both ways, cropped and padded as said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from crossmod_medical.grid import AIR_HU, VolumeGrid
from crossmod_medical.processors import read_volume
from crossmod_medical.readers.opened import open_scan
from crossmod_medical.readers.scan import Plausibility
from crossmod_medical.resampling.oblique import resample_oblique
from crossmod_medical.sources import VolumeSource
from crossmod_medical.volumes import VolumeInputs

Write = Callable[..., Path]


def noise(*size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    return np.random.default_rng(1).integers(-1000, 1000, size).astype(np.int16)


def slowly(volume: np.ndarray, spacing: tuple[float, ...], grid: VolumeGrid) -> np.ndarray:
    """Trilinear interpolation voxel by voxel, from the definition; `volume` is [x, y, z]."""
    out = np.full(grid.size, AIR_HU, float)
    for place in np.ndindex(*grid.size):
        position = []
        for axis in range(3):
            off_mm = (place[axis] - (grid.size[axis] - 1) / 2) * grid.spacing_mm[axis]
            position.append(off_mm / spacing[axis] + (volume.shape[axis] - 1) / 2)
        if any(not -0.5 <= at <= side - 0.5 for at, side in zip(position, volume.shape, strict=True)):
            continue
        clipped = [min(max(at, 0.0), side - 1.0) for at, side in zip(position, volume.shape, strict=True)]
        total = 0.0
        for corner in np.ndindex(2, 2, 2):
            index, weight = [], 1.0
            for at, up, side in zip(clipped, corner, volume.shape, strict=True):
                low = min(int(at), side - 2)
                weight *= (at - low) if up else (1 - (at - low))
                index.append(low + up)
            total += weight * float(volume[tuple(index)])
        out[place] = total
    return out.transpose(2, 1, 0)


@pytest.mark.parametrize("size", [(7, 6, 5), (5, 9, 8), (12, 3, 4)])
@pytest.mark.parametrize("spacing", [(2.0, 2.0, 3.0), (1.3, 2.7, 2.2), (3.5, 1.1, 4.0)])
def test_both_ways_equal_the_slow_transcription(
    write_nifti: Write, size: tuple[int, int, int], spacing: tuple[float, float, float]
) -> None:
    volume, held = noise(6, 5, 4), (2.0, 2.0, 3.0)
    grid = VolumeGrid(spacing_mm=spacing, size=size, cache="off")
    source = VolumeSource(str(write_nifti(volume, held, "LPS")))
    expected = slowly(volume, held, grid)
    assert np.abs(read_volume(source, grid).voxels - expected).max() <= 0.51
    assert np.abs(resample_oblique(open_scan(source), grid, Plausibility()) - expected).max() <= 0.51


def test_a_rotated_scan_is_turned_upright(tmp_path: Path) -> None:
    angle = np.deg2rad(20)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn * 2.0
    affine[:3, 3] = -affine[:3, :3] @ np.array([19.5, 19.5, 9.5])
    # What is painted depends on the patient's own axes: hounsfield units rise to the right.
    places = np.stack(np.meshgrid(*map(np.arange, (40, 40, 20)), indexing="ij"), -1) @ affine[:3, :3].T + affine[:3, 3]
    nibabel.save(nibabel.Nifti1Image(np.rint(places[..., 0] * 10).astype(np.int16), affine), tmp_path / "turned.nii.gz")
    grid = VolumeGrid(spacing_mm=(4.0, 4.0, 4.0), size=(9, 9, 5), cache="off")
    read = read_volume(VolumeSource(str(tmp_path / "turned.nii.gz")), grid)
    expected = np.broadcast_to((np.arange(9) - 4) * 40.0, (5, 9, 9))
    assert read.is_uneven and np.abs(read.voxels - expected).max() <= 1.0


def test_a_slight_lean_is_not_interpolated(write_nifti: Write, tmp_path: Path) -> None:
    volume = noise(20, 20, 10)
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[0, 1] = 0.01
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / "leaning.nii.gz")
    grid = VolumeGrid(spacing_mm=(2.0, 2.0, 3.0), size=(20, 20, 10), cache="off")
    read = read_volume(VolumeSource(str(tmp_path / "leaning.nii.gz")), grid)
    assert np.array_equal(read.voxels, volume.transpose(2, 1, 0)) and not read.is_uneven


def test_ct_clip_s_grid_pads_with_exactly_the_lowest_value(write_nifti: Write) -> None:
    # The sheet's example, smaller by eight in the plane: 64 x 64 x 100 at 5.2, 5.2, 3.0 mm.
    grid = VolumeGrid(spacing_mm=(6.0, 6.0, 1.5), size=(60, 60, 240), cache="off")
    volume = np.clip(noise(64, 64, 100), -900, 900)
    read = read_volume(VolumeSource(str(write_nifti(volume, (5.2, 5.2, 3.0)))), grid)
    x = VolumeInputs(torch.from_numpy(read.voxels[None]), grid).x
    assert x.shape == (1, 1, 240, 60, 60) and float(x.min()) == 0.0 and float(x.max()) <= 1.0
    filled = (x[0, 0] > 0).any(2).any(1)
    # 100 slices of 3 mm are 200 of 1.5 mm; official code floors sizes, here a place inside the scan counts.
    assert int(filled.sum()) == 200 and not filled[:20].any() and not filled[-20:].any()
    assert abs(int((x[0, 0] > 0).any(0).any(0).sum()) - 64 * 5.2 / 6.0) <= 1


@pytest.mark.filterwarnings("ignore:NvImgCodecPydicomReader")  # it builds every reader that it knows
def test_it_equals_monai_s_transforms(write_nifti: Write) -> None:
    transforms = pytest.importorskip("monai.transforms")
    # Sizes and spacings for which MONAI's grid, which begins at a voxel, has the same middle as ours.
    volume, held = noise(25, 21, 17), (2.0, 2.0, 3.0)
    path = write_nifti(volume, held, "LPS")
    grid = VolumeGrid(spacing_mm=(3.0, 2.5, 4.0), size=(13, 21, 9), cache="off", windows_hu=((-1000.0, 1000.0),))
    pipeline = transforms.Compose(
        [
            transforms.LoadImage(reader="NibabelReader", image_only=True, ensure_channel_first=True),
            transforms.Orientation(axcodes="RAS", labels=None),
            transforms.Spacing(pixdim=grid.spacing_mm, mode="bilinear"),
            transforms.ScaleIntensityRange(-1000, 1000, 0.0, 1.0, clip=True),
            transforms.ResizeWithPadOrCrop(grid.size, constant_values=0),
        ]
    )
    expected = np.asarray(pipeline(str(path)))[0].transpose(2, 1, 0)
    ours = np.clip((read_volume(VolumeSource(str(path)), grid).voxels + 1000.0) / 2000.0, 0, 1)
    assert np.abs(ours - expected).max() <= 3e-4  # half a hounsfield unit of rounding

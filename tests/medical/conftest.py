"""Scans that the tests share: written small, with a voxel value that says where the voxel lies."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or fills the user's cache; all tests of a session share one, for phantoms take a while."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("CROSSMOD_CACHE", str(folder))
    return folder


@pytest.fixture
def medical_data() -> Path:
    """The folder of real scans, which is no part of the project."""
    stated = os.environ.get("CROSSMOD_DATA")
    folder = (Path(stated) if stated else Path(__file__).parents[3] / "shared" / "data") / "medical"
    if not folder.is_dir():
        pytest.skip("no real scans here: set CROSSMOD_DATA to a folder that holds medical/ct_volumes")
    return folder


def position_volume(size: Sequence[int], spacing: Sequence[float]) -> np.ndarray[Any, Any]:
    """[x, y, z] int16: hounsfield units that rise linearly along each of the patient's axes, around the middle."""
    x, y, z = (
        (np.arange(n) - (n - 1) / 2) * s * slope for n, s, slope in zip(size, spacing, (2.0, 1.0, 0.5), strict=True)
    )
    return np.rint(x[:, None, None] + y[None, :, None] + z[None, None, :]).astype(np.int16)


@pytest.fixture
def write_nifti(tmp_path: Path) -> Callable[..., Path]:
    """Writes an array given in RAS order under stated axes, so that it describes the same patient."""

    def write(
        ras: np.ndarray[Any, Any],
        spacing: Sequence[float] = (2.0, 2.0, 3.0),
        axes: str = "RAS",
        name: str = "scan.nii.gz",
        slope: float = 1.0,
        intercept: float = 0.0,
        codes: int = 1,
    ) -> Path:
        affine = np.eye(4)
        affine[:3, :3] = np.diag(spacing)
        affine[:3, 3] = [-(n - 1) / 2 * s for n, s in zip(ras.shape, spacing, strict=True)]
        image = nibabel.Nifti1Image(ras, affine)
        turned = image.as_reoriented(
            nibabel.orientations.ornt_transform(
                nibabel.orientations.axcodes2ornt("RAS"), nibabel.orientations.axcodes2ornt(axes)
            )
        )
        stored = nibabel.Nifti1Image(np.asarray(turned.dataobj), turned.affine)
        stored.header.set_slope_inter(slope, intercept)
        stored.set_sform(turned.affine, codes)
        stored.set_qform(turned.affine if codes else None, codes)
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(stored, path)
        return path

    return write

"""Every real scan at hand: read, with the geometry that its documentation states, or refused for the right reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from crossmod_medical.grid import VolumeGrid
from crossmod_medical.processors import read_volume
from crossmod_medical.readers.label_maps import read_label_map
from crossmod_medical.readers.opened import open_scan
from crossmod_medical.readers.reasons import UnusableScan
from crossmod_medical.resampling.oblique import sample_points
from crossmod_medical.sources import VolumeSource

# Path; slices, rows, columns; spacing of columns, rows and slices; axes; whether slices lie along the patient's axes.
SCANS = {
    "trunk_3mm/ct.nii.gz": ((112, 101, 122), (3.0, 3.0, 3.0), "RAS", True),
    "trunk_dicom/dicom": ((20, 512, 512), (0.977, 0.977, 2.0), "LPS", True),
    "chest_aorta_1p5mm/ct.nii.gz": ((164, 126, 120), (1.5, 1.5, 1.5), "LPS", True),
    "thorax_crop/ct.nii.gz": ((44, 167, 167), (1.0, 1.0, 3.0), "LPS", True),
    "lidc_chest_8bit/ct_8bit.nii.gz": ((133, 256, 256), (1.406, 1.406, 2.5), "LAI", True),
    "head_dicom_tilted/dicom": ((14, 512, 512), (0.488, 0.488, 4.0), "LPS", False),
    "liver_dicom_seg/dicom": ((3, 512, 512), (0.811, 0.811, 1.0), "LPS", True),
}

# Label, and the mean HU inside it as documented.
ORGANS = {"liver": (5, 89.0), "spleen": (1, 80.0), "aorta": (52, 177.0), "spinal cord": (79, 18.0)}

GRID = VolumeGrid(spacing_mm=(3.0, 3.0, 3.0), size=(140, 140, 100), cache="off")


@pytest.fixture
def scans(medical_data: Path) -> Path:
    return medical_data / "ct_volumes"


@pytest.mark.parametrize("name", SCANS)
def test_the_geometry_is_as_documented(scans: Path, name: str) -> None:
    shape, spacing, axes, along = SCANS[name]
    geometry = open_scan(VolumeSource(str(scans / name))).geometry
    assert geometry.shape == shape and geometry.orientation == axes and geometry.is_along_axes is along
    assert geometry.spacing_mm == pytest.approx(spacing, abs=2e-3)


@pytest.mark.parametrize("name", [name for name in SCANS if "8bit" not in name])
def test_it_is_read_onto_a_grid_in_hounsfield_units(scans: Path, name: str) -> None:
    read = read_volume(VolumeSource(str(scans / name)), GRID)
    assert read.voxels.shape == GRID.shape
    assert read.is_uneven == (not SCANS[name][3])
    inside = read.voxels[read.voxels > -1024]
    # Soft tissue is the most of what is not air, in every part of the body.
    tissue = ((inside > -150) & (inside < 200)).sum()
    assert tissue > 0.3 * (inside > -300).sum()


def test_8_bit_grey_is_not_taken_for_hounsfield_units(scans: Path) -> None:
    with pytest.raises(UnusableScan, match="8-bit grey"):
        read_volume(VolumeSource(str(scans / "lidc_chest_8bit/ct_8bit.nii.gz")), GRID)


def test_organs_of_the_label_map_have_their_density(scans: Path) -> None:
    # The label map's second axis is reversed against the DICOM rows: only positions match the two.
    folder = scans / "trunk_dicom"
    scan = open_scan(VolumeSource(str(folder / "dicom")))
    grid = VolumeGrid(spacing_mm=scan.geometry.spacing_mm, size=scan.geometry.shape[::-1], cache="off")
    voxels = read_volume(VolumeSource(str(folder / "dicom")), grid).voxels
    labels = read_label_map(folder / "labels.nii.gz").on(grid, scan.geometry)
    for organ, (label, hounsfield) in ORGANS.items():
        assert voxels[labels == label].mean() == pytest.approx(hounsfield, abs=1.0), organ


def test_a_dicom_segmentation_lies_over_the_liver(scans: Path) -> None:
    folder = scans / "liver_dicom_seg"
    labels = read_label_map(folder / "liver_seg.dcm")
    assert labels.names == {1: "Liver"}
    scan = open_scan(VolumeSource(str(folder / "dicom")))
    voxels = read_volume(VolumeSource(str(folder / "dicom")), GRID).voxels
    liver = voxels[labels.on(GRID, scan.geometry) == 1]
    assert liver.size > 1000 and 20 < np.median(liver) < 80


def test_the_tilted_uneven_head_is_sampled_where_its_headers_say(scans: Path) -> None:
    scan = open_scan(VolumeSource(str(scans / "head_dicom_tilted/dicom")))
    geometry, voxels = scan.geometry, scan.whole()
    draw = np.random.default_rng(0)
    slices, rows, columns = (draw.integers(0, side, 2000) for side in geometry.shape)
    # DICOM's own equation (PS3.3 C.7.6.2.1.1), from the tilt of 18.5 degrees and the positions of the files.
    tilt = np.deg2rad(18.5)
    heights = np.sort(
        [pydicom.dcmread(path).ImagePositionPatient[2] for path in (scans / "head_dicom_tilted").rglob("*.dcm")]
    )
    left = -125.0 + 0.4882812 * columns
    back = -123.5404569 + 0.4882812 * rows * np.cos(tilt)
    head = heights.astype(float)[slices] - 0.4882812 * rows * np.sin(tilt)
    points = np.stack([-left, -back, head], 1)
    assert np.abs(sample_points(voxels, geometry, points).astype(int) - voxels[slices, rows, columns]).max() <= 1
    assert np.ptp(geometry.gaps_mm) > 5

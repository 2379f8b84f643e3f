"""NIfTI files: the same patient however the axes are stored, scaled once, and hostile ones refused in words."""

from __future__ import annotations

import gzip
import itertools
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from crossmod_medical.grid import VolumeGrid
from crossmod_medical.processors import ODD_AIR, VolumeProcessor, read_volume
from crossmod_medical.readers.opened import open_scan
from crossmod_medical.readers.reasons import UnusableScan
from crossmod_medical.sources import VolumeSource

SIZE, SPACING = (14, 12, 10), (2.0, 2.0, 3.0)
GRID = VolumeGrid(spacing_mm=SPACING, size=SIZE, cache="off")
Write = Callable[..., Path]


def ramp() -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    x, y, z = (np.arange(count) for count in SIZE)
    return (x[:, None, None] + 20 * y[None, :, None] + 400 * z[None, None, :] - 1000).astype(np.int16)


def reason(source: VolumeSource | Path) -> str:
    source = source if isinstance(source, VolumeSource) else VolumeSource(str(source))
    with pytest.raises(UnusableScan) as refused:
        read_volume(source, GRID)
    return str(refused.value)


@pytest.mark.parametrize("axes", ["RAS", "LPS", "LAI", "SPR", "PIR", "ILA"])
def test_every_orientation_gives_the_same_tensor(write_nifti: Write, axes: str) -> None:
    path = write_nifti(ramp(), SPACING, axes)
    assert open_scan(VolumeSource(str(path))).geometry.orientation == axes
    read = read_volume(VolumeSource(str(path)), GRID)
    # Depth, height, width are z, y, x: the tensor is the transposed RAS array, to the last bit.
    assert np.array_equal(read.voxels, ramp().transpose(2, 1, 0))


def test_all_48_orientations_are_told_apart(write_nifti: Write) -> None:
    letters = [("R", "L"), ("A", "P"), ("S", "I")]
    for order in itertools.permutations(letters):
        for axes in itertools.product(*order):
            path = write_nifti(ramp(), SPACING, "".join(axes), name="turned.nii")
            assert open_scan(VolumeSource(str(path))).geometry.orientation == "".join(axes)


def test_slope_and_intercept_are_applied_exactly_once(write_nifti: Write) -> None:
    raw = ((ramp() + 1024) // 2).astype(np.int16)
    path = write_nifti(raw, SPACING, slope=2.0, intercept=-1024.0)
    expected = (raw.astype(np.float64) * 2 - 1024).transpose(2, 1, 0)
    assert np.array_equal(read_volume(VolumeSource(str(path)), GRID).voxels, expected)
    assert np.array_equal(np.asanyarray(nibabel.load(path).dataobj).transpose(2, 1, 0), expected)
    assert "scale it twice" in reason(VolumeSource(str(path), slope=2.0, intercept=-1024.0))
    blank = write_nifti(raw, SPACING, name="raw.nii.gz")
    stated = read_volume(VolumeSource(str(blank), slope=2.0, intercept=-1024.0), GRID)
    assert np.array_equal(stated.voxels, expected)


def test_both_versions_of_one_scan_agree_and_a_wrong_version_is_noticed(write_nifti: Write) -> None:
    hounsfield = np.full(SIZE, -1000, np.int16)
    hounsfield[4:10, 3:9, 2:8] = ramp()[4:10, 3:9, 2:8]
    fixed = write_nifti(hounsfield, SPACING, "LPS", name="v2.nii.gz")
    raw = write_nifti((hounsfield + 1024).astype(np.int16), (1.0, 1.0, 1.0), "LPS", name="v1.nii.gz", codes=0)
    one = read_volume(VolumeSource(str(fixed)), GRID)
    other = read_volume(VolumeSource(str(raw), 1.0, -1024.0, SPACING, "LPS"), GRID)
    assert np.array_equal(one.voxels, other.voxels) and not one.air_is_odd
    twice = VolumeProcessor(GRID).process([VolumeSource(str(fixed), 1.0, -1024.0, SPACING, "LPS")])
    assert twice.counts == {ODD_AIR: 1}


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_every_number_type_is_read(write_nifti: Write, dtype: type, suffix: str) -> None:
    values = np.random.default_rng(0).integers(0, 255, SIZE).astype(dtype)
    path = write_nifti(values, SPACING, "LPS", name=f"typed{suffix}", intercept=-700.0)
    assert np.array_equal(read_volume(VolumeSource(str(path)), GRID).voxels, values.transpose(2, 1, 0) - 700.0)


def test_a_big_endian_file_is_read(tmp_path: Path) -> None:
    affine = np.diag([*SPACING, 1.0])
    image = nibabel.Nifti1Image(ramp(), affine, nibabel.Nifti1Header(endianness=">"))
    nibabel.save(image, tmp_path / "big.nii.gz")
    read = read_volume(VolumeSource(str(tmp_path / "big.nii.gz")), GRID)
    assert np.array_equal(read.voxels, ramp().transpose(2, 1, 0))


def test_a_truncated_gzip_is_refused(write_nifti: Write) -> None:
    path = write_nifti(np.random.default_rng(0).integers(-1000, 1000, (40, 40, 20)).astype(np.int16))
    whole = path.read_bytes()
    for kept in (len(whole) // 2, len(whole) - 4, 40):
        path.write_bytes(whole[:kept])
        assert "gzip" in reason(path) or "ends" in reason(path)
    path.write_bytes(whole[:200] + bytes(100) + whole[300:])
    assert "broken" in reason(path) or "not a whole" in reason(path)
    path.write_bytes(b"this is no gzip file")
    assert reason(path) == "it is not a whole gzip file"


def test_a_header_that_claims_100_gb_costs_no_memory(write_nifti: Write) -> None:
    path = write_nifti(ramp(), name="scan.nii")
    data = bytearray(path.read_bytes())
    struct.pack_into("<8h", data, 40, 3, 32767, 1024, 1600, 1, 1, 1, 1)
    path.write_bytes(data)
    assert "more than the" in reason(path)
    struct.pack_into("<8h", data, 40, 3, 1024, 1024, 1600, 1, 1, 1, 1)
    path.write_bytes(data)
    assert "3.355 GB" in reason(path) and "cannot hold" in reason(path)
    packed = path.with_name("scan.nii.gz")
    packed.write_bytes(gzip.compress(bytes(data)))
    assert "cannot hold" in reason(packed)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers_are_refused(write_nifti: Write, value: float) -> None:
    values = ramp().astype(np.float32)
    values[3, 4, 5] = value
    assert "not finite" in reason(write_nifti(values))


def test_wrong_kinds_of_voxels_are_refused(tmp_path: Path, write_nifti: Write) -> None:
    affine = np.diag([*SPACING, 1.0])
    complex_values = tmp_path / "complex.nii.gz"
    nibabel.save(nibabel.Nifti1Image(ramp().astype(np.complex64), affine), complex_values)
    assert "not numbers of one CT" in reason(complex_values)
    colours = tmp_path / "colours.nii.gz"
    rgb = np.zeros(SIZE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(rgb, affine), colours)
    assert "colours" in reason(colours)
    several = tmp_path / "several.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.stack([ramp(), ramp()], -1), affine), several)
    assert "more than three dimensions" in reason(several)
    assert "8-bit grey" in reason(write_nifti(np.random.default_rng(0).integers(0, 255, SIZE).astype(np.uint8)))
    assert "all its voxels are" in reason(write_nifti(np.full(SIZE, -1000, np.int16)))


def test_a_missing_or_absurd_affine_is_refused(write_nifti: Write, tmp_path: Path) -> None:
    assert "no affine" in reason(write_nifti(ramp(), codes=0))
    assert "voxels measure" in reason(write_nifti(ramp(), (2.0, 2.0, 900.0)))
    singular = tmp_path / "singular.nii.gz"
    image = nibabel.Nifti1Image(ramp(), np.diag([*SPACING, 1.0]))
    image.header["srow_x"][:], image.header["srow_y"][:] = [2, 2, 0, 0], [2, 1.9, 0, 0]
    image.header["sform_code"], image.header["qform_code"] = 1, 0
    singular.write_bytes(gzip.compress(image.header.binaryblock + bytes(4) + ramp().tobytes("F")))
    assert "nearly parallel" in reason(singular)


def test_what_is_no_nifti_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.nii"
    path.write_bytes(b"x" * 1000)
    assert "NIfTI header" in reason(path)
    path.write_bytes(b"")
    assert "ends after 0 bytes" in reason(path)
    assert reason(tmp_path / "absent.nii.gz") == "there is no such file"
    other = tmp_path / "notes.txt"
    other.write_text("a CT")
    assert "neither NIfTI" in reason(other)
    assert "not one that" in reason(VolumeSource("a" * 5000)) or "no such file" in reason(VolumeSource("a" * 5000))


def test_micrometres_are_not_millimetres(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(ramp(), np.diag([2000.0, 2000.0, 3000.0, 1.0]))
    image.header.set_xyzt_units("micron")
    nibabel.save(image, tmp_path / "small.nii.gz")
    assert open_scan(VolumeSource(str(tmp_path / "small.nii.gz"))).geometry.spacing_mm == pytest.approx(SPACING)


def test_a_large_scan_takes_one_plane_of_memory(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "large.nii.gz"
    planes = np.random.default_rng(0).integers(-1000, 1000, (512, 512), np.int16)
    image = nibabel.Nifti1Image(np.zeros((1, 1, 1), np.int16), np.diag([0.7, 0.7, 1.0, 1.0]))
    image.header.set_data_shape((512, 512, 600))
    image.header["sform_code"] = 1
    with gzip.open(path, "wb", 0) as stream:
        stream.write(image.header.binaryblock + bytes(4))
        for _ in range(600):
            stream.write(planes.tobytes())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grid = VolumeGrid(spacing_mm=(3.0, 3.0, 5.0), size=(96, 96, 96), cache="off")
    assert read_volume(VolumeSource(str(path)), grid).voxels.shape == (96, 96, 96)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 120, f"reading a scan of 315 MB took {grown_mb:.0f} MB"
    path.unlink()

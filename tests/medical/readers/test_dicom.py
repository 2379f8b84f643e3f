"""DICOM series: sorted, scaled and placed; what is mixed, broken or incomplete refused; nobody's name anywhere."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless, generate_uid

from crossmod_medical.grid import VolumeGrid
from crossmod_medical.processors import UNEVEN, VolumeProcessor, read_volume
from crossmod_medical.readers.opened import open_scan
from crossmod_medical.readers.reasons import UnusableScan
from crossmod_medical.sources import VolumeSource

ROWS, COLUMNS = 40, 48
NAME = "Doe^Jane^Very^Private"
Write = Callable[..., Path]


def plane(number: int) -> np.ndarray[Any, np.dtype[np.int16]]:
    y, x = np.mgrid[:ROWS, :COLUMNS]
    return (x + 20 * y + 300 * number).astype(np.int16)


def slice_of(number: int, series: str, position: tuple[float, float, float], **changes: Any) -> Dataset:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.Modality, data.SeriesInstanceUID, data.ImageType = "CT", series, ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.PatientName, data.PatientID, data.PatientBirthDate = NAME, "SECRET-4711", "19000101"
    data.InstanceNumber = 99 - number  # the order of acquisition says nothing
    data.Rows, data.Columns, data.SamplesPerPixel = ROWS, COLUMNS, 1
    data.PhotometricInterpretation, data.PixelRepresentation = "MONOCHROME2", 1
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelSpacing, data.SliceThickness = [1.5, 2.0], 3.0
    data.ImagePositionPatient, data.ImageOrientationPatient = list(position), [1, 0, 0, 0, 1, 0]
    data.RescaleSlope, data.RescaleIntercept = 2, -1024
    data.PixelData = plane(number).tobytes()
    for keyword, value in changes.items():
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    return data


@pytest.fixture
def write_series(tmp_path: Path) -> Write:
    """Writes slices 3 mm apart into a folder, or as `positions` says; `changes` of one slice by its number."""

    def write(
        heights: tuple[float, ...] = (0.0, 3.0, 6.0, 9.0),
        name: str = "series",
        compress: Any = None,
        only: dict[int, dict[str, Any]] | None = None,
        shift_mm: float = 0.0,
        **changes: Any,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        series = generate_uid()
        for number, height in enumerate(heights):
            position = (-47.0, -29.25 + shift_mm * number, height)
            data = slice_of(number, series, position, **{**changes, **(only or {}).get(number, {})})
            if compress is not None:
                data.compress(compress)
            # Names in an order that is not that of the positions.
            data.save_as(folder / f"{name}-{(number * 7) % 5}.dcm", enforce_file_format=True)
        return folder

    return write


GRID = VolumeGrid(spacing_mm=(2.0, 1.5, 3.0), size=(COLUMNS, ROWS, 4), cache="off")


def reason(path: Path) -> str:
    with pytest.raises(UnusableScan) as refused:
        read_volume(VolumeSource(str(path)), GRID)
    return str(refused.value)


def expected() -> np.ndarray[Any, Any]:
    # DICOM counts columns to the left and rows to the back: RAS turns both round.
    return np.stack([plane(number)[::-1, ::-1] * 2 - 1024 for number in range(4)])


def test_a_series_is_sorted_scaled_and_turned(write_series: Write) -> None:
    geometry = open_scan(VolumeSource(str(write_series()))).geometry
    assert geometry.orientation == "LPS" and geometry.spacing_mm == pytest.approx((2.0, 1.5, 3.0))
    assert geometry.shape == (4, ROWS, COLUMNS)
    read = read_volume(VolumeSource(str(write_series())), GRID)
    assert np.array_equal(read.voxels, expected()) and not read.is_uneven


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless], ids=["RLE", "JPEG 2000"])
def test_lossless_compression_changes_nothing(write_series: Write, syntax: Any) -> None:
    path = write_series(compress=syntax)
    header = pydicom.dcmread(next(path.iterdir()), stop_before_pixels=True)
    assert header.file_meta.TransferSyntaxUID == syntax
    assert np.array_equal(read_volume(VolumeSource(str(path)), GRID).voxels, expected())


def test_uneven_slices_are_interpolated_where_they_lie(write_series: Write) -> None:
    heights = (0.0, 2.0, 6.0, 9.0)
    path = write_series(heights)
    grid = VolumeGrid(spacing_mm=(2.0, 1.5, 1.0), size=(COLUMNS, ROWS, 10), cache="off")
    processed = VolumeProcessor(grid).process([str(path)])
    assert processed.counts[UNEVEN] == 1
    at = processed.arrays["voxels"][0][:, 0, 0].astype(float)
    values = [float(plane(number)[-1, -1] * 2 - 1024) for number in range(4)]
    # The grid is centred on the scan, so its ten planes lie at 0, 1, ... 9 mm.
    assert at == pytest.approx(np.rint(np.interp(np.arange(10), heights, values)), abs=1)


def test_a_gantry_tilt_is_undone(write_series: Write) -> None:
    # Each slice begins 1.5 mm further back; one row is 1.5 mm high, so row r of slice k lies at row r + k.
    path = write_series(shift_mm=1.5)
    scan = open_scan(VolumeSource(str(path)))
    assert not scan.geometry.is_along_axes
    grid = VolumeGrid(spacing_mm=(2.0, 1.5, 3.0), size=(COLUMNS, ROWS + 3, 4), cache="off")
    read = read_volume(VolumeSource(str(path)), grid)
    assert read.is_uneven
    for number in range(4):
        straight = np.full((ROWS + 3, COLUMNS), -1024)
        straight[number : number + ROWS] = plane(number) * 2 - 1024
        assert np.array_equal(read.voxels[number], straight[::-1, ::-1])


def test_padding_outside_the_field_of_view_is_air(write_series: Write) -> None:
    values = plane(0)
    values[:2] = -2000
    only = {0: {"PixelData": values.tobytes()}}
    path = write_series(only=only, PixelPaddingValue=-2000)
    read = read_volume(VolumeSource(str(path)), GRID).voxels[0]
    assert (read[-2:] == -1024).all() and read.min() == -1024


def test_holes_and_doubles_are_refused(write_series: Write) -> None:
    assert "slices are missing" in reason(write_series((0.0, 3.0, 6.0, 30.0)))
    assert "at the same place" in reason(write_series((0.0, 3.0, 3.0, 6.0), name="double"))


def test_mixed_series_are_refused_with_their_sizes(write_series: Write) -> None:
    path = write_series()
    other = write_series((20.0, 23.0), name="other")
    for file in other.iterdir():
        file.rename(path / file.name)
    assert reason(path) == ("it mixes 2 DICOM series (of 4 and 2 images); give each series a folder of its own")


def test_what_is_no_stack_of_ct_slices_is_refused(write_series: Write, tmp_path: Path) -> None:
    turned = {2: {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}}
    assert "not parallel" in reason(write_series(name="turned", only=turned))
    assert "pixel spacing" in reason(write_series(name="zoomed", only={1: {"PixelSpacing": [1.0, 1.0]}}))
    assert "where it lies" in reason(write_series(name="lost", only={1: {"ImagePositionPatient": None}}))
    assert "modality MR" in reason(write_series(name="mr", Modality="MR"))
    assert "MONOCHROME2" in reason(write_series(name="inverted", PhotometricInterpretation="MONOCHROME1"))
    short = {1: {"PixelData": plane(1).tobytes()[:100]}}
    assert "broken or cut off" in reason(write_series(name="short", only=short))
    empty = tmp_path / "empty"
    empty.mkdir()
    assert reason(empty) == "it holds no DICOM image"
    (empty / "fake.dcm").write_bytes(b"nothing of the kind")
    assert "whatever its name says" in reason(empty)


def test_other_objects_in_the_folder_are_passed_over(write_series: Write) -> None:
    path = write_series()
    (path / "README.txt").write_text("not a slice")
    slice_of(0, generate_uid(), (0, 0, 0), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]).save_as(
        path / "localiser.dcm", enforce_file_format=True
    )
    assert np.array_equal(read_volume(VolumeSource(str(path)), GRID).voxels, expected())


def test_frames_of_one_file_are_a_scan_too(tmp_path: Path) -> None:
    data = slice_of(0, generate_uid(), (0, 0, 0), ImagePositionPatient=None, ImageOrientationPatient=None)
    del data.PixelSpacing, data.RescaleSlope, data.RescaleIntercept
    shared, orientation, measures, scaling = Dataset(), Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    measures.PixelSpacing, measures.SliceThickness = [1.5, 2.0], 3.0
    scaling.RescaleSlope, scaling.RescaleIntercept, scaling.RescaleType = 2, -1024, "HU"
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    shared.PixelValueTransformationSequence = [scaling]
    frames = []
    for number in (2, 0, 3, 1):
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = [-47.0, -29.25, 3.0 * number]
        frame.PlanePositionSequence = [place]
        frames.append(frame)
    data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence = [shared], frames
    data.NumberOfFrames = 4
    data.PixelData = b"".join(plane(number).tobytes() for number in (2, 0, 3, 1))
    data.save_as(tmp_path / "frames.dcm", enforce_file_format=True)
    read = read_volume(VolumeSource(str(tmp_path / "frames.dcm")), GRID)
    assert np.array_equal(read.voxels, expected())
    data.NumberOfFrames = 5
    data.save_as(tmp_path / "more.dcm", enforce_file_format=True)
    assert "claims 5 frames and describes 4" in reason(tmp_path / "more.dcm")


def test_nobodys_name_reaches_logs_reasons_or_caches(
    write_series: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    cache = tmp_path / "cache"
    grid = VolumeGrid(spacing_mm=(2.0, 1.5, 3.0), size=(COLUMNS, ROWS, 4), cache=str(cache))
    good, mixed = write_series(), write_series(name="mixed", only={1: {"SeriesInstanceUID": "1.2.3"}})
    odd = write_series(name="odd", only={1: {"ImageComments": NAME, "PixelSpacing": None}})
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        processed = VolumeProcessor(grid).process([str(good), str(mixed), str(odd)])
        again = VolumeProcessor(grid).process([str(good)])
    assert processed.accepted.tolist() == [0] and len(processed.rejected) == 2
    assert np.array_equal(again.arrays["voxels"], processed.arrays["voxels"])
    written = b"".join(path.read_bytes() for path in cache.rglob("*") if path.is_file())
    names = " ".join(str(path.relative_to(cache)) for path in cache.rglob("*"))
    said = caplog.text + "".join(capsys.readouterr()) + str([str(one.message) for one in warned])
    for secret in ("Doe", "SECRET-4711", "19000101"):
        assert secret.encode() not in written
        assert secret not in names + said + str(processed.rejected)

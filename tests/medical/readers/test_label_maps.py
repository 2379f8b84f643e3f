"""Label maps: matched to scans by position, from NIfTI and from DICOM segmentations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage, generate_uid

from crossmod_medical.grid import VolumeGrid
from crossmod_medical.readers.label_maps import read_label_map
from crossmod_medical.readers.opened import open_scan
from crossmod_medical.readers.reasons import UnusableScan
from crossmod_medical.sources import VolumeSource

Write = Callable[..., Path]


def test_labels_follow_the_scan_by_position_not_by_index(write_nifti: Write) -> None:
    labels = np.zeros((14, 12, 10), np.uint8)
    labels[2:6, 3:7, 4:9] = 5
    scan = write_nifti(np.arange(labels.size, dtype=np.int16).reshape(labels.shape), axes="RAS", name="ct.nii.gz")
    other = write_nifti(labels, axes="LPI", name="labels.nii.gz")
    grid = VolumeGrid(spacing_mm=(2.0, 2.0, 3.0), size=labels.shape, cache="off")
    found = read_label_map(other).on(grid, open_scan(VolumeSource(str(scan))).geometry)
    assert np.array_equal(found, labels.transpose(2, 1, 0))


def test_fractions_and_negative_values_are_no_labels(write_nifti: Write) -> None:
    for values in (np.full((4, 4, 4), 0.5, np.float32), np.full((4, 4, 4), -1, np.int16)):
        with pytest.raises(UnusableScan, match="no labels"):
            read_label_map(write_nifti(values))


def segmentation(path: Path, frames: list[tuple[int, float, np.ndarray]], kind: str = "BINARY") -> Path:
    """Frames of (segment, height, mask)."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = SegmentationStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.Modality, data.SegmentationType, data.PhotometricInterpretation = "SEG", kind, "MONOCHROME2"
    data.Rows, data.Columns, data.SamplesPerPixel, data.NumberOfFrames = 8, 8, 1, len(frames)
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 1, 1, 0, 0
    shared, orientation, measures = Dataset(), Dataset(), Dataset()
    orientation.ImageOrientationPatient, measures.PixelSpacing = [1, 0, 0, 0, 1, 0], [2.0, 2.0]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    data.SharedFunctionalGroupsSequence = [shared]
    data.PerFrameFunctionalGroupsSequence, data.SegmentSequence = [], []
    for segment, height, _ in frames:
        frame, place, owner = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient, owner.ReferencedSegmentNumber = [-7.0, -7.0, height], segment
        frame.PlanePositionSequence, frame.SegmentIdentificationSequence = [place], [owner]
        data.PerFrameFunctionalGroupsSequence.append(frame)
    for segment in sorted({segment for segment, _, _ in frames}):
        entry = Dataset()
        entry.SegmentNumber, entry.SegmentLabel = segment, f"organ {segment}"
        data.SegmentSequence.append(entry)
    bits = np.concatenate([mask.reshape(-1) for _, _, mask in frames]).astype(np.uint8)
    data.PixelData = np.packbits(bits, bitorder="little").tobytes()
    data.save_as(path, enforce_file_format=True)
    return path


def test_segments_of_a_dicom_segmentation_become_labels(tmp_path: Path) -> None:
    left, right = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.uint8)
    left[2:4, 1:3], right[5:7, 4:8] = 1, 1
    found = read_label_map(segmentation(tmp_path / "a.dcm", [(1, 0.0, left), (2, 0.0, right), (2, 3.0, left)]))
    assert found.voxels.shape == (2, 8, 8) and found.names == {1: "organ 1", 2: "organ 2"}
    assert np.array_equal(found.voxels[0], left + 2 * right) and np.array_equal(found.voxels[1], 2 * left)
    # DICOM's first row and column are the patient's front and right: x = +7 - 2 * column.
    assert found.at(np.array([[7.0 - 2 * 1, 7.0 - 2 * 2, 0.0], [0.0, 0.0, 40.0]])).tolist() == [1, 0]


def test_between_distant_slices_nothing_is_labelled(tmp_path: Path) -> None:
    whole = np.ones((8, 8), np.uint8)
    heights = (0.0, 3.0, 6.0, 21.0, 24.0)
    found = read_label_map(segmentation(tmp_path / "a.dcm", [(1, height, whole) for height in heights]))
    points = np.stack([np.zeros(5), np.zeros(5), [1.0, 7.0, 12.0, 15.0, 20.0]], -1)
    assert found.at(points).tolist() == [1, 1, 0, 0, 1]


def test_what_no_label_map_can_hold_is_refused(tmp_path: Path, write_nifti: Write) -> None:
    whole = np.ones((8, 8), np.uint8)
    with pytest.raises(UnusableScan, match="overlap"):
        read_label_map(segmentation(tmp_path / "a.dcm", [(1, 0.0, whole), (2, 0.0, whole)]))
    with pytest.raises(UnusableScan, match="fractional"):
        read_label_map(segmentation(tmp_path / "b.dcm", [(1, 0.0, whole)], kind="FRACTIONAL"))
    with pytest.raises(UnusableScan, match="read it as a label map"):
        open_scan(VolumeSource(str(tmp_path / "a.dcm")))
    with pytest.raises(UnusableScan, match="neither a NIfTI file nor"):
        read_label_map(tmp_path / "absent.dcm")

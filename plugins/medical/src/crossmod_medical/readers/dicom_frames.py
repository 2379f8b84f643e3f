"""DICOM files that hold many planes: enhanced CT as one scan (and a single image as a scan of one slice)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crossmod_medical.readers.dicom_headers import number, numbers, read_header
from crossmod_medical.readers.dicom_series import DicomSeries, DicomStack, Slice, require_ct, unit_directions
from crossmod_medical.readers.reasons import UnusableScan


def open_dicom_file(path: Path) -> DicomStack:
    """The scan in one DICOM file.

    Raises:
        UnusableScan: It is broken, no CT image, or does not say where its frames lie.
    """
    header = read_header(path)
    if header is None:
        raise UnusableScan("it is no DICOM file, whatever its name says")
    if header.get("Modality") == "SEG":
        raise UnusableScan("it is a segmentation, not a scan; read it as a label map")
    if number(header, "NumberOfFrames", 1) <= 1:
        return DicomSeries([path])
    require_ct(header, path)
    frames = [_frame(path, header, place) for place in range(frame_count(header))]
    return DicomStack(frames, int(header.Rows), int(header.Columns))


def frame_count(header: Any) -> int:
    """How many frames a file describes.

    Raises:
        UnusableScan: It does not describe as many as it claims to hold.
    """
    claimed, described = int(number(header, "NumberOfFrames", 1)), header.get("PerFrameFunctionalGroupsSequence") or ()
    if claimed != len(described):
        raise UnusableScan(f"it claims {claimed} frames and describes {len(described)}")
    return claimed


def frame_values(header: Any, frame: int, sequence: str, keyword: str, count: int) -> tuple[float, ...] | None:
    """Numbers that a frame states itself, or that all frames share."""
    own = header.PerFrameFunctionalGroupsSequence[frame]
    shared = (header.get("SharedFunctionalGroupsSequence") or [{}])[0]
    for groups in (own, shared):
        found = groups.get(sequence)
        if found is not None and len(found.value if hasattr(found, "value") else found):
            entry = (found.value if hasattr(found, "value") else found)[0]
            return numbers(entry, keyword, count)
    return None


def frame_place(header: Any, frame: int) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Position, directions and spacing of a frame.

    Raises:
        UnusableScan: One of them is missing.
    """
    position = frame_values(header, frame, "PlanePositionSequence", "ImagePositionPatient", 3)
    orientation = frame_values(header, frame, "PlaneOrientationSequence", "ImageOrientationPatient", 6)
    spacing = frame_values(header, frame, "PixelMeasuresSequence", "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None:
        raise UnusableScan(f"frame {frame + 1} does not say where it lies")
    return position, unit_directions(orientation), spacing


def _frame(path: Path, header: Any, frame: int) -> Slice:
    position, orientation, spacing = frame_place(header, frame)
    slope = frame_values(header, frame, "PixelValueTransformationSequence", "RescaleSlope", 1)
    intercept = frame_values(header, frame, "PixelValueTransformationSequence", "RescaleIntercept", 1)
    thickness = frame_values(header, frame, "PixelMeasuresSequence", "SliceThickness", 1)
    padding = numbers(header, "PixelPaddingValue", 1)
    return Slice(
        path=path,
        frame=frame,
        position=position,
        orientation=orientation,
        spacing=spacing,
        slope=1.0 if slope is None else slope[0],
        intercept=0.0 if intercept is None else intercept[0],
        padding=None if padding is None else padding[0],
        thickness=0.0 if thickness is None else thickness[0],
    )

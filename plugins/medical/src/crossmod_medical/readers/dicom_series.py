"""DICOM slices as one scan: sorted by position, uneven gaps and gantry tilt kept, mixed series refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossmod_medical.grid import AIR_HU
from crossmod_medical.readers.dicom_headers import decode, number, numbers, read_header, words
from crossmod_medical.readers.geometry import Geometry
from crossmod_medical.readers.reasons import UnusableScan
from crossmod_medical.readers.scan import Scan, require_modest

TO_RAS = np.array([-1.0, -1.0, 1.0])
"""DICOM counts to the patient's left, back and head."""

LARGEST_GAP = 2.5
"""In slices: two that are missing in a row leave too little to interpolate between."""

SAME_DIRECTION = 1e-3
SAME_SPACING = 1e-3


@dataclass(frozen=True)
class Slice:
    """One plane: where it lies and how its stored values become hounsfield units.

    Args:
        path: The file.
        frame: The frame in it.
        position: [3] the first pixel's centre, DICOM's axes.
        orientation: [6] direction of a row and of a column.
        spacing: Distance of rows, and of columns.
        slope: Stored value times this, plus `intercept`, is in hounsfield units.
        intercept: See `slope`.
        padding: Stored value outside the field of view; None where there is none.
        thickness: Of the slice, in millimetres; 0 where unknown.
    """

    path: Path
    frame: int
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    slope: float
    intercept: float
    padding: float | None
    thickness: float


class DicomStack(Scan):
    """Slices of one series, sorted from one end of the patient to the other.

    Args:
        slices: In any order.
        rows: Rows of every slice.
        columns: Columns of every slice.

    Raises:
        UnusableScan: They are not parallel, two lie at one place, or too many are missing between them.
    """

    def __init__(self, slices: Sequence[Slice], rows: int, columns: int) -> None:
        require_modest((len(slices), rows, columns))
        first = slices[0]
        for other in slices:
            if np.abs(np.subtract(other.orientation, first.orientation)).max() > SAME_DIRECTION:
                raise UnusableScan("its slices are not parallel to one another")
            if np.abs(np.subtract(other.spacing, first.spacing)).max() > SAME_SPACING:
                raise UnusableScan("its slices differ in pixel spacing")
        across, down = np.array(first.orientation[:3]), np.array(first.orientation[3:])
        height = np.array([entry.position for entry in slices]) @ np.cross(across, down)
        self.slices = [slices[place] for place in np.argsort(height, kind="stable")]
        geometry = Geometry(
            np.array([entry.position for entry in self.slices]) * TO_RAS,
            down * TO_RAS * first.spacing[0],
            across * TO_RAS * first.spacing[1],
            rows,
            columns,
        )
        gap = float(np.median(geometry.gaps_mm)) if len(slices) > 1 else max(first.thickness, 1.0)
        self.geometry = geometry.checked(geometry.normal * gap)
        _require_no_holes(geometry, first.thickness)

    def planes(self) -> Iterator[npt.NDArray[Any]]:
        """The slices in order, decoded one at a time; what lies outside the field of view is air."""
        for entry in self.slices:
            stored = decode(entry.path, entry.frame)
            if stored.shape != (self.geometry.rows, self.geometry.columns):
                raise UnusableScan(
                    f"{entry.path.name} holds {stored.shape[0]} x {stored.shape[1]} pixels, not as stated"
                )
            plane = stored.astype(np.float32) * np.float32(entry.slope) + np.float32(entry.intercept)
            if entry.padding is not None:
                plane[stored == entry.padding] = AIR_HU
            yield plane


class DicomSeries(DicomStack):
    """The single-frame images among some files, which must be of one series.

    Args:
        paths: The files; those that are no DICOM images (reports, segmentations, localisers) are passed over.

    Raises:
        UnusableScan: There is no image, there are several series, or the slices do not form a stack.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        headers = [(path, header) for path in paths if (header := _image(path)) is not None]
        if not headers:
            raise UnusableScan("it holds no DICOM image")
        series = Counter(str(header.get("SeriesInstanceUID", "")) for _, header in headers)
        if len(series) > 1:
            sizes = " and ".join(str(size) for size in sorted(series.values(), reverse=True)[:5])
            raise UnusableScan(
                f"it mixes {len(series)} DICOM series (of {sizes} images); give each series a folder of its own"
            )
        sides = {(int(header.Rows), int(header.Columns)) for _, header in headers}
        if len(sides) > 1:
            raise UnusableScan("its slices differ in rows and columns")
        [(rows, columns)] = sides
        super().__init__([_slice(path, header) for path, header in headers], rows, columns)


def _image(path: Path) -> Any | None:
    """The header of a single-frame CT image; None for other files."""
    header = read_header(path)
    if header is None:
        if path.suffix.lower() in (".dcm", ".dicom"):
            raise UnusableScan(f"{path.name} is no DICOM file, whatever its name says")
        return None
    if "Rows" not in header or header.get("Modality") == "SEG" or "LOCALIZER" in words(header, "ImageType"):
        return None
    require_ct(header, path)
    if number(header, "NumberOfFrames", 1) > 1:
        raise UnusableScan(f"{path.name} holds several frames; name the file itself instead of its folder")
    return header


def require_ct(header: Any, path: Path) -> None:
    """Refuse images that are not grey CT images.

    Raises:
        UnusableScan: They are not.
    """
    if header.get("Modality") != "CT":
        raise UnusableScan(f"{path.name} is of the modality {str(header.get('Modality', 'unknown'))[:4]}, not CT")
    if header.get("PhotometricInterpretation") != "MONOCHROME2":
        raise UnusableScan(f"the pixels of {path.name} are not grey values that rise with density (MONOCHROME2)")


def _slice(path: Path, header: Any) -> Slice:
    position = numbers(header, "ImagePositionPatient", 3)
    orientation = numbers(header, "ImageOrientationPatient", 6)
    spacing = numbers(header, "PixelSpacing", 2)
    if position is None or orientation is None or spacing is None:
        raise UnusableScan(
            f"{path.name} does not say where it lies (position, orientation or pixel spacing is missing)"
        )
    return Slice(
        path=path,
        frame=0,
        position=position,
        orientation=unit_directions(orientation),
        spacing=spacing,
        slope=number(header, "RescaleSlope", 1.0),
        intercept=number(header, "RescaleIntercept", 0.0),
        padding=None if (found := numbers(header, "PixelPaddingValue", 1)) is None else found[0],
        thickness=number(header, "SliceThickness", 0.0),
    )


def unit_directions(orientation: tuple[float, ...]) -> tuple[float, ...]:
    """Directions of length one; headers round them to a few digits.

    Raises:
        UnusableScan: They are no directions, or not at a right angle.
    """
    across, down = np.array(orientation[:3]), np.array(orientation[3:])
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if min(lengths) < 0.9 or max(lengths) > 1.1 or abs(across @ down) > 0.01:
        raise UnusableScan("the directions of its rows and columns are not at a right angle")
    return (*(across / lengths[0]).tolist(), *(down / lengths[1]).tolist())


def _require_no_holes(geometry: Geometry, thickness: float) -> None:
    if geometry.slices < 2:
        return
    gaps = geometry.gaps_mm
    if gaps.min() < 1e-3:
        raise UnusableScan("two of its slices lie at the same place")
    usual = max(float(np.median(gaps)), thickness)
    if gaps.max() > LARGEST_GAP * usual:
        raise UnusableScan(
            f"between two of its slices lie {gaps.max():.1f} mm, where {usual:.1f} mm are usual: slices are missing"
        )

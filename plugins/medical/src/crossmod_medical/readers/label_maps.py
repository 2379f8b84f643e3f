"""Label maps: integer NIfTI files and DICOM segmentations, brought to the grid of the scan that they describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from crossmod_medical.grid import VolumeGrid
from crossmod_medical.readers.dicom_frames import frame_count, frame_place, frame_values
from crossmod_medical.readers.dicom_headers import decode, read_header
from crossmod_medical.readers.dicom_series import TO_RAS
from crossmod_medical.readers.geometry import Geometry
from crossmod_medical.readers.nifti import NiftiScan
from crossmod_medical.readers.reasons import UnusableScan
from crossmod_medical.readers.scan import require_modest
from crossmod_medical.resampling.oblique import voxel_coordinates
from crossmod_medical.resampling.weights import places_mm
from crossmod_medical.sources import VolumeSource


@dataclass(frozen=True)
class LabelMap:
    """What each voxel belongs to.

    Args:
        geometry: Where the voxels lie.
        names: What the labels mean, as far as the file says.

    Shape:
        voxels: [slices, rows, columns] uint16; 0 is background.
    """

    voxels: npt.NDArray[np.uint16]
    geometry: Geometry
    names: Mapping[int, str] = field(default_factory=dict)

    def on(self, grid: VolumeGrid, scan: Geometry) -> npt.NDArray[np.uint16]:
        """The labels on the grid that `scan` is brought to, each place taking its nearest voxel's.

        Matched by position, so neither axes nor extent need be those of the scan.

        Shape:
            [depth, height, width].
        """
        right, front, head = (
            places_mm(float(scan.centre_mm[axis]), grid.spacing_mm[axis], grid.size[axis]) for axis in range(3)
        )
        out = np.zeros(grid.shape, np.uint16)
        for depth, height in enumerate(head.tolist()):
            points = np.stack(np.broadcast_arrays(right[None, :], front[:, None], height), -1)
            out[depth] = self.at(points)
        return out

    def at(self, points_mm: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
        """The label of the voxel that holds each point; background outside.

        Shape:
            points_mm: [..., 3] to the right, front and head. Returns [...].
        """
        (slices, rows, columns), inside = voxel_coordinates(self.geometry, points_mm)
        at = [
            np.clip(np.rint(axis), 0, side - 1).astype(np.int64)
            for axis, side in zip((slices, rows, columns), self.voxels.shape, strict=True)
        ]
        # A segmentation leaves empty slices out: what lies between its slices is background, not the nearest of them.
        gap = self.geometry.spacing_mm[2]
        off = np.abs(points_mm @ self.geometry.normal - self.geometry.heights_mm[at[0]])
        inside &= (off <= gap / 2 + 1e-6) | (gap == 0)
        return np.where(inside, self.voxels[at[0], at[1], at[2]], 0).astype(np.uint16)


def read_label_map(path: str | Path) -> LabelMap:
    """Read a label map by its suffix.

    Raises:
        UnusableScan: It is broken, or holds what is no label.
    """
    path = Path(path)
    if path.name.lower().endswith((".nii", ".nii.gz")):
        return _from_nifti(path)
    return _from_segmentation(path)


def _from_nifti(path: Path) -> LabelMap:
    scan = NiftiScan(VolumeSource(str(path)))
    voxels = np.empty(scan.geometry.shape, np.uint16)
    for place, plane in enumerate(scan.planes()):
        if not ((plane >= 0) & (plane <= 65535) & (plane == np.floor(plane))).all():
            raise UnusableScan("it holds values that are no labels (fractions, negative, or beyond 65535)")
        voxels[place] = plane
    return LabelMap(voxels, scan.geometry)


def _from_segmentation(path: Path) -> LabelMap:
    header = read_header(path) if path.is_file() else None
    if header is None or header.get("Modality") != "SEG":
        raise UnusableScan("it is neither a NIfTI file nor a DICOM segmentation")
    if header.get("SegmentationType") not in ("BINARY", "LABELMAP"):
        raise UnusableScan("its segmentation is fractional, which no label map can hold")
    frames = frame_count(header)
    places = [frame_place(header, frame) for frame in range(frames)]
    orientation, spacing = places[0][1], places[0][2]
    if any(place[1:] != places[0][1:] for place in places):
        raise UnusableScan("its frames differ in orientation or pixel spacing")
    across, down = np.array(orientation[:3]), np.array(orientation[3:])
    heights = np.round(np.array([place[0] for place in places]) @ np.cross(across, down), 3)
    distinct, first, slice_of = np.unique(heights, return_index=True, return_inverse=True)
    rows, columns = int(header.Rows), int(header.Columns)
    require_modest((len(distinct), rows, columns))
    geometry = Geometry(
        np.array([places[frame][0] for frame in first]) * TO_RAS,
        down * TO_RAS * spacing[0],
        across * TO_RAS * spacing[1],
        rows,
        columns,
    )
    voxels = np.zeros((len(distinct), rows, columns), np.uint16)
    for frame, place in enumerate(slice_of.tolist()):
        segment = frame_values(header, frame, "SegmentIdentificationSequence", "ReferencedSegmentNumber", 1)
        _lay(voxels[place], decode(path, frame), None if segment is None else int(segment[0]))
    names = {int(entry.SegmentNumber): str(entry.get("SegmentLabel", "")) for entry in header.SegmentSequence}
    return LabelMap(voxels, geometry, names)


def _lay(plane: npt.NDArray[np.uint16], mask: npt.NDArray[np.uint8], segment: int | None) -> None:
    """Write one frame into its slice; a frame without a segment of its own holds the labels themselves."""
    labels = mask.astype(np.uint16) * np.uint16(1 if segment is None else segment)
    if ((plane > 0) & (labels > 0) & (plane != labels)).any():
        raise UnusableScan("its segments overlap, which no label map can hold")
    np.maximum(plane, labels, out=plane)

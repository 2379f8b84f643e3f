"""What names one volume: a path, and what the file itself does not say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crossmod_medical.grid import VolumeGrid


@dataclass(frozen=True)
class VolumeSource:
    """A NIfTI file or a folder of DICOM slices.

    Args:
        path: Where it lies.
        slope: Stored values times this, plus `intercept`, are hounsfield units, beside what the file's own header
            says; 1 and 0 leave them as they are.
        intercept: See `slope`.
        spacing_mm: Distance of voxels along the file's own axes where its header says nothing of it.
        axes: Directions of the file's own axes, such as "LPS", where its header says nothing of them.
        name: What reports call it; empty shows the path.
    """

    path: str
    slope: float = 1.0
    intercept: float = 0.0
    spacing_mm: tuple[float, float, float] | None = None
    axes: str = ""
    name: str = ""

    def __str__(self) -> str:
        return self.name or self.path


@dataclass(frozen=True)
class SliceSource:
    """One axial slice of a volume as a 2-D image, as a tower of slices sees it (RadCLIP).

    Args:
        path: The volume: a NIfTI file or a folder of DICOM slices.
        grid: The grid that the volume is brought to; its windows become the image's channels.
        index: Which slice of the grid, counted towards the head.
    """

    path: str
    grid: VolumeGrid
    index: int

    def __str__(self) -> str:
        return f"slice {self.index} of {self.path}"


def volume_source(item: Any) -> VolumeSource | None:
    """The item as a source: itself, or a path as text; None where it is neither."""
    if isinstance(item, VolumeSource):
        return item
    if isinstance(item, str) and item.strip() and "\0" not in item:
        return VolumeSource(item)
    return None

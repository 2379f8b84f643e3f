"""Brings volumes to a tower's grid: read, resampled, cropped or padded, and remembered (torch-free until `inputs`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from crossmod.contracts.processor import Processed, Processor
from crossmod.errors import UserError
from crossmod_medical.grid import AIR_HU, VolumeGrid
from crossmod_medical.readers.opened import open_scan
from crossmod_medical.readers.reasons import UnusableScan
from crossmod_medical.readers.scan import Plausibility
from crossmod_medical.resampling.oblique import resample_oblique
from crossmod_medical.resampling.separable import resample_separable
from crossmod_medical.sources import VolumeSource, volume_source
from crossmod_medical.voxel_cache import VoxelCache

if TYPE_CHECKING:
    from crossmod.contracts.batch import Inputs
    from crossmod_medical.volumes import VolumeInputs

GRID_KEYS = ("spacing_mm", "size", "windows_hu", "interpolation")
"""What of a spec another grid changes; unit, orientation and padding have no override."""

OVERRIDE = "the tower's grid.other_grids to accept"

ODD_AIR = "volumes whose corners are far from air (-1000 HU): are they in hounsfield units, scaled once?"
UNEVEN = "volumes with tilted, turned or unevenly spaced slices, interpolated onto the grid"


class ReadVolume(NamedTuple):
    """One volume on a grid, and what its reader noticed.

    Shape:
        voxels: [depth, height, width] int16 hounsfield units.
    """

    voxels: npt.NDArray[np.int16]
    air_is_odd: bool
    is_uneven: bool


def read_volume(source: VolumeSource, grid: VolumeGrid) -> ReadVolume:
    """Read one scan onto a grid, past any cache.

    Raises:
        UnusableScan: It cannot be used; the message says why.
    """
    scan = open_scan(source)
    seen = Plausibility()
    along, even = scan.geometry.is_along_axes, _is_even(scan.geometry.gaps_mm)
    voxels = (resample_separable if along else resample_oblique)(scan, grid, seen)
    seen.require_hounsfield()
    return ReadVolume(voxels, seen.air_is_odd, not (along and even))


def _is_even(gaps_mm: npt.NDArray[np.float64]) -> bool:
    return len(gaps_mm) < 2 or float(np.ptp(gaps_mm)) <= 0.05 * float(np.median(gaps_mm))


@dataclass(frozen=True)
class VolumeProcessor(Processor):
    """Paths of NIfTI files and DICOM folders to volumes on one grid.

    Args:
        grid: The grid.
    """

    grid: VolumeGrid
    smallest_for_workers = 8
    items_a_chunk = 8

    @property
    def spec(self) -> Mapping[str, Any]:
        """Grid, windows, orientation and unit."""
        return {
            "kind": "CT volume",
            "unit": "HU",
            "orientation": "RAS",
            "spacing_mm": list(self.grid.spacing_mm),
            "size": list(self.grid.size),
            "windows_hu": [list(window) for window in self.grid.windows_hu],
            "interpolation": self.grid.interpolation,
            "padding_hu": AIR_HU,
        }

    def require(self, spec: Mapping[str, Any]) -> Self:
        """This processor, if the checkpoint's volumes lie on its grid or the grid accepts others.

        Raises:
            UserError: They do not; the sentence names the first difference and the override.
        """
        own = self.spec
        super().require({**spec, **{name: own[name] for name in GRID_KEYS}})
        if self.grid.other_grids == "accept":
            return self
        try:
            return super().require(spec)
        except UserError as error:
            raise UserError(f"{error} To use it on this grid nevertheless, set {OVERRIDE}.") from None

    def check(self, inputs: Inputs) -> None:
        """Refuse volumes that were prepared on another grid or with other windows, unless the grid accepts them.

        Raises:
            UserError: They were; the sentence names the first difference and the override.
        """
        from crossmod_medical.volumes import VolumeInputs

        if not isinstance(inputs, VolumeInputs) or self.grid.other_grids == "accept":
            return
        own, other = self.spec, VolumeProcessor(inputs.spec).spec
        for name in GRID_KEYS:
            if own[name] != other[name]:
                raise UserError(
                    f"these volumes were prepared with {name} {other[name]}, and the model reads {own[name]}; prepare "
                    f"them with the model's own processor, or set {OVERRIDE}."
                )

    def process(self, items: Sequence[Any]) -> Processed:
        """Read volumes onto the grid; one that cannot be used is rejected with a reason."""
        cache = VoxelCache.of(self.grid)
        volumes: list[npt.NDArray[np.int16]] = []
        accepted: list[int] = []
        rejected: list[tuple[int, str]] = []
        counts = {ODD_AIR: 0, UNEVEN: 0}
        for place, item in enumerate(items):
            source = volume_source(item)
            try:
                if source is None:
                    raise UnusableScan(f"a path was expected, not {_kind(item)}")
                read = cache.read(source, self.grid, read_volume)
            except UnusableScan as reason:
                rejected.append((place, str(reason)))
                continue
            volumes.append(read.voxels)
            accepted.append(place)
            counts[ODD_AIR] += read.air_is_odd
            counts[UNEVEN] += read.is_uneven
        return Processed(
            arrays={"voxels": np.stack(volumes) if volumes else np.empty((0, *self.grid.shape), np.int16)},
            accepted=np.array(accepted, np.int64),
            rejected=rejected,
            counts={name: count for name, count in counts.items() if count},
        )

    def inputs(self, parts: Sequence[Processed]) -> VolumeInputs:
        """Concatenate processed parts into one minibatch or one whole corpus."""
        import torch

        from crossmod_medical.volumes import VolumeInputs

        arrays = [part.arrays["voxels"] for part in parts]
        return VolumeInputs(torch.from_numpy(arrays[0] if len(arrays) == 1 else np.concatenate(arrays)), self.grid)


def _kind(item: Any) -> str:
    return "an empty text" if isinstance(item, str) and not item.strip() else f"a {type(item).__name__}"

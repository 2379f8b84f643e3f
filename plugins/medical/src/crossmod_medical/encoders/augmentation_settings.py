"""Settings of towers that see their training volumes changed (torch-free)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossmod.errors import UserError
from crossmod.recipe import TowerSettings
from crossmod_medical.encoders.network_settings import VolumeResNet
from crossmod_medical.encoders.settings import VolumeTower

if TYPE_CHECKING:
    from crossmod.contracts.tower import Tower
    from crossmod_medical.processors import VolumeProcessor


@dataclass(frozen=True, kw_only=True)
class AugmentedVolumes(TowerSettings):
    """A tower of volumes that trains on mirrored, moved and shifted ones: for lesions, not for whole bodies.

    Args:
        tower: The tower.
        mirror: Mirror each axis with probability 1/2 and exchange the axial axes; texts must not tell sides then.
        shift_voxels: Largest shift along every axis.
        hounsfield_offset: Standard deviation of a number added to all voxels of a volume.
    """

    tower: VolumeTower = field(default_factory=VolumeResNet)
    mirror: bool = True
    shift_voxels: int = 2
    hounsfield_offset: float = 20.0

    def __post_init__(self) -> None:
        if self.shift_voxels < 0 or self.hounsfield_offset < 0:
            raise UserError("shift_voxels and hounsfield_offset of AugmentedVolumes are 0 or more.")

    def fit_processor(self, items: Sequence[Any]) -> VolumeProcessor:
        """Make the processor of the tower."""
        return self.tower.fit_processor(items)

    def load_processor(self, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> VolumeProcessor:
        """Make the processor that a checkpoint's spec describes.

        Raises:
            UserError: The checkpoint's volumes lie on another grid.
        """
        return self.tower.load_processor(spec, files)

    def build(self, processor: Any) -> Tower:
        """Make the tower, freshly initialised."""
        from crossmod_medical.encoders.augmentation import AugmentedVolumeTower

        return AugmentedVolumeTower(
            processor,
            self.tower.build(processor),
            mirror=self.mirror,
            shift_voxels=self.shift_voxels,
            hounsfield_offset=self.hounsfield_offset,
        )

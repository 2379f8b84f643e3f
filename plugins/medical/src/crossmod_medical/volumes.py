"""CT volumes of a whole corpus or of one minibatch: hounsfield units until a tower asks for windows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int16, Int64
from torch import Tensor

from crossmod_medical.grid import VolumeGrid


@dataclass(frozen=True)
class VolumeInputs:
    """Volumes on one grid, two bytes a voxel.

    Args:
        spec: The grid and its windows.

    Shape:
        voxels: [samples, depth, height, width] int16 hounsfield units; depth counts towards the head, height to the
            front, width to the patient's right.
    """

    voxels: Int16[Tensor, "samples depth height width"]
    spec: VolumeGrid

    def __len__(self) -> int:
        return len(self.voxels)

    def take(self, index: Int64[Tensor, "chosen"]) -> VolumeInputs:
        """The volumes at `index`, in that order; an index may repeat."""
        return VolumeInputs(self.voxels.index_select(0, index), self.spec)

    def to(self, device: torch.device | str) -> VolumeInputs:
        """The same volumes on another device."""
        return VolumeInputs(self.voxels.to(device), self.spec)

    @property
    def x(self) -> Float[Tensor, "samples windows depth height width"]:
        """Every window as a channel: 0 at its lowest hounsfield unit and below, 1 at its highest and above."""
        hounsfield = self.voxels.float()
        channels = [((hounsfield - low) / (high - low)).clamp_(0.0, 1.0) for low, high in self.spec.windows_hu]
        return torch.stack(channels, 1)

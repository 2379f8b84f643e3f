"""Shows a tower its training volumes mirrored, turned and moved: crops of lesions are few, and have no up or down."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int16
from torch import Tensor
from torch.nn import functional

from crossmod.contracts.processor import Processor
from crossmod.contracts.tower import Features, Tower
from crossmod_medical.grid import AIR_HU
from crossmod_medical.volumes import VolumeInputs


class AugmentedVolumeTower(Tower):
    """A tower of volumes that sees them changed while it trains, and as they are otherwise.

    Args:
        processor: What makes its volumes.
        tower: Encodes them.
        mirror: Whether each axis is mirrored with probability 1/2, and the axial axes exchanged where they are equal.
        shift_voxels: Largest shift along every axis; what moves in is air.
        hounsfield_offset: Standard deviation of a number added to all voxels of a volume.
    """

    def __init__(
        self, processor: Processor, tower: Tower, *, mirror: bool, shift_voxels: int, hounsfield_offset: float
    ) -> None:
        super().__init__()
        self.processor, self.width, self.tower = processor, tower.width, tower
        self.mirror, self.shift_voxels, self.hounsfield_offset = mirror, shift_voxels, hounsfield_offset

    def forward(self, inputs: VolumeInputs, /) -> Features:
        """Encode volumes."""
        if self.training and len(inputs):
            inputs = VolumeInputs(self.changed(inputs.voxels), inputs.spec)
        features: Features = self.tower(inputs)
        return features

    def local(self, inputs: VolumeInputs, /) -> Float[Tensor, "samples *places width"] | None:
        """What the tower inside says of every place, volumes as they are; None where it says nothing of places."""
        local = getattr(self.tower, "local", None)
        return None if local is None else local(inputs)

    def changed(
        self, voxels: Int16[Tensor, "samples depth height width"]
    ) -> Int16[Tensor, "samples depth height width"]:
        """Every volume mirrored, moved and made lighter or darker by draws of its own."""
        return torch.stack([self._one(volume) for volume in voxels])

    def _one(self, volume: Int16[Tensor, "depth height width"]) -> Int16[Tensor, "depth height width"]:
        if self.mirror:
            flips = [axis for axis, flip in enumerate(torch.rand(3) < 0.5) if flip]
            volume = volume.flip(flips) if flips else volume
            if volume.shape[1] == volume.shape[2] and bool(torch.rand(()) < 0.5):
                volume = volume.transpose(1, 2)
        if self.hounsfield_offset:
            offset = int((torch.randn(()) * self.hounsfield_offset).round())
            volume = torch.where(volume > AIR_HU, volume + offset, volume).clamp(min=AIR_HU)
        return _moved(volume, self.shift_voxels) if self.shift_voxels else volume


def _moved(volume: Int16[Tensor, "depth height width"], largest: int) -> Int16[Tensor, "depth height width"]:
    steps = torch.randint(-largest, largest + 1, (3,)).tolist()
    padded = functional.pad(volume, [largest] * 6, value=AIR_HU)
    for axis, (step, extent) in enumerate(zip(steps, volume.shape, strict=True)):
        padded = padded.narrow(axis, largest - step, extent)
    return padded

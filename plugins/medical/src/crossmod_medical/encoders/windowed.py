"""Volumes larger than a tower's grid: it trains on windows drawn from them, and slides over the whole otherwise."""

from __future__ import annotations

import itertools
import math

import torch
from jaxtyping import Int16
from torch import Tensor

from crossmod.contracts.processor import Processor
from crossmod.contracts.tower import Features, Tower
from crossmod_medical.grid import VolumeGrid
from crossmod_medical.volumes import VolumeInputs


def window_starts(extent: int, window: int, overlap: float) -> list[int]:
    """Where windows begin along one axis, evenly spread from end to end, neighbours sharing at least the overlap.

    >>> window_starts(100, 40, 0.25), window_starts(40, 40, 0.5)
    ([0, 30, 60], [0])
    """
    step = max(1, math.floor(window * (1 - overlap)))
    count = math.ceil((extent - window) / step) + 1
    return [round(number * (extent - window) / max(1, count - 1)) for number in range(count)]


class WindowedVolumeTower(Tower):
    """A tower over windows of its volumes: one drawn a volume in training, the mean over all of them otherwise.

    Args:
        processor: What makes the whole volumes.
        tower: Encodes a window.
        whole: The grid of the whole volumes.
        window: The grid of a window: the same distances and windows of hounsfield units, fewer voxels.
        overlap: Share of a window that neighbours at least have in common.
    """

    def __init__(
        self, processor: Processor, tower: Tower, *, whole: VolumeGrid, window: VolumeGrid, overlap: float
    ) -> None:
        super().__init__()
        self.processor, self.width, self.tower, self.window = processor, tower.width, tower, window
        starts = [window_starts(*sizes, overlap) for sizes in zip(whole.shape, window.shape, strict=True)]
        self.starts = list(itertools.product(*starts))
        self.slack = [extent - size for extent, size in zip(whole.shape, window.shape, strict=True)]

    def forward(self, inputs: VolumeInputs, /) -> Features:
        """Encode volumes; tokens are those of all windows that were seen, one window after the other."""
        if self.training and len(inputs):
            return self._encoded(self._drawn(inputs.voxels))
        parts = [self._encoded(self._cut(inputs.voxels, start)) for start in self.starts]
        pooled = torch.stack([part.pooled for part in parts]).mean(0)
        held = [(part.tokens, part.mask) for part in parts if part.tokens is not None and part.mask is not None]
        if len(held) < len(parts):
            return Features(pooled)
        tokens, masks = zip(*held, strict=True)
        return Features(pooled, torch.cat(tokens, 1), torch.cat(masks, 1))

    def _encoded(self, voxels: Int16[Tensor, "samples depth height width"]) -> Features:
        features: Features = self.tower(VolumeInputs(voxels, self.window))
        return features

    def _cut(
        self, voxels: Int16[Tensor, "samples depth height width"], start: tuple[int, ...]
    ) -> Int16[Tensor, "samples depth height width"]:
        for axis, (at, size) in enumerate(zip(start, self.window.shape, strict=True), 1):
            voxels = voxels.narrow(axis, at, size)
        return voxels

    def _drawn(
        self, voxels: Int16[Tensor, "samples depth height width"]
    ) -> Int16[Tensor, "samples depth height width"]:
        """A window of every volume, each at a place of its own."""
        places = torch.stack([torch.randint(slack + 1, (len(voxels),)) for slack in self.slack], 1).tolist()
        return torch.cat([self._cut(voxels[at : at + 1], tuple(place)) for at, place in enumerate(places)])

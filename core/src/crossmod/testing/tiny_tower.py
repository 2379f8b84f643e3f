"""The torch half of the tiny domain: points as inputs, and a perceptron as their tower."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from crossmod.contracts.processor import Processor
from crossmod.contracts.tower import Features, Tower


@dataclass(frozen=True)
class PointInputs:
    """[samples, 2] coordinates."""

    values: Float[Tensor, "samples 2"]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: Int64[Tensor, "samples"]) -> PointInputs:
        """The points at `index`."""
        return PointInputs(self.values[index])

    def to(self, device: torch.device | str) -> PointInputs:
        """The same points on another device."""
        return PointInputs(self.values.to(device))


class PointTower(Tower):
    """A perceptron with one hidden layer.

    Args:
        width: Hidden and output width.
        dropout: Dropout between the layers.
        processor: What the points come from.
    """

    def __init__(self, width: int, dropout: float, processor: Processor) -> None:
        super().__init__()
        self.width, self.processor = width, processor
        self.layers = nn.Sequential(nn.Linear(2, width), nn.GELU(), nn.Dropout(dropout), nn.Linear(width, width))

    def forward(self, inputs: PointInputs, /) -> Features:
        """Encode points."""
        return Features(self.layers(inputs.values))

"""Vectors as inputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class VectorInputs:
    """Standardised vectors.

    Shape:
        values: [samples, dimensions] float32.
    """

    values: Float[Tensor, "samples dimensions"]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, index: Int64[Tensor, "chosen"]) -> VectorInputs:
        """The vectors at `index`."""
        return VectorInputs(self.values[index])

    def to(self, device: torch.device | str) -> VectorInputs:
        """The same vectors on another device."""
        return VectorInputs(self.values.to(device))

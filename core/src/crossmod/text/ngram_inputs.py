"""Weighted n-grams of many texts, packed end to end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float32, Int32, Int64
from torch import Tensor

from crossmod.ragged import gather_runs


@dataclass(frozen=True, eq=False)
class NgramInputs:
    """Bags of n-grams; satisfies `crossmod.contracts.batch.Inputs`.

    Shape:
        buckets: [total] int32; the texts' n-grams end to end.
        weights: [total] float32; the weight of each.
        offsets: [samples + 1] int64; text i holds the n-grams offsets[i] to offsets[i + 1].
    """

    buckets: Int32[Tensor, "total"]
    weights: Float32[Tensor, "total"]
    offsets: Int64[Tensor, "bounds"]

    def __len__(self) -> int:
        return int(self.offsets.shape[0]) - 1

    def take(self, index: Int64[Tensor, "samples"]) -> Self:
        """The texts at `index`, in that order; an index may repeat."""
        positions, offsets = gather_runs(self.offsets, index)
        return type(self)(self.buckets[positions], self.weights[positions], offsets)

    def to(self, device: torch.device | str) -> Self:
        """The same texts on another device."""
        return type(self)(self.buckets.to(device), self.weights.to(device), self.offsets.to(device))

"""Token ids of many texts, packed end to end: a text of five tokens costs five numbers, not the longest's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Bool, Int32, Int64
from torch import Tensor

from crossmod.ragged import gather_runs


@dataclass(frozen=True, eq=False)
class TextInputs:
    """Token ids of texts; satisfies `crossmod.contracts.batch.Inputs`.

    Shape:
        ids: [total] int32; the texts' tokens end to end.
        offsets: [samples + 1] int64; text i is ids[offsets[i]:offsets[i + 1]].
    """

    ids: Int32[Tensor, "total"]
    offsets: Int64[Tensor, "bounds"]

    def __len__(self) -> int:
        return int(self.offsets.shape[0]) - 1

    def lengths(self) -> Int64[Tensor, "samples"]:
        """The number of tokens of every text."""
        return self.offsets[1:] - self.offsets[:-1]

    def take(self, index: Int64[Tensor, "samples"]) -> Self:
        """The texts at `index`, in that order; an index may repeat."""
        positions, offsets = gather_runs(self.offsets, index)
        return type(self)(self.ids[positions], offsets)

    def to(self, device: torch.device | str) -> Self:
        """The same texts on another device."""
        return type(self)(self.ids.to(device), self.offsets.to(device))

    def padded(self, padding: int = 0) -> tuple[Int64[Tensor, "batch length"], Bool[Tensor, "batch length"]]:
        """The ids padded with `padding` to the longest text here, and a mask that is true on real tokens."""
        lengths = self.lengths()
        longest = int(lengths.max()) if len(self) else 0
        mask = torch.arange(longest, device=lengths.device) < lengths[:, None]
        ids = self.ids.new_full((len(self), longest), padding, dtype=torch.int64)
        ids[mask] = self.ids.long()
        return ids, mask

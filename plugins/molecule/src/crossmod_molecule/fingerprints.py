"""Morgan count fingerprints of a whole corpus or of one minibatch, sparse until a batch is asked for densely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int32, Int64, UInt8
from torch import Tensor

from crossmod.ragged import gather_runs, offsets_of


@dataclass(frozen=True)
class FingerprintInputs:
    """Packed count fingerprints.

    Args:
        size: Bits of the fingerprint, set or not.

    Shape:
        bits: [all set bits]; positions in [0, size).
        values: [all set bits]; occurrences of each.
        offsets: [molecules + 1]; where each molecule's set bits begin.
    """

    bits: Int32[Tensor, "set_bits"]
    values: UInt8[Tensor, "set_bits"]
    offsets: Int64[Tensor, "molecules_and_one"]
    size: int

    @classmethod
    def from_arrays(cls, parts: Sequence[Mapping[str, Any]], size: int) -> FingerprintInputs:
        """Concatenate the arrays that `FingerprintProcessor.process` packed."""
        joined = {
            name: torch.from_numpy(np.concatenate([np.asarray(part[name]) for part in parts]))
            for name in ("bits", "bit_values", "bit_counts")
        }
        return cls(joined["bits"], joined["bit_values"], offsets_of(joined["bit_counts"].long()), size)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, index: Int64[Tensor, "samples"]) -> FingerprintInputs:
        """The fingerprints at `index`, in that order; an index may repeat."""
        rows, offsets = gather_runs(self.offsets, index)
        return FingerprintInputs(self.bits.index_select(0, rows), self.values.index_select(0, rows), offsets, self.size)

    def to(self, device: torch.device | str) -> FingerprintInputs:
        """The same fingerprints on another device."""
        return FingerprintInputs(self.bits.to(device), self.values.to(device), self.offsets.to(device), self.size)

    @property
    def log_counts(self) -> Float[Tensor, "set_bits"]:
        """`log(1 + count)` of every set bit."""
        return torch.log1p(self.values.float())

    def dense(self) -> Float[Tensor, "molecules bits"]:
        """`log(1 + count)` of every bit."""
        molecules = torch.arange(len(self), device=self.bits.device)
        rows = torch.repeat_interleave(molecules, self.offsets.diff(), output_size=len(self.bits))
        dense = torch.zeros(len(self), self.size, device=self.bits.device)
        dense[rows, self.bits.long()] = self.log_counts
        return dense

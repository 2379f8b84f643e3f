"""Token ids of many reports, packed end to end, each token with the number of its sentence."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int32, Int64
from torch import Tensor

from crossmod.ragged import gather_runs

PADDING = 0


@dataclass(frozen=True, eq=False)
class SentenceInputs:
    """Reports as tokens in sentences.

    Shape:
        ids: [total] int32; the reports' tokens end to end.
        sentence: [total] int32; the sentence of each token within its report, -1 for special tokens.
        offsets: [samples + 1]; where each report begins.
    """

    ids: Int32[Tensor, "total"]
    sentence: Int32[Tensor, "total"]
    offsets: Int64[Tensor, "bounds"]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, index: Int64[Tensor, "chosen"]) -> SentenceInputs:
        """The reports at `index`, in that order; an index may repeat."""
        positions, offsets = gather_runs(self.offsets, index)
        return SentenceInputs(self.ids[positions], self.sentence[positions], offsets)

    def to(self, device: torch.device | str) -> SentenceInputs:
        """The same reports on another device."""
        return SentenceInputs(self.ids.to(device), self.sentence.to(device), self.offsets.to(device))

    def padded(
        self,
    ) -> tuple[Int64[Tensor, "batch length"], Int64[Tensor, "batch length"], Bool[Tensor, "batch length"]]:
        """Ids and sentence numbers padded to the longest report here, and a mask that is true on real tokens."""
        lengths = self.offsets.diff()
        longest = int(lengths.max()) if len(self) else 0
        mask = torch.arange(longest, device=lengths.device) < lengths[:, None]
        ids = self.ids.new_full(mask.shape, PADDING, dtype=torch.int64)
        sentence = self.ids.new_full(mask.shape, -1, dtype=torch.int64)
        ids[mask], sentence[mask] = self.ids.long(), self.sentence.long()
        return ids, sentence, mask

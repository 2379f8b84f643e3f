"""A tower of reports that reads each sentence as a bag of n-grams, so that none is drowned by the others."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor

from crossmod.contracts.tower import Features, Tower
from crossmod.ragged import gather_runs
from crossmod.text.ngram_inputs import NgramInputs
from crossmod_medical.encoders.sentence_bag_processor import SentenceBagProcessor


@dataclass(frozen=True, eq=False)
class SentenceBags:
    """Reports as sentences as n-grams.

    Args:
        bags: The sentences of all reports, end to end.

    Shape:
        offsets: [samples + 1]; where each report's sentences begin.
    """

    bags: NgramInputs
    offsets: Int64[Tensor, "bounds"]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def take(self, index: Int64[Tensor, "chosen"]) -> SentenceBags:
        """The reports at `index`, in that order; an index may repeat."""
        positions, offsets = gather_runs(self.offsets, index)
        return SentenceBags(self.bags.take(positions), offsets)

    def to(self, device: torch.device | str) -> SentenceBags:
        """The same reports on another device."""
        return SentenceBags(self.bags.to(device), self.offsets.to(device))


class SentenceBagTower(Tower):
    """Reports to a token a sentence; the pooled vector is their mean.

    Args:
        processor: The processor that makes its inputs.
        sentence: The tower of one sentence.
    """

    def __init__(self, processor: SentenceBagProcessor, sentence: Tower) -> None:
        super().__init__()
        self.processor, self.width, self.sentence = processor, sentence.width, sentence

    def forward(self, inputs: SentenceBags, /) -> Features:
        """Encode reports."""
        lengths = inputs.offsets.diff()
        states = self.sentence(inputs.bags).pooled
        longest = int(lengths.max()) if len(lengths) else 1
        mask = torch.arange(longest, device=states.device) < lengths[:, None]
        tokens = states.new_zeros(*mask.shape, self.width).masked_scatter(mask[..., None], states)
        return Features(tokens.sum(1) / lengths.clamp(min=1)[:, None], tokens, mask)

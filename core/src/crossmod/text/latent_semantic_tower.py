"""The tower of latent semantic analysis: a projection that is read off the training texts and never trained."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from crossmod.contracts.tower import Features, Tower
from crossmod.text.latent_semantics import LatentSemanticProcessor
from crossmod.text.ngram_inputs import NgramInputs


class LatentSemanticTower(Tower):
    """Coordinates of a text's weighted n-grams along the directions of its processor, of unit length.

    There is no parameter in it: the directions are part of the processor, and stored with it.

    Args:
        processor: Makes its inputs and holds the directions.
    """

    basis: Tensor

    def __init__(self, processor: LatentSemanticProcessor) -> None:
        super().__init__()
        self.processor, self.width = processor, processor.width
        self.register_buffer("basis", torch.from_numpy(processor.basis), persistent=False)

    def forward(self, inputs: NgramInputs, /) -> Features:
        """Encode texts; one whose n-grams span none of the directions is the zero vector."""
        bag = functional.embedding_bag(
            inputs.buckets.long(),
            self.basis,
            inputs.offsets,
            mode="sum",
            per_sample_weights=inputs.weights.to(self.basis.dtype),
            include_last_offset=True,
        )
        return Features(functional.normalize(bag.float(), dim=1, eps=1e-8))

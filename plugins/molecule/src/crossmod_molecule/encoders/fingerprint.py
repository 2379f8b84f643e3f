"""The fingerprint tower: a multilayer perceptron whose first layer reads only the bits that are set."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod.contracts.tower import Features, Tower
from crossmod_molecule.encoders.settings import MorganFingerprint
from crossmod_molecule.fingerprints import FingerprintInputs
from crossmod_molecule.processors import FingerprintProcessor


class BitLayer(nn.Module):
    """A linear layer over `log(1 + count)`, summed over the set bits alone: some fifty of two thousand.

    Args:
        bits: Size of the fingerprint.
        width: Outputs.
        dropout: Share of set bits left out in training.
    """

    def __init__(self, bits: int, width: int, dropout: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(bits, width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.dropout = nn.Dropout(dropout)
        # A molecule sets some fifty bits, not all of them: the usual 1/sqrt(bits) would start far too small.
        nn.init.normal_(self.weight, std=50**-0.5)

    def forward(self, inputs: FingerprintInputs) -> Float[Tensor, "molecules width"]:
        """Sum the rows of the set bits, weighted by their log counts."""
        weights = self.dropout(inputs.log_counts).to(self.weight.dtype)
        summed = functional.embedding_bag(
            inputs.bits.long(), self.weight, inputs.offsets[:-1], mode="sum", per_sample_weights=weights
        )
        return summed + self.bias


class FingerprintTower(Tower):
    """Morgan count fingerprints to features.

    Args:
        settings: Sizes and choices.
        processor: What reads SMILES for this tower.
    """

    def __init__(self, settings: MorganFingerprint, processor: FingerprintProcessor) -> None:
        super().__init__()
        self.width = settings.width
        self.processor = processor
        self.bits = BitLayer(processor.size, settings.width, settings.bit_dropout)
        layers: list[nn.Module] = []
        for _ in range(settings.depth - 1):
            layers += [
                nn.LayerNorm(settings.width),
                nn.GELU(),
                nn.Dropout(settings.dropout),
                nn.Linear(settings.width, settings.width),
            ]
        self.layers = nn.Sequential(*layers, nn.LayerNorm(settings.width))

    def forward(self, inputs: FingerprintInputs, /) -> Features:
        """Encode molecules; a fingerprint has no tokens."""
        return Features(self.layers(self.bits(inputs)))

"""The n-gram bag tower: one embedding a bucket, summed, then a small MLP; minutes where a transformer takes hours."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from crossmod.contracts.tower import Features, Tower
from crossmod.text.ngram_inputs import NgramInputs
from crossmod.text.ngrams import NgramProcessor


class NgramBagTower(Tower):
    """Sum of weighted n-gram embeddings, LayerNorm, residual MLP layers, LayerNorm (after fastText, arXiv:1607.01759).

    Initialisation: embeddings normal with deviation width^-0.5, so that a bag of unit length starts with about
    unit length; MLP weights as in the transformer's blocks, biases zero.

    Args:
        processor: The processor that makes its inputs; fixes the number of buckets.
        width: Width of the embeddings and of the pooled vector.
        depth: Number of residual MLP layers; 0 leaves a normalised sum of embeddings.
        expansion: Width of the hidden layer of the MLPs, in widths.
        dropout: Probability of dropping a component of the normalised bag and of what a layer adds.
        ngram_dropout: Mean probability of dropping an n-gram in training. Each text draws its own probability,
            uniform from 0 to twice the mean, so that some texts are seen almost whole and some in pieces.
    """

    def __init__(
        self,
        processor: NgramProcessor,
        *,
        width: int,
        depth: int,
        expansion: float = 2.0,
        dropout: float = 0.0,
        ngram_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.processor = processor
        self.width = width
        self.ngram_dropout = ngram_dropout
        self.embedding = nn.EmbeddingBag(processor.buckets, width, mode="sum", include_last_offset=True)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)
        self.bag_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(ResidualMlp(width, expansion, dropout, depth) for _ in range(depth))
        self.norm = nn.LayerNorm(width) if depth else nn.Identity()

    def forward(self, inputs: NgramInputs, /) -> Features:
        """Encode texts."""
        weights = self._thinned(inputs.weights, inputs.offsets)
        bag = self.embedding(inputs.buckets.long(), inputs.offsets, per_sample_weights=weights)
        pooled = self.dropout(self.bag_norm(bag))
        for layer in self.layers:
            pooled = layer(pooled)
        return Features(self.norm(pooled))

    def _thinned(self, weights: Float[Tensor, "total"], offsets: Int64[Tensor, "bounds"]) -> Float[Tensor, "total"]:
        """Weights with a random share at zero; nothing is rescaled, as the LayerNorm that follows undoes scale."""
        if not self.training or self.ngram_dropout == 0:
            return weights
        lengths = offsets[1:] - offsets[:-1]
        rate = 2 * self.ngram_dropout * torch.rand(len(lengths), device=weights.device)
        dropped = torch.rand_like(weights) < torch.repeat_interleave(rate, lengths, output_size=len(weights))
        return weights.masked_fill(dropped, 0.0)


class ResidualMlp(nn.Module):
    """x + mlp(norm(x))."""

    def __init__(self, width: int, expansion: float, dropout: float, depth: int) -> None:
        super().__init__()
        hidden = int(width * expansion)
        self.norm = nn.LayerNorm(width)
        self.enter = nn.Linear(width, hidden)
        self.leave = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.enter.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(self.leave.weight, std=width**-0.5 * (2 * depth) ** -0.5)
        nn.init.zeros_(self.enter.bias)
        nn.init.zeros_(self.leave.bias)

    def forward(self, features: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Transform features."""
        hidden = functional.gelu(self.enter(self.norm(features)))
        added: Tensor = self.dropout(self.leave(self.dropout(hidden)))
        return features + added

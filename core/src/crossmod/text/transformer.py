"""The text transformer: trained from scratch on a corpus's own vocabulary, and able to hide its tokens."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod.contracts.tower import Features, Tokens, TokenTower
from crossmod.errors import UserError
from crossmod.text.block import AttentionPooling, TransformerBlock, masked_mean
from crossmod.text.buckets import length_buckets
from crossmod.text.byte_pair import MASK, PADDING, SPECIALS, BytePairProcessor
from crossmod.text.inputs import TextInputs


class TextTransformerTower(TokenTower):
    """Pre-norm transformer over byte-pair tokens, with learned positions.

    Initialisation: token embeddings normal with deviation 0.02 and positions 0.01, blocks as in CLIP's text
    encoder (arXiv:2103.00020, released code). A hidden token is replaced by the embedding of [MASK].

    Args:
        processor: The processor that makes its inputs; fixes the vocabulary and the longest text.
        width: Width of tokens and of the pooled vector.
        depth: Number of blocks.
        heads: Attention heads; they divide the width.
        expansion: Width of the hidden layer of the MLPs, in widths.
        dropout: Probability of dropping a component of the embedded tokens and of what each branch adds.
        pooling: "mean" of the real tokens, the first token ("cls"), or "attention" of a learned query.
        buckets: Most sub-batches by length that a batch is computed in; 1 pads all to the longest.
    """

    def __init__(
        self,
        processor: BytePairProcessor,
        *,
        width: int,
        depth: int,
        heads: int,
        expansion: float = 4.0,
        dropout: float = 0.0,
        pooling: Literal["mean", "cls", "attention"] = "mean",
        buckets: int = 8,
    ) -> None:
        super().__init__()
        if width % heads:
            raise UserError(f"the text width {width} does not divide into {heads} heads; take a multiple of {heads}.")
        if pooling not in ("mean", "cls", "attention"):
            raise UserError(f"the text pooling is {pooling!r}; take 'mean', 'cls' or 'attention'.")
        self.processor = processor
        self.width = width
        self.vocabulary = processor.vocabulary
        self.pooling = pooling
        self.buckets = buckets
        self.embedding = nn.Embedding(self.vocabulary, width)
        self.positions = nn.Parameter(torch.empty(processor.length, width))
        nn.init.normal_(self.embedding.weight, std=0.02)
        nn.init.normal_(self.positions, std=0.01)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, expansion, dropout, depth) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.attention_pooling = AttentionPooling(width, heads) if pooling == "attention" else None

    def forward(self, inputs: TextInputs, /) -> Features:
        """Encode texts."""
        ids, real = inputs.padded(PADDING)
        return self._encode(self.embedding(ids), real)

    def tokenise(self, inputs: TextInputs, /) -> Tokens:
        """Embed texts; every token but the specials may be hidden, and its id is the target."""
        ids, real = inputs.padded(PADDING)
        return Tokens(values=self.embedding(ids), targets=ids, mask=real & (ids >= len(SPECIALS)), context=real)

    def encode(self, tokens: Tokens, keep: Bool[Tensor, "batch length"], /) -> Features:
        """Encode with the tokens where `keep` is false replaced by the embedding of [MASK].

        Padding has no part in it, whatever `keep` says of it.
        """
        hidden_token = self.embedding.weight[MASK].to(tokens.values.dtype)
        values = torch.where(keep[..., None], tokens.values, hidden_token)
        return self._encode(values, tokens.context)

    def _encode(self, values: Float[Tensor, "batch length width"], real: Bool[Tensor, "batch length"]) -> Features:
        """Encode sub-batches of like length and bring them back into the order of the batch."""
        batch, length, _ = values.shape
        if not batch:
            return Features(values.new_zeros(0, self.width), values, real)
        buckets = length_buckets(real.sum(1), self.buckets)
        parts = []
        for rows, longest, even in buckets:
            whole = len(buckets) == 1
            part = values if whole else values[rows, :longest]
            mask = real if whole else real[rows, :longest]
            parts.append(self._encode_bucket(part, mask, even))
        if len(buckets) == 1:
            pooled, tokens = parts[0]
            return Features(pooled, tokens, real)
        order = torch.cat([bucket.rows for bucket in buckets])
        back = torch.argsort(order)
        pooled = torch.cat([part for part, _ in parts])[back]
        padded = [functional.pad(part, (0, 0, 0, length - part.shape[1])) for _, part in parts]
        return Features(pooled, torch.cat(padded)[back], real)

    def _encode_bucket(
        self, values: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"], even: bool
    ) -> tuple[Float[Tensor, "batch width"], Float[Tensor, "batch length width"]]:
        tokens = self.dropout(values + self.positions[: values.shape[1]])
        for block in self.blocks:
            tokens = block(tokens, None if even else mask)
        # Zero at padding, so that a batch's tokens do not depend on which bucket a text was computed in.
        tokens = self.norm(tokens).masked_fill(~mask[..., None], 0.0)
        if self.attention_pooling is not None:
            return self.attention_pooling(tokens, mask), tokens
        return (tokens[:, 0] if self.pooling == "cls" else masked_mean(tokens, mask)), tokens

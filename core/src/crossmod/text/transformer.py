"""The text transformer: trained from scratch on a corpus's own vocabulary, and able to hide its tokens."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.contracts.tower import Features, Tokens, TokenTower
from crossmod.errors import UserError
from crossmod.text.block import AttentionPooling, TransformerBlock, masked_mean
from crossmod.text.byte_pair import MASK, PADDING, SPECIALS, BytePairProcessor
from crossmod.text.inputs import TextInputs
from crossmod.text.packed_tokens import Packing


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
        packed: Whether the blocks see real tokens alone, end to end, which costs nothing for padding; false where
            something listens to the blocks or changes their states in between (taps, bridges).
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
        packed: bool = True,
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
        self.packed = packed
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
        packing = Packing.of(real) if self.packed else None
        tokens = values + self.positions[: values.shape[1]]
        tokens = self.dropout(tokens if packing is None else packing.pack(tokens))
        for block in self.blocks:
            tokens = block(tokens, real if packing is None else packing)
        tokens = self.norm(tokens)
        tokens = tokens.masked_fill(~real[..., None], 0.0) if packing is None else packing.unpack(tokens)
        if self.attention_pooling is not None:
            return Features(self.attention_pooling(tokens, real), tokens, real)
        return Features(tokens[:, 0] if self.pooling == "cls" else masked_mean(tokens, real), tokens, real)

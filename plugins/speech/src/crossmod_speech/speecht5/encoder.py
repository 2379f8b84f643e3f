"""The shared encoder: self-attention with learned relative positions, whatever modality the tokens come from."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.residual import FeedForward, NormPlace, Residual
from crossmod.text.packed_tokens import Packing
from crossmod_speech.encoders.relative_attention import RelativeAttention


class EncoderLayer(nn.Module):
    """Self-attention with relative positions on the keys, then an MLP.

    Args:
        width: Width of the tokens.
        heads: Attention heads.
        expansion: Width of the hidden layer of the MLP, in widths.
        dropout: Probability of dropping a component of what each branch adds.
        norm: After each sum ("post", as published) or before each branch ("pre").
    """

    def __init__(self, width: int, heads: int, *, expansion: float, dropout: float, norm: NormPlace) -> None:
        super().__init__()
        self.attention = RelativeAttention(width, heads, positions="relative")
        self.attention_residual = Residual(width, norm=norm, dropout=dropout)
        self.feed_forward = FeedForward(width, expansion)
        self.feed_forward_residual = Residual(width, norm=norm, dropout=dropout)

    def forward(self, tokens: Float[Tensor, "total width"], packing: Packing) -> Float[Tensor, "total width"]:
        """Transform packed tokens."""
        tokens = self.attention_residual(tokens, lambda normed: packing.pack(self._attended(normed, packing)))
        transformed: Tensor = self.feed_forward_residual(tokens, self.feed_forward)
        return transformed

    def _attended(self, tokens: Float[Tensor, "total width"], packing: Packing) -> Float[Tensor, "batch length width"]:
        attended: Tensor = self.attention(packing.unpack(tokens), packing.real)
        return attended


class SharedEncoder(nn.Module):
    """Layers behind one norm (post-norm) or before it (pre-norm); all but attention runs on real tokens alone.

    Args:
        width, heads, expansion, dropout, norm: See `EncoderLayer`.
        depth: How many layers (12 as published).
        layer_drop: Probability of leaving a layer out of a training step (0.05 as published).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        depth: int,
        *,
        expansion: float = 4.0,
        dropout: float = 0.1,
        norm: NormPlace = "post",
        layer_drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.place, self.layer_drop = norm, layer_drop
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            EncoderLayer(width, heads, expansion=expansion, dropout=dropout, norm=norm) for _ in range(depth)
        )

    def forward(
        self, tokens: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length width"]:
        """Encode tokens; the states are zero where `mask` is false.

        Shape:
            mask: [batch, length]; true = real token.
        """
        packing = Packing.of(mask)
        packed = packing.pack(tokens)
        packed = self.dropout(self.norm(packed) if self.place == "post" else packed)
        for layer in self.layers:
            if self.training and self.layer_drop and torch.rand(()).item() < self.layer_drop:
                continue
            packed = layer(packed, packing)
        return packing.unpack(packed if self.place == "post" else self.norm(packed))

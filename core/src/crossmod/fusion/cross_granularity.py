"""Another modality at two granularities in one branch: its tokens by attention, its mean for every token alike."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.attention import MultiHeadAttention
from crossmod.fusion.batches import require_one_batch
from crossmod.fusion.masks import without_padding
from crossmod.fusion.residual import FeedForward, Residual
from crossmod.text.block import masked_mean


class CrossGranularityLayer(nn.Module):
    """Self-attention; norm(tokens + cross(tokens, context) + P pooled); MLP, each with a post-norm.

    Cross-granularity fusion of SimCroP: its abstract has instance-level and word-patch-level evidence in one module;
    this form is that of the group's earlier code (ToniChopp/ECAMP, MIT, the 2-D relative), not verified for SimCroP.

    Args:
        width: Width of the tokens.
        heads: Attention heads; they divide the width.
        context_width: Width of context and pooled vector; None is `width`.
        expansion: Width of the hidden layer of the MLP, in widths.
        dropout: Probability of dropping a component of what each branch adds.

    Raises:
        ValueError: The heads do not divide the width.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        context_width: int | None = None,
        expansion: float = 4.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.own = MultiHeadAttention(width, heads)
        self.cross = MultiHeadAttention(width, heads, context_width=context_width)
        # Without a bias, so that no evidence adds nothing.
        self.whole = nn.Linear(width if context_width is None else context_width, width, bias=False)
        self.mlp = FeedForward(width, expansion)
        self.own_residual, self.evidence_residual, self.mlp_residual = (
            Residual(width, norm="post", dropout=dropout) for _ in range(3)
        )

    def forward(
        self,
        tokens: Float[Tensor, "batch length width"],
        context: Float[Tensor, "batch keys context_width"],
        pooled: Float[Tensor, "batch context_width"],
        *,
        mask: Bool[Tensor, "batch length"] | None = None,
        context_mask: Bool[Tensor, "batch keys"] | None = None,
    ) -> Float[Tensor, "batch length width"]:
        """Transform the tokens.

        Shape:
            tokens: [batch, length, width]; context: [batch, keys, context_width]; pooled: [batch, context_width].
            mask: [batch, length]; true = real token; context_mask: [batch, keys]; true = real key.

        Raises:
            ValueError: Batches or masks do not fit.
        """
        require_one_batch(tokens=tokens, context=context, pooled=pooled)
        tokens = self.own_residual(tokens, lambda normed: self.own(normed, normed, mask))
        whole = self.whole(pooled)[:, None]
        tokens = self.evidence_residual(tokens, lambda normed: self.cross(normed, context, context_mask) + whole)
        mixed: Tensor = self.mlp_residual(tokens, self.mlp)
        return mixed


class CrossGranularityDecoder(nn.Module):
    """Tokens brought to a width, then layers that read the same context and its mean.

    Args:
        token_width: Width of the tokens that come in.
        context_width: Width of the context.
        width: Width of the layers.
        depth: Number of layers.
        heads: Attention heads; they divide the width.
        dropout: Probability of dropping a component of what each branch adds.

    Raises:
        ValueError: The heads do not divide the width.
    """

    def __init__(
        self, token_width: int, context_width: int, *, width: int, depth: int, heads: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(token_width, width)
        self.layers = nn.ModuleList(
            CrossGranularityLayer(width, heads, context_width=context_width, dropout=dropout) for _ in range(depth)
        )

    def forward(
        self,
        tokens: Float[Tensor, "batch length token_width"],
        context: Float[Tensor, "batch keys context_width"],
        *,
        mask: Bool[Tensor, "batch length"] | None = None,
        context_mask: Bool[Tensor, "batch keys"] | None = None,
    ) -> Float[Tensor, "batch length width"]:
        """The states of the tokens; the pooled vector is the mean of the context's real tokens.

        Shape:
            tokens: [batch, length, token_width]; context: [batch, keys, context_width]; masks as in the layer.

        Raises:
            ValueError: Batches or masks do not fit.
        """
        require_one_batch(tokens=tokens, context=context)
        real = context.new_ones(context.shape[:2], dtype=torch.bool) if context_mask is None else context_mask
        pooled = masked_mean(without_padding("context_mask", context, context_mask), real)
        states: Tensor = self.enter(without_padding("mask", tokens, mask))
        for layer in self.layers:
            states = layer(states, context, pooled, mask=mask, context_mask=context_mask)
        return states

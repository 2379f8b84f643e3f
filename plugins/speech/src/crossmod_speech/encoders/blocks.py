"""The two blocks of speech encoders: a pre-norm transformer's, and a Conformer's."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from crossmod.fusion.residual import FeedForward, Residual
from crossmod.text.packed_tokens import Packing
from crossmod_speech.encoders.relative_attention import Positions, RelativeAttention, Rotation

ConvolutionNorm = Literal["layer", "batch"]


class RelativeBlock(nn.Module):
    """Self-attention with relative positions, then an MLP, both pre-norm (arXiv:2002.04745).

    Args:
        width: Width of the tokens.
        heads: Attention heads.
        expansion: Width of the hidden layer of the MLP, in widths.
        dropout: Probability of dropping a component of what a branch adds.
        positions: How attention knows distances.
    """

    def __init__(
        self, width: int, heads: int, *, expansion: float = 4.0, dropout: float = 0.0, positions: Positions = "rotary"
    ) -> None:
        super().__init__()
        self.attention = RelativeAttention(width, heads, positions=positions)
        self.attention_residual = Residual(width, dropout=dropout)
        self.feed_forward = FeedForward(width, expansion)
        self.feed_forward_residual = Residual(width, dropout=dropout)

    def forward(
        self,
        tokens: Float[Tensor, "... width"],
        seen: Bool[Tensor, "batch length"] | Packing,
        angles: Rotation | None = None,
    ) -> Float[Tensor, "... width"]:
        """Transform padded or packed tokens; the arguments are `RelativeAttention`'s."""
        tokens = self.attention_residual(tokens, lambda normed: self.attention(normed, seen, angles))
        transformed: Tensor = self.feed_forward_residual(tokens, self.feed_forward)
        return transformed


class ConformerBlock(nn.Module):
    """Half an MLP, self-attention, a convolution, half an MLP, a norm (Conformer, arXiv:2005.08100).

    Attention has rotary or learned relative positions where the paper has Transformer-XL's.

    Args:
        width: Width of the tokens.
        heads: Attention heads.
        kernel: Tokens that the convolution sees; odd.
        expansion: Width of the hidden layers of the MLPs, in widths.
        dropout: Probability of dropping a component of what a branch adds.
        positions: How attention knows distances.
        convolution_norm: The norm inside the convolution branch.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        kernel: int = 15,
        expansion: float = 4.0,
        dropout: float = 0.0,
        positions: Positions = "rotary",
        convolution_norm: ConvolutionNorm = "layer",
    ) -> None:
        super().__init__()
        self.before = _swish_feed_forward(width, expansion)
        self.attention = RelativeAttention(width, heads, positions=positions)
        self.convolution = ConvolutionBranch(width, kernel, convolution_norm)
        self.after = _swish_feed_forward(width, expansion)
        self.residuals = nn.ModuleList(Residual(width, dropout=dropout) for _ in range(4))
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        tokens: Float[Tensor, "batch length width"],
        seen: Bool[Tensor, "batch length"],
        angles: Rotation | None = None,
    ) -> Float[Tensor, "batch length width"]:
        """Transform padded tokens.

        Shape:
            seen: [batch, length]; true = real token.
        """
        half_before, attention, convolution, half_after = self.residuals
        tokens = half_before(tokens, lambda normed: 0.5 * self.before(normed))
        tokens = attention(tokens, lambda normed: self.attention(normed, seen, angles))
        tokens = convolution(tokens, lambda normed: self.convolution(normed, seen))
        transformed: Tensor = self.norm(half_after(tokens, lambda normed: 0.5 * self.after(normed)))
        return transformed


class ConvolutionBranch(nn.Module):
    """Pointwise to a gated linear unit, depthwise, norm, swish, pointwise (Conformer's convolution module).

    Args:
        width: Width of the tokens.
        kernel: Tokens that the depthwise convolution sees; odd.
        norm: "layer" norm of every token; or the paper's "batch" norm, over real tokens only, under which samples
            depend on their batch in training, so that encoding in chunks is another computation.

    Raises:
        ValueError: The kernel is even, and so has no middle.
    """

    def __init__(self, width: int, kernel: int, norm: ConvolutionNorm = "layer") -> None:
        super().__init__()
        if kernel < 1 or not kernel % 2:
            raise ValueError(f"the convolution sees {kernel} tokens; take an odd number.")
        self.gated = nn.Linear(width, 2 * width)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm: nn.Module = nn.LayerNorm(width) if norm == "layer" else nn.BatchNorm1d(width)
        self.out = nn.Linear(width, width)

    def forward(
        self, tokens: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length width"]:
        """Mix neighbouring tokens; those where `mask` is false are zeros to their neighbours.

        Shape:
            mask: [batch, length]; true = real token.
        """
        gated = functional.glu(self.gated(tokens)).masked_fill(~mask[..., None], 0.0)
        mixed: Tensor = self.depthwise(gated.transpose(1, 2)).transpose(1, 2)
        normed: Tensor = self.norm(mixed) if isinstance(self.norm, nn.LayerNorm) else self._batch_normed(mixed, mask)
        out: Tensor = self.out(functional.silu(normed))
        return out

    def _batch_normed(self, mixed: Tensor, mask: Bool[Tensor, "batch length"]) -> Tensor:
        normed = self.norm(mixed[mask])
        return torch.zeros_like(mixed, dtype=normed.dtype).masked_scatter(mask[..., None], normed)


def _swish_feed_forward(width: int, expansion: float) -> nn.Sequential:
    hidden = int(width * expansion)
    return nn.Sequential(nn.Linear(width, hidden), nn.SiLU(), nn.Linear(hidden, width))

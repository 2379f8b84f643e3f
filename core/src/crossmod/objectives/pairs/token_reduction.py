"""Wukong's token reduction: hundreds of tokens become a few learned mixtures, which makes late interaction cheap."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.objectives.pairs.tokens import real_tokens


class Reduced(NamedTuple):
    """Mixtures of tokens, and what each is mixed from. Shape: tokens [batch, kept, dim]; maps [batch, kept, length]."""

    tokens: Float[Tensor, "batch kept dim"]
    maps: Float[Tensor, "batch kept length"]


class GroupedLinear(nn.Module):
    """A 1x1 convolution with groups, on tokens: each of `groups` slices of the width has a linear map of its own.

    Raises:
        ValueError: The groups do not divide the width.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        if groups < 1 or width % groups:
            raise ValueError(f"{groups} groups do not divide the token width {width}; take a divisor of {width}")
        self.convolution = nn.Conv1d(width, width, 1, groups=groups)

    def forward(self, tokens: Float[Tensor, "batch length dim"]) -> Float[Tensor, "batch length dim"]:
        """Map every token."""
        mapped: Tensor = self.convolution(tokens.transpose(1, 2))
        return mapped.transpose(1, 2)


class TokenReducer(nn.Module):
    """A = softmax_p(W_M G(LN(x))), out = dropout(A F(x)): TokenLearner without an activation (Wukong, 2202.06767).

    The maps are formed from normalised tokens and applied to those that are not. Only 1x1 convolutions: the order of
    tokens, and so the shape of their grid, does not matter. Wukong's towers have no padding; -inf at padding before
    the softmax is crossmod's own [ours].

    Args:
        width: Width of the tokens (256 after Wukong's projection).
        kept: Number of mixtures (12 for ViT-B/32, 24 for ViT-L/14).
        groups: Groups of both grouped convolutions (8).
        dropout: Probability on the mixtures (0).
        keep_first: Set the first token ([CLS]) aside and put it, unchanged, in front of the mixtures.

    Raises:
        ValueError: The groups do not divide the width, or nothing is kept.
    """

    def __init__(
        self, width: int, kept: int, *, groups: int = 8, dropout: float = 0.0, keep_first: bool = False
    ) -> None:
        super().__init__()
        if kept < 1:
            raise ValueError(f"a token reducer keeps {kept} tokens; keep at least one")
        self.keep_first = keep_first
        self.norm = nn.LayerNorm(width)
        self.into_maps = nn.Sequential(GroupedLinear(width, groups), nn.Linear(width, kept))
        self.values = GroupedLinear(width, groups)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "batch length dim"], mask: Bool[Tensor, "batch length"] | None = None
    ) -> Reduced:
        """Reduce every sample's tokens.

        Shape:
            tokens: [batch, length, dim]; mask: [batch, length], true = real; the first is real with `keep_first`.

        Raises:
            ValueError: A sample has no real token, or the mask does not fit.
        """
        first = tokens[:, :1] if self.keep_first else tokens[:, :0]
        start = first.shape[1]
        rest = tokens[:, start:]
        real = real_tokens("the reducer", rest, None if mask is None else mask[:, start:])
        rest = rest.masked_fill(~real[..., None], 0.0)
        scores: Tensor = self.into_maps(self.norm(rest))
        maps = scores.masked_fill(~real[..., None], -torch.inf).softmax(1).transpose(1, 2)
        mixed = self.dropout(maps @ self.values(rest))
        return Reduced(torch.cat([first.to(mixed.dtype), mixed], 1), maps)

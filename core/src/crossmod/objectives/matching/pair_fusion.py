"""What scores a pair jointly: the contract of a fusion, and the plainest one, over concatenated tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from crossmod.contracts.tower import Features
from crossmod.text.block import TransformerBlock


class PairFusion(nn.Module, ABC):
    """Turns the features of pairs into one vector a pair.

    Attributes:
        width: Width of that vector.
        states: Of how many top layers it reads the states (`Features.hidden`) of each side; mostly none.
    """

    width: int
    states: int = 0

    @abstractmethod
    def forward(self, a: Features, b: Features, /) -> Float[Tensor, "pairs width"]:
        """Fuse row i of `a` with row i of `b`."""


class ConcatenatedTokens(PairFusion):
    """Self-attention over the tokens of both sides behind one learned token, whose state is the pair's vector.

    As in ALPRO (arXiv:2112.09583), both sides are concatenated and there is no separate cross-attention. A side without
    tokens enters with its pooled vector as its one token. Masked tokens are never attended.

    Args:
        width_a: Width of the features of one side.
        width_b: Width of the other's.
        width: Width of the fused tokens.
        depth: Number of blocks.
        heads: Attention heads; they divide the width.
        dropout: Probability of dropping a component of what a branch adds.
    """

    def __init__(
        self, width_a: int, width_b: int, *, width: int = 256, depth: int = 2, heads: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if width % heads or depth < 1:
            raise ValueError(
                f"a fusion of width {width} with {heads} heads and {depth} blocks cannot be made; heads divide the "
                "width, and there is at least one block."
            )
        self.width = width
        self.project_a, self.project_b = nn.Linear(width_a, width), nn.Linear(width_b, width)
        self.pair = nn.Parameter(torch.empty(1, 1, width))
        self.side = nn.Parameter(torch.empty(2, width))
        nn.init.normal_(self.pair, std=0.02)
        nn.init.normal_(self.side, std=0.02)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, 4.0, dropout, depth) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, a: Features, b: Features, /) -> Float[Tensor, "pairs width"]:
        """Fuse row i of `a` with row i of `b`.

        Raises:
            ValueError: The sides differ in their number of rows.
        """
        fused: Tensor = self.norm(self._mixed(a, b)[:, 0])
        return fused

    def tokens_of_a(self, a: Features, b: Features, /) -> Float[Tensor, "pairs length_a width"]:
        """The fused tokens of `a`, row i fused with row i of `b`; a side without tokens has one.

        Raises:
            ValueError: The sides differ in their number of rows.
        """
        mixed = self._mixed(a, b)
        fused: Tensor = self.norm(mixed[:, 1 : 1 + as_tokens(a)[0].shape[1]])
        return fused

    def _mixed(self, a: Features, b: Features) -> Float[Tensor, "pairs length width"]:
        """The learned token, the tokens of `a` and those of `b`, behind the last block."""
        if len(a.pooled) != len(b.pooled):
            raise ValueError(f"{len(a.pooled)} rows cannot be fused with {len(b.pooled)}; give one row of each a pair.")
        (tokens_a, mask_a), (tokens_b, mask_b) = as_tokens(a), as_tokens(b)
        pair = self.pair.expand(len(tokens_a), -1, -1)
        tokens = torch.cat(
            [pair, self.project_a(tokens_a) + self.side[0], self.project_b(tokens_b) + self.side[1]], dim=1
        )
        mask = torch.cat([mask_a.new_ones(len(mask_a), 1), mask_a, mask_b], dim=1)
        for block in self.blocks:
            tokens = block(tokens, mask)
        return tokens


def as_tokens(features: Features) -> tuple[Float[Tensor, "rows length width"], Bool[Tensor, "rows length"]]:
    """The tokens and their mask; the pooled vector as one token where a tower has none."""
    tokens = features.pooled[:, None] if features.tokens is None else features.tokens
    if features.tokens is None or features.mask is None:
        return tokens, torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
    return tokens, features.mask


def take_features(features: Features, index: Int64[Tensor, "rows"]) -> Features:
    """The features at `index`, in that order, states of layers included; an index may repeat."""
    return Features(
        features.pooled[index],
        None if features.tokens is None else features.tokens[index],
        None if features.mask is None else features.mask[index],
        None if features.hidden is None else tuple(state[index] for state in features.hidden),
    )

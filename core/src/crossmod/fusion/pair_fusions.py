"""Ways to score a pair jointly: both streams read each other, one queries the other, or learned queries read it."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.contracts.tower import Features
from crossmod.fusion.bridged_encoder import PairPooler
from crossmod.fusion.co_attention import CoAttentionLayer
from crossmod.fusion.multi_source import MultiSourceEncoder
from crossmod.fusion.resampler import QueryGroup, QueryResampler, Source
from crossmod.fusion.two_stream import TwoStreamEncoder
from crossmod.objectives.matching.pair_fusion import PairFusion, as_tokens


class Stream(nn.Module):
    """One side's tokens in the width of the fusion, behind a learned token whose state will stand for the side."""

    def __init__(self, tower_width: int, width: int) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(tower_width, width), nn.LayerNorm(width))
        self.first = nn.Parameter(torch.empty(1, 1, width))
        nn.init.normal_(self.first, std=0.02)

    def forward(self, features: Features) -> tuple[Float[Tensor, "rows length width"], Bool[Tensor, "rows length"]]:
        """Tokens and mask; a side without tokens enters with its pooled vector as its one token."""
        tokens, mask = as_tokens(features)
        entered = self.project(tokens.masked_fill(~mask[..., None], 0.0))
        first = self.first.to(entered.dtype).expand(len(tokens), -1, -1)
        return torch.cat([first, entered], 1), torch.cat([mask.new_ones(len(mask), 1), mask], 1)


class CoAttentionFusion(PairFusion):
    """Co-attention layers (cross, self, MLP) over both streams, pooled to one vector (LXMERT, arXiv:1908.07490).

    Args:
        width_a: Width of the features of one side.
        width_b: Width of the other's.
        width: Width of each stream; the pair's vector has twice that.
        depth: Number of layers.
        heads: Attention heads; they divide the width.
        share_cross: Whether both directions read through the same weights.
        dropout: Probability of dropping a component of what a branch adds.
    """

    def __init__(
        self,
        width_a: int,
        width_b: int,
        *,
        width: int = 256,
        depth: int = 2,
        heads: int = 4,
        share_cross: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.width = 2 * width
        self.a, self.b = Stream(width_a, width), Stream(width_b, width)
        self.layers = nn.ModuleList(
            CoAttentionLayer(width, heads, share_cross=share_cross, dropout=dropout) for _ in range(depth)
        )
        self.pool = PairPooler(width)

    def forward(self, a: Features, b: Features, /) -> Float[Tensor, "pairs width"]:
        """Fuse row i of `a` with row i of `b`.

        Raises:
            ValueError: The sides differ in their number of rows.
        """
        (tokens_a, mask_a), (tokens_b, mask_b) = self.a(a), self.b(b)
        for layer in self.layers:
            tokens_a, tokens_b = layer(tokens_a, tokens_b, mask_a, mask_b)
        pooled: Tensor = self.pool(tokens_a, tokens_b)
        return pooled


class QueriedFusion(PairFusion):
    """Tokens of a that read those of b in every layer; the first one's state is the pair's vector.

    The multimodal encoder of MolFM (arXiv:2307.09484) and ALBEF (arXiv:2107.07651), with text as a.

    Args:
        width_a: Width of the features of the querying side.
        width_b: Width of the queried one's.
        width: Width of the fusion.
        depth: Number of layers.
        heads: Attention heads; they divide the width.
        dropout: Probability of dropping a component of what a branch adds.
    """

    def __init__(
        self, width_a: int, width_b: int, *, width: int = 256, depth: int = 2, heads: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.width = width
        self.a = Stream(width_a, width)
        self.encoder = MultiSourceEncoder(width, heads, depth, {"b": width_b}, dropout=dropout)

    def forward(self, a: Features, b: Features, /) -> Float[Tensor, "pairs width"]:
        """Fuse row i of `a` with row i of `b`.

        Raises:
            ValueError: The sides differ in their number of rows.
        """
        tokens, mask = self.a(a)
        fused: Tensor = self.encoder(tokens, mask, {"b": Source(*as_tokens(b))})
        return fused[:, 0]


class TwoStreamFusion(PairFusion):
    """Two streams of self-attention, cross-attention and MLP, pooled to one vector (METER, arXiv:2111.02387; M3AE).

    Args:
        width_a: Width of the features of one side.
        width_b: Width of the other's.
        width: Width of each stream; the pair's vector has twice that.
        depth: Number of layers.
        heads: Attention heads; they divide the width.
        dropout: Probability of dropping a component of what a branch adds.
    """

    def __init__(
        self, width_a: int, width_b: int, *, width: int = 256, depth: int = 2, heads: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.width = 2 * width
        self.a, self.b = Stream(width_a, width), Stream(width_b, width)
        self.encoder = TwoStreamEncoder(width, heads, depth, width_a=width, width_b=width, dropout=dropout)

    def forward(self, a: Features, b: Features, /) -> Float[Tensor, "pairs width"]:
        """Fuse row i of `a` with row i of `b`.

        Raises:
            ValueError: The sides differ in their number of rows.
        """
        (tokens_a, mask_a), (tokens_b, mask_b) = self.a(a), self.b(b)
        pooled: Tensor = self.encoder(tokens_a, tokens_b, mask_a, mask_b).pooled
        return pooled


class ResampledFusion(PairFusion):
    """Learned queries that read b beside the tokens of a; their mean is the pair's vector (Q-Former, arXiv:2301.12597).

    Q-Former averages each query's matching logit; of a linear head that is the logit of the average. Text is its a.

    Args:
        width_a: Width of the features of the side that stands beside the queries.
        width_b: Width of those that the queries read.
        queries: Number of queries.
        width: Width of the fusion.
        depth: Number of layers.
        heads: Attention heads; they divide the width.
        dropout: Probability of dropping a component of what a branch adds.
    """

    def __init__(
        self,
        width_a: int,
        width_b: int,
        *,
        queries: int = 8,
        width: int = 256,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.width = width
        self.a = Stream(width_a, width)
        self.resampler = QueryResampler(
            width, heads, depth, {"b": QueryGroup(count=queries, source_width=width_b)}, text=True, dropout=dropout
        )

    def forward(self, a: Features, b: Features, /) -> Float[Tensor, "pairs width"]:
        """Fuse row i of `a` with row i of `b`; a row whose b has no real token gives zeros.

        Raises:
            ValueError: The sides differ in their number of rows.
        """
        tokens, mask = self.a(a)
        read = self.resampler({"b": Source(*as_tokens(b))}, tokens, mask, kind="full")
        kept = read.mask[..., None].to(read.queries.dtype)
        mean: Tensor = (read.queries * kept).sum(1) / kept.sum(1).clamp(min=1)
        return mean

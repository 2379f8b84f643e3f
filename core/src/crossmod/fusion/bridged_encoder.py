"""BridgeTower: every cross-modal layer also hears the matching top layer of each tower (arXiv:2206.08657)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.batches import require_one_batch
from crossmod.fusion.cross_attention import CrossAttentionLayer
from crossmod.fusion.masks import without_padding


class Fused(NamedTuple):
    """What a two-stream fusion encoder returns.

    Shape:
        tokens_a: [batch, length_a, width].
        tokens_b: [batch, length_b, width].
        pooled: [batch, 2 * width]; tanh of a linear map of each side's first token, a before b.
    """

    tokens_a: Float[Tensor, "batch length_a width"]
    tokens_b: Float[Tensor, "batch length_b width"]
    pooled: Float[Tensor, "batch two_widths"]


class PairPooler(nn.Module):
    """[tanh(W_a z_a[0]); tanh(W_b z_b[0])]: the input of matching and answering heads."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a = nn.Linear(width, width)
        self.b = nn.Linear(width, width)

    def forward(
        self, tokens_a: Float[Tensor, "batch length_a width"], tokens_b: Float[Tensor, "batch length_b width"]
    ) -> Float[Tensor, "batch two_widths"]:
        """Pool both sides."""
        return torch.cat([self.a(tokens_a[:, 0]), self.b(tokens_b[:, 0])], -1).tanh()


class BridgedStream(nn.Module):
    """One side: LN_l(W y_l + e + z_{l-1}), then a cross-attention layer (self, cross, MLP; post-norm).

    The projection W is shared over the layers; norm and layer are of each depth.

    Args:
        width: Width of the fusion.
        state_width: Width of the tower's states.
        heads: Attention heads.
        depth: Number of layers.
        kinds: Number of type embeddings; the second input of one modality (two images of a pair) takes the second.
        dropout: Probability of dropping a component of what a branch adds.
    """

    def __init__(self, width: int, state_width: int, heads: int, depth: int, kinds: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.Linear(state_width, width)
        self.kinds = nn.Embedding(kinds, width)
        nn.init.normal_(self.kinds.weight, std=0.02)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(depth))
        self.layers = nn.ModuleList(
            CrossAttentionLayer(width, heads, norm="post", dropout=dropout) for _ in range(depth)
        )

    def bridge(
        self,
        depth: int,
        state: Float[Tensor, "batch length state_width"],
        previous: Float[Tensor, "batch length width"] | None,
        kind: int,
    ) -> Float[Tensor, "batch length width"]:
        """LayerNorm(x + y W): the bridge of one layer; the first has no x."""
        entered = self.project(state) + self.kinds.weight[kind]
        bridged: Tensor = self.norms[depth](entered if previous is None else entered + previous)
        return bridged


class BridgedCrossEncoder(nn.Module):
    """Cross-modal layers that are bridged to the last `depth` states of two towers (arXiv:2206.08657).

    Both sides of a layer are computed from the bridged inputs of that layer, neither from the other's update.

    Args:
        width: Width of the fusion (768 in the paper's base model).
        heads: Attention heads (12).
        depth: Number of layers (6).
        width_a: Width of the states of side a.
        width_b: Width of the states of side b.
        kinds_b: Type embeddings of side b; 2 where a sample may bring a second input of that modality.
        dropout: Probability of dropping a component of what a branch adds (0.1).
    """

    def __init__(
        self, width: int, heads: int, depth: int, *, width_a: int, width_b: int, kinds_b: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"a bridged encoder of depth {depth} fuses nothing; take at least 1.")
        self.depth = depth
        self.a = BridgedStream(width, width_a, heads, depth, 1, dropout)
        self.b = BridgedStream(width, width_b, heads, depth, kinds_b, dropout)
        self.pool = PairPooler(width)

    def forward(
        self,
        states_a: Sequence[Float[Tensor, "batch length_a width_a"]],
        states_b: Sequence[Float[Tensor, "batch length_b width_b"]],
        mask_a: Bool[Tensor, "batch length_a"] | None = None,
        mask_b: Bool[Tensor, "batch length_b"] | None = None,
        *,
        kind_b: int = 0,
    ) -> Fused:
        """Fuse the states of two towers, of which the last `depth` are used, lowest first.

        Raises:
            ValueError: A tower brings fewer states than there are layers, or states differ in their number of rows.
        """
        if min(len(states_a), len(states_b)) < self.depth:
            raise ValueError(
                f"{len(states_a)} and {len(states_b)} states were given to {self.depth} bridged layers; "
                "collect at least one state a layer from each tower."
            )
        for state in (*states_a[-self.depth :], *states_b[-self.depth :]):
            require_one_batch(first_state=states_a[-1], state=state)
        a: Tensor | None = None
        b: Tensor | None = None
        for depth, (state_a, state_b) in enumerate(zip(states_a[-self.depth :], states_b[-self.depth :], strict=True)):
            into_a = self.a.bridge(depth, without_padding("mask_a", state_a, mask_a), a, 0)
            into_b = self.b.bridge(depth, without_padding("mask_b", state_b, mask_b), b, kind_b)
            a = self.a.layers[depth](into_a, into_b, mask=mask_a, context_mask=mask_b)
            b = self.b.layers[depth](into_b, into_a, mask=mask_b, context_mask=mask_a)
        assert a is not None and b is not None
        return Fused(a, b, self.pool(a, b))

"""METER's co-attention, as M3AE and PTUnifier use it: two streams whose layers read each other's last state."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.bridged_encoder import PairPooler
from crossmod.fusion.cross_attention import CrossAttentionLayer, LayerOrder
from crossmod.fusion.masks import without_padding
from crossmod.fusion.residual import NormPlace


class StreamStates(NamedTuple):
    """What both streams held before each layer and after the last that ran.

    Shape:
        a: list of [batch, length_a, width]; entry k enters layer k, the last entry is the result.
        b: list of [batch, length_b, width].
        pooled: [batch, 2 * width]; tanh of a linear map of each side's first token, a before b.
    """

    a: list[Float[Tensor, "batch length_a width"]]
    b: list[Float[Tensor, "batch length_b width"]]
    pooled: Float[Tensor, "batch two_widths"]


class TwoStreamEncoder(nn.Module):
    """Two stacks of cross-attention layers, each reading the other's state from before the layer (arXiv:2111.02387).

    The fusion of METER, M3AE (arXiv:2209.07098) and PTUnifier (arXiv:2302.08958). Each side enters as W x + e with e
    the embedding of its modality. M3AE reconstructs pixels from what enters layer 3, words from the last state: run
    with `layers=3`, the layers above are neither computed nor trained.

    Args:
        width: Width of both streams (768).
        heads: Attention heads (12).
        depth: Layers of each stream (6).
        width_a: Width of the tokens of side a.
        width_b: Width of those of side b.
        order: Order of the branches of a layer.
        norm: Where the norms stand.
        dropout: Probability of dropping a component of what a branch adds (0.1).

    Raises:
        ValueError: There is no layer, or an option of the layers does not fit.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        depth: int,
        *,
        width_a: int,
        width_b: int,
        order: LayerOrder = "self-cross-mlp",
        norm: NormPlace = "post",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"a two-stream encoder of depth {depth} fuses nothing; take at least 1.")
        self.enter_a, self.enter_b = nn.Linear(width_a, width), nn.Linear(width_b, width)
        self.kinds = nn.Parameter(torch.empty(2, width))
        nn.init.normal_(self.kinds, std=0.02)
        self.layers_a, self.layers_b = (
            nn.ModuleList(
                CrossAttentionLayer(width, heads, order=order, norm=norm, dropout=dropout) for _ in range(depth)
            )
            for _ in range(2)
        )
        self.pool = PairPooler(width)

    def forward(
        self,
        tokens_a: Float[Tensor, "batch length_a width_a"],
        tokens_b: Float[Tensor, "batch length_b width_b"],
        mask_a: Bool[Tensor, "batch length_a"] | None = None,
        mask_b: Bool[Tensor, "batch length_b"] | None = None,
        *,
        layers: int | None = None,
    ) -> StreamStates:
        """Fuse both sides; masks are true at real tokens.

        Args:
            layers: How many layers run, from the first; None runs all.

        Raises:
            ValueError: More layers are asked for than there are, or the sides differ in their number of rows.
        """
        depth = len(self.layers_a)
        wanted = depth if layers is None else layers
        if not 0 <= wanted <= depth:
            raise ValueError(f"{layers} layers were asked for from an encoder of {depth}; take 0 to {depth}.")
        a = [self.enter_a(without_padding("mask_a", tokens_a, mask_a)) + self.kinds[0]]
        b = [self.enter_b(without_padding("mask_b", tokens_b, mask_b)) + self.kinds[1]]
        for layer_a, layer_b in list(zip(self.layers_a, self.layers_b, strict=True))[:wanted]:
            held_a, held_b = a[-1], b[-1]
            a.append(layer_a(held_a, held_b, mask=mask_a, context_mask=mask_b))
            b.append(layer_b(held_b, held_a, mask=mask_b, context_mask=mask_a))
        return StreamStates(a, b, self.pool(a[-1], b[-1]))

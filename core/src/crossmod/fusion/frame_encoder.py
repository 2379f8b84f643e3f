"""One encoder for what each frame shows and for what the whole recording tells (EA-VTR's two granularities)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.fusion.co_attention import OwnStage
from crossmod.fusion.segment_positions import SegmentPositions


class Granular(NamedTuple):
    """Vectors of two granularities from one pass.

    Shape:
        local: [batch, frames, width]; one a frame.
        overall: [batch, width]; one a recording.
    """

    local: Float[Tensor, "batch frames width"]
    overall: Float[Tensor, "batch width"]


class FrameEncoder(nn.Module):
    """A class token in every frame, and one over all frames' class tokens in time (EA-VTR, arXiv:2407.07478).

    The paper was read in its abstract and a summary only; (spec) is our exact definition. (spec) `depth` post-norm
    layers run within each frame behind its class token, whose state is the frame's vector; a recording's class token
    then attends to those vectors through `depth_in_time` layers. A recording without any real frame is its class token.

    Args:
        width: Width of the tokens.
        heads: Attention heads.
        depth: Layers within a frame.
        depth_in_time: Layers over the frames.
        positions: What tells the frames' order before the layers in time; None leaves them a set.
    """

    def __init__(
        self, width: int, heads: int, *, depth: int, depth_in_time: int = 1, positions: SegmentPositions | None = None
    ) -> None:
        super().__init__()
        self.classes = nn.Parameter(torch.empty(2, width))
        nn.init.normal_(self.classes, std=0.02)
        self.within = nn.ModuleList(OwnStage(width, heads, 4.0, 0.0) for _ in range(depth))
        self.over = nn.ModuleList(OwnStage(width, heads, 4.0, 0.0) for _ in range(depth_in_time))
        self.positions = positions

    def forward(
        self,
        tokens: Float[Tensor, "batch frames length width"],
        mask: Bool[Tensor, "batch frames"] | None = None,
        coordinates: Float[Tensor, "batch frames"] | None = None,
    ) -> Granular:
        """Encode recordings.

        Shape:
            mask: [batch, frames]; true = real frame. The local vectors of the others mean nothing.
            coordinates: [batch, frames]; of continuous positions.

        Raises:
            ValueError: The mask or the coordinates do not fit.
        """
        batch, frames, _, width = tokens.shape
        if mask is not None and (mask.dtype != torch.bool or mask.shape != (batch, frames)):
            raise ValueError(f"mask is {mask.dtype} {tuple(mask.shape)}; it has to be bool [{batch}, {frames}].")
        if coordinates is not None and self.positions is None:
            raise ValueError("coordinates were given to an encoder without positions; build it with SegmentPositions.")
        if mask is not None:
            tokens = tokens.masked_fill(~mask[..., None, None], 0.0)
        first, whole = self.classes.to(tokens.dtype)
        held = torch.cat([first.expand(batch * frames, 1, -1), tokens.flatten(0, 1)], 1)
        for layer in self.within:
            held = layer(held)
        local = held[:, 0].reshape(batch, frames, width)
        placed = local if self.positions is None else self.positions(local[:, :, None], mask, coordinates)[0]
        in_time = torch.cat([whole.expand(batch, 1, -1), placed], 1)
        seen = None if mask is None else torch.cat([mask.new_ones(batch, 1), mask], 1)
        for layer in self.over:
            in_time = layer(in_time, seen)
        return Granular(local, in_time[:, 0])

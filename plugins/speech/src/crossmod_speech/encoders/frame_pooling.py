"""One vector of an utterance from its frames."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor, nn

from crossmod.text.block import AttentionPooling, masked_mean

FramePoolingKind = Literal["mean", "attention"]


class FramePooling(nn.Module):
    """The mean of the real frames, or multi-head attention of one learned query over them (arXiv:1810.00825).

    Args:
        width: Width of the frames.
        heads: Heads of the attention; they divide the width.
        kind: Which of the two.
    """

    def __init__(self, width: int, heads: int, kind: FramePoolingKind) -> None:
        super().__init__()
        self.attention = AttentionPooling(width, heads) if kind == "attention" else None

    def forward(
        self, frames: Float[Tensor, "batch frames width"], mask: Bool[Tensor, "batch frames"]
    ) -> Float[Tensor, "batch width"]:
        """Pool; frames where `mask` is false have no part in it."""
        if self.attention is None:
            return masked_mean(frames, mask)
        pooled: Tensor = self.attention(frames, mask)
        return pooled

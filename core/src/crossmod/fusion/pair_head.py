"""The head of statements about two inputs: "B holds more than A" (LXMERT's and BridgeTower's head for NLVR2)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class PairHead(nn.Module):
    """Linear(2H, 2H), GELU, LN, Linear(2H, classes) on the pooled vectors of (input A, text) and (input B, text).

    The study of bridge architectures on NLVR2 compares fusion encoders and projectors under such a head (read in its
    abstract and summaries only, not verified). Order matters: swapping A and B is another question.

    Args:
        width: Width of one pooled vector.
        classes: Number of classes (2).
    """

    def __init__(self, width: int, classes: int = 2) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * width, 2 * width), nn.GELU(), nn.LayerNorm(2 * width), nn.Linear(2 * width, classes)
        )

    def forward(
        self, first: Float[Tensor, "batch width"], second: Float[Tensor, "batch width"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits of the classes."""
        logits: Tensor = self.layers(torch.cat([first, second], -1))
        return logits

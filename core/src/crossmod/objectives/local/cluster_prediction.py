"""Prediction of the cluster of hidden frames (HuBERT, arXiv:2106.07447; the encoder's speech loss of SpeechT5)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import normalize

from crossmod.objectives.local.reconstruction import masked_cross_entropy
from crossmod.objectives.local.shapes import require_shape
from crossmod.objectives.pairs.precision import widened


class ClusterPrediction(nn.Module):
    """logits_k = cos(A h, e_k) / temperature; the mean cross-entropy over hidden real frames.

    Args:
        width: Width of the states.
        clusters: Number of clusters. (500 in SpeechT5.)
        label_width: Width of the label embeddings. (256.)
        temperature: 0.1 in HuBERT and SpeechT5.

    Raises:
        ValueError: The temperature is not positive.
    """

    def __init__(self, width: int, clusters: int, *, label_width: int = 256, temperature: float = 0.1) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"the temperature of cluster prediction is {temperature}; it is positive")
        self.temperature = temperature
        self.project = nn.Linear(width, label_width)
        self.labels = nn.Parameter(torch.rand(clusters, label_width))

    def logits(self, states: Float[Tensor, "*frames width"]) -> Float[Tensor, "*frames clusters"]:
        """Similarity of every state with every cluster, at least in float32."""
        projected = self.project(states)
        wide = widened(projected)
        labels = normalize(self.labels.to(wide.dtype), dim=-1)
        with torch.autocast(wide.device.type, enabled=False):
            return normalize(wide, dim=-1) @ labels.T / self.temperature

    def forward(
        self,
        states: Float[Tensor, "batch length width"],
        clusters: Int64[Tensor, "batch length"],
        hidden: Bool[Tensor, "batch length"],
    ) -> Float[Tensor, ""]:
        """Score the hidden frames; a zero with gradient when none is hidden.

        Shape:
            states: [batch, length, width].
            clusters: [batch, length].
            hidden: [batch, length]; true = frame that was masked.

        Raises:
            ValueError: Frames differ in number.
        """
        require_shape(states.shape[:2], clusters=clusters, hidden=hidden)
        return masked_cross_entropy(self.logits(states[hidden]), clusters[hidden])

"""What tells images apart, brought to the size of what they share: features against the statistics of training."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class FeatureStandardisation(nn.Module):
    """x -> (x - mean) / deviation, feature by feature: batch norm without an affine map (arXiv:1502.03167).

    The vectors that an untrained tower makes of two images differ by a few percent. Where questions, which hardly two
    images share, tell training answers apart, the difference is never learned; standardised, it is there from the
    first step. (MAE, arXiv:2111.06377, puts the same layer before its linear probes.) In training the statistics are
    the batch's, of a chunk where batches are encoded in chunks, otherwise running ones. A single vector has no
    deviation, and takes the running statistics in training too.

    Args:
        width: Number of features.
        momentum: Share of a batch in the running statistics.
    """

    mean: Float[Tensor, "width"]
    variance: Float[Tensor, "width"]

    def __init__(self, width: int, momentum: float = 0.1) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def forward(self, x: Float[Tensor, "*vectors width"]) -> Float[Tensor, "*vectors width"]:
        """Standardise vectors."""
        return self._normalised(x, self.training)

    def settled(self, x: Float[Tensor, "*vectors width"]) -> Float[Tensor, "*vectors width"]:
        """Standardise by the running statistics and leave them: for parts of images, such as visible patches."""
        return self._normalised(x, False)

    def _normalised(self, x: Tensor, learning: bool) -> Tensor:
        flat = x.flatten(0, -2)
        learning = learning and len(flat) > 1
        return functional.batch_norm(flat, self.mean, self.variance, training=learning, momentum=self.momentum).view_as(
            x
        )

"""Vectors without what all samples have in common: towers whose samples differ little learn at once with it."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class PlaceCentring(nn.Module):
    """(x - mean) / deviation of every component of every place over the batch; running statistics in evaluation mode.

    Batch normalisation (arXiv:1502.03167) of embedded patches, each by those of its place: what is left is what sets a
    scan apart from the mean chest there, for scans that lie alike on their grid (ours).

    Args:
        places: Number of places.
        width: Number of components.
    """

    def __init__(self, places: int, width: int) -> None:
        super().__init__()
        # Places outside of every body hardly vary: what noise they have is not blown up to the size of a lesion.
        self.norm = nn.BatchNorm1d(places * width, affine=False, eps=1e-3)

    def forward(self, values: Float[Tensor, "batch places width"]) -> Float[Tensor, "batch places width"]:
        """Centre the places of every sample; a single one takes the running statistics."""
        flat = values.flatten(1)
        if self.training and len(flat) > 1:
            centred: Tensor = self.norm(flat)
            return centred.view_as(values)
        return _by_running_statistics(self.norm, flat).view_as(values)


class BatchCentring(nn.Module):
    """(x - mean) / deviation of every component over the batch; running statistics in evaluation mode.

    Batch normalisation (arXiv:1502.03167) without scale and offset, as projections of contrastive learning have it
    (SimCLR, arXiv:2002.05709). Chests resemble each other, and so do reports: cosines of pooled vectors all but equal
    one at first, a contrast then pushes all samples onto one vector, and parts them a hundred steps later.

    Args:
        width: Number of components.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width, affine=False)

    def forward(self, vectors: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Centre vectors; a single one has no batch to be centred in, and takes the running statistics."""
        if self.training and len(vectors) > 1:
            centred: Tensor = self.norm(vectors)
            return centred
        return self.applied(vectors)

    def of_real(
        self, vectors: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]
    ) -> Float[Tensor, "batch length width"]:
        """Centre the real vectors of padded sequences, all of a batch together; the others become zero."""
        centred = torch.zeros_like(vectors)
        centred[mask] = self(vectors[mask]).to(vectors.dtype)
        return centred

    def applied(self, vectors: Float[Tensor, "... width"]) -> Float[Tensor, "... width"]:
        """Centre vectors by the running statistics, and leave these as they are."""
        return _by_running_statistics(self.norm, vectors)


def _by_running_statistics(norm: nn.BatchNorm1d, vectors: Float[Tensor, "... width"]) -> Float[Tensor, "... width"]:
    mean, variance = norm.running_mean, norm.running_var
    assert isinstance(mean, Tensor) and isinstance(variance, Tensor)
    return (vectors - mean) * torch.rsqrt(variance + norm.eps)

"""k-means by Lloyd's iterations (Lloyd 1982), started by k-means++ (Arthur and Vassilvitskii 2007)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

ROWS_AT_ONCE = 16_384
"""Points whose distances to all centroids are held at a time."""


class Clustering(NamedTuple):
    """What k-means found.

    Shape:
        centroids: [clusters, dim].
        inertia: [iterations + 1] mean squared distance to the nearest centroid, before each iteration and at the end;
            it never rises.
    """

    centroids: Float[Tensor, "clusters dim"]
    inertia: Float[Tensor, "iterations"]


def nearest_centroids(
    points: Float[Tensor, "*points dim"], centroids: Float[Tensor, "clusters dim"]
) -> Int64[Tensor, "*points"]:
    """The nearest centroid of every point; the first of equally near ones.

    Shape:
        points: [..., dim]; returns: [...].
    """
    return _nearest(points.flatten(0, -2), centroids)[0].view(points.shape[:-1])


def k_means(
    points: Float[Tensor, "points dim"], clusters: int, *, iterations: int = 30, generator: torch.Generator
) -> Clustering:
    """Centroids that descend the mean squared distance of points to the nearest of them.

    A cluster that loses all its points moves to the point that is farthest from its centroid.

    Args:
        clusters: How many.
        iterations: Most of them; it ends earlier once no point changes its cluster.
        generator: Draws the first centroids.

    Shape:
        points: [points, dim], finite.

    Raises:
        ValueError: There are fewer points than clusters, or a point is not finite.
    """
    if not 1 <= clusters <= len(points):
        raise ValueError(f"{len(points)} points cannot be parted into {clusters} clusters; take at most as many")
    if not bool(torch.isfinite(points).all()):
        raise ValueError("a point is not finite, and so has no nearest centroid; leave it out")
    centroids = _spread(points, clusters, generator)
    own, squared = _nearest(points, centroids)
    inertia = [squared.mean()]
    for _ in range(iterations):
        counts = torch.bincount(own, minlength=clusters)
        sums = torch.zeros_like(centroids).index_add_(0, own, points)
        centroids = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], centroids)
        empty = (counts == 0).nonzero()[:, 0]
        centroids[empty] = points[squared.topk(len(empty)).indices]
        moved, squared = _nearest(points, centroids)
        inertia.append(squared.mean())
        if torch.equal(moved, own):
            break
        own = moved
    return Clustering(centroids, torch.stack(inertia))


def _spread(points: Tensor, clusters: int, generator: torch.Generator) -> Tensor:
    """First centroids: points drawn in proportion to the squared distance from those that are drawn already."""
    first = torch.randint(len(points), (1,), generator=generator)
    chosen = [points[first[0]]]
    squared = (points - chosen[0]).square().sum(1)
    for _ in range(1, clusters):
        reached = squared.double().cumsum(0)
        drawn = torch.rand(1, generator=generator, dtype=torch.float64) * reached[-1]
        place = int(torch.searchsorted(reached, drawn, right=True).clamp(max=len(points) - 1))
        chosen.append(points[place])
        squared = torch.minimum(squared, (points - points[place]).square().sum(1))
    return torch.stack(chosen)


def _nearest(points: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest centroid and squared distance of every point."""
    own, squared = [], []
    for part in torch.split(points, ROWS_AT_ONCE):
        apart = torch.addmm(centroids.square().sum(1), part, centroids.T, alpha=-2)
        least, nearest = apart.min(1)
        own.append(nearest)
        squared.append((least + part.square().sum(1)).clamp_min(0))
    if not own:
        return torch.zeros(0, dtype=torch.int64, device=points.device), points.new_zeros(0)
    return torch.cat(own), torch.cat(squared)

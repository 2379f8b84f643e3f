"""k-nearest-neighbour probe: no training at all, so it measures the space and nothing else.

Neighbours are those of highest cosine; a neighbour votes with weight exp(cosine / temperature), temperature
0.07 as in the evaluation of DINO (ICCV 2021).
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from crossmod_metrics.nearest import top_k
from crossmod_metrics.validation import require_class_indices, require_equal_lengths, require_rows


@torch.no_grad()
def knn_classify(
    train_features: Shaped[Tensor, "train dim"],
    train_labels: Int64[Tensor, " train"],
    features: Shaped[Tensor, "samples dim"],
    classes: int,
    *,
    k: int = 20,
    temperature: float = 0.07,
    chunk: int | None = None,
) -> Float[Tensor, "samples classes"]:
    """Share of the weighted votes of the k nearest training samples that every class gets.

    Shape: train_features (train, dim), features (samples, dim); result (samples, classes), rows sum to 1.

    Raises: ValueError for empty or non-finite features, labels outside the classes, or k above the training
    size.

    >>> train = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> knn_classify(train, torch.tensor([1, 0]), torch.tensor([[0.9, 0.1]]), classes=2, k=1).tolist()
    [[0.0, 1.0]]
    """
    require_equal_lengths(("train_features", "train_labels"), (train_features, train_labels))
    require_class_indices("train_labels", train_labels, classes)
    weights, indices = _votes(train_features, features, k, temperature, chunk)
    votes = weights.new_zeros(len(features), classes)
    return votes.scatter_add_(1, train_labels[indices], weights)


@torch.no_grad()
def knn_regress(
    train_features: Shaped[Tensor, "train dim"],
    train_targets: Shaped[Tensor, "train targets"],
    features: Shaped[Tensor, "samples dim"],
    *,
    k: int = 20,
    temperature: float = 0.07,
    chunk: int | None = None,
) -> Float[Tensor, "samples targets"]:
    """Weighted mean target of the k nearest training samples; with targets of 0 and 1 it scores binary tasks.

    A neighbour whose target is NaN does not vote on it. Where none of the k carries a target, the prediction
    is the training mean of that target.

    Shape: train_targets (train, targets); result (samples, targets), float64.

    Raises: ValueError as `knn_classify`, or for a target without a single training value.
    """
    require_rows("train_targets", train_targets, 2)
    require_equal_lengths(("train_features", "train_targets"), (train_features, train_targets))
    targets = train_targets.double()
    carried = ~torch.isnan(targets)
    if not bool(carried.any(dim=0).all()):
        raise ValueError(f"target {int(carried.any(dim=0).int().argmin())} has no training value; drop the column.")
    weights, indices = _votes(train_features, features, k, temperature, chunk)
    filled = targets.nan_to_num(0.0)
    total = torch.zeros(len(features), targets.shape[1], dtype=torch.float64, device=targets.device)
    weight = torch.zeros_like(total)
    # Neighbour by neighbour: the (samples, k, targets) product of hundreds of tasks need not be in memory.
    for place in range(k):
        vote = weights[:, place, None] * carried[indices[:, place]]
        total += vote * filled[indices[:, place]]
        weight += vote
    return torch.where(weight > 0, total / weight, targets.nanmean(dim=0))


def _votes(
    train_features: Shaped[Tensor, "train dim"],
    features: Shaped[Tensor, "samples dim"],
    k: int,
    temperature: float,
    chunk: int | None,
) -> tuple[Float[Tensor, "samples k"], Int64[Tensor, "samples k"]]:
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature is {temperature}; give a positive number.")
    found = top_k(features, train_features, k, normalise=True, chunk=chunk)
    # Softmax is exp(cosine / temperature) over its sum, without the overflow of a small temperature.
    return (found.scores.double() / temperature).softmax(dim=1), found.indices

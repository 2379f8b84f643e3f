"""Ridge probe: linear regression on frozen features in closed form, every penalty from one decomposition.

Features are standardised by training statistics; weights minimise mean squared error / 2 + l2 / 2 |w|^2 in
float64, with an intercept that is not penalised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from crossmod_metrics.standardisation import Standardisation
from crossmod_metrics.validation import require_equal_lengths, require_rows

DEFAULT_RIDGE_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1, 1e2)


@dataclass(frozen=True)
class RidgeProbe:
    """A fitted linear regression.

    Attributes:
        weight: of the standardised features, a column a target. Shape: (features, targets).
        bias: intercepts. Shape: (targets,).
        standardisation: training statistics of the features.
        l2: chosen penalty of every target. Shape: (targets,).
        validation_loss: mean over the targets of validation squared error / training variance, by penalty.
    """

    weight: Float[Tensor, "features targets"]
    bias: Float[Tensor, " targets"]
    standardisation: Standardisation
    l2: Float[Tensor, " targets"]
    validation_loss: dict[float, float]

    def predict(self, features: Shaped[Tensor, "samples features"]) -> Float[Tensor, "samples targets"]:
        """Return the predictions for raw features.

        Shape: (samples, features) to (samples, targets), float64.

        Raises: ValueError for empty or non-finite features, or another width.
        """
        return self.standardisation.apply(features) @ self.weight + self.bias


@torch.no_grad()
def ridge_probe(
    train_features: Shaped[Tensor, "train features"],
    train_targets: Shaped[Tensor, "train targets"],
    validation_features: Shaped[Tensor, "validation features"],
    validation_targets: Shaped[Tensor, "validation targets"],
    *,
    l2_grid: Sequence[float] = DEFAULT_RIDGE_GRID,
    per_target: bool = False,
) -> RidgeProbe:
    """Fit every penalty of the grid and keep the one with the lowest validation squared error.

    Targets may hold NaN for a missing value. Targets that miss the same samples share one decomposition, so a
    full matrix costs one. Errors are divided by the training variance of their target, so that units do not
    vote.

    Shape: features (samples, features), targets (samples, targets).

    Args:
        l2_grid: penalties on half the mean squared error; alpha / n in the notation of a summed error.
        per_target: choose the penalty target by target; otherwise one penalty, by the mean over the targets.

    Raises:
        ValueError: empty or non-finite features, lengths or widths that differ, infinite targets, a target
            with fewer than two distinct training values or no validation value, or a penalty that is not
            positive.
    """
    grid = sorted({float(l2) for l2 in l2_grid})
    if not grid or not all(0 < l2 < float("inf") for l2 in grid):
        raise ValueError(f"l2_grid is {tuple(l2_grid)}; give at least one positive penalty.")
    require_equal_lengths(("train_features", "train_targets"), (train_features, train_targets))
    require_equal_lengths(("validation_features", "validation_targets"), (validation_features, validation_targets))
    targets, held_out = train_targets.double(), validation_targets.double()
    variance = _checked_variance(targets, held_out)
    standardisation = Standardisation.of(train_features)
    train, validation = standardisation.apply(train_features), standardisation.apply(validation_features)
    carried = ~torch.isnan(targets)
    weights = train.new_zeros(len(grid), train.shape[1] + 1, targets.shape[1])
    patterns, pattern_of = torch.unique(carried.T, dim=0, return_inverse=True)
    for pattern in range(len(patterns)):
        columns = (pattern_of == pattern).nonzero().squeeze(1)
        weights[:, :, columns] = _solve(train, targets[:, columns], patterns[pattern], grid)
    losses = torch.stack(
        [(validation @ fit[:-1] + fit[-1] - held_out).square().nanmean(dim=0) / variance for fit in weights]
    )
    mean_loss = losses.mean(dim=1)
    choice = losses.argmin(dim=0) if per_target else mean_loss.argmin().expand(targets.shape[1])
    chosen = weights[choice, :, torch.arange(targets.shape[1], device=choice.device)].T
    return RidgeProbe(
        weight=chosen[:-1],
        bias=chosen[-1],
        standardisation=standardisation,
        l2=variance.new_tensor(grid)[choice],
        validation_loss=dict(zip(grid, mean_loss.tolist(), strict=True)),
    )


def _solve(
    features: Float[Tensor, "train features"],
    targets: Float[Tensor, "train targets"],
    carried: Bool[Tensor, " train"],
    grid: list[float],
) -> Float[Tensor, "grid rows targets"]:
    """Weights and intercept of every penalty, from the smaller of X^T X and X X^T of the samples that count."""
    part, values = features[carried], targets[carried]
    mean, target_mean = part.mean(dim=0), values.mean(dim=0)
    part, values = part - mean, values - target_mean
    samples, width = part.shape
    small = part.T @ part if width <= samples else part @ part.T
    spectrum, vectors = torch.linalg.eigh(small / samples)
    spectrum = spectrum.clamp_min(0.0)
    moment = (part.T @ values if width <= samples else values) / samples
    rotated = vectors.T @ moment
    fits = []
    for l2 in grid:
        weight = vectors @ (rotated / (spectrum + l2)[:, None])
        if width > samples:
            weight = part.T @ weight
        fits.append(torch.cat((weight, (target_mean - mean @ weight)[None])))
    return torch.stack(fits)


def _checked_variance(
    targets: Float[Tensor, "train targets"], held_out: Float[Tensor, "validation targets"]
) -> Float[Tensor, " targets"]:
    require_rows("train_targets", targets, 2)
    require_rows("validation_targets", held_out, 2)
    if targets.shape[1] != held_out.shape[1]:
        raise ValueError(
            f"training has {targets.shape[1]} targets and validation {held_out.shape[1]}; make them equal."
        )
    if bool(torch.isinf(targets).any()) or bool(torch.isinf(held_out).any()):
        raise ValueError("targets hold an infinite value; mark a missing target with NaN.")
    carried = ~torch.isnan(targets)
    mean = targets.nanmean(dim=0)
    variance = (targets - mean).square().nanmean(dim=0)
    # A column without two distinct values has no scale to compare errors on; NaN compares as no value at all.
    low = targets.masked_fill(~carried, torch.inf).amin(dim=0)
    high = targets.masked_fill(~carried, -torch.inf).amax(dim=0)
    unusable = (high <= low) | torch.isnan(held_out).all(dim=0)
    if bool(unusable.any()):
        raise ValueError(
            f"target {int(unusable.nonzero()[0])} has fewer than two distinct training values or no validation "
            "value; drop the column."
        )
    return variance

"""Regression metrics in double precision; a correlation with a constant is refused, not reported as a number."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from crossmod_metrics.validation import require_equal_lengths, require_finite, require_rows


def rmse(predicted: Shaped[Tensor, " samples"], target: Shaped[Tensor, " samples"]) -> float:
    """Root of the mean squared error, in the unit of the target.

    Shape: (samples,) twice.

    Raises: ValueError for empty or non-finite input or lengths that differ.

    >>> rmse(torch.tensor([3.0, -1.0]), torch.tensor([1.0, 1.0]))
    2.0
    """
    found, truth = _checked(predicted, target)
    return float((found - truth).square().mean().sqrt())


def mae(predicted: Shaped[Tensor, " samples"], target: Shaped[Tensor, " samples"]) -> float:
    """Mean absolute error, in the unit of the target.

    Shape: (samples,) twice.

    Raises: ValueError as `rmse`.
    """
    found, truth = _checked(predicted, target)
    return float((found - truth).abs().mean())


def r2(predicted: Shaped[Tensor, " samples"], target: Shaped[Tensor, " samples"]) -> float:
    """Share of the target's variance that is explained: 1 - sum (y - f)^2 / sum (y - mean y)^2; may be
    negative.

    Shape: (samples,) twice.

    Raises: ValueError as `rmse`, or where the target is constant.
    """
    found, truth = _checked(predicted, target)
    _refuse_constant("target", truth)
    return float(1.0 - (truth - found).square().sum() / (truth - truth.mean()).square().sum())


def pearson(predicted: Shaped[Tensor, " samples"], target: Shaped[Tensor, " samples"]) -> float:
    """Linear correlation of prediction and target.

    Shape: (samples,) twice.

    Raises: ValueError as `rmse`, or where a side is constant.
    """
    return _correlation(*_checked(predicted, target))


def spearman(predicted: Shaped[Tensor, " samples"], target: Shaped[Tensor, " samples"]) -> float:
    """Correlation of the ranks, tied values at their mean rank.

    Shape: (samples,) twice.

    Raises: ValueError as `pearson`.

    >>> spearman(torch.tensor([1.0, 2.0, 30.0]), torch.tensor([0.1, 0.2, 0.3]))
    1.0
    """
    found, truth = _checked(predicted, target)
    return _correlation(_mean_ranks(found), _mean_ranks(truth))


def _correlation(a: Float[Tensor, " samples"], b: Float[Tensor, " samples"]) -> float:
    _refuse_constant("predicted", a)
    _refuse_constant("target", b)
    a, b = a - a.mean(), b - b.mean()
    # One root of the product: perfectly correlated ranks then give 1 and not the float below it.
    cosine = float(a @ b / ((a @ a) * (b @ b)).sqrt())
    return max(-1.0, min(1.0, cosine))


def _mean_ranks(values: Float[Tensor, " samples"]) -> Float[Tensor, " samples"]:
    ordered = values.sort().values
    return 0.5 * (torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True)).double()


def _refuse_constant(name: str, values: Float[Tensor, " samples"]) -> None:
    if bool((values == values[0]).all()):
        raise ValueError(f"{name} is constant over {len(values)} sample(s); the metric is undefined there.")


def _checked(
    predicted: Shaped[Tensor, " samples"], target: Shaped[Tensor, " samples"]
) -> tuple[Float[Tensor, " samples"], Float[Tensor, " samples"]]:
    for name, side in (("predicted", predicted), ("target", target)):
        require_rows(name, side, 1)
        require_finite(name, side)
    require_equal_lengths(("predicted", "target"), (predicted, target))
    return predicted.double().contiguous(), target.double().contiguous()

"""Calibration: does a stated probability come true as often as it says?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from crossmod_metrics.validation import (
    require_binary,
    require_class_indices,
    require_equal_lengths,
    require_finite,
    require_rows,
)


@dataclass(frozen=True)
class Calibration:
    """Calibration errors and the reliability diagram that they summarise.

    Attributes:
        expected_error: ECE, the gap |frequency - confidence| of the bins, weighted by their samples.
        maximum_error: largest gap of a bin with samples.
        confidence: mean confidence of every bin, NaN where it is empty. Shape: (bins,).
        frequency: share that came true of every bin, NaN where it is empty. Shape: (bins,).
        count: samples of every bin. Shape: (bins,).
    """

    expected_error: float
    maximum_error: float
    confidence: Float[Tensor, " bins"]
    frequency: Float[Tensor, " bins"]
    count: Int64[Tensor, " bins"]


def calibration(
    confidence: Shaped[Tensor, " samples"], came_true: Shaped[Tensor, " samples"], bins: int = 15
) -> Calibration:
    """Compare stated probabilities with outcomes in bins of equal width, closed on the right (ECE, Guo et al.
    2017).

    For a binary task pass the probability of the positive and the label; for classes see `class_calibration`.

    Shape: confidence (samples,) in 0 to 1, came_true (samples,) of 0 and 1.

    Raises: ValueError for empty input, values outside 0 to 1, lengths that differ, or fewer than one bin.

    >>> found = calibration(torch.tensor([0.75, 0.75, 0.25, 0.25]), torch.tensor([1, 1, 0, 1]), bins=2)
    >>> found.expected_error, found.maximum_error
    (0.25, 0.25)
    """
    stated = _probabilities("confidence", confidence, 1)
    require_equal_lengths(("confidence", "came_true"), (confidence, came_true))
    require_binary("came_true", came_true)
    if bins < 1:
        raise ValueError(f"bins is {bins}; give at least one.")
    edges = torch.arange(1, bins, dtype=torch.float64, device=stated.device) / bins
    place = torch.bucketize(stated, edges)
    count = torch.bincount(place, minlength=bins)
    mean = torch.bincount(place, stated, minlength=bins) / count
    frequency = torch.bincount(place, came_true.double(), minlength=bins) / count
    gap = (frequency - mean).abs().nan_to_num(0.0)
    error = float((gap * count).sum() / len(stated))
    return Calibration(error, float(gap.max()), mean, frequency, count)


def class_calibration(
    probabilities: Shaped[Tensor, "samples classes"], labels: Int64[Tensor, " samples"], bins: int = 15
) -> Calibration:
    """Calibration of the top class: its probability against whether it is right.

    Shape: probabilities (samples, classes), labels (samples,).

    Raises: ValueError as `calibration`, or for labels outside the classes.
    """
    _probabilities("probabilities", probabilities, 2)
    require_equal_lengths(("probabilities", "labels"), (probabilities, labels))
    require_class_indices("labels", labels, probabilities.shape[1])
    confidence, predicted = probabilities.max(dim=1)
    return calibration(confidence, predicted == labels, bins)


def brier(probabilities: Shaped[Tensor, " samples"], labels: Shaped[Tensor, " samples"]) -> float:
    """Mean squared error of the probability of the positive: mean (p - y)^2.

    Shape: (samples,) twice, labels of 0 and 1.

    Raises: ValueError for empty input, values outside 0 to 1, or lengths that differ.

    >>> brier(torch.tensor([0.5, 1.0]), torch.tensor([1, 1]))
    0.125
    """
    stated = _probabilities("probabilities", probabilities, 1)
    require_equal_lengths(("probabilities", "labels"), (probabilities, labels))
    require_binary("labels", labels)
    return float((stated - labels.double()).square().mean())


def class_brier(probabilities: Shaped[Tensor, "samples classes"], labels: Int64[Tensor, " samples"]) -> float:
    """Brier's original score: mean over samples of the sum over classes of (p - one-hot)^2, from 0 to 2.

    Shape: probabilities (samples, classes), labels (samples,).

    Raises: ValueError as `brier`, or for labels outside the classes.
    """
    stated = _probabilities("probabilities", probabilities, 2)
    require_equal_lengths(("probabilities", "labels"), (probabilities, labels))
    require_class_indices("labels", labels, stated.shape[1])
    truth = torch.nn.functional.one_hot(labels, stated.shape[1]).double()
    return float((stated - truth).square().sum(dim=1).mean())


def _probabilities(name: str, values: Tensor, dimensions: int) -> Tensor:
    require_rows(name, values, dimensions)
    require_finite(name, values)
    wide = values.double()
    low, high = float(wide.min()), float(wide.max())
    if low < 0 or high > 1:
        raise ValueError(f"{name} spans {low} to {high}; pass probabilities, not logits.")
    return wide

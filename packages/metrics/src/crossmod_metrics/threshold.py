"""Choosing the cut above which a score means "true", on validation data and on no other.

The study of bridge architectures reports log-odds at 0 and at a calibrated threshold; the survey of CLIP in medical
imaging asks for F1 at a threshold that is chosen on validation data, never on the test data it is reported for.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Shaped
from torch import Tensor

from crossmod_metrics.validation import require_binary, require_equal_lengths, require_finite, require_rows


def choose_threshold(
    scores: Shaped[Tensor, " samples"],
    labels: Shaped[Tensor, " samples"],
    *,
    split: str,
    criterion: Literal["accuracy", "f1"] = "accuracy",
) -> float:
    """Threshold t whose rule "true where score > t" is best on these samples; the middle of the gap it lies in.

    Equally good thresholds are settled by the lowest one, so the answer does not depend on the order of the samples.
    Below all scores t is -inf, above all +inf.

    Shape: scores and labels (samples,), labels 0 or 1.

    Args:
        split: what the samples are; "test" is refused, since a threshold chosen there makes the score a training
        score.
        criterion: what is maximised.

    Raises: ValueError for the test split, an unknown criterion, no sample, lengths that differ, scores that are not
    finite, or labels other than 0 and 1.

    >>> choose_threshold(torch.tensor([0.0, 1.0, 2.0, 3.0]), torch.tensor([0, 0, 1, 1]), split="validation")
    1.5
    """
    if split == "test":
        raise ValueError("the threshold would be chosen on the test split; choose it on validation and apply it there.")
    if criterion not in ("accuracy", "f1"):
        raise ValueError(f"the criterion is {criterion!r}; take 'accuracy' or 'f1'.")
    require_rows("scores", scores, 1)
    require_finite("scores", scores)
    require_equal_lengths(("scores", "labels"), (scores, labels))
    require_binary("labels", labels)
    values, index = torch.unique(scores.double(), return_inverse=True)
    positive = torch.bincount(index, labels.double(), minlength=len(values))
    negative = torch.bincount(index, 1.0 - labels.double(), minlength=len(values))
    # Cut number c calls the values from c on true: 0 is everything, len(values) nothing.
    none = values.new_zeros(1)
    true_positive = positive.sum() - torch.cat((none, torch.cumsum(positive, 0)))
    false_positive = negative.sum() - torch.cat((none, torch.cumsum(negative, 0)))
    if criterion == "accuracy":
        merit = true_positive + negative.sum() - false_positive
    else:
        merit = 2 * true_positive / (true_positive + false_positive + positive.sum()).clamp_min(1.0)
    cut = int((merit == merit.max()).nonzero()[0])
    if cut == 0:
        return -torch.inf
    if cut == len(values):
        return torch.inf
    low, high = values[cut - 1], values[cut]
    # In the scores' own precision, in which the caller will compare; neighbours have nothing between them.
    middle = ((low + high) / 2).to(scores.dtype).double()
    return float(middle if middle < high else low)

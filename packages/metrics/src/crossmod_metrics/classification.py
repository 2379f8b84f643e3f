"""Classification metrics: exact, with stated rules for ties, missing labels and tasks that cannot be scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from crossmod_metrics.validation import (
    require_binary,
    require_equal_lengths,
    require_rows,
    require_without_nan,
)

Metric = Callable[[Tensor, Tensor], float]


@dataclass(frozen=True)
class MultiTaskScore:
    """Mean of a metric over the tasks that it is defined for; the rest are counted, never hidden.

    Attributes:
        mean: mean over the scored tasks.
        per_task: value of every task, NaN where it was skipped. Shape: (tasks,).
        skipped: indices of the tasks without the labels that the metric needs.
    """

    mean: float
    per_task: Float[Tensor, " tasks"]
    skipped: tuple[int, ...]

    @property
    def tasks_scored(self) -> int:
        """Number of tasks in the mean."""
        return len(self.per_task) - len(self.skipped)


def roc_auc(scores: Shaped[Tensor, " samples"], labels: Shaped[Tensor, " samples"]) -> float:
    """Area under the ROC curve: P(score of a positive > score of a negative) + half of P(equal)
    (Mann-Whitney).

    Exact: the mean ranks are half-integers, and their sum is exact in double precision.

    Shape: scores (samples,), labels (samples,) of 0 and 1.

    Raises: ValueError for empty input, NaN, lengths that differ, other labels, or a single class.

    >>> roc_auc(torch.tensor([0.1, 0.4, 0.4, 0.8]), torch.tensor([0, 0, 1, 1]))
    0.875
    """
    positive = _binary_input(scores, labels)
    ordered = scores.sort().values
    up_to = torch.searchsorted(ordered, scores.contiguous(), right=True)
    below = torch.searchsorted(ordered, scores.contiguous())
    mean_rank = 0.5 * (up_to + below + 1).double()
    positives = int(positive.sum())
    pairs = positives * (len(labels) - positives)
    return (float(mean_rank[positive].sum()) - positives * (positives + 1) / 2) / pairs


def average_precision(scores: Shaped[Tensor, " samples"], labels: Shaped[Tensor, " samples"]) -> float:
    """Area under the precision-recall steps: sum_n (R_n - R_{n-1}) P_n over the distinct score thresholds.

    Tied scores enter together at one threshold, so their order in the file changes nothing.

    Shape: scores (samples,), labels (samples,) of 0 and 1.

    Raises: ValueError as `roc_auc`.

    >>> round(average_precision(torch.tensor([0.9, 0.8, 0.7]), torch.tensor([1, 0, 1])), 6)
    0.833333
    """
    positive = _binary_input(scores, labels)
    ordered, place = scores.sort(descending=True)
    found = positive[place].double().cumsum(0)
    last_of_tie = torch.cat((ordered[1:] != ordered[:-1], torch.ones(1, dtype=torch.bool, device=ordered.device)))
    taken = (last_of_tie.nonzero().squeeze(1) + 1).double()
    found = found[last_of_tie]
    gained = found - torch.cat((found.new_zeros(1), found[:-1]))
    return float((gained * found / taken).sum() / found[-1])


def accuracy(predicted: Int64[Tensor, " samples"], labels: Int64[Tensor, " samples"]) -> float:
    """Share of predictions that equal the label.

    Shape: (samples,) twice.

    Raises: ValueError for empty input or lengths that differ.
    """
    require_rows("predicted", predicted, 1)
    require_equal_lengths(("predicted", "labels"), (predicted, labels))
    return float((predicted == labels).double().mean())


def f1_macro(predicted: Int64[Tensor, " samples"], labels: Int64[Tensor, " samples"]) -> float:
    """Mean over the classes that occur in either side of F1 = 2 TP / (2 TP + FP + FN).

    Shape: (samples,) twice.

    Raises: ValueError for empty input or lengths that differ.

    >>> round(f1_macro(torch.tensor([0, 1, 1, 0]), torch.tensor([0, 1, 0, 0])), 6)
    0.733333
    """
    require_rows("predicted", predicted, 1)
    require_equal_lengths(("predicted", "labels"), (predicted, labels))
    classes, index = torch.unique(torch.cat((predicted, labels)), return_inverse=True)
    found, truth = index[: len(predicted)], index[len(predicted) :]
    occurring = len(classes)
    right = torch.bincount(truth[found == truth], minlength=occurring).double()
    total = torch.bincount(found, minlength=occurring) + torch.bincount(truth, minlength=occurring)
    return float((2 * right / total).mean())


def multi_task(
    metric: Metric,
    scores: Shaped[Tensor, "samples tasks"],
    labels: Shaped[Tensor, "samples tasks"],
    distinct_labels: int = 2,
) -> MultiTaskScore:
    """Apply a metric to every task over the samples that carry its label, and average (MoleculeNet protocol).

    A task with fewer than `distinct_labels` distinct labels (a test split with one class) has no AUC or
    correlation: it is skipped and listed.

    Shape: scores (samples, tasks), labels (samples, tasks) with NaN for a missing label.

    Raises: ValueError for empty input, shapes that differ, NaN scores, or no task that can be scored.

    >>> labels = torch.tensor([[1.0, 0.0], [0.0, 0.0], [float("nan"), 0.0]])
    >>> found = multi_task(roc_auc, torch.tensor([[0.9, 0.1], [0.2, 0.3], [0.5, 0.4]]), labels)
    >>> found.mean, found.skipped
    (1.0, (1,))
    """
    require_rows("scores", scores, 2)
    require_without_nan("scores", scores)
    if scores.shape != labels.shape:
        raise ValueError(
            f"scores has shape {tuple(scores.shape)} and labels {tuple(labels.shape)}; one column a task in both."
        )
    per_task = torch.full((labels.shape[1],), torch.nan, dtype=torch.float64)
    skipped = []
    for task in range(labels.shape[1]):
        carried = ~torch.isnan(labels[:, task]) if labels.is_floating_point() else slice(None)
        truth = labels[carried, task]
        if len(torch.unique(truth)) < distinct_labels:
            skipped.append(task)
        else:
            per_task[task] = metric(scores[carried, task], truth)
    if len(skipped) == labels.shape[1]:
        raise ValueError(
            f"none of {labels.shape[1]} tasks has {distinct_labels} distinct labels; nothing can be scored."
        )
    return MultiTaskScore(float(per_task.nanmean()), per_task, tuple(skipped))


def _binary_input(scores: Shaped[Tensor, " samples"], labels: Shaped[Tensor, " samples"]) -> Tensor:
    require_rows("scores", scores, 1)
    require_equal_lengths(("scores", "labels"), (scores, labels))
    require_without_nan("scores", scores)
    require_binary("labels", labels)
    positive = labels == 1
    if bool(positive.all()) or not bool(positive.any()):
        raise ValueError(
            f"all {len(labels)} labels are of one class; the area under a curve needs positives and negatives."
        )
    return positive

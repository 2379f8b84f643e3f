"""Linear probe: logistic regression on frozen features, with the penalty chosen on a validation part.

Features are standardised by training statistics; weights minimise mean cross-entropy + l2 / 2 |w|^2 in
float64, with an intercept that is not penalised. The same call gives the same weights on the same machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from crossmod_metrics.logistic_losses import ClassLoss, TaskLoss
from crossmod_metrics.penalty_path import Block, PenaltyPath
from crossmod_metrics.standardisation import Standardisation
from crossmod_metrics.validation import (
    require_binary,
    require_class_indices,
    require_equal_lengths,
    require_rows,
)

# Powers of ten between "almost no penalty" and "almost the class prior" for standardised features.
DEFAULT_L2_GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1e0, 1e1)
_TASKS_AT_ONCE = 128  # bounds the memory of the logits and of the step history


@dataclass(frozen=True)
class LogisticProbe:
    """A fitted linear probe.

    Attributes:
        weight: of the standardised features, a column a task or class. Shape: (features, columns).
        bias: intercepts. Shape: (columns,).
        standardisation: training statistics of the features.
        multinomial: one label a sample among the columns, rather than a yes or no a column.
        l2: chosen penalty of every column. Shape: (columns,).
        validation_loss: mean cross-entropy on the validation part, by penalty that was fitted.
        constant_tasks: tasks with one class or no label in training; their score is the smoothed prior.
        unconverged: columns whose solver reached its last step first.
    """

    weight: Float[Tensor, "features columns"]
    bias: Float[Tensor, " columns"]
    standardisation: Standardisation
    multinomial: bool
    l2: Float[Tensor, " columns"]
    validation_loss: dict[float, float]
    constant_tasks: tuple[int, ...]
    unconverged: tuple[int, ...]

    def logits(self, features: Shaped[Tensor, "samples features"]) -> Float[Tensor, "samples columns"]:
        """Return the scores of raw features.

        Shape: (samples, features) to (samples, columns), float64.

        Raises: ValueError for empty or non-finite features, or another width.
        """
        return self.standardisation.apply(features) @ self.weight + self.bias

    def probabilities(self, features: Shaped[Tensor, "samples features"]) -> Float[Tensor, "samples columns"]:
        """Return softmax over classes, or the sigmoid of every task.

        Shape: (samples, features) to (samples, columns), float64.
        """
        logits = self.logits(features)
        return logits.softmax(dim=1) if self.multinomial else torch.sigmoid(logits)


@torch.no_grad()
def logistic_probe(
    train_features: Shaped[Tensor, "train features"],
    train_labels: Shaped[Tensor, "train *tasks"],
    validation_features: Shaped[Tensor, "validation features"],
    validation_labels: Shaped[Tensor, "validation *tasks"],
    *,
    l2_grid: Sequence[float] = DEFAULT_L2_GRID,
    per_task: bool = False,
    tolerance: float = 1e-7,
    max_steps: int = 200,
) -> LogisticProbe:
    """Fit a probe from the strongest penalty of the grid down and keep the lowest validation cross-entropy.

    The walk stops at the first penalty that does worse than the one before, so the weakest may never be fitted.

    Labels of one dimension are integer classes (multinomial; a class may be absent from validation). Labels
    of two dimensions are tasks of 0, 1 and NaN for a missing label, each with its own masked loss.

    Shape: features (samples, features), labels (samples,) or (samples, tasks).

    Args:
        l2_grid: penalties on the mean loss; 1 / (C n) in the notation of a C that weighs the summed loss.
        per_task: choose the penalty task by task; otherwise one penalty, by the mean over the tasks.
        tolerance: loss that may be left to gain, an estimate, in nats a sample.
        max_steps: last step of the solver; a column that reaches it is listed in `unconverged`.

    Raises:
        ValueError: empty or non-finite input, lengths or widths that differ, labels of another kind, no task
            with both classes in training and a label in validation, or a penalty that is not positive.
    """
    if not l2_grid or not all(0 < l2 < float("inf") for l2 in l2_grid):
        raise ValueError(f"l2_grid is {tuple(l2_grid)}; give at least one positive penalty.")
    require_equal_lengths(("train_features", "train_labels"), (train_features, train_labels))
    require_equal_lengths(("validation_features", "validation_labels"), (validation_features, validation_labels))
    standardisation = Standardisation.of(train_features)
    train, validation = standardisation.apply(train_features), standardisation.apply(validation_features)
    path = PenaltyPath(train, validation, l2_grid, tolerance, max_steps)
    if train_labels.ndim == 1:
        return _multinomial(path, standardisation, train_labels, validation_labels)
    return _multi_task(path, standardisation, *_checked_tasks(train_labels, validation_labels), per_task)


def _multinomial(
    path: PenaltyPath,
    standardisation: Standardisation,
    train_labels: Shaped[Tensor, " train"],
    validation_labels: Shaped[Tensor, " validation"],
) -> LogisticProbe:
    require_rows("validation_labels", validation_labels, 1)
    classes = int(train_labels.max()) + 1
    require_class_indices("train_labels", train_labels, classes)
    if len(torch.unique(train_labels)) < 2:
        raise ValueError(f"all {len(train_labels)} training labels are class {classes - 1}; a probe needs two.")
    require_class_indices("validation_labels", validation_labels, classes)
    block = Block(ClassLoss(train_labels.long(), classes), ClassLoss(validation_labels.long(), classes), 1)
    choice = path.choose([block], torch.ones(1, dtype=torch.bool, device=path.train.device), each=False)
    weights = choice.weights[:, 0]
    return LogisticProbe(
        weight=weights[:-1],
        bias=weights[-1],
        standardisation=standardisation,
        multinomial=True,
        l2=choice.l2.expand(classes),
        validation_loss=choice.mean_loss,
        constant_tasks=(),
        unconverged=() if bool(choice.converged[0]) else tuple(range(classes)),
    )


def _multi_task(
    path: PenaltyPath,
    standardisation: Standardisation,
    train_labels: Float[Tensor, "train tasks"],
    validation_labels: Float[Tensor, "validation tasks"],
    per_task: bool,
) -> LogisticProbe:
    positives, negatives = (train_labels == 1).sum(dim=0), (train_labels == 0).sum(dim=0)
    learnable = (positives > 0) & (negatives > 0)
    judged = learnable & (~torch.isnan(validation_labels)).any(dim=0)
    if not bool(judged.any()):
        raise ValueError("no task has both classes in training and a label in validation; nothing can be chosen.")
    tasks = learnable.nonzero().squeeze(1)
    parts = [tasks[start : start + _TASKS_AT_ONCE] for start in range(0, len(tasks), _TASKS_AT_ONCE)]
    blocks = [
        Block(TaskLoss.of(train_labels[:, part]), TaskLoss.of(validation_labels[:, part]), len(part)) for part in parts
    ]
    choice = path.choose(blocks, judged[tasks], per_task)
    weights = path.train.new_zeros(path.train.shape[1] + 1, train_labels.shape[1])
    # The rule of succession: a task seen with one class is scored by its prior and stays finite.
    weights[-1] = torch.log((positives + 1.0) / (negatives + 1.0))
    weights[:, tasks] = choice.weights[..., 0]
    l2 = weights.new_full((train_labels.shape[1],), torch.nan)
    l2[tasks] = choice.l2
    return LogisticProbe(
        weight=weights[:-1],
        bias=weights[-1],
        standardisation=standardisation,
        multinomial=False,
        l2=l2,
        validation_loss=choice.mean_loss,
        constant_tasks=tuple((~learnable).nonzero().squeeze(1).tolist()),
        unconverged=tuple(tasks[~choice.converged].tolist()),
    )


def _checked_tasks(
    train_labels: Shaped[Tensor, "train tasks"], validation_labels: Shaped[Tensor, "validation tasks"]
) -> tuple[Float[Tensor, "train tasks"], Float[Tensor, "validation tasks"]]:
    for name, labels in (("train_labels", train_labels), ("validation_labels", validation_labels)):
        require_rows(name, labels, 2)
        require_binary(name, labels, missing=True)
    if train_labels.shape[1] != validation_labels.shape[1]:
        raise ValueError(
            f"training has {train_labels.shape[1]} tasks and validation {validation_labels.shape[1]}; make them equal."
        )
    return train_labels.double(), validation_labels.double()

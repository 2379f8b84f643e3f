"""The two logistic losses of a linear probe, as sums over samples of a function of the logits.

Logits have three dimensions: (samples, problems, columns). A multi-task probe is many problems of one column,
each with its own missing labels; a multinomial probe is one problem of one column a class. The solver sees
only this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

Logits = Float[Tensor, "samples problems columns"]


@runtime_checkable
class SampleLoss(Protocol):
    """Mean loss of every problem over its labelled samples, convex in the logits."""

    @property
    def columns(self) -> int:
        """Columns of one problem."""
        ...

    def value(self, logits: Logits) -> Float[Tensor, " problems"]:
        """Return the mean loss of every problem."""
        ...

    def gradient(self, logits: Logits) -> Logits:
        """Return the derivative of `value` by every logit."""
        ...

    def curvature(self, logits: Logits) -> Float[Tensor, "problems columns"]:
        """Return the second derivative by a shift of one column of logits."""
        ...

    def take(self, problems: Int64[Tensor, " kept"]) -> SampleLoss:
        """Return the loss of some of the problems."""
        ...


@dataclass(frozen=True)
class TaskLoss:
    """Binary cross-entropy of every task over the samples that carry its label.

    Shape: target and weight (samples, tasks); weight is 1 / labelled samples of the task, 0 where missing.
    """

    target: Float[Tensor, "samples tasks"]
    weight: Float[Tensor, "samples tasks"]

    @classmethod
    def of(cls, labels: Float[Tensor, "samples tasks"]) -> TaskLoss:
        """Read labels of 0, 1 and NaN (missing); every task needs at least one label."""
        carried = ~torch.isnan(labels)
        weight = carried.double() / carried.sum(dim=0)
        return cls(labels.double().nan_to_num(0.0), weight)

    @property
    def columns(self) -> int:
        """One column a task."""
        return 1

    def value(self, logits: Logits) -> Float[Tensor, " problems"]:
        """Return the mean loss of every task."""
        loss = binary_cross_entropy_with_logits(logits.squeeze(2), self.target, self.weight, reduction="none")
        return loss.sum(dim=0)

    def gradient(self, logits: Logits) -> Logits:
        """Return weight * (sigmoid(z) - y)."""
        return (self.weight * (torch.sigmoid(logits.squeeze(2)) - self.target)).unsqueeze(2)

    def curvature(self, logits: Logits) -> Float[Tensor, "problems columns"]:
        """Return the weighted mean of p (1 - p)."""
        log_variance = logsigmoid(logits) + logsigmoid(-logits)
        return (self.weight.unsqueeze(2) * log_variance.exp()).sum(dim=0)

    def take(self, problems: Int64[Tensor, " kept"]) -> TaskLoss:
        """Return the loss of some of the tasks."""
        return TaskLoss(self.target[:, problems], self.weight[:, problems])


@dataclass(frozen=True)
class ClassLoss:
    """Cross-entropy of one label a sample among several classes.

    Shape: labels (samples,).
    """

    labels: Int64[Tensor, " samples"]
    classes: int

    @property
    def columns(self) -> int:
        """One column a class."""
        return self.classes

    def value(self, logits: Logits) -> Float[Tensor, " problems"]:
        """Return the mean loss of the single problem."""
        log_probability = logits.squeeze(1).log_softmax(dim=1)
        return -log_probability.gather(1, self.labels[:, None]).mean().reshape(1)

    def gradient(self, logits: Logits) -> Logits:
        """Return (softmax(z) - one-hot) / samples."""
        residual = logits.squeeze(1).softmax(dim=1)
        residual[torch.arange(len(residual), device=residual.device), self.labels] -= 1.0
        return (residual / len(residual)).unsqueeze(1)

    def curvature(self, logits: Logits) -> Float[Tensor, "problems columns"]:
        """Return the mean of p (1 - p) of every class."""
        probability = logits.squeeze(1).softmax(dim=1)
        return (probability * (1.0 - probability)).mean(dim=0, keepdim=True)

    def take(self, problems: Int64[Tensor, " kept"]) -> ClassLoss:
        """Return the loss itself: it is one problem, which cannot be split."""
        assert problems.tolist() == [0]
        return self

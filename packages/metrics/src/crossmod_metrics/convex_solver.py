"""Preconditioned L-BFGS for many ridge-penalised linear problems that share one feature matrix.

Every problem has its own history, step and stopping test, but the two products with the feature matrix are
done once for all. The first Hessian guess is curvature * X^T X / n + l2 I, inverted through one
eigendecomposition: on ill-conditioned features that saves four steps of five and more. The logits are linear in
the step, so a line search needs no product.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod_metrics.logistic_losses import SampleLoss

Weights = Float[Tensor, "rows problems columns"]
_HISTORY = 8  # pairs kept a problem; 20 saved less than a tenth of the steps
# Samples that estimate X^T X / n: it only guides the steps, so a part is enough.
_PRECONDITIONER_ROWS = 16_384
_CURVATURE_FLOOR = 1e-4  # keeps the guess bounded where a problem is almost separated
_HALVINGS = 40


@dataclass(frozen=True)
class Solution:
    """Weights with the intercept in the last row.

    Shape: weights (features + 1, problems, columns), converged (problems,).
    """

    weights: Weights
    converged: Bool[Tensor, " problems"]
    steps: int


@dataclass(frozen=True)
class Spectrum:
    """Eigendecomposition of the features' second moment."""

    vectors: Float[Tensor, "features features"]
    values: Float[Tensor, " features"]

    @classmethod
    def of(cls, features: Float[Tensor, "samples features"]) -> Spectrum:
        """Decompose X^T X / n of evenly spread samples."""
        width = features.shape[1]
        part = features[:: max(1, len(features) // max(_PRECONDITIONER_ROWS, 4 * width))]
        values, vectors = torch.linalg.eigh(part.T @ part / len(part))
        return cls(vectors, values.clamp_min(0.0))

    def precondition(self, gradient: Weights, curvature: Float[Tensor, "problems columns"], l2: float) -> Weights:
        """Apply the inverse of curvature * X^T X / n + l2 I; the intercept has no penalty."""
        bounded = curvature.clamp_min(_CURVATURE_FLOOR)
        flat = (self.vectors.T @ gradient[:-1].flatten(1)).reshape(-1, *bounded.shape)
        flat = flat / (bounded * self.values[:, None, None] + l2)
        head = (self.vectors @ flat.flatten(1)).reshape(-1, *bounded.shape)
        return torch.cat((head, gradient[-1:] / bounded))


@dataclass
class _History:
    """The last steps and gradient changes, with an inverse product of 0 for a problem that did not move."""

    steps: list[Weights] = field(default_factory=list)
    changes: list[Weights] = field(default_factory=list)
    inverse: list[Float[Tensor, " problems"]] = field(default_factory=list)

    def add(self, step: Weights, change: Weights) -> None:
        product = _dot(step, change)
        usable = product > 1e-14 * (_dot(step, step) * _dot(change, change)).sqrt()
        self.steps.append(step)
        self.changes.append(change)
        self.inverse.append(torch.where(usable, 1.0 / product, 0.0))
        if len(self.steps) > _HISTORY:
            for queue in (self.steps, self.changes, self.inverse):
                del queue[0]

    def take(self, kept: Int64[Tensor, " kept"]) -> _History:
        return _History(
            [step[:, kept] for step in self.steps],
            [change[:, kept] for change in self.changes],
            [inverse[kept] for inverse in self.inverse],
        )


@dataclass
class _State:
    """Where every problem that is still in work stands."""

    loss: SampleLoss
    weights: Weights
    logits: Float[Tensor, "samples problems columns"]
    gradient: Weights
    history: _History

    @classmethod
    def at(cls, features: Float[Tensor, "samples features"], loss: SampleLoss, start: Weights, l2: float) -> _State:
        logits = apply_weights(features, start)
        return cls(loss, start, logits, _gradient(features, loss, logits, start, l2), _History())

    def take(self, kept: Int64[Tensor, " kept"]) -> _State:
        return _State(
            self.loss.take(kept),
            self.weights[:, kept],
            self.logits[:, kept],
            self.gradient[:, kept],
            self.history.take(kept),
        )

    def step(
        self,
        features: Float[Tensor, "samples features"],
        spectrum: Spectrum,
        curvature: Float[Tensor, "problems columns"],
        active: Bool[Tensor, " problems"],
        l2: float,
    ) -> None:
        direction = _direction(self.gradient, self.history, spectrum, curvature, l2)
        direction = torch.where(active[None, :, None], direction, 0.0)
        change = apply_weights(features, direction)
        slope = _dot(self.gradient, direction)
        length = _line_search(self.loss, self.logits, change, self.weights, direction, slope, l2)
        step = length[None, :, None] * direction
        self.weights = self.weights + step
        self.logits = self.logits + length[None, :, None] * change
        before = self.gradient
        self.gradient = _gradient(features, self.loss, self.logits, self.weights, l2)
        self.history.add(step, self.gradient - before)


def minimise(
    features: Float[Tensor, "samples features"],
    loss: SampleLoss,
    l2: float,
    start: Weights,
    spectrum: Spectrum,
    *,
    tolerance: float,
    max_steps: int,
) -> Solution:
    """Minimise loss(X W + b) + l2 / 2 |W|^2 for every problem.

    A problem has converged where half the squared gradient in the metric of the Hessian guess, an estimate of the
    loss still to be gained, is at most `tolerance`. It then stands still, and leaves the products as soon as half
    of the problems have.

    Shape: features (samples, features) float64, start (features + 1, problems, columns).
    """
    weights = start.clone()
    left = torch.arange(start.shape[1], device=start.device)
    converged = torch.zeros_like(left, dtype=torch.bool)
    state = _State.at(features, loss, start, l2)
    steps = 0
    while True:
        curvature = state.loss.curvature(state.logits)
        decrement = 0.5 * _dot(state.gradient, spectrum.precondition(state.gradient, curvature, l2))
        active = decrement > tolerance
        remaining = int(active.sum())
        if steps == max_steps or 2 * remaining <= len(left):
            weights[:, left], converged[left] = state.weights, ~active
            if steps == max_steps or remaining == 0:
                return Solution(weights, converged, steps)
            kept = active.nonzero().squeeze(1)
            state, left, curvature, active = state.take(kept), left[kept], curvature[kept], active[kept]
        state.step(features, spectrum, curvature, active, l2)
        steps += 1


def _direction(
    gradient: Weights,
    history: _History,
    spectrum: Spectrum,
    curvature: Float[Tensor, "problems columns"],
    l2: float,
) -> Weights:
    """The two-loop recursion (Nocedal and Wright, algorithm 7.4) for every problem at once."""
    direction = -gradient
    taken = []
    for step, change, inverse in zip(
        reversed(history.steps), reversed(history.changes), reversed(history.inverse), strict=True
    ):
        amount = inverse * _dot(step, direction)
        direction = direction - amount[None, :, None] * change
        taken.append(amount)
    direction = spectrum.precondition(direction, curvature, l2)
    for step, change, inverse, amount in zip(
        history.steps, history.changes, history.inverse, reversed(taken), strict=True
    ):
        direction = direction + (amount - inverse * _dot(change, direction))[None, :, None] * step
    return direction


def _line_search(
    loss: SampleLoss,
    logits: Float[Tensor, "samples problems columns"],
    change: Float[Tensor, "samples problems columns"],
    weights: Weights,
    direction: Weights,
    slope: Float[Tensor, " problems"],
    l2: float,
) -> Float[Tensor, " problems"]:
    """Halve the step of a problem until it gains (Armijo); a gain below rounding is accepted as it stands."""
    cross, square = _dot(weights[:-1], direction[:-1]), _dot(direction[:-1], direction[:-1])
    value = loss.value(logits)
    slack = 1e-14 * (1.0 + value.abs())
    length = torch.ones_like(slope)
    for _ in range(_HALVINGS):
        moved = loss.value(logits + length[None, :, None] * change)
        gain = moved - value + l2 * (length * cross + 0.5 * length.square() * square)
        refused = gain > 1e-4 * length * slope + slack
        if not bool(refused.any()):
            return length
        length = torch.where(refused, 0.5 * length, length)
    return torch.where(refused, 0.0, length)


def _gradient(
    features: Float[Tensor, "samples features"],
    loss: SampleLoss,
    logits: Float[Tensor, "samples problems columns"],
    weights: Weights,
    l2: float,
) -> Weights:
    residual = loss.gradient(logits)
    head = (features.T @ residual.flatten(1)).reshape(-1, *residual.shape[1:])
    return torch.cat((head + l2 * weights[:-1], residual.sum(dim=0, keepdim=True)))


def apply_weights(
    features: Float[Tensor, "samples features"], weights: Weights
) -> Float[Tensor, "samples problems columns"]:
    """Return the logits X W + b.

    Shape: features (samples, features), weights (features + 1, problems, columns).
    """
    columns = features @ weights[:-1].flatten(1)
    return columns.reshape(-1, *weights.shape[1:]) + weights[-1]


def _dot(a: Weights, b: Weights) -> Float[Tensor, " problems"]:
    return (a * b).sum(dim=(0, 2))

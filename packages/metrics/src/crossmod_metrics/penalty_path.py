"""The walk from the strongest penalty to the weakest, each fit started at the one before, and the choice among them.

The weakest penalties cost the most steps and are the least useful: the walk ends at the first penalty whose
validation loss is higher than that of the one before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from crossmod_metrics.convex_solver import Spectrum, apply_weights, minimise
from crossmod_metrics.logistic_losses import SampleLoss


@dataclass(frozen=True)
class Choice:
    """The chosen fit of every problem.

    Shape: weights (features + 1, problems, columns), l2 (problems,), converged (problems,).

    Attributes:
        mean_loss: mean validation loss over the judged problems, by penalty walked.
    """

    weights: Float[Tensor, "rows problems columns"]
    l2: Float[Tensor, " problems"]
    converged: Bool[Tensor, " problems"]
    mean_loss: dict[float, float]


@dataclass(frozen=True)
class Block:
    """Problems that are solved together, with their losses on both parts."""

    train: SampleLoss
    validation: SampleLoss
    problems: int


@dataclass(frozen=True)
class _Fit:
    weights: Float[Tensor, "rows problems columns"]
    loss: Float[Tensor, " problems"]
    converged: Bool[Tensor, " problems"]


@dataclass(frozen=True)
class PenaltyPath:
    """The standardised features of both parts and the rules of the walk.

    Shape: train (samples, features), validation (samples, features), float64.
    """

    train: Float[Tensor, "train features"]
    validation: Float[Tensor, "validation features"]
    grid: Sequence[float]
    tolerance: float
    max_steps: int

    def choose(self, blocks: Sequence[Block], judged: Bool[Tensor, " problems"], each: bool) -> Choice:
        """Walk the grid; take one penalty for all problems, or with `each` one for every problem.

        Only `judged` problems have a validation loss; another takes the choice of all.

        Shape: judged (problems,), over all blocks.
        """
        spectrum = Spectrum.of(self.train)
        fits: list[_Fit] = []
        starts = [
            self.train.new_zeros(self.train.shape[1] + 1, block.problems, block.train.columns) for block in blocks
        ]
        walked: list[float] = []
        for l2 in sorted(set(self.grid), reverse=True):
            parts = [self._fit(block, start, l2, spectrum) for block, start in zip(blocks, starts, strict=True)]
            starts = [part.weights for part in parts]
            fits.append(
                _Fit(
                    torch.cat([part.weights for part in parts], dim=1),
                    torch.cat([part.loss for part in parts]),
                    torch.cat([part.converged for part in parts]),
                )
            )
            walked.append(l2)
            if len(fits) > 1 and _has_risen(fits[-2].loss[judged], fits[-1].loss[judged], each):
                break
        return _best(fits, walked, judged, each)

    def _fit(self, block: Block, start: Float[Tensor, "rows problems columns"], l2: float, spectrum: Spectrum) -> _Fit:
        solution = minimise(
            self.train, block.train, l2, start, spectrum, tolerance=self.tolerance, max_steps=self.max_steps
        )
        logits = apply_weights(self.validation, solution.weights)
        return _Fit(solution.weights, block.validation.value(logits), solution.converged)


def _has_risen(before: Float[Tensor, " judged"], now: Float[Tensor, " judged"], each: bool) -> bool:
    return bool((now > before).all()) if each else float(now.mean()) > float(before.mean())


def _best(fits: list[_Fit], walked: list[float], judged: Bool[Tensor, " problems"], each: bool) -> Choice:
    losses = torch.stack([fit.loss for fit in fits])
    mean_loss = losses[:, judged].mean(dim=1)
    choice: Int64[Tensor, " problems"] = mean_loss.argmin().expand(losses.shape[1])
    if each:
        choice = torch.where(judged, losses.argmin(dim=0), choice)
    problem = torch.arange(losses.shape[1], device=losses.device)
    # Indexing the penalty and the problem together brings the problem to the front.
    weights = torch.stack([fit.weights for fit in fits])[choice, :, problem].transpose(0, 1)
    return Choice(
        weights=weights,
        l2=losses.new_tensor(walked)[choice],
        converged=torch.stack([fit.converged for fit in fits])[choice, problem],
        mean_loss=dict(zip(walked, mean_loss.tolist(), strict=True)),
    )

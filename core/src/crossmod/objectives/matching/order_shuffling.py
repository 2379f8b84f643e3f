"""How much a model and a data set depend on order: score both in random order (HiTeA, arXiv:2212.14546)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from torch import Tensor


@dataclass(frozen=True)
class Shuffling:
    """What shuffling did to a metric; a property of model and data set together, to be compared on one data set.

    Args:
        ordered: The metric in the right order.
        shuffled: The metric in each random order.
        drop: ordered - mean(shuffled).
        relative_drop: drop / ordered; NaN where the metric is 0 in the right order.
    """

    ordered: float
    shuffled: tuple[float, ...]
    drop: float
    relative_drop: float


def shuffled_places(
    mask: Bool[Tensor, "batch length"], generator: torch.Generator | None = None
) -> Int64[Tensor, "batch length"]:
    """For each row a uniform permutation of its real places; padding stays where it is.

    Shape:
        mask: [batch, length], true = real; it may have gaps. Apply the result by `values.gather(1, places)`, or
            `values[torch.arange(batch)[:, None], places]` for frames with further axes.
    """
    noise = torch.rand(mask.shape, generator=generator, dtype=torch.float64, device=mask.device)
    # Real places first, in random and in natural order: the k-th drawn frame goes to the k-th real place.
    drawn = noise.masked_fill(~mask, 2.0).argsort(dim=1, stable=True)
    real = (~mask).long().argsort(dim=1, stable=True)
    places = torch.arange(mask.shape[1], device=mask.device).expand(mask.shape).clone()
    within = torch.arange(mask.shape[1], device=mask.device) < mask.sum(1, keepdim=True)
    return places.scatter(1, real, torch.where(within, drawn, real))


def shuffling_test(
    metric: Callable[[Int64[Tensor, "batch length"] | None], float],
    mask: Bool[Tensor, "batch length"],
    *,
    repeats: int = 5,
    seed: int = 0,
) -> Shuffling:
    """Compare a metric on ordered frames with its mean over random orders, reproducibly.

    Args:
        metric: Scores the data set with its frames at the given places; None leaves them in order.
        mask: Real frames of every sample.
        repeats: Random orders (five at least are meant to be averaged).
        seed: Of the orders.

    Raises:
        ValueError: There is no repeat, or a score is NaN.
    """
    if repeats < 1:
        raise ValueError(f"{repeats} random orders cannot be averaged; take five.")
    generator = torch.Generator(device=mask.device).manual_seed(seed)
    ordered = float(metric(None))
    shuffled = tuple(float(metric(shuffled_places(mask, generator))) for _ in range(repeats))
    if any(math.isnan(score) for score in (ordered, *shuffled)):
        raise ValueError(
            f"the metric is NaN on some order ({ordered}, then {shuffled}); score samples that can be scored."
        )
    # Of differences, so that a metric that does not change has a drop of exactly zero.
    drop = sum(ordered - score for score in shuffled) / repeats
    return Shuffling(ordered, shuffled, drop, drop / ordered if ordered else math.nan)

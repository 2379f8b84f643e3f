"""Contrast whose targets soften with the doubt in each pair (NEVLP's noise-adaptive term)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.objectives.pairs.lead import lead_over_batch
from crossmod.objectives.pairs.logits import best_query_logits
from crossmod.objectives.pairs.precision import unit
from crossmod.objectives.pairs.soft_targets import PairLoss, soft_target_infonce
from crossmod.objectives.pairs.targets import doubt_of, from_groups, noise_smoothed
from crossmod_kernels import infonce_directions


def noise_adaptive_infonce(
    a: Float[Tensor, "batch dim"] | Float[Tensor, "batch queries dim"],
    b: Float[Tensor, "batch dim"],
    scale: Float[Tensor, ""],
    posterior: Float[Tensor, "batch"],
    *,
    strength: float = 0.5,
    largest: float = 0.9,
    group: Int64[Tensor, "batch"] | None = None,
) -> PairLoss:
    """Symmetric InfoNCE with 1 - w_i on pair i and w_i / (B - 1) on every other; w is `doubt_of` the posterior.

    The gradient at the positive logit is (p_ii - (1 - w_i)) / B a direction: a doubtful pair is pulled no further than
    1 - w_i. With groups, rows of one group share 1 - w_i, and w_i is spread over the others. Several queries a sample
    score by their best, on a dense matrix; one vector a sample keeps none. That estimates soften targets is NEVLP's;
    this formula, the strength and the ceiling are crossmod's own [C], as the paper's could not be read.

    Shape:
        a: [batch, dim] or [batch, queries, dim]; b: [batch, dim]; posterior: [batch], probability of noise; scale: [];
        group: [batch].

    Raises:
        ValueError: Sides differ in number, or a posterior is no probability.
    """
    if len(a) != len(b):
        raise ValueError(f"there are {len(a)} rows in a and {len(b)} in b; pair i is positive, so pass as many")
    if posterior.shape != (len(b),):
        raise ValueError(f"there are {tuple(posterior.shape)} posteriors for {len(b)} pairs; pass one a row")
    doubt = doubt_of(posterior, strength=strength, largest=largest)
    if a.ndim == 3:
        return _dense(best_query_logits(a, b, scale), doubt, group)
    hard = infonce_directions(a, b, scale, group_a=group, group_b=group)
    # The kernel has checked the sides; what it normalised inside is needed here as well.
    rows_a, rows_b = unit(a), unit(b)
    loss_ab = (hard.loss_a + _softening(rows_a, rows_b, scale, doubt, group)).mean()
    loss_ba = (hard.loss_b + _softening(rows_b, rows_a, scale, doubt, group)).mean()
    return PairLoss((loss_ab + loss_ba) / 2, loss_ab, loss_ba)


def _softening(rows: Tensor, keys: Tensor, scale: Tensor, doubt: Tensor, group: Tensor | None) -> Tensor:
    """w_i (mean positive logit - mean other logit); nothing where all keys are positives."""
    lead, positives = lead_over_batch(rows, keys, scale, group)
    others = len(keys) - positives
    weight = torch.where(others > 0, doubt * len(keys) / others.clamp(min=1), 0.0)
    return weight.to(lead.dtype) * lead


def _dense(logits: Tensor, doubt: Tensor, group: Tensor | None) -> PairLoss:
    own = torch.arange(len(logits), device=logits.device) if group is None else group
    targets = noise_smoothed(from_groups(own, like=logits), doubt)
    return soft_target_infonce(logits, logits.t(), targets, targets)

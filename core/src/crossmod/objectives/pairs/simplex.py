"""Sparsemax: the Euclidean projection onto the simplex, exact, with its gradient (arXiv:1602.02068)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from crossmod.objectives.pairs.precision import widened


class _Sparsemax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        shifted = scores - scores.max(1, keepdim=True).values
        descending = shifted.sort(1, descending=True).values
        excess = descending.cumsum(1) - 1
        rank = torch.arange(1, scores.shape[1] + 1, dtype=scores.dtype, device=scores.device)
        support = (rank * descending > excess).sum(1, keepdim=True)
        # A row of not-a-numbers has an empty support; any index serves, as its weights are not numbers either.
        last = (support - 1).clamp(min=0)
        weights = (shifted - excess.gather(1, last) / support.clamp(min=1)).clamp(min=0)
        ctx.save_for_backward(weights)
        return weights

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = gradients
        (weights,) = ctx.saved_tensors
        support = weights != 0
        mean = gradient.masked_fill(~support, 0.0).sum(1, keepdim=True) / support.sum(1, keepdim=True)
        return torch.where(support, gradient - mean, 0.0)


def sparsemax(scores: Float[Tensor, "*batch choices"]) -> Float[Tensor, "*batch choices"]:
    """argmin_w || w - z ||^2 over the simplex, along the last dimension: w = max(z - theta, 0), rows sum to one.

    With z sorted descending, k is the largest j with 1 + j z_(j) > sum_{i <= j} z_(i), and theta is
    (sum_{i <= k} z_(i) - 1) / k. On the support, dz = dw - mean(dw); off it, 0. A score of -inf gets weight 0. Half
    precision is computed in float32; not-a-number gives not-a-number.

    Shape:
        scores: [*batch, choices].

    Raises:
        ValueError: There is nothing to choose from, or a row is -inf throughout.

    >>> sparsemax(torch.tensor([1.0, 0.8, 0.1]))
    tensor([0.6000, 0.4000, 0.0000])
    """
    if not scores.shape or not scores.shape[-1] or not scores.is_floating_point():
        raise ValueError(f"scores have shape {tuple(scores.shape)} and type {scores.dtype}; pass floating choices")
    rows = widened(scores).reshape(-1, scores.shape[-1])
    if bool((rows == -torch.inf).all(1).any()):
        raise ValueError("a row of scores is -inf throughout, so there is nothing to choose; drop that row")
    weights: Tensor = _Sparsemax.apply(rows)
    return weights.view(scores.shape)

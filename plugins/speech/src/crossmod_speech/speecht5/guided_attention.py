"""Guided attention: a penalty on attention that leaves the diagonal (Tachibana et al., arXiv:1710.08969)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def off_diagonal(
    steps: Bool[Tensor, "batch length"], keys: Bool[Tensor, "batch keys"], sigma: float = 0.4
) -> Float[Tensor, "batch length keys"]:
    """1 - exp(-(n / N - t / T)^2 / (2 sigma^2)) at step t of T and key n of N; zero at padding.

    Shape:
        steps: [batch, length], keys: [batch, keys]; true = real.

    Raises:
        ValueError: sigma is not positive.
    """
    if not sigma > 0:
        raise ValueError(f"sigma of guided attention is {sigma}; it is positive")
    step, key = ((mask.cumsum(1) - 1) / mask.sum(1, keepdim=True).clamp(min=1) for mask in (steps, keys))
    apart = key[:, None, :] - step[:, :, None]
    penalty: Tensor = -torch.expm1(-apart.square() / (2 * sigma**2))
    return penalty * (steps[:, :, None] & keys[:, None, :])


def guided_attention_loss(
    weights: Sequence[Float[Tensor, "batch heads length keys"]],
    steps: Bool[Tensor, "batch length"],
    keys: Bool[Tensor, "batch keys"],
    sigma: float = 0.4,
) -> Float[Tensor, ""]:
    """Mean over real pairs of a step and a key, heads and layers of attention times `off_diagonal`.

    Shape:
        weights: each [batch, heads, length, keys], one a layer.

    Raises:
        ValueError: There is no layer, or sigma is not positive.
    """
    if not weights:
        raise ValueError("no attention is given to guide; pass the weights of one layer or more")
    penalty = off_diagonal(steps, keys, sigma)
    pairs = (steps.sum(1) * keys.sum(1)).sum().clamp(min=1)
    every = torch.cat(list(weights), 1)
    return (every * penalty[:, None]).sum() / (pairs * every.shape[1])

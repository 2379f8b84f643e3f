"""Focal and dice losses: dense labels, most of which are easy negatives."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

Reduction = Literal["mean", "sum", "none"]


def sigmoid_focal_loss(
    logits: Float[Tensor, "*any"],
    targets: Float[Tensor, "*any"],
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*reduced"]:
    """-alpha_t (1 - p_t)^gamma log p_t with p = sigmoid(logit) (arXiv:1708.02002; HiVG takes 0.25 and 2).

    Shape:
        logits, targets: any one shape; targets are 0 or 1.

    Raises:
        ValueError: Shapes differ, targets leave [0, 1], alpha or gamma is out of range, or the reduction is unknown.
    """
    logits, targets = _checked(logits, targets)
    if not 0 <= alpha <= 1 or gamma < 0:
        raise ValueError(f"focal loss with alpha {alpha} and gamma {gamma}; alpha lies in [0, 1], gamma is at least 0.")
    # p_t = sigmoid(s) with s = logit for ones and -logit for zeros, so 1 - p_t = sigmoid(-s) keeps its digits.
    signed = logits * (2 * targets - 1)
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    return _reduced(-weight * torch.sigmoid(-signed) ** gamma * logsigmoid(signed), reduction)


def quality_focal_loss(
    logits: Float[Tensor, "*any"],
    targets: Float[Tensor, "*any"],
    *,
    beta: float = 2.0,
    normaliser: float | None = None,
) -> Float[Tensor, ""]:
    """sum |y - p|^beta BCE(p, y) / max(1, positives), with soft y in [0, 1] (arXiv:2006.04388; RLIPv2).

    Zero, with zero gradient, where p = y. Targets are constants.

    Args:
        logits: Scores before the sigmoid.
        targets: How good each is; 0 for negatives.
        beta: Exponent, above 1, so that the gradient vanishes at p = y.
        normaliser: What to divide by instead of the number of targets above zero, such as a mean over processes;
            values below 1 count as 1.

    Raises:
        ValueError: Shapes differ, targets leave [0, 1], or beta is not above 1.
    """
    logits, targets = _checked(logits, targets)
    if not beta > 1:
        raise ValueError(f"beta is {beta}; above 1, the gradient vanishes where score and quality agree.")
    weight = (targets - torch.sigmoid(logits)).abs() ** beta
    total = (weight * binary_cross_entropy_with_logits(logits, targets, reduction="none")).sum()
    positives = float((targets > 0).sum()) if normaliser is None else normaliser
    return total / max(1.0, positives)


def dice_loss(logits: Float[Tensor, "batch *places"], targets: Float[Tensor, "batch *places"]) -> Float[Tensor, ""]:
    """Mean over the batch of 1 - (2 sum p y + 1) / (sum p + sum y + 1), p = sigmoid(logit) (HiVG, arXiv:2404.13400).

    An empty batch costs a zero with gradient.

    Raises:
        ValueError: Shapes differ, or targets leave [0, 1].
    """
    logits, targets = _checked(logits, targets)
    if not len(logits):
        return logits.sum()
    share, wanted = torch.sigmoid(logits).flatten(1), targets.flatten(1)
    overlap = (share * wanted).sum(1)
    return (1 - (2 * overlap + 1) / (share.sum(1) + wanted.sum(1) + 1)).mean()


def _checked(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Half precision is scored in float32; targets carry no gradient."""
    if logits.shape != targets.shape:
        raise ValueError(
            f"scores of shape {list(logits.shape)} with targets of shape {list(targets.shape)}; give one shape."
        )
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    targets = targets.detach().to(logits.dtype)
    if targets.numel() and not bool(((targets >= 0) & (targets <= 1)).all()):
        raise ValueError(
            f"targets run from {float(targets.min()):.4g} to {float(targets.max()):.4g}; they lie between 0 and 1."
        )
    return logits, targets


def _reduced(values: Tensor, reduction: Reduction) -> Tensor:
    if reduction == "none":
        return values
    if reduction == "sum" or not values.numel():
        return values.sum()
    if reduction != "mean":
        raise ValueError(f"reduction {reduction!r} is unknown; take 'mean', 'sum' or 'none'.")
    return values.mean()

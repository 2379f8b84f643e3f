"""Token sets with their masks: checked once, normalised once, and zero where padding was."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from crossmod.objectives.pairs.precision import unit


def real_tokens(
    name: str, tokens: Float[Tensor, "batch length dim"], mask: Bool[Tensor, "batch length"] | None
) -> Bool[Tensor, "batch length"]:
    """The mask of a token set, all true where none was given.

    Shape:
        tokens: [batch, length, dim]; mask: [batch, length], true = real.

    Raises:
        ValueError: The set is empty or no floating [batch, length, dim], the mask does not fit it, or a sample has no
            real token.
    """
    if tokens.ndim != 3 or not tokens.is_floating_point() or 0 in tokens.shape:
        raise ValueError(
            f"tokens of {name} have shape {tuple(tokens.shape)} and type {tokens.dtype}; pass a floating "
            "[batch, length, dim] with at least one of each"
        )
    if mask is None:
        return torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
    if mask.shape != tokens.shape[:2] or mask.dtype != torch.bool:
        raise ValueError(
            f"the mask of {name} has shape {tuple(mask.shape)} and type {mask.dtype} beside tokens of shape "
            f"{tuple(tokens.shape)}; pass a bool [batch, length], true for real tokens"
        )
    if not bool(mask.any(1).all()):
        row = int((~mask.any(1)).nonzero()[0])
        raise ValueError(f"sample {row} of {name} has no real token; drop it from the batch or look for empty inputs")
    return mask


def unit_tokens(
    tokens: Float[Tensor, "batch length dim"], mask: Bool[Tensor, "batch length"]
) -> Float[Tensor, "batch length dim"]:
    """Every token over its norm, in at least float32.

    What stands in the padding is cleared first, so that not-a-numbers there reach neither values nor gradients; it is
    the callers' masks that keep padding out of maxima and means.
    """
    return unit(tokens.masked_fill(~mask[..., None], 0.0))


def mean_weights(mask: Bool[Tensor, "batch length"], like: Tensor) -> Float[Tensor, "batch length"]:
    """1 / (number of real tokens) at real tokens and 0 at padding: the weights of a mean."""
    weight = mask.to(like.dtype)
    return weight / weight.sum(1, keepdim=True)

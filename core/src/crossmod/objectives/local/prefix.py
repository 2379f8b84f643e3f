"""Prefix language modelling: what stands before a cut is read whole, what follows is predicted token by token."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional

from crossmod.objectives.local.reconstruction import masked_cross_entropy


def draw_prefixes(
    mask: Bool[Tensor, "batch length"],
    smallest: float,
    largest: float,
    generator: torch.Generator | None = None,
) -> Bool[Tensor, "batch length"]:
    """Mark a prefix of each row's real tokens; its share is uniform in [smallest, largest].

    At least one token is prefix and at least one follows; a row of fewer than two real tokens is all prefix.

    Shape:
        mask: [batch, length]; true = real token.

    Returns:
        [batch, length]; true = real token of the prefix.

    Raises:
        ValueError: The shares are not 0 <= smallest <= largest <= 1.
    """
    if not 0 <= smallest <= largest <= 1:
        raise ValueError(f"a prefix of {smallest} to {largest} of a text is none; give 0 <= smallest <= largest <= 1")
    real = mask.sum(1)
    draw = torch.rand(len(mask), generator=generator, device=mask.device)
    wanted = (real * (smallest + (largest - smallest) * draw)).round().long()
    count = torch.where(real < 2, real, wanted.clamp(min=1).minimum(real - 1))
    return mask & (mask.cumsum(1) <= count[:, None])


def next_token_loss(
    logits: Float[Tensor, "batch length vocabulary"],
    ids: Int64[Tensor, "batch length"],
    predicted: Bool[Tensor, "batch length"],
) -> Float[Tensor, ""]:
    """-log p(ids_i | what the logits at i - 1 saw), mean over all predicted tokens of the batch.

    Shape:
        logits: [batch, length, vocabulary]; position i scores token i + 1.
        ids: [batch, length].
        predicted: [batch, length]; true = token to be predicted; the first of a row has no logits and is passed over.

    Returns:
        The loss, at least in float32; zero with gradient when nothing is predicted.

    Raises:
        ValueError: The shapes do not describe the same tokens.
    """
    if not logits.shape[:2] == ids.shape == predicted.shape:
        raise ValueError(
            f"logits of {list(logits.shape[:2])}, ids of {list(ids.shape)} and a mask of {list(predicted.shape)} "
            "do not describe the same tokens; give all of them as [batch, length]"
        )
    wanted = predicted[:, 1:]
    return masked_cross_entropy(logits[:, :-1][wanted], ids[:, 1:][wanted])


def shift_right(values: Float[Tensor, "batch length width"]) -> Float[Tensor, "batch length width"]:
    """Every token moved one place on, a zero in front: what a decoder reads to predict token i at place i.

    Shape:
        values: [batch, length, width].
    """
    return functional.pad(values, (0, 0, 1, 0))[:, : values.shape[1]]

"""BERT's corruption of chosen tokens: most become [MASK], some another token, some stay (arXiv:1810.04805)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


class Fate(NamedTuple):
    """What becomes of each chosen token; the three are disjoint and together are the chosen ones.

    Shape:
        masked: [batch, length]; becomes the mask token.
        swapped: [batch, length]; becomes another token.
        unchanged: [batch, length]; stays, and is predicted all the same.
    """

    masked: Bool[Tensor, "batch length"]
    swapped: Bool[Tensor, "batch length"]
    unchanged: Bool[Tensor, "batch length"]


def draw_fates(
    chosen: Bool[Tensor, "batch length"],
    masked: float = 0.8,
    swapped: float = 0.1,
    generator: torch.Generator | None = None,
) -> Fate:
    """Decide for each chosen token on its own; 80%, 10% and 10% in BERT.

    Shape:
        chosen: [batch, length]; true = to be predicted.

    Raises:
        ValueError: The shares are negative or sum to more than one.
    """
    if masked < 0 or swapped < 0 or masked + swapped > 1 + 1e-9:
        raise ValueError(
            f"shares of {masked} masked and {swapped} swapped tokens leave none or fewer; keep the sum <= 1"
        )
    draw = torch.rand(chosen.shape, generator=generator, device=chosen.device)
    first = chosen & (draw < masked)
    second = chosen & ~first & (draw < masked + swapped)
    return Fate(first, second, chosen & ~first & ~second)


def corrupt_ids(
    ids: Int64[Tensor, "batch length"],
    fate: Fate,
    mask_id: int,
    vocabulary: int,
    generator: torch.Generator | None = None,
    *,
    first_id: int = 0,
) -> Int64[Tensor, "batch length"]:
    """Ids with masked tokens replaced by `mask_id` and swapped ones by an id uniform in [first_id, vocabulary).

    Args:
        first_id: Ids below it are special and never drawn.

    Shape:
        ids: [batch, length].

    Raises:
        ValueError: No id is left to draw from.
    """
    if first_id >= vocabulary:
        raise ValueError(f"no token is left to draw: special ids end at {first_id}, the vocabulary at {vocabulary}")
    drawn = torch.randint(first_id, vocabulary, ids.shape, generator=generator, device=ids.device)
    return torch.where(fate.swapped, drawn, ids.masked_fill(fate.masked, mask_id))


def swap_values(
    values: Float[Tensor, "batch length width"],
    fate: Fate,
    mask: Bool[Tensor, "batch length"],
    generator: torch.Generator | None = None,
) -> Float[Tensor, "batch length width"]:
    """Embedded tokens with swapped ones replaced by the embedding of a real token drawn from the batch [ours].

    Towers offer embedded tokens, not a table of ids, so the other token follows the batch's own frequencies and not,
    as in BERT, the uniform distribution.

    Shape:
        values: [batch, length, width].
        mask: [batch, length]; true = real token, from which the draw is made.
    """
    pool = mask.flatten().nonzero()[:, 0]
    if not len(pool):
        return values
    drawn = torch.randint(len(pool), mask.shape, generator=generator, device=mask.device)
    others = values.flatten(0, 1)[pool[drawn]]
    return torch.where(fate.swapped[..., None], others, values)

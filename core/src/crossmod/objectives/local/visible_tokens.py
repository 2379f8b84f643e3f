"""Taking the visible tokens out of a batch and putting their states back among mask tokens."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


class VisibleTokens(NamedTuple):
    """The visible tokens of every sample, moved to the front in their order.

    Shape:
        values: [batch, most visible, width]; zero where `mask` is false.
        mask: [batch, most visible]; false where a sample has fewer visible tokens than another.
        place: [batch, most visible]; each token's place in the whole sequence.
    """

    values: Float[Tensor, "batch visible width"]
    mask: Bool[Tensor, "batch visible"]
    place: Int64[Tensor, "batch visible"]


def gather_visible(values: Float[Tensor, "batch length width"], visible: Bool[Tensor, "batch length"]) -> VisibleTokens:
    """Keep the tokens where `visible` is true; the cost of what follows falls with their number.

    Shape:
        values: [batch, length, width].
        visible: [batch, length]; false at hidden tokens and at padding.

    Raises:
        ValueError: The shapes do not describe the same tokens.
    """
    if values.shape[:2] != visible.shape:
        raise ValueError(f"tokens of {list(values.shape[:2])} and a mask of {list(visible.shape)} do not fit together")
    count = visible.sum(1)
    most = int(count.max()) if len(count) else 0
    place = (~visible).long().argsort(dim=1, stable=True)[:, :most]
    mask = torch.arange(most, device=visible.device) < count[:, None]
    chosen = values.gather(1, place[..., None].expand(-1, -1, values.shape[2]))
    return VisibleTokens(chosen.masked_fill(~mask[..., None], 0.0), mask, place)


def scatter_visible(
    states: Float[Tensor, "batch visible width"],
    tokens: VisibleTokens,
    mask_token: Float[Tensor, "width"],
    length: int,
) -> Float[Tensor, "batch length width"]:
    """The whole sequence: states at the places they came from, the mask token everywhere else.

    Shape:
        states: [batch, visible, width]; in the order of `tokens`.
        mask_token: [width].
    """
    batch, _, width = states.shape
    whole = mask_token.to(states.dtype).expand(batch, length, width)
    # Padding entries point at hidden places; they go to one extra place, which is cut off.
    target = tokens.place.masked_fill(~tokens.mask, length)
    extended = torch.cat([whole, whole.new_zeros(batch, 1, width)], 1)
    return extended.scatter(1, target[..., None].expand(-1, -1, width), states)[:, :length]

"""Filling a batch whose rows lack one side: what is there and what stands in, in one padded tensor."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class Side(NamedTuple):
    """The tokens of one side of a fusion.

    Shape:
        tokens: [batch, length, width]; the first token stands for the whole.
        mask: [batch, length]; true = real token.
    """

    tokens: Float[Tensor, "batch length width"]
    mask: Bool[Tensor, "batch length"]

    def take(self, rows: Tensor) -> Side:
        """The rows at these places."""
        return Side(self.tokens[rows], self.mask[rows])


def interleave(there: Bool[Tensor, "batch"], present: Side, absent: Side) -> Side:
    """One side of a whole batch: rows of `present` where `there` is true, of `absent` elsewhere, in their orders."""
    length = max(present.tokens.shape[1], absent.tokens.shape[1])
    tokens = present.tokens.new_zeros(len(there), length, present.tokens.shape[2])
    mask = torch.zeros(len(there), length, dtype=torch.bool, device=there.device)
    for rows, side in ((there, present), (~there, absent)):
        place = rows.nonzero()[:, 0]
        reach = side.tokens.shape[1]
        tokens = tokens.index_copy(0, place, _padded(side.tokens, length).to(tokens.dtype))
        mask[place, :reach] = side.mask
    return Side(tokens, mask)


def _padded(tokens: Tensor, length: int) -> Tensor:
    return torch.nn.functional.pad(tokens, (0, 0, 0, length - tokens.shape[1]))

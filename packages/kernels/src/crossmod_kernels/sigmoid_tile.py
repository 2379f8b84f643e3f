"""Softplus sums and sigmoids of one tile, cheaper than one logarithm an element.

log(1 + x) + log(1 + y) = log(1 + (x + y + x y)) with x = exp(z): factors are merged in pairs, twice, and only a
quarter of the tile needs a logarithm. The form x + y + x y keeps tiny terms that (1 + x)(1 + y) would round away.
"""

from __future__ import annotations

import torch
from torch import Tensor

MERGED_FACTORS = 4


class SigmoidTile:
    """One tile's worth of working room. `bound`: no logit is above it, infinite if nothing is known."""

    def __init__(self, buffer: Tensor, bound: float) -> None:
        self.buffer = buffer
        largest_exponent = 80.0 if buffer.dtype == torch.float32 else 650.0
        self.merges = MERGED_FACTORS * bound <= largest_exponent

    def softplus_sum_then_sigmoid_(self, values: Tensor) -> Tensor:
        """The sum of softplus(Z); `values` become sigmoid(Z). Shape: values contiguous (rows, columns)."""
        flat = values.view(-1)
        work = self.buffer[: len(flat)]
        if self.merges and len(flat) % MERGED_FACTORS == 0:
            return _by_merging(flat, work)
        return _element_by_element(flat, work)


def _by_merging(flat: Tensor, work: Tensor) -> Tensor:
    half, quarter = len(flat) // 2, len(flat) // 4
    flat.exp_()
    merged = torch.add(flat[:half], flat[half:], out=work[:half])
    merged.addcmul_(flat[:half], flat[half:])
    first, second = merged[:quarter], merged[quarter:]
    first.addcmul_(first, second).add_(second)
    total = first.log1p_().sum()
    flat.div_(torch.add(flat, 1.0, out=work))
    return total


def _element_by_element(flat: Tensor, work: Tensor) -> Tensor:
    torch.abs(flat, out=work)
    total = work.neg_().exp_().log1p_().sum()
    total += torch.clamp(flat, min=0.0, out=work).sum()
    flat.sigmoid_()
    return total

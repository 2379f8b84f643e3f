"""A number for the words of every sentence, so that a sentence that two reports share is known to be one."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor

# Odd 64-bit constants of splitmix64 (Steele, Lea and Flood 2014), as signed numbers.
_STEP, _FIRST, _SECOND = -7046029254386353131, -4658895280553007687, -7723592293110705685


def sentence_identities(
    ids: Int64[Tensor, "batch length"], sentence: Int64[Tensor, "batch length"], count: int
) -> Int64[Tensor, "batch count"]:
    """A hash of every sentence's tokens and their order; 0 for a sentence without any.

    Equal tokens have equal numbers in every batch and process; unequal ones collide with a chance near 2^-64. As
    tokens follow normalisation, "No effusion." and "no  effusion." are one sentence to a tower that drops case.

    Shape:
        ids: [batch, length]; sentence: [batch, length]; the sentence of every token, negative for tokens of none.
    """
    batch, length = ids.shape
    place = torch.arange(length, device=ids.device).expand_as(ids)
    real = sentence >= 0
    row = torch.arange(batch, device=ids.device)[:, None].expand_as(ids)
    flat = (row * count + sentence)[real]
    begin = ids.new_full((batch * count,), length).scatter_reduce_(0, flat, place[real], "amin")
    mixed = _mixed(ids[real] * _STEP + _mixed(place[real] - begin[flat] + 1))
    return ids.new_zeros(batch * count).index_add_(0, flat, mixed).view(batch, count)


def _mixed(values: Int64[Tensor, "values"]) -> Int64[Tensor, "values"]:
    """The finaliser of splitmix64, with arithmetic shifts."""
    values = (values ^ (values >> 30)) * _FIRST
    values = (values ^ (values >> 27)) * _SECOND
    return values ^ (values >> 31)

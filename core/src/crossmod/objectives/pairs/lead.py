"""How far a row's positives lead the whole batch: what softening targets towards uniform adds to InfoNCE.

A soft target (1 - w) hard + w * uniform changes the cross-entropy by w times the difference of two mean logits, and
means of logits are products with means of keys. So softened contrast needs no batch x batch matrix either.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor


class Lead(NamedTuple):
    """Per row, the lead and the number of positives. Shape: both [batch]."""

    lead: Float[Tensor, "batch"]
    positives: Int64[Tensor, "batch"]


def lead_over_batch(
    rows: Float[Tensor, "batch dim"],
    keys: Float[Tensor, "batch dim"],
    scale: Float[Tensor, ""],
    group: Int64[Tensor, "batch"] | None = None,
) -> Lead:
    """lead_i = mean over the positives j of Z_ij - mean over all j of Z_ij, with Z = scale * rows keys'.

    Shape:
        rows, keys: [batch, dim], L2-normalised, row i paired with key i; scale: []; group: [batch].
    """
    if group is None:
        centre, count = keys, torch.ones(len(keys), dtype=torch.int64, device=keys.device)
    else:
        distinct, place, counts = torch.unique(group, return_inverse=True, return_counts=True)
        sums = keys.new_zeros(len(distinct), keys.shape[1]).index_add(0, place, keys)
        centre, count = (sums / counts[:, None])[place], counts[place]
    return Lead(scale * (rows * (centre - keys.mean(0))).sum(1), count)

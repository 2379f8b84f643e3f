"""Batches of unequal lengths in a few sub-batches of like length, so that padding is not computed on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor


class Bucket(NamedTuple):
    """Samples of like length: their rows in the batch, the longest length, and whether all have that length."""

    rows: Int64[Tensor, "samples"]
    longest: int
    even: bool


def length_buckets(lengths: Int64[Tensor, "batch"], count: int, smallest: int = 4) -> list[Bucket]:
    """At most `count` sub-batches of equal sample counts, by length; none below `smallest` samples.

    Every row is in exactly one of them; one bucket keeps the rows in their order.
    """
    samples = int(lengths.shape[0])
    count = max(1, min(count, samples // smallest))
    if count == 1:
        rows = torch.arange(samples, device=lengths.device)
        return [_bucket(rows, lengths)]
    order = torch.argsort(lengths, stable=True)
    return [_bucket(rows, lengths) for rows in order.tensor_split(count)]


def _bucket(rows: Int64[Tensor, "samples"], lengths: Int64[Tensor, "batch"]) -> Bucket:
    if not len(rows):
        return Bucket(rows, 0, True)
    held = lengths[rows]
    shortest, longest = (int(value) for value in torch.stack([held.min(), held.max()]).tolist())
    return Bucket(rows, longest, shortest == longest)

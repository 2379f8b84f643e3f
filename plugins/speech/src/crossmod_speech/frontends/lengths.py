"""Lengths and masks of padded minibatches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def own_lengths(samples: Float[Tensor, "batch samples"], lengths: Int64[Tensor, "batch"]) -> list[int]:
    """The lengths as numbers.

    Shape:
        samples: [batch, samples].
        lengths: [batch].

    Raises:
        ValueError: One is below 0 or above what is there, or they are not one a row.
    """
    counts: list[int] = lengths.tolist()
    if samples.ndim != 2 or len(counts) != len(samples):
        raise ValueError(
            f"the waveforms have shape {list(samples.shape)} and {len(counts)} lengths; give a row for each."
        )
    wrong = [count for count in counts if not 0 <= count <= samples.shape[1]]
    if wrong:
        raise ValueError(f"a length is {wrong[0]}, but the waveforms have {samples.shape[1]} samples.")
    return counts


def first_places(counts: Sequence[int], places: int, device: torch.device) -> Bool[Tensor, "batch places"]:
    """True at the first `counts` of so many places in every row.

    Shape:
        returns: [batch, places].
    """
    return torch.arange(places, device=device) < torch.tensor(counts, device=device, dtype=torch.int64)[:, None]

"""Gathering runs of rows out of a packed array: what makes collating molecules one indexing call."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor


def offsets_of(counts: Int64[Tensor, "samples"]) -> Int64[Tensor, "samples_and_one"]:
    """Where each sample's rows begin, and the end of the last one's."""
    offsets = counts.new_zeros(len(counts) + 1)
    torch.cumsum(counts, 0, out=offsets[1:])
    return offsets


def gather_runs(
    offsets: Int64[Tensor, "samples_and_one"], index: Int64[Tensor, "picked"]
) -> tuple[Int64[Tensor, "rows"], Int64[Tensor, "picked_and_one"]]:
    """Positions of the rows of the picked samples, one sample after another, and their new offsets.

    Shape:
        offsets: [samples + 1]; sample i holds rows offsets[i] to offsets[i + 1].
        index: [picked]; samples in the wanted order, repeats allowed.
    """
    first = offsets[index]
    gathered = offsets_of(offsets[index + 1] - first)
    rows = int(gathered[-1])
    counts = gathered.diff()
    shift = torch.repeat_interleave(first - gathered[:-1], counts, output_size=rows)
    return shift + torch.arange(rows, device=offsets.device), gathered

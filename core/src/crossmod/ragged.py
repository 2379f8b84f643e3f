"""Ragged rows packed end to end: what makes collating graphs, fingerprints and texts one indexing call."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor


def offsets_of(counts: Int64[Tensor, "samples"]) -> Int64[Tensor, "samples_and_one"]:
    """Where each sample's elements begin, and the end of the last one's.

    Shape:
        counts: [samples] -> [samples + 1].
    """
    offsets = counts.new_zeros(len(counts) + 1)
    torch.cumsum(counts, 0, out=offsets[1:])
    return offsets


def gather_runs(
    offsets: Int64[Tensor, "samples_and_one"], index: Int64[Tensor, "picked"]
) -> tuple[Int64[Tensor, "elements"], Int64[Tensor, "picked_and_one"]]:
    """Where the elements of the picked samples stand in the packed array, and the offsets of what is gathered.

    Shape:
        offsets: [samples + 1]; sample i holds elements offsets[i] to offsets[i + 1].
        index: [picked]; samples in the wanted order, repeats allowed.
        returns: [elements] positions, and [picked + 1] offsets of the gathered array.
    """
    index = index.to(offsets.device)
    first = offsets[index]
    gathered = offsets_of(offsets[index + 1] - first)
    elements = int(gathered[-1])
    shift = torch.repeat_interleave(first - gathered[:-1], gathered.diff(), output_size=elements)
    return shift + torch.arange(elements, device=offsets.device), gathered

"""Ragged rows packed end to end, and how a choice of rows is gathered without a loop over rows."""

from __future__ import annotations

import torch
from jaxtyping import Int64
from torch import Tensor


def ragged_positions(
    offsets: Int64[Tensor, "bounds"], index: Int64[Tensor, "samples"]
) -> tuple[Int64[Tensor, "total"], Int64[Tensor, "taken_bounds"]]:
    """Where the elements of the rows at `index` stand in the packed array, and the offsets of the taken rows.

    Shape:
        offsets: [rows + 1]; row r holds elements offsets[r] to offsets[r + 1].
        index: [samples]; an index may repeat.
        returns: [total] positions, and [samples + 1] offsets of the gathered array.
    """
    index = index.to(offsets.device)
    lengths = (offsets[1:] - offsets[:-1])[index]
    taken = torch.cat([lengths.new_zeros(1), torch.cumsum(lengths, 0)])
    total = int(taken[-1])
    shift = offsets[:-1][index] - taken[:-1]
    positions = torch.repeat_interleave(shift, lengths, output_size=total)
    return positions + torch.arange(total, device=offsets.device), taken

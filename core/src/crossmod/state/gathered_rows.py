"""Rows of every process as one block without gradient: what queues and per-sample tables are fed with."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from crossmod.distributed.world import world_size


@torch.no_grad()
def gather_rows(*columns: Tensor) -> tuple[Tensor, ...]:
    """Concatenate each column over the processes, in the order of the processes; alone, detach and return.

    Processes may hold different numbers of rows, none included, because a row may lack a modality.

    Shape:
        columns: [rows, ...] each; equal rows within a process, equal trailing shape and type across processes.

    Raises:
        ValueError: The columns of this process differ in their number of rows.
    """
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        raise ValueError(f"columns of {lengths} rows cannot be gathered together; give one value a row in each.")
    if world_size() == 1:
        return tuple(column.detach() for column in columns)
    device = columns[0].device
    sizes = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(world_size())]
    dist.all_gather(sizes, torch.tensor([lengths[0]], device=device))
    counts = [int(size) for size in sizes]
    return tuple(_gather_padded(column.detach(), counts) for column in columns)


def _gather_padded(column: Tensor, counts: list[int]) -> Tensor:
    """All processes send as many rows as the longest, since the collective wants equal shapes."""
    padded = column.new_zeros(max(counts), *column.shape[1:])
    padded[: len(column)] = column
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

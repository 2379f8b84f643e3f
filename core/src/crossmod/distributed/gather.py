"""Gathering rows of all processes with gradient: the one collective that cross-process losses are built on."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from crossmod.distributed.world import rank, world_size


class _Gather(torch.autograd.Function):
    """Concatenate over processes; backward sums every process's gradient for the own rows."""

    @staticmethod
    def forward(ctx: Any, local: Tensor) -> Tensor:
        sizes: list[int] = [0] * world_size()
        dist.all_gather_object(sizes, local.shape[0])
        ctx.sizes = sizes
        if len(set(sizes)) > 1:
            raise ValueError(f"processes hold batches of {sizes} rows; drop the last batch or pad it to one size")
        parts = [torch.empty_like(local) for _ in sizes]
        dist.all_gather(parts, local.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (gradient,) = gradients
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        start = sum(ctx.sizes[: rank()])
        return gradient[start : start + ctx.sizes[rank()]]


def gather_with_gradient(local: Float[Tensor, "local dim"]) -> Float[Tensor, "global dim"]:
    """The rows of all processes, in the order of the processes, through which gradients flow back.

    With the loss of the local rows against all gathered columns, averaging parameter gradients over the processes
    gives exactly the gradient of one process with the whole batch.

    Raises:
        ValueError: The processes hold different numbers of rows.
    """
    if world_size() == 1:
        return local
    gathered: Tensor = _Gather.apply(local)
    return gathered

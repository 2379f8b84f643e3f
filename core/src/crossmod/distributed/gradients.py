"""Averaging gradients over processes, once a step, after every backward pass of the step is done."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import nn

from crossmod.distributed.world import world_size


@torch.no_grad()
def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over processes, in one collective a dtype.

    Done explicitly, after all backward passes of a step, so that chunked and unchunked backward share one rule and
    no gradient (a logit scale's included) can stay local. A parameter without a gradient counts as zero, because
    it may have one on another process; without one on any process it keeps none, so that the optimiser passes it
    over as it would in one process.
    """
    if world_size() == 1:
        return
    wanted = [parameter for parameter in parameters if parameter.requires_grad]
    for dtype in sorted({parameter.dtype for parameter in wanted}, key=str):
        group = [parameter for parameter in wanted if parameter.dtype == dtype]
        present = torch.tensor([parameter.grad is not None for parameter in group], dtype=dtype, device=group[0].device)
        for parameter in group:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([present, *(parameter.grad.reshape(-1) for parameter in group if parameter.grad is not None)])
        dist.all_reduce(flat)
        flat /= world_size()
        start = len(group)
        for parameter, anywhere in zip(group, flat[:start].tolist(), strict=True):
            assert parameter.grad is not None
            if anywhere:
                parameter.grad.copy_(flat[start : start + parameter.numel()].view_as(parameter))
            else:
                parameter.grad = None
            start += parameter.numel()

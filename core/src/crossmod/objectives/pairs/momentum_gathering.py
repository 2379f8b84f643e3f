"""Momentum keys over processes: each scores its own rows against the keys of all, and the mean is that of one process.

ALBEF and TCL contrast a process's rows with its own keys and the common queue; here the keys of the other processes
stand in between, which makes the number of processes a matter of speed alone.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from crossmod.distributed.world import rank, world_size
from crossmod.objectives.pairs.gathering import padded_to_longest
from crossmod.objectives.pairs.token_scores import TokenSet
from crossmod.objectives.pairs.triple import Side
from crossmod.state.gathered_rows import gather_rows


class Gathered(NamedTuple):
    """Both sides with the keys and locals of all processes, and what this process's mean weighs in the mean over all.

    The weight is (own rows) * (processes) / (rows of all), because gradients are averaged over processes in equal parts
    while processes may hold different numbers of rows; without a row anywhere it is 0.
    """

    a: Side
    b: Side
    weight: float


@torch.no_grad()
def gather_sides(a: Side, b: Side, group: Int64[Tensor, "batch"]) -> Gathered:
    """Put the keys and locals of other processes behind the own ones; all processes call, perhaps without a row.

    Shape:
        group: [batch], of the rows of both sides.
    """
    if world_size() == 1:
        return Gathered(a, b, float(len(group) > 0))
    owner = torch.full_like(group, rank())
    owners, groups = gather_rows(owner, group)
    others = owners != rank()
    weight = len(group) * world_size() / max(1, len(owners))
    return Gathered(_gather(a, others, groups), _gather(b, others, groups), weight)


def _gather(side: Side, others: Tensor, groups: Tensor) -> Side:
    keys = side.keys
    (every_key,) = gather_rows(keys.batch)
    queue = every_key[others] if keys.queue is None else torch.cat([every_key[others], keys.queue])
    queue_group = groups[others] if keys.queue_group is None else torch.cat([groups[others], keys.queue_group])
    side = side._replace(keys=keys._replace(queue=queue, queue_group=queue_group))
    if side.local is None:
        return side
    assert side.mask is not None, "locals of several processes are padded to one length"
    local, mask = padded_to_longest(TokenSet(side.local, side.mask))
    every_local, every_mask = gather_rows(local, mask.to(torch.uint8))
    return side._replace(
        local=torch.cat([local, every_local[others]]), mask=torch.cat([mask, every_mask[others].bool()])
    )

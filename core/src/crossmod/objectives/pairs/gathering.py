"""The rows of all processes, for dense losses: every process then scores the whole batch, with its gradient."""

from __future__ import annotations

import torch
import torch.distributed as dist
from jaxtyping import Float, Int64, Shaped
from torch import Tensor
from torch.nn.functional import pad

from crossmod.distributed.gather import gather_with_gradient
from crossmod.distributed.world import world_size
from crossmod.objectives.pairs.token_scores import TokenSet


def every_row(rows: Float[Tensor, "batch dim"]) -> Float[Tensor, "everyone dim"]:
    """The rows of all processes with gradient; those of this one where there is no other.

    A loss of all rows, taken on every process, has W times the gradient in the own rows after the sum that gathering's
    backward is; the mean over W processes is then that of one process, in the towers and in a scale alike.

    Raises:
        ValueError: The processes hold different numbers of rows.
    """
    return gather_with_gradient(rows)


def every_constant(values: Shaped[Tensor, "batch *rest"]) -> Shaped[Tensor, "everyone *rest"]:
    """Ids or masks of all processes, equal in shape on each."""
    if world_size() == 1:
        return values
    parts = [torch.empty_like(values) for _ in range(world_size())]
    dist.all_gather(parts, values.contiguous())
    return torch.cat(parts)


def every_group(group: Int64[Tensor, "batch"] | None, rows: int, device: torch.device) -> Int64[Tensor, "everyone"]:
    """The groups of all processes' rows; consecutive numbers where rows have none."""
    if group is None:
        return torch.arange(rows * world_size(), device=device)
    return every_constant(group.long())


def every_token_set(part: TokenSet) -> TokenSet:
    """The token sets of all processes, padded to the longest, with gradient.

    Raises:
        ValueError: The processes hold different numbers of samples.
    """
    if world_size() == 1:
        return part
    part = padded_to_longest(part)
    return TokenSet(gather_with_gradient(part.tokens), every_constant(part.mask.to(torch.uint8)).bool())


def padded_to_longest(part: TokenSet) -> TokenSet:
    """Token sets padded to the longest of any process."""
    longest = torch.tensor(part.tokens.shape[1], device=part.tokens.device)
    dist.all_reduce(longest, op=dist.ReduceOp.MAX)
    missing = int(longest) - part.tokens.shape[1]
    return TokenSet(pad(part.tokens, (0, 0, 0, missing)), pad(part.mask, (0, missing)))

"""Negatives that are drawn without looking: uniform ones and permutations (MolFM, arXiv:2307.09484)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from crossmod.objectives.matching.hard_negatives import DrawnPairs, Missing, draw_hard_negatives

# A random permutation of n distinct things moves all of them with probability 1/e: 64 trials fail once in 10^13.
TRIALS = 64


def draw_uniform_negatives(
    allowed: Bool[Tensor, "rows columns"], *, generator: torch.Generator | None = None, missing: Missing = "error"
) -> DrawnPairs:
    """Draw one column a row, uniformly over its allowed columns and independently of the other rows.

    Raises:
        ValueError: A row has no candidate and is not to be skipped.
    """
    equal = torch.zeros(allowed.shape, device=allowed.device)
    return draw_hard_negatives(equal, allowed, generator=generator, missing=missing)


def has_derangement(group: Int64[Tensor, "batch"]) -> bool:
    """Whether a permutation exists that gives every row the counterpart of another group: no group above half."""
    return not len(group) or 2 * int(torch.unique(group, return_counts=True)[1].max()) <= len(group)


@torch.no_grad()
def draw_derangement(
    group: Int64[Tensor, "batch"], *, generator: torch.Generator | None = None
) -> Int64[Tensor, "batch"]:
    """A random permutation p with group[p_i] != group[i] for all i, in bounded time.

    Uniform over all such permutations wherever they are not rare, by trying permutations. Where groups make them
    rare, the rows are put in random order group by group and shifted round by a random distance no shorter than the
    largest group, which is always one, if not of the uniform distribution. The released code tries for ever.

    Args:
        group: [batch] int64; equal numbers describe the same thing.
        generator: Of the draw, on the CPU.

    Raises:
        ValueError: No such permutation exists: one group holds more than half of the batch, as at batch size one.
    """
    if not has_derangement(group):
        raise ValueError(
            f"a batch of {len(group)} in which one group has more than half of the rows cannot be permuted into "
            "negatives; take larger batches or draw groups instead of rows."
        )
    local = group.cpu()
    for _ in range(TRIALS):
        permutation = torch.randperm(len(local), generator=generator)
        if not bool((local[permutation] == local).any()):
            return permutation.to(group.device)
    return _shifted_by_group(local, generator).to(group.device)


def _shifted_by_group(group: Tensor, generator: torch.Generator | None) -> Tensor:
    """Rows sorted by group meet another group at every distance from the largest group to the rest."""
    _, place, sizes = torch.unique(group, return_inverse=True, return_counts=True)
    shuffled = torch.randperm(len(group), generator=generator)
    group_order = torch.randperm(len(sizes), generator=generator)
    order = shuffled[torch.argsort(group_order[place[shuffled]], stable=True)]
    largest = int(sizes.max())
    distance = int(torch.randint(largest, len(group) - largest + 1, (), generator=generator))
    permutation = torch.empty_like(order)
    permutation[order] = order.roll(-distance)
    return permutation

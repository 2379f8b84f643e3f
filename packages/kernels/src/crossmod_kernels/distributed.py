"""The losses over processes that each hold a share of the batch: one side travels, and no process sees all logits.

Own rows meet the gathered keys once. Row sums are local, column sums are one all-reduce of a few numbers a key, and the
keys' gradient comes back by one reduce-scatter: half the products and half the bytes of gathering both sides.
Averaging gradients over processes, as data-parallel training does, then gives the single-process gradient, and
averaging the losses gives the single-process loss.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod_kernels.collectives import Ranks
from crossmod_kernels.contrast import ContrastOptions, contrast
from crossmod_kernels.group_match import check_every_row_has_a_key
from crossmod_kernels.group_targets import GroupTargets
from crossmod_kernels.infonce import Backend, Memory
from crossmod_kernels.layout import agree
from crossmod_kernels.pair_targets import PairTargets
from crossmod_kernels.positives import Positives, group_pairs, group_positives, identity_pairs, identity_positives
from crossmod_kernels.sigmoid_contrast import SigmoidOptions, sigmoid_contrast
from crossmod_kernels.unit_rows import compute_dtype
from crossmod_kernels.validation import check_choices, check_embeddings, check_groups, check_scalar


def infonce_distributed(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "batch dim"],
    scale: Float[Tensor, ""],
    *,
    group_a: Int64[Tensor, "batch"] | None = None,
    group_b: Int64[Tensor, "batch"] | None = None,
    process_group: dist.ProcessGroup | None = None,
    normalise: bool = True,
    memory: Memory = "auto",
    tile: tuple[int, int] | None = None,
    backend: Backend = "auto",
) -> Float[Tensor, ""]:
    """`infonce` of the batches of all processes joined, as this process's share: the shares average to the whole.

    The scale has to be equal on all processes. Batches may differ in size: shares are weighted by their rows, so that
    the average stays the joined loss. Every process has to call this, and the backward pass, together.

    Shape: a, b (batch, dim); scale (); group_a, group_b (batch,); returns ().

    Raises:
        ValueError: on every process, where `infonce` would raise or the processes do not fit together.
        RuntimeError: if no process group was initialised.
    """

    def check() -> None:
        _check(a, b, scale, group_a, group_b, backend, tile)
        check_choices(memory, backend, tile)

    ranks = agree(a, b, group_a, group_b, check, process_group)
    like = a.new_empty(0, dtype=compute_dtype(a, b))
    positives = _positives(ranks, group_a, group_b, like)
    options = ContrastOptions(normalise=normalise, memory=memory, tile=tile, backend=backend, exchange=ranks)
    loss_a, loss_b = contrast(a, b, scale, (positives.targets,), options)
    counted = ranks.own_rows(positives.has_positive)
    mean_a = loss_a.sum() / ranks.total_rows
    mean_b = torch.where(counted, loss_b, 0.0).sum() / positives.has_positive.sum()
    return (mean_a + mean_b) * (len(ranks.sizes) / 2)


def sigmoid_pairs_distributed(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "batch dim"],
    scale: Float[Tensor, ""],
    bias: Float[Tensor, ""],
    *,
    group_a: Int64[Tensor, "batch"] | None = None,
    group_b: Int64[Tensor, "batch"] | None = None,
    process_group: dist.ProcessGroup | None = None,
    normalise: bool = True,
    tile: tuple[int, int] | None = None,
    backend: Backend = "auto",
) -> Float[Tensor, ""]:
    """`sigmoid_pairs` of the batches of all processes joined, as this process's share: they average to the whole.

    Scale and bias have to be equal on all processes, and so has the factor that the loss is multiplied with before
    its backward pass, as gradients are exchanged in the forward pass. Batches may differ in size.

    Shape: a, b (batch, dim); scale, bias (); group_a, group_b (batch,); returns ().

    Raises:
        ValueError: on every process, where `sigmoid_pairs` would raise, the processes do not fit together, or, in
            the backward pass, the loss was weighted differently on them.
        RuntimeError: if no process group was initialised.
    """

    def check() -> None:
        _check(a, b, scale, group_a, group_b, backend, tile)
        check_scalar("bias", bias, positive=False)

    ranks = agree(a, b, group_a, group_b, check, process_group)
    like = a.new_empty(0, dtype=compute_dtype(a, b))
    positives: PairTargets | GroupTargets
    if group_a is None:
        positives = identity_pairs(len(a), like, columns=ranks.total_rows, first_column=ranks.first_row)
    else:
        keys = ranks.gather_rows((group_a if group_b is None else group_b).long())
        positives = group_pairs(group_a.long(), keys, like)
    options = SigmoidOptions(
        factor=len(ranks.sizes) / ranks.total_rows,
        normalise=normalise,
        tile=tile,
        backend=backend,
        exchange=ranks,
    )
    return sigmoid_contrast(a, b, scale, bias, positives, options)


def _check(
    a: Tensor,
    b: Tensor,
    scale: Tensor,
    group_a: Tensor | None,
    group_b: Tensor | None,
    backend: str,
    tile: tuple[int, int] | None,
) -> None:
    check_embeddings(a, b, paired=True)
    check_scalar("scale", scale, positive=True)
    check_groups(a, b, group_a, group_b)
    check_choices("auto", backend, tile)


def _positives(ranks: Ranks, group_a: Tensor | None, group_b: Tensor | None, like: Tensor) -> Positives:
    if group_a is None:
        own = ranks.sizes[ranks.rank]
        local = identity_positives(own, ranks.total_rows, like, first_column=ranks.first_row)
        return Positives(local.targets, torch.ones_like(local.has_positive))
    rows = ranks.gather_rows(group_a.long())
    keys = rows if group_b is None else ranks.gather_rows(group_b.long())
    check_every_row_has_a_key(rows, keys)
    return group_positives(group_a.long(), keys, like, every_group_a=rows)

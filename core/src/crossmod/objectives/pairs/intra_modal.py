"""Contrast inside one modality: two views in a batch (NT-Xent), or one view against momentum keys (TCL's IMC)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.objectives.pairs.logits import cosine_logits
from crossmod.objectives.pairs.precision import alike, widened
from crossmod.objectives.pairs.soft_targets import soft_cross_entropy
from crossmod_kernels import infonce_directions
from crossmod_kernels.validation import check_groups


def nt_xent(
    first: Float[Tensor, "batch dim"],
    second: Float[Tensor, "batch dim"],
    scale: Float[Tensor, ""],
    *,
    group: Int64[Tensor, "batch"] | None = None,
) -> Float[Tensor, ""]:
    """Every one of 2B views finds its partner among the 2B - 1 others (SimCLR, arXiv:2002.05709; SLIP's image term).

    The intra-modal term whose effect on the modality gap Cross the Gap analyses. With groups, views of one group share
    the target. A batch of one has no negatives, and loses nothing.

    Shape:
        first, second: [batch, dim], views of the same samples; scale: []; group: [batch].

    Raises:
        ValueError: The views differ in number, or as `cosine_logits`.
    """
    if first.shape != second.shape:
        raise ValueError(
            f"the views have shapes {tuple(first.shape)} and {tuple(second.shape)}; pass two of each sample"
        )
    check_groups(first, second, group, None)
    views = torch.cat([first, second])
    logits = cosine_logits(views, views, scale)
    others = ~torch.eye(len(views), dtype=torch.bool, device=views.device)
    own = torch.arange(len(first), device=views.device) if group is None else group
    match = (own.repeat(2)[:, None] == own.repeat(2)[None, :]) & others
    targets = match.to(logits.dtype) / match.sum(1, keepdim=True)
    return soft_cross_entropy(logits, targets, others, direction="view -> view")


def intra_modal_contrast(
    online: Float[Tensor, "batch dim"],
    momentum: Float[Tensor, "batch dim"],
    scale: Float[Tensor, ""],
    *,
    queue: Float[Tensor, "queued dim"] | None = None,
    group: Int64[Tensor, "batch"] | None = None,
    queue_group: Int64[Tensor, "queued"] | None = None,
) -> Float[Tensor, ""]:
    """-mean_i sum_j T_ij log softmax_j(scale <z_i, k_j>), keys being momentum features of another view, then the queue.

    TCL's IMC (arXiv:2202.10401): hard targets without distillation; keys are constants. With groups, keys of one
    group share the target, as in TCL's fine-tuning.

    Shape:
        online, momentum: [batch, dim]; queue: [queued, dim]; scale: []; group: [batch]; queue_group: [queued].

    Raises:
        ValueError: A queue comes without its groups while the batch has some, or as `cosine_logits`.
    """
    columns = groups_of_both(group, queue, queue_group)
    rows, keys = alike(online, keys_of(momentum, queue))
    return infonce_directions(rows, keys, scale, group_a=group, group_b=columns).loss_a.mean()


def keys_of(
    momentum: Float[Tensor, "batch dim"], queue: Float[Tensor, "queued dim"] | None
) -> Float[Tensor, "keys dim"]:
    """The batch's momentum features, then the queue's, as constants."""
    own = widened(momentum.detach())
    return own if queue is None else torch.cat([own, queue.detach().to(own.dtype)])


def groups_of_both(
    group: Int64[Tensor, "batch"] | None,
    queue: Float[Tensor, "queued dim"] | None,
    queue_group: Int64[Tensor, "queued"] | None,
) -> Int64[Tensor, "keys"] | None:
    """The groups of the batch's keys and then of the queue's; None where there are none.

    Raises:
        ValueError: Groups are given for the batch or for the queue alone.
    """
    if group is None and queue_group is None:
        return None
    if group is None or (queue is not None and queue_group is None):
        raise ValueError(
            "groups are given for the batch or the queue alone; pass the ids of both, -100 where a queue is unfilled"
        )
    return group if queue_group is None else torch.cat([group, queue_group])

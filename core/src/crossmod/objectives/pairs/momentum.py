"""ALBEF's contrast: momentum keys, a queue, and targets softened by the momentum model (arXiv:2107.07651)."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float, Int64
from torch import Tensor

from crossmod.objectives.pairs.intra_modal import groups_of_both, keys_of
from crossmod.objectives.pairs.precision import alike
from crossmod.objectives.pairs.soft_targets import PairLoss
from crossmod_kernels import distilled_rows


class MomentumKeys(NamedTuple):
    """One modality's momentum features of the batch, and its queue.

    Shape:
        batch: [batch, dim]; queue: [queued, dim] or None; queue_group: [queued] or None.
    """

    batch: Float[Tensor, "batch dim"]
    queue: Float[Tensor, "queued dim"] | None = None
    queue_group: Int64[Tensor, "queued"] | None = None


def momentum_contrast(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "batch dim"],
    scale: Float[Tensor, ""],
    keys_a: MomentumKeys,
    keys_b: MomentumKeys,
    *,
    share: float = 0.4,
    group: Int64[Tensor, "batch"] | None = None,
) -> PairLoss:
    """Soft-target InfoNCE of a against b's momentum keys and of b against a's, targets distilled in part.

    T = share * softmax(scale <momentum row, keys>) + (1 - share) * hard. Keys and targets are constants; rows and the
    scale have gradients. Without `group` the hard target is the own pair, and queued duplicates count as negatives, as
    in ALBEF's pre-training; with it they share the target, as in its fine-tuning. No matrix of rows by keys is held.
    Nothing is gathered over processes here; the keys of others may stand in the queue like older ones.

    Shape:
        a, b: [batch, dim]; scale: []; group: [batch].

    Raises:
        ValueError: Sides differ in rows, groups are given for the batch or for a queue alone, or the share is
            outside [0, 1].
    """
    shapes = [tuple(rows.shape) for rows in (a, b, keys_a.batch, keys_b.batch)]
    if len(set(shapes)) > 1:
        raise ValueError(f"rows and momentum features have shapes {shapes}; all four belong to the same batch")
    loss_ab = _direction(a, keys_a.batch, keys_b, scale, share, group)
    loss_ba = _direction(b, keys_b.batch, keys_a, scale, share, group)
    return PairLoss((loss_ab + loss_ba) / 2, loss_ab, loss_ba)


def _direction(
    rows: Tensor, momentum_rows: Tensor, keys: MomentumKeys, scale: Tensor, share: float, group: Tensor | None
) -> Tensor:
    columns = groups_of_both(group, keys.queue, keys.queue_group)
    rows, every_key = alike(rows, keys_of(keys.batch, keys.queue))
    return distilled_rows(
        rows,
        every_key,
        scale,
        teacher_a=momentum_rows,
        teacher_b=every_key,
        teacher_scale=float(scale.detach()),
        share=share,
        group_a=group,
        group_b=columns,
    ).mean()

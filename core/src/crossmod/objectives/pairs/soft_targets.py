"""The primitive of the family: soft-target InfoNCE over two matrices of logits, dense, for batches that fit.

CLIP, FILIP, CWCL, 1-to-K, TCL, FDT, NEVLP and ALBEF's distillation are builders of its logits and of its targets.
Where logits are cosines times a scale and targets are the identity, groups or continuous weights, the same value
comes without any batch x batch matrix from `crossmod_kernels`: `infonce` (identity and groups, extra keys),
`cwcl` (continuous weights and their powers) and `sigmoid_pairs`.
"""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor

from crossmod.objectives.pairs.precision import widened
from crossmod_kernels import soft_cross_entropy_reference


class PairLoss(NamedTuple):
    """A symmetric loss and its two directions. Shape: each ()."""

    loss: Float[Tensor, ""]
    loss_ab: Float[Tensor, ""]
    loss_ba: Float[Tensor, ""]


def soft_cross_entropy(
    logits: Float[Tensor, "rows columns"],
    targets: Float[Tensor, "rows columns"],
    mask: Bool[Tensor, "rows columns"] | None = None,
    *,
    direction: str = "a -> b",
) -> Float[Tensor, ""]:
    """-mean_i sum_j T_ij log softmax_j(Z_ij), in at least float32; a forbidden pair has the logit -inf.

    Targets are constants. Not-a-number in the logits gives a not-a-number loss.

    Shape:
        logits, targets, mask: [rows, columns]; mask true = allowed.

    Raises:
        ValueError: There is no pair, shapes differ, a row has no allowed column, or targets are no distribution
            over the allowed pairs.
    """
    if logits.ndim != 2 or not logits.numel():
        raise ValueError(
            f"direction {direction}: logits have shape {tuple(logits.shape)}; a contrast needs a matrix of at least "
            "one pair, so skip empty batches"
        )
    for name, other in (("targets", targets), ("the mask", mask)):
        if other is not None and other.shape != logits.shape:
            raise ValueError(
                f"direction {direction}: {name} have shape {tuple(other.shape)} beside logits of shape "
                f"{tuple(logits.shape)}; build both for the same rows and columns"
            )
    logits = widened(logits)
    return soft_cross_entropy_reference(logits, targets.to(logits.dtype), mask, direction=direction)


def soft_target_infonce(
    logits_ab: Float[Tensor, "batch keys"],
    logits_ba: Float[Tensor, "other_batch other_keys"],
    targets_ab: Float[Tensor, "batch keys"],
    targets_ba: Float[Tensor, "other_batch other_keys"],
    mask_ab: Bool[Tensor, "batch keys"] | None = None,
    mask_ba: Bool[Tensor, "other_batch other_keys"] | None = None,
) -> PairLoss:
    """(L_ab + L_ba) / 2 with L = -mean_i sum_j T_ij log softmax_j(Z_ij) over the allowed pairs of each row.

    The directions are independent: logits may differ from each other's transpose, as in late interaction, and may
    run over different keys, as with two queues.

    Shape:
        logits_ab, targets_ab, mask_ab: [batch, keys]; logits_ba, targets_ba, mask_ba: [other_batch, other_keys].

    Raises:
        ValueError: As `soft_cross_entropy`.
    """
    loss_ab = soft_cross_entropy(logits_ab, targets_ab, mask_ab)
    loss_ba = soft_cross_entropy(logits_ba, targets_ba, mask_ba, direction="b -> a")
    return PairLoss((loss_ab + loss_ba) / 2, loss_ab, loss_ba)

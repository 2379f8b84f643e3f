"""The hinge on the hardest negative of a batch: VSE++ (arXiv:1707.05612), and retrieval tuning in MoMu and MolFM."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from crossmod.objectives.info_nce import PairTerms
from crossmod.objectives.pairs.gathering import every_group, every_row
from crossmod.objectives.pairs.logits import cosine_logits
from crossmod.objectives.pairs.soft_targets import PairLoss
from crossmod_kernels.validation import check_groups


def hardest_negative_hinge(
    a: Float[Tensor, "batch dim"],
    b: Float[Tensor, "batch dim"],
    *,
    margin: float = 0.2,
    group: Int64[Tensor, "batch"] | None = None,
    reduction: Literal["sum", "mean"] = "sum",
) -> PairLoss:
    """L_ab + L_ba, L_ab = sum_i max_{j != i} [margin + c_ij - c_ii]_+ on cosines c (MolFM, released code: a sum).

    Only the hardest negative of a row has a gradient; rows of one group are no negatives, and a row without any
    negative, as in a batch of one, loses nothing. `reduction="mean"` divides both by the batch, which makes the loss
    comparable between batch sizes.

    Shape:
        a, b: [batch, dim]; pair i is positive; group: [batch].

    Raises:
        ValueError: The sides differ in number, the margin is not above 0, or as `cosine_logits`.
    """
    if a.shape != b.shape:
        raise ValueError(f"the sides have shapes {tuple(a.shape)} and {tuple(b.shape)}; a hinge scores pairs")
    check_groups(a, b, group, None)
    if not margin > 0:
        raise ValueError(f"the margin is {margin}; it is above 0 (0.2 in MolFM), or no negative is ever pushed")
    cosines = cosine_logits(a, b)
    own = torch.arange(len(a), device=a.device) if group is None else group
    negative = own[:, None] != own[None, :]
    loss_ab = _one_direction(cosines, negative, margin)
    loss_ba = _one_direction(cosines.t(), negative, margin)
    if reduction == "mean":
        loss_ab, loss_ba = loss_ab / len(a), loss_ba / len(a)
    return PairLoss(loss_ab + loss_ba, loss_ab, loss_ba)


def _one_direction(cosines: Tensor, negative: Tensor, margin: float) -> Tensor:
    alone = ~negative.any(1)
    # Where there is no negative the maximum is taken over all and dropped: not-a-numbers still show.
    hardest = cosines.masked_fill(~negative & ~alone[:, None], -torch.inf).max(1).values
    violation = (margin + hardest - cosines.diagonal()).clamp(min=0)
    return (violation * ~alone).sum()


class HardestNegativeHinge(nn.Module):
    """`hardest_negative_hinge` over the rows of all processes.

    Args:
        margin: By how much a pair has to beat its hardest negative.
        reduction: "sum" (MolFM) or "mean" over the batch.
    """

    def __init__(self, margin: float = 0.2, reduction: Literal["sum", "mean"] = "sum") -> None:
        super().__init__()
        self.margin, self.reduction = margin, reduction

    def forward(
        self, a: Float[Tensor, "batch dim"], b: Float[Tensor, "batch dim"], group: Int64[Tensor, "batch"] | None = None
    ) -> PairTerms:
        """Score the pairs of one batch."""
        groups = None if group is None else every_group(group, len(a), a.device)
        parts = hardest_negative_hinge(
            every_row(a), every_row(b), margin=self.margin, group=groups, reduction=self.reduction
        )
        return PairTerms(parts.loss, {name: value.detach() for name, value in parts._asdict().items()})
